//! An open loop's schedule, and the connections that may take a request of it.

use crate::scenario::pacer::{Pace, Pacer};
use crate::scenario::{Load, Scenario};
use std::collections::VecDeque;

/// What one thread of an open loop has to send, and on what.
pub(super) struct Schedule {
    pacer: Pacer,
    /// Requests per second that each thread has to send.
    thread_rate: f64,
    /// Connections that may take a request, the longest idle first.
    free: VecDeque<usize>,
    /// For each connection, whether it is among them.
    is_free: Vec<bool>,
    /// When `free` last stopped being empty.
    free_since_ns: u64,
}

impl Schedule {
    /// Returns the schedule of `thread`, which has `connections`; nothing for a closed loop.
    pub(super) fn of(scenario: &Scenario, thread: usize, connections: usize) -> Option<Self> {
        let Load::Open { rate, arrivals } = scenario.load else { return None };
        Some(Self {
            pacer: Pacer::new(rate, arrivals, 0, scenario.end_ns(), thread, scenario.threads),
            thread_rate: rate / scenario.threads as f64,
            free: VecDeque::with_capacity(connections),
            is_free: vec![false; connections],
            free_since_ns: 0,
        })
    }

    /// Returns when the next request should have left, if that is in the past.
    #[inline]
    pub(super) fn due(&self, now_ns: u64) -> Option<u64> {
        match self.pacer.pace(now_ns) {
            Pace::Due { intended_ns } => Some(intended_ns),
            Pace::At { .. } | Pace::Done => None,
        }
    }

    /// Returns until when there is nothing to send, at most `until_ns`. Without a free connection only an answer makes something
    /// to send; with one, the caller must be exact.
    pub(super) fn idle_until(&self, now_ns: u64, until_ns: u64) -> Option<u64> {
        if self.free.is_empty() {
            return None;
        }
        Some(match self.pacer.pace(now_ns) {
            Pace::Due { .. } => now_ns,
            Pace::At { next_ns } => until_ns.min(next_ns),
            Pace::Done => until_ns,
        })
    }

    /// Takes the connection that has been free longest, and gives the number of requests that it is to send when the schedule is
    /// `behind_ns` late: far behind, its share of the backlog in one write; on time, one.
    #[inline]
    pub(super) fn take_free(&mut self, behind_ns: u64) -> Option<(usize, u64)> {
        let at = self.free.pop_front()?;
        self.is_free[at] = false;
        let behind = behind_ns as f64 * self.thread_rate / 1e9;
        Some((at, (behind as u64 / (self.free.len() as u64 + 1)).max(1)))
    }

    /// Puts a connection behind the others that may take a request.
    #[inline]
    pub(super) fn put_free(&mut self, at: usize, now_ns: u64) {
        if std::mem::replace(&mut self.is_free[at], true) {
            return;
        }
        if self.free.is_empty() {
            self.free_since_ns = now_ns;
        }
        self.free.push_back(at);
    }

    /// Takes a connection out that was closed.
    pub(super) fn remove(&mut self, at: usize) {
        if std::mem::take(&mut self.is_free[at]) {
            self.free.retain(|&free| free != at);
        }
    }

    /// Takes note that the request which was due has left; gives how much later than possible that was, nanoseconds.
    #[inline]
    pub(super) fn sent(&mut self, intended_ns: u64, now_ns: u64) -> u64 {
        self.pacer.sent();
        now_ns.saturating_sub(intended_ns.max(self.free_since_ns))
    }

    /// Returns whether no connection is free, so that what is due waits for one.
    pub(super) fn has_no_connection(&self) -> bool {
        self.free.is_empty()
    }

    /// Ends the schedule at `end_ns`.
    pub(super) fn stop(&mut self, end_ns: u64) {
        self.pacer.stop(end_ns);
    }

    /// Passes over what never left by `now_ns`: all of the warm-up, which ends at `start_ns`, and `most` requests behind it, for
    /// which `on_due` is called with an intended time and a number of requests. Returns their number.
    pub(super) fn pass_over(
        &mut self,
        start_ns: u64,
        now_ns: u64,
        most: u64,
        on_due: impl FnMut(u64, u64),
    ) -> u64 {
        self.pacer.skip(start_ns.min(now_ns), u64::MAX, |_, _| {});
        self.pacer.skip(now_ns, most, on_due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::pacer::Arrivals;

    /// Half of 2,000 requests per second on three connections: one a millisecond.
    fn schedule() -> Schedule {
        Schedule {
            pacer: Pacer::new(2_000.0, Arrivals::Constant, 0, 1_000_000_000, 0, 2),
            thread_rate: 1_000.0,
            free: VecDeque::new(),
            is_free: vec![false; 3],
            free_since_ns: 0,
        }
    }

    #[test]
    fn the_longest_free_connection_takes_its_share_of_the_backlog() {
        let mut schedule = schedule();
        [0, 1, 2, 1].into_iter().for_each(|at| schedule.put_free(at, 0));
        assert_eq!(schedule.take_free(0), Some((0, 1)), "on time it is one request");
        assert_eq!(schedule.take_free(20_000_000), Some((1, 10)), "20 are due, and another one is free");
        schedule.remove(2);
        assert_eq!(schedule.take_free(0), None);
        schedule.remove(2);
        schedule.put_free(2, 0);
        assert_eq!(schedule.take_free(20_000_000), Some((2, 20)));
    }

    #[test]
    fn the_lag_counts_from_when_a_connection_came_free() {
        let mut schedule = schedule();
        assert_eq!(schedule.idle_until(0, 9), None, "no connection is free");
        schedule.put_free(0, 3_500_000);
        assert_eq!((schedule.due(0), schedule.sent(0, 4_000_000)), (Some(0), 500_000));
        assert_eq!(
            (schedule.due(4_000_000), schedule.idle_until(0, u64::MAX)),
            (Some(1_000_000), Some(1_000_000))
        );
        assert_eq!(schedule.idle_until(2_000_000, u64::MAX), Some(2_000_000), "it is due");
        let mut passed_over = 0;
        assert_eq!(schedule.pass_over(2_000_000, 9_500_000, 5, |_, number| passed_over += number), 5);
        assert_eq!((passed_over, schedule.due(u64::MAX)), (5, Some(7_000_000)));
    }
}
