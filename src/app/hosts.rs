//! The hosts of a cluster as one of them sees them: who is there, and who does what a host that is away has left.

use crate::base::ids::NodeId;

/// The hosts that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    own: NodeId,
    /// The others, each with how long it has been away, microseconds; nothing of one that is there.
    others: Vec<(NodeId, Option<u64>)>,
    /// For how long a host has been waited for whose directory is not known yet, microseconds.
    unmet_us: Option<u64>,
}

impl Hosts {
    /// Returns the hosts of which `own`, this one, is the only one.
    #[must_use]
    pub fn alone(own: NodeId) -> Self {
        Self { own, others: Vec::new(), unmet_us: None }
    }

    /// Returns the same with one more, which is there, or has been away for so many microseconds: at most since this process
    /// started. One that is known already stays as it is.
    #[must_use]
    pub fn with(mut self, node: NodeId, away_us: Option<u64>) -> Self {
        if node != self.own && self.others.iter().all(|(known, _)| *known != node) {
            self.others.push((node, away_us));
        }
        self
    }

    /// Returns the same with one that has been waited for, for so many microseconds, and whose directory is not known.
    #[must_use]
    pub fn with_unmet(mut self, waited_us: u64) -> Self {
        self.unmet_us = Some(waited_us);
        self
    }

    /// Returns this host.
    #[must_use]
    pub fn own(&self) -> NodeId {
        self.own
    }

    /// Returns for how long a host has been away, microseconds; nothing of this one and of one that is there.
    #[must_use]
    pub fn away_us(&self, node: NodeId) -> Option<u64> {
        self.others.iter().find(|(other, _)| *other == node).and_then(|(_, away_us)| *away_us)
    }

    /// Returns the hosts that are away.
    pub fn away(&self) -> impl Iterator<Item = NodeId> {
        self.others.iter().filter(|(_, away_us)| away_us.is_some()).map(|(node, _)| *node)
    }

    /// Returns whether this host does what is `node`'s to do. A host does its own. What one has left that there is no more, or that
    /// has been away for `patience_us` microseconds, is done by the least of the others, so that one does it. Any host that
    /// has been away for less may come back in a moment and counts as being there.
    #[must_use]
    pub fn falls_here(&self, node: NodeId, patience_us: u64) -> bool {
        if node == self.own {
            return true;
        }
        let counts = |away_us: Option<u64>| away_us.is_none_or(|away_us| away_us < patience_us);
        // It may be any.
        if self.unmet_us.is_some_and(|waited_us| waited_us < patience_us) {
            return false;
        }
        let mut there = self.others.iter().filter(|(_, away_us)| counts(*away_us)).map(|(node, _)| *node);
        there.all(|other| other != node && self.own < other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE_US: u64 = 100;

    #[test]
    fn of_two_hosts_each_does_its_own_until_the_other_one_is_away_for_long() {
        let (low, high, gone) = (NodeId(1), NodeId(2), NodeId(3));
        let falls = |hosts: &Hosts| [low, high, gone].map(|node| hosts.falls_here(node, PATIENCE_US));
        let alone = Hosts::alone(low);
        assert_eq!(falls(&alone), [true; 3]);
        assert_eq!(falls(&alone.clone().with(high, None)), [true, false, true]);
        let other = Hosts::alone(high);
        assert_eq!(falls(&other.clone().with(low, None)), [false, true, false]);
        assert_eq!(falls(&other.clone().with(low, Some(PATIENCE_US - 1))), [false, true, false]);
        assert_eq!(falls(&other.clone().with(low, Some(PATIENCE_US))), [true; 3]);
        assert_eq!(falls(&other.clone().with_unmet(PATIENCE_US - 1)), [false, true, false]);
        assert_eq!(falls(&other.clone().with_unmet(PATIENCE_US)), [true; 3]);
        assert_eq!(
            other.clone().with(high, None).with(low, None).with(low, Some(200)),
            other.with(low, None)
        );
    }

    proptest! {
        /// Hosts that see the same of each other leave nothing to nobody and nothing to two.
        #[test]
        fn what_any_host_has_left_falls_to_one(
            away in prop::collection::btree_map(0..100_u64, prop::option::of(0..200_u64), 1..9),
            strange in 0..100_u64,
        ) {
            let is_there = |away_us: &Option<u64>| away_us.is_none();
            let all: Vec<(NodeId, Option<u64>)> = away.iter().map(|(node, away)| (NodeId(*node), *away)).collect();
            let doers = |node: NodeId| {
                let there = all.iter().filter(|(_, away)| is_there(away)).map(|(own, _)| *own);
                let seen = |own: NodeId| all.iter().fold(Hosts::alone(own), |hosts, (node, away)| hosts.with(*node, *away));
                there.filter(|own| seen(*own).falls_here(node, PATIENCE_US)).collect::<Vec<_>>()
            };
            for node in all.iter().map(|(node, _)| *node).chain([NodeId(strange)]) {
                let doers = doers(node);
                prop_assert!(doers.len() <= 1, "{node}: {doers:?}");
                // A host that may be back in a moment does it then.
                let waits = all.iter().any(|(_, away)| away.is_some_and(|away_us| away_us < PATIENCE_US));
                prop_assert!(waits || all.iter().all(|(_, away)| !is_there(away)) || doers.len() == 1, "{node}");
            }
        }
    }
}
