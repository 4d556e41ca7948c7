//! When each request of an open loop should leave: a pure function of the elapsed time and of what was sent.
//!
//! A request's *intended* time is fixed by the schedule alone. A target that stalls, or a generator that comes late,
//! moves the moment of sending but never the schedule, so the wait is in the latency of every request that waited.

use crate::scenario::random::Random;

/// Requests that are passed over one by one.
const ONE_BY_ONE_MAX: u64 = 1_000_000;
/// Parts in which more of them are passed over, each with one time.
const SLICES: u64 = 1_000;

/// How the gaps between requests are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// All gaps are equal.
    Constant,
    /// Exponential gaps: independent users; twice the mean rate for a moment is normal.
    Poisson,
}

/// What the pacer wants now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A request is due; it should have left at this time.
    Due {
        /// Nanoseconds since the start of the run.
        intended_ns: u64,
    },
    /// Nothing is due before this time.
    At {
        /// Nanoseconds since the start of the run.
        next_ns: u64,
    },
    /// The schedule has no more requests.
    Done,
}

/// The schedule of one thread: one of `threads` equal shares of the whole rate.
#[derive(Clone, Debug)]
pub struct Pacer {
    gap_ns: f64,
    first_ns: f64,
    end_ns: u64,
    arrivals: Arrivals,
    sent: u64,
    next_ns: f64,
    random: Random,
}

impl Pacer {
    /// Returns a schedule from `start_ns` (inclusive) to `end_ns` (exclusive) for thread `index` of `threads`.
    ///
    /// The threads' constant schedules interleave: thread 1 of 2 sends halfway between two requests of thread 0.
    #[must_use]
    pub fn new(
        rate: f64,
        arrivals: Arrivals,
        start_ns: u64,
        end_ns: u64,
        index: usize,
        threads: usize,
    ) -> Self {
        assert!(rate > 0.0 && rate.is_finite(), "a rate is positive");
        assert!(index < threads, "a thread has a place among the threads");
        let whole_gap_ns = 1e9 / rate;
        let gap_ns = whole_gap_ns * threads as f64;
        let mut random = Random::new(0x5EED ^ ((index as u64) << 32));
        let first_ns = start_ns as f64
            + match arrivals {
                Arrivals::Constant => whole_gap_ns * index as f64,
                Arrivals::Poisson => random.exponential(gap_ns),
            };
        Self { gap_ns, first_ns, end_ns, arrivals, sent: 0, next_ns: first_ns, random }
    }

    /// Returns what is to do at `now_ns`. Says the same until [`Pacer::sent`] is called.
    #[inline]
    #[must_use]
    pub fn pace(&self, now_ns: u64) -> Pace {
        let next_ns = self.next_ns as u64;
        if next_ns >= self.end_ns {
            Pace::Done
        } else if next_ns <= now_ns {
            Pace::Due { intended_ns: next_ns }
        } else {
            Pace::At { next_ns }
        }
    }

    /// Takes note that the request which was due has left.
    #[inline]
    pub fn sent(&mut self) {
        self.sent += 1;
        self.next_ns = match self.arrivals {
            // From the start each time: adding up gaps would add up their rounding.
            Arrivals::Constant => self.first_ns + self.gap_ns * self.sent as f64,
            Arrivals::Poisson => self.next_ns + self.random.exponential(self.gap_ns),
        };
    }

    /// Passes over all requests that are due before `until_ns`, `most` of them at most, and calls `on_due` with an intended
    /// time and the number of requests that it stands for; returns their number.
    ///
    /// Of more than a million the times are not drawn one by one: a schedule that nobody can keep has billions of them.
    pub fn skip(&mut self, until_ns: u64, most: u64, mut on_due: impl FnMut(u64, u64)) -> u64 {
        let mut skipped = 0;
        let span_ns = until_ns.min(self.end_ns) as f64 - self.next_ns;
        let rest = (span_ns / self.gap_ns).min(most as f64) as u64;
        if rest > ONE_BY_ONE_MAX {
            let from_ns = self.next_ns;
            for slice in 0..SLICES {
                let number = rest / SLICES + u64::from(slice < rest % SLICES);
                let middle = skipped as f64 + number as f64 / 2.0;
                on_due((from_ns + self.gap_ns * middle) as u64, number);
                skipped += number;
            }
            self.sent += skipped;
            self.next_ns = from_ns + self.gap_ns * skipped as f64;
        }
        while skipped < most && (self.next_ns as u64) < until_ns.min(self.end_ns) {
            on_due(self.next_ns as u64, 1);
            self.sent();
            skipped += 1;
        }
        skipped
    }

