//! The other hosts of the log, as their beats tell.

use std::collections::BTreeMap;

use super::words::{Beat, Has};
use crate::base::ids::{Inc, NodeId, Origin, Seq};
use crate::base::limits::{RELAY_BEAT_EVERY_US, RELAY_MEMBERS_MAX, RELAY_NEWCOMER_US};
use crate::base::streams::Stream;

/// Beats of a host that may be missed before it is taken to be away.
const MISSED_MAX: u64 = 6;

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The start of its process that it said last.
    pub inc: Inc,
    /// When it was heard last, microseconds of the server's clock.
    pub heard_us: u64,
    /// What it had when it said so last; nothing before it has.
    pub has: Option<Has>,
}

/// All that were heard since this process began.
#[derive(Default)]
pub struct Members {
    members: BTreeMap<NodeId, Member>,
    /// When the log was reached last, microseconds.
    reached_us: u64,
}

impl Members {
    /// Takes it that the log can be reached, and beats with it.
    pub(super) fn listen(&mut self, now_us: u64) {
        self.reached_us = now_us;
    }

    /// Takes a beat.
    pub(super) fn hear(&mut self, beat: Beat, now_us: u64) {
        let Beat { origin: Origin { node, inc }, has, .. } = beat;
        if !self.members.contains_key(&node) && self.members.len() >= RELAY_MEMBERS_MAX {
            return;
        }
        let member = self.members.entry(node).or_insert(Member { inc, heard_us: now_us, has: None });
        (member.inc, member.heard_us) = (inc, now_us);
        if has.is_some() {
            member.has = has;
        }
    }

    /// Returns each host that was heard.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.members.iter().map(|(node, member)| (*node, member))
    }

    /// Returns each host that was heard lately.
    pub(super) fn here(&self, now_us: u64) -> impl Iterator<Item = NodeId> {
        self.iter().filter(move |(_, member)| is_fresh(member, now_us)).map(|(node, _)| node)
    }

    /// Returns whether a host was heard lately.
    pub(super) fn is_here(&self, node: NodeId, now_us: u64) -> bool {
        self.members.get(&node).is_some_and(|member| is_fresh(member, now_us))
    }

    /// Returns when every host that is there will have been heard, microseconds.
    pub(super) fn all_heard_us(&self) -> u64 {
        self.reached_us.saturating_add(RELAY_NEWCOMER_US)
    }

    /// Returns whether every host that is there has been heard by now.
    pub(super) fn has_heard_all(&self, now_us: u64) -> bool {
        now_us >= self.all_heard_us()
    }

    /// Returns whether some have been heard, all of these have said what they have, and none of them has more of a stream than `seq`.
    pub(super) fn have_no_more(&self, origin: Origin, seq: Seq, now_us: u64) -> bool {
        let has_no_more =
            |member: &Member| member.has.as_ref().is_some_and(|has| has.received.seq_of(origin) <= seq);
        !self.members.is_empty() && self.has_heard_all(now_us) && self.members.values().all(has_no_more)
    }

    /// Returns whether a host has said what it has.
    pub(super) fn has_told(&self) -> bool {
        self.members.values().any(|member| member.has.is_some())
    }

    /// Returns every stream that a host has said it has, once for each host.
    pub(super) fn streams(&self) -> impl Iterator<Item = Stream> + '_ {
        self.members.values().filter_map(|member| member.has.as_ref()).flat_map(|has| has.received.iter())
    }

    /// Returns hosts that were heard lately and have more of a stream than `seq`.
    pub(super) fn holders(&self, origin: Origin, seq: Seq, now_us: u64) -> Vec<NodeId> {
        let holds = |member: &Member| {
            let has = member.has.as_ref().filter(|_| is_fresh(member, now_us));
            has.is_some_and(|has| has.received.seq_of(origin) > seq)
        };
        self.members.iter().filter(|(_, member)| holds(member)).map(|(node, _)| *node).collect()
    }
}

fn is_fresh(member: &Member, now_us: u64) -> bool {
    now_us.saturating_sub(member.heard_us) < MISSED_MAX * RELAY_BEAT_EVERY_US
}
