//! The first requests of a closed loop: connection after connection, so that they don't ask in one burst for ever.

use crate::scenario::{Load, Scenario};

/// Time over which the connections start, at most.
const STAGGER_NS_MAX: u64 = 20_000_000;

/// The connections of one thread, as far as they have had their first request.
pub(super) struct Stagger {
    started: usize,
    all: usize,
    /// Time over which the connections of all threads start.
    span_ns: u64,
    thread: usize,
    threads: usize,
    connections: usize,
}

impl Stagger {
    /// Returns those of `thread`, which has `lines`; in an open loop all have started, since the schedule says who asks.
    pub(super) fn of(scenario: &Scenario, thread: usize, lines: usize) -> Self {
        Self {
            started: if scenario.load == Load::Closed { 0 } else { lines },
            all: lines,
            span_ns: STAGGER_NS_MAX.min(scenario.duration_ns / 50),
            thread,
            threads: scenario.threads,
            connections: scenario.connections,
        }
    }

    /// Returns when the next connection starts, nanoseconds of the run; nothing once all have.
    #[inline]
    pub(super) fn next_ns(&self) -> Option<u64> {
        let place = (self.started * self.threads + self.thread) as u64;
        (self.started < self.all).then(|| self.span_ns * place / self.connections as u64)
    }

    /// Takes the next connection.
    pub(super) fn take(&mut self) -> usize {
        self.started += 1;
        self.started - 1
    }

    /// Returns whether a connection may ask by now.
    #[inline]
    pub(super) fn has_started(&self, at: usize) -> bool {
        at < self.started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_all_threads_start_in_turn() {
        let of =
            |thread, all| Stagger { started: 0, all, span_ns: 5_000, thread, threads: 2, connections: 5 };
        let mut starts = Vec::new();
        for mut stagger in [of(0, 3), of(1, 2)] {
            while let Some(next_ns) = stagger.next_ns() {
                let at = stagger.take();
                assert!(stagger.has_started(at) && !stagger.has_started(at + 1));
                starts.push(next_ns);
            }
        }
        starts.sort_unstable();
        assert_eq!(starts, [0, 1_000, 2_000, 3_000, 4_000]);
    }
}
