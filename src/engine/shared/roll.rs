//! The roll: what hosts of a log have said of themselves, to which this host has no link.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::ids::NodeId;
use crate::base::limits::{MEMBER_SILENT_US, MEMBER_UNLISTED_US, MEMBERS_HEARD_MAX};
use crate::base::vector::VersionVector;
use crate::peer::relay::Members;

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
    /// Notes what a relay has heard of the other hosts of a log.
    pub fn hear_all(&self, members: &Members) {
        for (node, member) in members.iter() {
            self.hear(node, member.heard_us, member.has.as_ref().map(|has| &has.durable));
        }
    }

    /// Notes that a host was heard at `heard_us`, and what it has durably by its last word, if it has said so: a directory that
    /// was restored has less than before. Of more than [`MEMBERS_HEARD_MAX`] hosts the rest is passed over.
    pub fn hear(&self, node: NodeId, heard_us: u64, durable: Option<&VersionVector>) {
        let mut said = self.said();
        if said.len() >= MEMBERS_HEARD_MAX && !said.contains_key(&node) {
            return;
        }
        let of_node = said.entry(node).or_default();
        of_node.heard_us = of_node.heard_us.max(heard_us);
        durable.into_iter().for_each(|durable| of_node.durable.clone_from(durable));
    }

    /// Returns for how long a host has been away at `now_us` of the server's clock, which began with the process; nothing of one
    /// that was heard lately.
    #[must_use]
    pub fn away_us(&self, node: NodeId, now_us: u64) -> Option<u64> {
        let heard_us = self.said().get(&node).map(|said| said.heard_us);
        let silent_us = now_us.saturating_sub(heard_us.unwrap_or(0));
        (heard_us.is_none() || silent_us >= MEMBER_SILENT_US).then_some(silent_us)
    }

    /// Returns the hosts that were heard in the last [`MEMBER_UNLISTED_US`] before `now_us`, in rising order.
    #[must_use]
    pub fn heard(&self, now_us: u64) -> Vec<NodeId> {
        let said = self.said();
        let lately =
            said.iter().filter(|(_, said)| now_us.saturating_sub(said.heard_us) < MEMBER_UNLISTED_US);
        lately.map(|(node, _)| *node).collect()
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
    fn a_host_is_there_while_it_is_heard_and_has_what_it_has_said_last() {
        let (roll, node) = (Roll::default(), NodeId(5));
        let vector = |inc, seq| {
            let mut vector = VersionVector::new();
            vector.raise(Origin { node: NodeId(1), inc: Inc(inc) }, seq);
            vector
        };
        assert_eq!(roll.away_us(node, 77), Some(77), "since the start");
        roll.hear(node, 1_000, Some(&vector(1, 9)));
        roll.hear(node, 900, Some(&vector(1, 4)));
        roll.hear(node, 1_000, None);
        assert_eq!(roll.heard(999 + MEMBER_UNLISTED_US), [node]);
        assert!(roll.heard(1_000 + MEMBER_UNLISTED_US).is_empty());
        assert_eq!(roll.away_us(node, 999 + MEMBER_SILENT_US), None);
        assert_eq!(roll.away_us(node, 1_000 + MEMBER_SILENT_US), Some(MEMBER_SILENT_US));
        assert_eq!(roll.durable(node), vector(1, 4));
        for other in 100..100 + MEMBERS_HEARD_MAX as u64 {
            roll.hear(NodeId(other), 1, None);
        }
        assert_eq!(roll.away_us(NodeId(99 + MEMBERS_HEARD_MAX as u64), 1), Some(1), "one too many");
        roll.hear(node, 2_000, None);
        assert_eq!(roll.away_us(node, 2_000), None);
    }
}
