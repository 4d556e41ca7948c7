//! What is counted while a run runs: per interval by each thread, added up by the collector.
//!
//! The measured part lies between the warm-up and the end of the load. Counts and latencies are of the *requests* that were due
//! in it, whenever their answers come; what is per second (rates, bytes) is of its *time*.

use crate::client::connection::InFlight;
use crate::client::response::Answer;
use crate::driver::bands::Bands;
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
    /// On a connection that was given up because an earlier request on it timed out.
    Dropped,
    /// Bytes that are no HTTP response, or a response to nothing.
    Garbage,
    /// An answer of 400 or above.
    Status,
    /// Due by the schedule, but no connection came free before the end.
    Unsent,
}

impl Failure {
    /// All kinds, in the order of their counters.
    pub const ALL: [Self; 8] = [
        Self::Connect,
        Self::Timeout,
        Self::Reset,
        Self::Closed,
        Self::Dropped,
        Self::Garbage,
        Self::Status,
        Self::Unsent,
    ];

    /// Returns its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Closed => "closed",
            Self::Dropped => "dropped",
            Self::Garbage => "garbage",
            Self::Status => "status",
            Self::Unsent => "unsent",
        }
    }
}

/// A counter for each kind of failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures([u64; Failure::ALL.len()]);

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

    /// Failures that are answers or ends of connections: not those that never left because a target was slow.
    #[must_use]
    pub fn of_sent(&self) -> u64 {
        self.total() - self.of(Failure::Unsent)
    }

    /// Adds another counter's figures.
    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}

/// Returns an empty histogram of nanoseconds with three significant digits.
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
    /// Answers that came within the measured part, those to requests of the warm-up too.
    pub answers_in_time: u64,
    /// Those of them that are no errors: below 400.
    pub successes_in_time: u64,
    /// Answers of 2xx to measured requests.
    pub acknowledged: u64,
    /// Answers of 2xx to any request, the warm-up's too.
    pub acknowledged_ever: u64,
    /// Measured requests handed to a socket.
    pub sent: u64,
    /// Connections made again within the measured part after a close that was no failure.
    pub reconnects: u64,
    /// Bytes read within the measured part.
    pub bytes_in: u64,
    /// Bytes written within the measured part.
    pub bytes_out: u64,
    /// Failures.
    pub failures: Failures,
    /// Answers to measured requests by status code; they add up to `answers`.
    pub statuses: Statuses,
    /// From the intended time to the answer; in a closed loop from the sending. Answers of 400 and above are not in it, what
    /// timed out, was cut off or never sent is, with the time it was waited for.
    pub latency: Histogram<u64>,
    /// The same of the answers of 400 and above.
    pub error_latency: Histogram<u64>,
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
            successes_in_time: 0,
            acknowledged: 0,
            acknowledged_ever: 0,
            sent: 0,
            reconnects: 0,
            bytes_in: 0,
            bytes_out: 0,
            failures: Failures::default(),
            statuses: Statuses::default(),
            latency: histogram(),
            error_latency: histogram(),
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
        self.successes_in_time += other.successes_in_time;
        self.acknowledged += other.acknowledged;
        self.acknowledged_ever += other.acknowledged_ever;
        self.sent += other.sent;
        self.reconnects += other.reconnects;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.failures.merge(&other.failures);
        self.statuses.merge(&other.statuses);
        for (sum, more) in [
            (&mut self.latency, &other.latency),
            (&mut self.error_latency, &other.error_latency),
            (&mut self.uncorrected, &other.uncorrected),
            (&mut self.lag, &other.lag),
        ] {
            if !more.is_empty() {
                sum.add(more).expect("all histograms of a run have the same bounds");
            }
        }
    }
}

/// One row of the time series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// Start of the interval since the start of the measured part, nanoseconds.
    pub start_ns: u64,
    /// Its length, nanoseconds; the last one may be shorter than the others.
    pub length_ns: u64,
    /// Answers per second that are no errors.
    pub rate: f64,
    /// Latency, nanoseconds.
    pub p50_ns: u64,
    /// Latency, nanoseconds.
    pub p99_ns: u64,
    /// Latency, nanoseconds.
    pub max_ns: u64,
    /// The spread of the latency.
    pub bands: Bands,
    /// Failures.
    pub failures: Failures,
    /// Answers by status code.
    pub statuses: Statuses,
}

impl Point {
    /// Adds the interval that follows. Of percentiles, which can't be added up, the higher one stays.
    pub fn absorb(&mut self, next: &Self) {
        let seconds = |point: &Self| point.length_ns as f64 / 1e9;
        let successes = self.rate * seconds(self) + next.rate * seconds(next);
        self.length_ns += next.length_ns;
        self.rate = successes / seconds(self).max(f64::MIN_POSITIVE);
        self.p50_ns = self.p50_ns.max(next.p50_ns);
        self.p99_ns = self.p99_ns.max(next.p99_ns);
        self.max_ns = self.max_ns.max(next.max_ns);
        self.bands.merge(&next.bands);
        self.failures.merge(&next.failures);
        self.statuses.merge(&next.statuses);
    }
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
    /// Returns true within the measured part.
    #[inline]
    #[must_use]
    pub fn holds(&self, now_ns: u64) -> bool {
        now_ns >= self.start_ns && now_ns <= self.end_ns
    }

    /// Returns true for a request that was due in the measured part, whenever its answer comes.
    #[inline]
    #[must_use]
    pub fn counts(&self, intended_ns: u64) -> bool {
        intended_ns >= self.start_ns
    }

