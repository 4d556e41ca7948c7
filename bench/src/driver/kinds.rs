//! Figures by kind of request, of runs with several requests in turn.

use crate::client::connection::InFlight;
use crate::client::response::Answer;
use crate::driver::statuses::Statuses;
use crate::driver::tally::{Failure, Failures};
use hdrhistogram::Histogram;

/// Longest latency that is told apart, nanoseconds: an hour.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;

/// Figures of one kind, of requests that were due in the measured part.
#[derive(Clone, Debug)]
pub struct KindFigures {
    /// Answers by status code.
    pub statuses: Statuses,
    /// Failures, answers of 4xx and 5xx among them.
    pub failures: Failures,
    /// Latency of the others, nanoseconds with two significant digits; with those that timed out.
    pub latency: Histogram<u64>,
}

impl Default for KindFigures {
    fn default() -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 2);
        Self {
            statuses: Statuses::default(),
            failures: Failures::default(),
            latency: latency.expect("the bounds are constants that hdrhistogram accepts"),
        }
    }
}

impl KindFigures {
    /// Counts an answer that came at `now_ns`.
    pub fn answered(&mut self, request: InFlight, answer: Answer, now_ns: u64) {
        self.statuses.add(answer.status, 1);
        if answer.status >= 400 {
            self.failures.add(Failure::Status, 1);
        } else {
            self.latency.saturating_record(now_ns.saturating_sub(request.intended_ns));
        }
    }

    /// Counts a request that was given up at `now_ns`.
    pub fn failed(&mut self, request: InFlight, failure: Failure, now_ns: u64) {
        self.failures.add(failure, 1);
        if failure == Failure::Timeout {
            self.latency.saturating_record(now_ns.saturating_sub(request.intended_ns));
        }
    }

    /// Adds another one's figures.
    pub fn merge(&mut self, other: &Self) {
        self.statuses.merge(&other.statuses);
        self.failures.merge(&other.failures);
        self.latency.add(&other.latency).expect("all have the same bounds");
    }
}

/// Adds the figures of all kinds to `sum`, which has as many or none.
pub fn merge(sum: &mut Vec<KindFigures>, more: &[KindFigures]) {
    sum.resize_with(sum.len().max(more.len()), KindFigures::default);
    sum.iter_mut().zip(more).for_each(|(sum, more)| sum.merge(more));
}
