//! What committed commands came to, on the way from the committer to the worker that answers them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Outcomes of one worker's commands, by where each command's record ends in the lane. Empty while only short records are
/// written; the lock is held for a few moves.
#[derive(Default)]
pub struct Outcomes {
    queue: Mutex<VecDeque<(u64, u64)>>,
}

impl Outcomes {
    /// Notes what the command came to that ends at `position`; before that is published.
    pub fn add(&self, position: u64, outcome: u64) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back((position, outcome));
    }

    /// Takes the outcome of the command that ends at `position`, which is committed, and forgets those before it: a
    /// worker asks in the order of its lane.
    #[must_use]
    pub fn take(&self, position: u64) -> Option<u64> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while queue.front().is_some_and(|(at, _)| *at < position) {
            queue.pop_front();
        }
        let (_, outcome) = *queue.front().filter(|(at, _)| *at == position)?;
        queue.pop_front();
        Some(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_gets_its_own_and_what_nobody_asked_for_goes() {
        let outcomes = Outcomes::default();
        for position in [3, 6, 9] {
            outcomes.add(position, position * 10);
        }
        assert_eq!(outcomes.take(2), None, "not applied yet");
        assert_eq!(outcomes.take(6), Some(60));
        assert_eq!(outcomes.take(7), None);
        assert_eq!(outcomes.take(9), Some(90));
        assert!(outcomes.queue.lock().unwrap().is_empty());
    }
}
