//! Starts: which processes of a data directory were met. One that comes back after a later one runs on a copy, unless the
//! later one is gone.

use std::collections::VecDeque;

use crate::base::ids::{Inc, NodeId};

/// How many are remembered.
const REMEMBERED_MAX: usize = 64;
/// A process that was not heard of for so long has ended, microseconds: one that runs tries again every few seconds.
const GONE_US: u64 = 60_000_000;

struct Met {
    node: NodeId,
    inc: Inc,
    /// When it was connected or tried last, microseconds; the largest number while it is connected.
    seen_us: u64,
}

impl Met {
    fn is(&self, node: NodeId, inc: Inc) -> bool {
        (self.node, self.inc) == (node, inc)
    }

    fn is_gone(&self, now_us: u64) -> bool {
        self.seen_us != u64::MAX && now_us >= self.seen_us + GONE_US
    }
}

/// Processes in the order in which they were first met, or came back.
#[derive(Default)]
pub struct Starts {
    met: VecDeque<Met>,
}

impl Starts {
    /// Returns whether a later process of the same directory was met than this one, which has not ended then: a directory is
    /// locked by the process that runs on it, so there are two of it. The later one stands for the directory until
    /// nothing was heard of it for a minute.
    #[must_use]
    pub fn is_former(&self, node: NodeId, inc: Inc, now_us: u64) -> bool {
        let Some(at) = self.met.iter().position(|met| met.is(node, inc)) else { return false };
        self.met.iter().skip(at + 1).any(|later| later.node == node && !later.is_gone(now_us))
    }

    /// Notes that a process is connected.
    pub fn meet(&mut self, node: NodeId, inc: Inc, now_us: u64) {
        let last = self.met.iter().rposition(|met| met.node == node);
        let known = self.met.iter().position(|met| met.is(node, inc));
        match known {
            Some(at) if Some(at) == last || self.is_former(node, inc, now_us) => {
                self.met[at].seen_us = u64::MAX;
            }
            _ => {
                // One that came back when those after it were gone is the latest again.
                known.and_then(|at| self.met.remove(at));
                if self.met.len() >= REMEMBERED_MAX {
                    self.met.pop_front();
                }
                self.met.push_back(Met { node, inc, seen_us: u64::MAX });
            }
        }
    }

    /// Notes that a process was there until now, and is not connected any more.
    pub fn part(&mut self, node: NodeId, inc: Inc, now_us: u64) {
        if let Some(met) = self.met.iter_mut().find(|met| met.is(node, inc)) {
            met.seen_us = now_us;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: NodeId = NodeId(2);

    #[test]
    fn who_comes_back_after_a_later_start_runs_on_a_copy() {
        let other = NodeId(3);
        let mut starts = Starts::default();
        for (node, inc) in [(B, 1), (B, 1), (other, 7), (B, 1), (B, 2), (B, 2)] {
            assert!(!starts.is_former(node, Inc(inc), 0), "{node} {inc}");
            starts.meet(node, Inc(inc), 0);
        }
        assert!(
            starts.is_former(B, Inc(1), 0)
                && !starts.is_former(B, Inc(2), 0)
                && !starts.is_former(other, Inc(7), 0)
        );
        for inc in 3..1000 {
            starts.meet(B, Inc(inc), 0);
        }
        assert!(starts.met.len() <= REMEMBERED_MAX && starts.is_former(B, Inc(998), 0));
    }

    #[test]
    fn the_right_host_is_taken_again_when_nothing_was_heard_of_the_copy_for_a_minute() {
        let (right, copy) = (Inc(1), Inc(2));
        let mut starts = Starts::default();
        starts.meet(B, right, 0);
        starts.part(B, right, 5);
        starts.meet(B, copy, 10);
        assert!(starts.is_former(B, right, 10 + 10 * GONE_US), "the copy is connected all the time");
        starts.part(B, copy, 20);
        assert!(starts.is_former(B, right, 19 + GONE_US));
        assert!(!starts.is_former(B, right, 20 + GONE_US));
        starts.meet(B, right, 20 + GONE_US);
        assert!(!starts.is_former(B, right, 20 + GONE_US));
        assert!(starts.is_former(B, copy, 20 + GONE_US), "the copy comes back: the right host is connected");
        // Both try again and again: each try of the one that is refused is no sign that the other one is gone.
        starts.part(B, right, 30 + GONE_US);
        assert!(starts.is_former(B, copy, 40 + GONE_US) && !starts.is_former(B, right, 40 + GONE_US));
    }
}
