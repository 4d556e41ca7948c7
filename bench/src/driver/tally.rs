//! What is counted while a run runs: per interval by each thread, added up by the collector.

use crate::client::connection::InFlight;
use crate::client::response::Answer;
use crate::driver::statuses::Statuses;
use hdrhistogram::Histogram;

/// Longest latency that is told apart, nanoseconds: an hour.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;

/// What went wrong with a request or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A connection could not be made.
    Connect,
    /// No answer within the time-out.
    Timeout,
    /// The connection was reset under a request.
    Reset,
    /// The server closed the connection under a request.
    Closed,
    /// Bytes that are no HTTP response, or a response to nothing.
    Garbage,
    /// An answer of 400 or above.
    Status,
    /// Due by the schedule, but no connection came free before the end.
    Unsent,
}

impl Failure {
    /// All kinds, in the order of their counters.
    pub const ALL: [Self; 7] =
        [Self::Connect, Self::Timeout, Self::Reset, Self::Closed, Self::Garbage, Self::Status, Self::Unsent];

    /// Name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Garbage => "garbage",
            Self::Status => "status",
            Self::Unsent => "unsent",
        }
    }
}

/// A counter for each kind of failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures([u64; 7]);

impl Failures {
    /// Counts `number` failures of one kind.
    pub fn add(&mut self, kind: Failure, number: u64) {
        self.0[kind as usize] += number;
    }

    /// Failures of one kind.
    #[must_use]
    pub const fn of(&self, kind: Failure) -> u64 {
        self.0[kind as usize]
    }

    /// Failures of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds another counter's figures.
    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}

/// An empty histogram of nanoseconds with three significant digits.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)
        .expect("the bounds are constants that hdrhistogram accepts")
}

/// Figures of one thread over one interval, or of all threads over a whole run.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Answers to measured requests, whatever their status.
    pub answers: u64,
    /// Those of them that came before the end of the measured part.
    pub answers_in_time: u64,
    /// Answers of 2xx to any request, the warm-up's too.
    pub acknowledged: u64,
    /// Requests handed to a socket, the warm-up's too.
    pub sent: u64,
    /// Connections made again after a close that was no failure.
    pub reconnects: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Failures.
    pub failures: Failures,
    /// Answers to measured requests by status code; they add up to `answers`.
    pub statuses: Statuses,
    /// From the intended time to the answer; in a closed loop from the sending.
    pub latency: Histogram<u64>,
    /// From the sending to the answer; only kept in an open loop, where it differs.
    pub uncorrected: Histogram<u64>,
    /// How much later than possible a request left: later than its intended time and than the first free connection.
    pub lag: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            answers: 0,
            answers_in_time: 0,
            acknowledged: 0,
            sent: 0,
            reconnects: 0,
            bytes_in: 0,
            bytes_out: 0,
            failures: Failures::default(),
            statuses: Statuses::default(),
            latency: histogram(),
            uncorrected: histogram(),
            lag: histogram(),
        }
    }
}

impl Tally {
    /// Adds the figures of another tally.
    pub fn merge(&mut self, other: &Self) {
        self.answers += other.answers;
        self.answers_in_time += other.answers_in_time;
        self.acknowledged += other.acknowledged;
        self.sent += other.sent;
        self.reconnects += other.reconnects;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.failures.merge(&other.failures);
        self.statuses.merge(&other.statuses);
        for (sum, more) in [
            (&mut self.latency, &other.latency),
            (&mut self.uncorrected, &other.uncorrected),
            (&mut self.lag, &other.lag),
        ] {
            if !more.is_empty() {
                sum.add(more).expect("all histograms of a run have the same bounds");
            }
        }
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        let Self { latency, uncorrected, lag, .. } = self;
        for histogram in [&mut *latency, &mut *uncorrected, &mut *lag] {
            if !histogram.is_empty() {
                histogram.reset();
            }
        }
        self.answers = 0;
        self.answers_in_time = 0;
        self.acknowledged = 0;
        self.sent = 0;
        self.reconnects = 0;
        self.bytes_in = 0;
        self.bytes_out = 0;
        self.failures = Failures::default();
        self.statuses.clear();
    }
}

/// One row of the time series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// Start of the interval since the start of the measured part, nanoseconds.
    pub start_ns: u64,
    /// Answers per second.
    pub rate: f64,
    /// Latency, nanoseconds.
    pub p50_ns: u64,
    /// Latency, nanoseconds.
    pub p99_ns: u64,
    /// Latency, nanoseconds.
    pub max_ns: u64,
    /// Failures.
    pub failures: Failures,
    /// Answers by status code.
    pub statuses: Statuses,
}

/// When answers count. Times are nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Requests intended before this belong to the warm-up.
    pub start_ns: u64,
    /// Answers after this come too late for the rate.
    pub end_ns: u64,
    /// Whether intended and sending times differ.
    pub is_open: bool,
}

impl Window {
    /// Counts an answer that came at `now_ns`.
    #[inline]
    pub fn answered(&self, tally: &mut Tally, request: InFlight, answer: Answer, now_ns: u64) {
        debug_assert!(now_ns >= request.sent_ns);
        tally.acknowledged += u64::from(answer.is_success());
        if request.intended_ns < self.start_ns {
            return;
        }
        tally.answers += 1;
        tally.answers_in_time += u64::from(now_ns <= self.end_ns);
        tally.statuses.add(answer.status, 1);
        if answer.status >= 400 {
            tally.failures.add(Failure::Status, 1);
        }
        self.took(tally, request, now_ns);
    }