    /// Ends the schedule at `end_ns`, for a run that is interrupted.
    pub fn stop(&mut self, end_ns: u64) {
        self.end_ns = self.end_ns.min(end_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(mut pacer: Pacer) -> Vec<u64> {
        let mut times = Vec::new();
        while let Pace::Due { intended_ns } = pacer.pace(u64::MAX) {
            times.push(intended_ns);
            pacer.sent();
        }
        times
    }

    #[test]
    fn constant_by_table() {
        for (rate, start, end, index, threads, expected) in [
            (1_000.0, 0, 3_000_000, 0, 1, vec![0, 1_000_000, 2_000_000]),
            (1_000.0, 500, 2_000_500, 0, 1, vec![500, 1_000_500]),
            (1_000.0, 0, 4_000_000, 0, 2, vec![0, 2_000_000]),
            (1_000.0, 0, 4_000_000, 1, 2, vec![1_000_000, 3_000_000]),
            (0.5, 0, 1_000_000_000, 0, 1, vec![0]),
            (1_000.0, 5, 5, 0, 1, vec![]),
        ] {
            assert_eq!(schedule(Pacer::new(rate, Arrivals::Constant, start, end, index, threads)), expected);
        }
    }

    #[test]
    fn says_when_nothing_is_due() {
        let mut pacer = Pacer::new(1_000.0, Arrivals::Constant, 0, 2_000_000, 0, 1);
        assert_eq!(pacer.pace(0), Pace::Due { intended_ns: 0 });
        assert_eq!(pacer.pace(0), Pace::Due { intended_ns: 0 }, "asking changes nothing");
        pacer.sent();
        assert_eq!(pacer.pace(10), Pace::At { next_ns: 1_000_000 });
        pacer.sent();
        assert_eq!(pacer.pace(u64::MAX), Pace::Done);
    }

    #[test]
    fn late_requests_keep_their_intended_times() {
        let mut pacer = Pacer::new(1_000.0, Arrivals::Constant, 0, 10_000_000, 0, 1);
        for k in 0..5u64 {
            assert_eq!(pacer.pace(9_000_000), Pace::Due { intended_ns: k * 1_000_000 });
            pacer.sent();
        }
    }

    #[test]
    fn a_long_constant_schedule_does_not_drift() {
        let times = schedule(Pacer::new(333_333.0, Arrivals::Constant, 0, 3_000_000_000, 0, 1));
        assert_eq!(times.len(), 999_999);
        let exact = 999_998.0 * 1e9 / 333_333.0;
        assert!((times[999_998] as f64 - exact).abs() < 2.0);
    }

    #[test]
    fn threads_share_the_rate() {
        let total: usize = (0..3)
            .map(|t| schedule(Pacer::new(10_000.0, Arrivals::Constant, 0, 1_000_000_000, t, 3)).len())
            .sum();
        assert_eq!(total, 10_000);
    }

    #[test]
    fn poisson_has_its_rate_and_its_spread() {
        let times = schedule(Pacer::new(10_000.0, Arrivals::Poisson, 0, 10_000_000_000, 0, 1));
        assert!((98_500..101_500).contains(&times.len()), "{}", times.len());
        let gaps: Vec<f64> = times.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.03, "an exponential's deviation is its mean");
    }

    #[test]
    fn passing_over_counts_as_one_by_one_would() {
        for (arrivals, rate, until, most, expected) in [
            (Arrivals::Constant, 1_000.0, 3_500_000, u64::MAX, 4),
            (Arrivals::Constant, 1_000.0, 3_500_000, 2, 2),
            (Arrivals::Constant, 1_000.0, u64::MAX, u64::MAX, 10_000),
            (Arrivals::Constant, 100e6, 10_000_000_000, u64::MAX, 1_000_000_000),
            (Arrivals::Constant, 100e6, 10_000_000_000, 5_000_007, 5_000_007),
            (Arrivals::Poisson, 100e6, 10_000_000_000, u64::MAX, 1_000_000_000),
        ] {
            let mut pacer = Pacer::new(rate, arrivals, 0, 10_000_000_000, 0, 1);
            let (mut sum, mut last_ns) = (0, 0);
            let skipped = pacer.skip(until, most, |intended_ns, number| {
                assert!(intended_ns >= last_ns && intended_ns < until);
                (sum, last_ns) = (sum + number, intended_ns);
            });
            assert!(sum == skipped && skipped.abs_diff(expected) <= expected / 10_000, "{rate}: {skipped}");
            assert_eq!(pacer.skip(until, most.saturating_sub(skipped), |_, _| {}), 0);
        }
    }

    #[test]
    fn stopping_only_shortens() {
        let mut pacer = Pacer::new(1_000.0, Arrivals::Constant, 0, 10_000_000, 0, 1);
        pacer.stop(2_000_000);
        pacer.stop(5_000_000);
        assert_eq!(schedule(pacer), [0, 1_000_000]);
    }
}
