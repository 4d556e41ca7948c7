//! Records that no request brought: given to a worker, which logs them through its lane like any others.

use std::collections::VecDeque;

use crossbeam_channel::Sender;

use crate::app::background::Unlogged;

/// Records on their way into a lane.
pub struct Submission {
    /// Whole records.
    pub records: Vec<u8>,
    /// Told when they are committed and applied, or that they are not logged. Closed unheard if the worker ends first.
    pub reply: Sender<Result<(), Unlogged>>,
}

/// One worker's submissions.
#[derive(Default)]
pub struct Submissions {
    /// Those that are not in the lane yet.
    pub waiting: VecDeque<Submission>,
    /// Those that are, with the lane's position behind each.
    logged: VecDeque<(u64, Sender<Result<(), Unlogged>>)>,
}

impl Submissions {
    /// Notes that a submission's records are in the lane, which stands at `position` now.
    pub fn logged(&mut self, position: u64, reply: Sender<Result<(), Unlogged>>) {
        debug_assert!(self.logged.back().is_none_or(|(last, _)| *last <= position));
        self.logged.push_back((position, reply));
    }

    /// Answers those whose records the lane has committed up to `position`.
    #[inline]
    pub fn committed(&mut self, position: u64) {
        while self.logged.front().is_some_and(|(at, _)| *at <= position) {
            let Some((_, reply)) = self.logged.pop_front() else { break };
            // Fails if nobody waits for the answer any more.
            let _ = reply.send(Ok(()));
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::unbounded;

    use super::*;

    #[test]
    fn each_is_answered_when_its_own_records_are_committed() {
        let (mut submissions, (sender, receiver)) = (Submissions::default(), unbounded());
        for position in [3, 5, 5] {
            submissions.logged(position, sender.clone());
        }
        submissions.committed(2);
        assert!(receiver.is_empty());
        submissions.committed(3);
        assert_eq!(receiver.len(), 1);
        submissions.committed(9);
        assert_eq!(receiver.len(), 3);
        drop((sender, submissions));
        assert_eq!(receiver.iter().filter(Result::is_ok).count(), 3);
    }
}
