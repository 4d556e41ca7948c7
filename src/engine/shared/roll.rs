//! The roll: what members have said of themselves that this host has no link to.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::ids::NodeId;
use crate::base::limits::{MEMBER_SILENT_US, MEMBERS_HEARD_MAX};
use crate::base::vector::VersionVector;

/// What one of them has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// When it was heard last, microseconds of the server's clock.
    pub heard_us: u64,
    /// Of each stream, what is durable there at least.
    pub durable: VersionVector,
}

/// All that were heard since this process began.
#[derive(Default)]
pub struct Roll {
    said: Mutex<BTreeMap<NodeId, Said>>,
}

impl Roll {
    /// Notes that a host was heard at `heard_us`, and what it has said to have durably, if it has said so; what it said before
    /// stays true. Of more than [`MEMBERS_HEARD_MAX`] hosts the rest is passed over.
    pub fn hear(&self, node: NodeId, heard_us: u64, durable: Option<&VersionVector>) {
        let mut said = self.said();
        if said.len() >= MEMBERS_HEARD_MAX && !said.contains_key(&node) {
            return;
        }
        let of_node = said.entry(node).or_default();
        of_node.heard_us = of_node.heard_us.max(heard_us);
        durable.into_iter().for_each(|durable| of_node.durable.join(durable));
    }

    /// Returns for how long a host has been away at `now_us` of the server's clock, which began with the process; nothing of one
    /// that was heard lately.
    #[must_use]
    pub fn away_us(&self, node: NodeId, now_us: u64) -> Option<u64> {
        let heard_us = self.said().get(&node).map(|said| said.heard_us);
        let silent_us = now_us.saturating_sub(heard_us.unwrap_or(0));
        (heard_us.is_none() || silent_us >= MEMBER_SILENT_US).then_some(silent_us)
    }

    /// Returns what a host is known to have durably.
    #[must_use]
    pub fn durable(&self, node: NodeId) -> VersionVector {
        self.said().get(&node).map(|said| said.durable.clone()).unwrap_or_default()
    }

    fn said(&self) -> MutexGuard<'_, BTreeMap<NodeId, Said>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, Origin};

    #[test]
    fn a_member_is_there_while_it_is_heard_and_what_it_has_only_grows() {
        let (roll, node) = (Roll::default(), NodeId(5));
        let vector = |inc, seq| {
            let mut vector = VersionVector::new();
            vector.raise(Origin { node: NodeId(1), inc: Inc(inc) }, seq);
            vector
        };
        assert_eq!(roll.away_us(node, 77), Some(77), "since the start");
        roll.hear(node, 1_000, Some(&vector(1, 9)));
        roll.hear(node, 900, Some(&vector(2, 3)));
        roll.hear(node, 1_000, Some(&vector(1, 4)));
        roll.hear(node, 1_000, None);
        assert_eq!(roll.away_us(node, 999 + MEMBER_SILENT_US), None);
        assert_eq!(roll.away_us(node, 1_000 + MEMBER_SILENT_US), Some(MEMBER_SILENT_US));
        let durable = roll.durable(node);
        assert!(durable.covers(&vector(1, 9)) && durable.covers(&vector(2, 3)));
        for other in 100..100 + MEMBERS_HEARD_MAX as u64 {
            roll.hear(NodeId(other), 1, None);
        }
        assert_eq!(roll.away_us(NodeId(99 + MEMBERS_HEARD_MAX as u64), 1), Some(1), "one too many");
        roll.hear(node, 2_000, None);
        assert_eq!(roll.away_us(node, 2_000), None);
    }
}
