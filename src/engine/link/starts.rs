//! Starts: which processes of a data directory were met. One that comes back after a later one runs on a copy.

use std::collections::VecDeque;

use crate::base::ids::{Inc, NodeId};

/// How many are remembered.
const REMEMBERED_MAX: usize = 64;

/// Processes in the order in which they were first met.
#[derive(Default)]
pub struct Starts {
    met: VecDeque<(NodeId, Inc)>,
}

impl Starts {
    /// Whether a later process of the same directory was met than this one, which has not ended then: a directory is
    /// locked by the process that runs on it, so there are two of it.
    #[must_use]
    pub fn is_former(&self, node: NodeId, inc: Inc) -> bool {
        let mut of_node = self.met.iter().filter(|(met, _)| *met == node).map(|(_, met)| *met).rev();
        of_node.next() != Some(inc) && of_node.any(|met| met == inc)
    }

    /// Notes that a process was met.
    pub fn meet(&mut self, node: NodeId, inc: Inc) {
        if self.met.contains(&(node, inc)) {
            return;
        }
        if self.met.len() >= REMEMBERED_MAX {
            self.met.pop_front();
        }
        self.met.push_back((node, inc));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_after_a_later_start_runs_on_a_copy() {
        let (b, other) = (NodeId(2), NodeId(3));
        let mut starts = Starts::default();
        for (node, inc) in [(b, 1), (b, 1), (other, 7), (b, 1), (b, 2), (b, 2)] {
            assert!(!starts.is_former(node, Inc(inc)), "{node} {inc}");
            starts.meet(node, Inc(inc));
        }
        assert!(
            starts.is_former(b, Inc(1)) && !starts.is_former(b, Inc(2)) && !starts.is_former(other, Inc(7))
        );
        for inc in 3..1000 {
            starts.meet(b, Inc(inc));
        }
        assert!(starts.met.len() <= REMEMBERED_MAX && starts.is_former(b, Inc(998)));
    }
}