    /// Counts a request that was not answered, at the time when it was given up.
    ///
    /// One that timed out also counts in the latency, with the time it was waited for: leaving it out would make the
    /// slowest requests improve the percentiles.
    pub fn failed(&self, tally: &mut Tally, request: InFlight, failure: Failure, now_ns: u64) {
        if request.intended_ns < self.start_ns {
            return;
        }
        tally.failures.add(failure, 1);
        if failure == Failure::Timeout {
            self.took(tally, request, now_ns);
        }
    }

    /// Takes a request into the latency that had no answer long after the end, with the time it was waited for.
    pub fn cut_off(&self, tally: &mut Tally, request: InFlight, now_ns: u64) {
        if request.intended_ns >= self.start_ns {
            self.took(tally, request, now_ns);
        }
    }

    /// Counts a request that the schedule wanted and that never left.
    pub fn unsent(&self, tally: &mut Tally, intended_ns: u64, now_ns: u64) {
        if intended_ns >= self.start_ns {
            tally.failures.add(Failure::Unsent, 1);
            tally.latency.saturating_record(now_ns.saturating_sub(intended_ns));
        }
    }

    #[inline]
    fn took(&self, tally: &mut Tally, request: InFlight, now_ns: u64) {
        tally.latency.saturating_record(now_ns.saturating_sub(request.intended_ns));
        if self.is_open {
            tally.uncorrected.saturating_record(now_ns.saturating_sub(request.sent_ns));
        }
    }
}

/// Which of a thread's requests were acknowledged: one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
}

impl Bitmap {
    /// Sets bit `at`.
    #[inline]
    pub fn set(&mut self, at: u64) {
        let word = (at / 64) as usize;
        if word >= self.words.len() {
            self.words.resize((word + 1).max(self.words.len() * 2), 0);
        }
        self.words[word] |= 1 << (at % 64);
    }

    /// Whether bit `at` is set.
    #[must_use]
    pub fn is_set(&self, at: u64) -> bool {
        self.words.get((at / 64) as usize).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// Number of set bits.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The set bits in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.words.iter().enumerate().flat_map(|(word, &bits)| {
            (0..64).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| word as u64 * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { start_ns: 1_000, end_ns: 9_000, is_open: true };
    const OK: Answer = Answer { status: 200, keep_alive: true };

    fn asked(intended_ns: u64, sent_ns: u64) -> InFlight {
        InFlight { intended_ns, sent_ns, number: 0 }
    }

    #[test]
    fn answers_by_table() {
        // (intended, sent, status, now) -> (answers, in time, acknowledged, failures, latency, uncorrected)
        for (intended, sent, status, now, expected) in [
            (2_000, 2_500, 200, 3_000, (1, 1, 1, 0, 1_000, 500)),
            (999, 2_000, 200, 3_000, (0, 0, 1, 0, 0, 0)),
            (2_000, 2_000, 404, 3_000, (1, 1, 0, 1, 1_000, 1_000)),
            (2_000, 2_000, 200, 9_500, (1, 0, 1, 0, 7_500, 7_500)),
            (2_000, 2_000, 302, 3_000, (1, 1, 0, 0, 1_000, 1_000)),
        ] {
            let mut tally = Tally::default();
            WINDOW.answered(&mut tally, asked(intended, sent), Answer { status, ..OK }, now);
            let about = |h: &Histogram<u64>| (h.max() as f64 / 50.0).round() as u64 * 50;
            let seen = (
                tally.answers,
                tally.answers_in_time,
                tally.acknowledged,
                tally.failures.total(),
                about(&tally.latency),
                about(&tally.uncorrected),
            );
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn a_timeout_is_in_the_latency_and_a_reset_is_not() {
        let mut tally = Tally::default();
        WINDOW.failed(&mut tally, asked(2_000, 2_000), Failure::Timeout, 7_000);
        WINDOW.failed(&mut tally, asked(2_000, 2_000), Failure::Reset, 7_000);
        WINDOW.unsent(&mut tally, 2_000, 8_000);
        WINDOW.unsent(&mut tally, 500, 8_000);
        assert_eq!(tally.latency.len(), 2);
        assert_eq!(tally.failures.of(Failure::Timeout), 1);
        assert_eq!(tally.failures.of(Failure::Unsent), 1);
        assert_eq!(tally.failures.total(), 3);
    }

    #[test]
    fn merging_adds_and_clearing_forgets() {
        let mut one = Tally::default();
        WINDOW.answered(&mut one, asked(2_000, 2_000), OK, 3_000);
        let mut sum = one.clone();
        sum.merge(&one);
        assert_eq!((sum.answers, sum.latency.len()), (2, 2));
        sum.clear();
        assert_eq!((sum.answers, sum.latency.len(), sum.failures.total()), (0, 0, 0));
    }

    #[test]
    fn bitmaps() {
        let mut bitmap = Bitmap::default();
        for at in [0, 63, 64, 1_000_000, 64] {
            bitmap.set(at);
        }
        assert_eq!(bitmap.iter().collect::<Vec<_>>(), [0, 63, 64, 1_000_000]);
        assert_eq!(bitmap.count(), 4);
        assert!(bitmap.is_set(63) && !bitmap.is_set(62) && !bitmap.is_set(u64::MAX));
    }
}
