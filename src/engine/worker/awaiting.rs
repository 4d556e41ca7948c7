//! Answers at `both` or `cluster` that are committed on this host and wait for the peer, or for the log in its place.

use std::collections::VecDeque;

use super::held::Held;
use crate::base::ids::Seq;

/// One answer, or a run of usual ones.
pub struct Waiter {
    /// The record of this host's stream that the peer must have.
    pub seq: Seq,
    /// The journal position that this host's disk must have; a server at `memory` does not have it by the commit.
    pub position: u64,
    /// When its time is up, microseconds of the worker's clock.
    pub due_us: u64,
    /// The answer.
    pub held: Held,
}

/// The answers of one worker, in the order of their commits. That is also the order of all that they wait for.
#[derive(Default)]
pub struct Awaiting {
    queue: VecDeque<Waiter>,
    requests: usize,
}

impl Awaiting {
    /// Adds an answer; what it waits for is never less than what the last one does.
    pub fn push(&mut self, waiter: Waiter) {
        debug_assert!(
            self.queue.back().is_none_or(|last| last.seq <= waiter.seq && last.due_us <= waiter.due_us)
        );
        self.requests += waiter.held.count as usize;
        self.queue.push_back(waiter);
    }

    /// Returns the one that is answered next.
    #[inline]
    #[must_use]
    pub fn first(&self) -> Option<&Waiter> {
        self.queue.front()
    }

    /// Takes the one that is answered next.
    pub fn pop(&mut self) -> Option<Waiter> {
        let waiter = self.queue.pop_front()?;
        self.requests -= waiter.held.count as usize;
        Some(waiter)
    }

    /// Requests that wait.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests
    }
}