    /// Counts an answer that came at `now_ns`.
    #[inline]
    pub fn answered(&self, tally: &mut Tally, request: InFlight, answer: Answer, now_ns: u64) {
        debug_assert!(now_ns >= request.sent_ns);
        tally.acknowledged_ever += u64::from(answer.is_success());
        let is_in_time = u64::from(self.holds(now_ns));
        tally.answers_in_time += is_in_time;
        tally.successes_in_time += is_in_time * u64::from(answer.status < 400);
        if !self.counts(request.intended_ns) {
            return;
        }
        tally.answers += 1;
        tally.statuses.add(answer.status, 1);
        if answer.status >= 400 {
            tally.failures.add(Failure::Status, 1);
            tally.error_latency.saturating_record(now_ns.saturating_sub(request.intended_ns));
            return;
        }
        tally.acknowledged += u64::from(answer.is_success());
        self.took(tally, request, now_ns);
    }

    /// Counts a request that was not answered, at the time when it was given up.
    ///
    /// One that timed out also counts in the latency, with the time it was waited for: leaving it out would make the
    /// slowest requests improve the percentiles.
    pub fn failed(&self, tally: &mut Tally, request: InFlight, failure: Failure, now_ns: u64) {
        if !self.counts(request.intended_ns) {
            return;
        }
        tally.failures.add(failure, 1);
        if failure == Failure::Timeout {
            self.took(tally, request, now_ns);
        }
    }

    /// Takes a request into the latency that had no answer long after the end, with the time it was waited for; returns whether
    /// it counts.
    pub fn cut_off(&self, tally: &mut Tally, request: InFlight, now_ns: u64) -> bool {
        let does_count = self.counts(request.intended_ns);
        if does_count {
            self.took(tally, request, now_ns);
        }
        does_count
    }

    /// Counts `number` requests that the schedule wanted about `intended_ns` and that never left.
    pub fn unsent(&self, tally: &mut Tally, intended_ns: u64, number: u64, now_ns: u64) {
        if self.counts(intended_ns) {
            tally.failures.add(Failure::Unsent, number);
            let waited_ns = now_ns.saturating_sub(intended_ns);
            tally.latency.saturating_record_n(waited_ns, number);
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

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { start_ns: 1_000, end_ns: 9_000, is_open: true };
    const OK: Answer = Answer { status: 200, keep_alive: true };

    fn asked(intended_ns: u64, sent_ns: u64) -> InFlight {
        InFlight { intended_ns, sent_ns, ..InFlight::default() }
    }

    #[test]
    fn answers_by_table() {
        // (intended, sent, status, now) -> (answers, in time, successes in time, acknowledged, failures), (latency, its
        // uncorrected part, latency of errors)
        for (intended, sent, status, now, counts, times) in [
            (2_000, 2_500, 200, 3_000, (1, 1, 1, 1, 0), (1_000, 500, 0)),
            (999, 2_000, 200, 3_000, (0, 1, 1, 0, 0), (0, 0, 0)),
            (900, 900, 200, 999, (0, 0, 0, 0, 0), (0, 0, 0)),
            (999, 2_000, 500, 3_000, (0, 1, 0, 0, 0), (0, 0, 0)),
            (2_000, 2_000, 404, 3_000, (1, 1, 0, 0, 1), (0, 0, 1_000)),
            (2_000, 2_000, 500, 9_500, (1, 0, 0, 0, 1), (0, 0, 7_500)),
            (2_000, 2_000, 200, 9_500, (1, 0, 0, 1, 0), (7_500, 7_500, 0)),
            (2_000, 2_000, 302, 3_000, (1, 1, 1, 0, 0), (1_000, 1_000, 0)),
        ] {
            let mut tally = Tally::default();
            WINDOW.answered(&mut tally, asked(intended, sent), Answer { status, ..OK }, now);
            let about = |h: &Histogram<u64>| (h.max() as f64 / 50.0).round() as u64 * 50;
            let counted = (
                tally.answers,
                tally.answers_in_time,
                tally.successes_in_time,
                tally.acknowledged,
                tally.failures.total(),
            );
            let timed = (about(&tally.latency), about(&tally.uncorrected), about(&tally.error_latency));
            assert_eq!((counted, timed), (counts, times));
            assert_eq!(tally.acknowledged_ever, u64::from(status == 200));
        }
    }

    #[test]
    fn a_timeout_is_in_the_latency_and_a_reset_is_not() {
        let mut tally = Tally::default();
        WINDOW.failed(&mut tally, asked(2_000, 2_000), Failure::Timeout, 7_000);
        WINDOW.failed(&mut tally, asked(2_000, 2_000), Failure::Reset, 7_000);
        WINDOW.failed(&mut tally, asked(2_000, 2_000), Failure::Dropped, 7_000);
        WINDOW.unsent(&mut tally, 2_000, 3, 8_000);
        WINDOW.unsent(&mut tally, 500, 1, 8_000);
        assert_eq!(tally.latency.len(), 4);
        assert_eq!(tally.failures.of(Failure::Timeout), 1);
        assert_eq!(tally.failures.of(Failure::Unsent), 3);
        assert_eq!(tally.failures.total(), 6);
        assert!(!WINDOW.cut_off(&mut tally, asked(999, 2_000), 9_900) && tally.latency.len() == 4);
    }

    #[test]
    fn merging_adds() {
        let mut one = Tally::default();
        WINDOW.answered(&mut one, asked(2_000, 2_000), OK, 3_000);
        let mut sum = one.clone();
        sum.merge(&one);
        assert_eq!((sum.answers, sum.latency.len()), (2, 2));
    }
}
