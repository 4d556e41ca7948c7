//! What the engine knows of replication: another transport would stand behind the same methods.
//!
//! ```text
//! who              asks or tells
//! worker           committed, has_durable; hurry, when an answer waits
//! disk thread      synced, owes_sync; call
//! committer        has_work, is_joining, is_snapshot_offered
//! keeper           look (which segments must stay), durable_ends, snapshot_to_store, has_joined
//! main             remember, begin_joining at a start; end
//! roster           beside (is the peer there)
//! status           look (how it stands)
//! ```
//!
//! Outside of `peering`, `replication` and `link` only a few files name more than these methods; `tests/architecture` knows
//! which. They are calls of a type that is there or not, without a table of methods: a host that is alone has none of it.

use std::sync::atomic::Ordering;

use super::Peering;
use super::standing::PeerView;
use crate::app::hosts::Hosts;
use crate::base::ids::{Inc, NodeId, Origin, Position, Seq};
use crate::base::vector::VersionVector;
use crate::log::snapshot::Snapshot;

impl Peering {
    /// Returns the last record of this process's stream that is committed here.
    #[must_use]
    pub fn committed(&self) -> Seq {
        self.own_committed.load(Ordering::Acquire)
    }

    /// Returns whether the commit step has something to do for the peer.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.inbox.waiting_bytes() > 0 || self.is_snapshot_offered()
    }

    /// Says that this host's disk has everything before `position`.
    pub fn synced(&self, position: Position) {
        self.progress.synced(position);
        // The link has something to tell the peer, or to go on with what waited for this write.
        self.call();
    }

    /// Returns whether the peer waits to hear that its batches are durable here.
    #[must_use]
    pub fn owes_sync(&self) -> bool {
        self.progress.owes_sync()
    }

    /// Says how far the peer has come in a stream; returns whether more of this process's is durable there.
    pub fn acked(&self, origin: Origin, received: Seq, durable: Seq, now_us: u64) -> bool {
        self.standing.acked(origin, received, durable, now_us)
    }

    /// Says what a peer has with which a session is established; returns whether more of this process's stream is durable there than
    /// was known.
    pub fn met(&self, node: NodeId, received: VersionVector, durable: VersionVector, now_us: u64) -> bool {
        self.standing.established(node, received, durable, now_us)
    }

    /// Returns whether the peer's disk has this process's records up to `seq`.
    #[inline]
    #[must_use]
    pub fn has_durable(&self, seq: Seq) -> bool {
        self.standing.own_durable() >= seq
    }

    /// Returns what is known of the peer: whether it is there, and what it has, which is what segments wait for.
    #[must_use]
    pub fn look(&self) -> PeerView {
        self.standing.look()
    }

    /// Returns the hosts with the peer, as it is at `now_us` of the server's clock.
    #[must_use]
    pub fn beside(&self, hosts: Hosts, now_us: u64) -> Hosts {
        let view = self.look();
        let away_us = now_us.saturating_sub(view.since_us);
        match view.node {
            Some(node) => hosts.with(node, (!view.connected).then_some(away_us)),
            None => hosts.with_unmet(away_us),
        }
    }

    /// Returns where earlier starts of a node end that this host has on its disk; nothing while one of them is not there as a whole,
    /// nor of the peer while that is away.
    #[must_use]
    pub fn durable_ends(&self, node: NodeId) -> Vec<(Inc, Seq)> {
        let view = self.look();
        match view.start.filter(|_| view.connected) {
            None if view.node == Some(node) => Vec::new(),
            start => self.progress.durable_ends(node, start.filter(|_| view.node == Some(node))),
        }
    }

    /// Begins with what the last start knew of the peer.
    pub fn remember(&self, node: NodeId, durable: VersionVector) {
        self.standing.remember(node, durable);
    }

    /// Says that this host's directory is joining, and what it has to have before it has joined, if that is known.
    pub fn begin_joining(&self, goal: Option<VersionVector>) {
        self.progress.withhold();
        goal.into_iter().for_each(|goal| self.joining.aim(goal));
    }

    /// Returns whether a snapshot of the peer's is on its way in: nothing is folded or removed meanwhile.
    #[must_use]
    pub fn is_joining(&self) -> bool {
        self.joining.is_under_way()
    }

    /// Returns whether the peer's snapshot is there and waits for the commit step.
    #[must_use]
    pub fn is_snapshot_offered(&self) -> bool {
        self.joining.is_offered()
    }

    /// Returns the first snapshot of a host that joins, once all of it is `synced`; the keeper stores it.
    #[must_use]
    pub fn snapshot_to_store(&self, synced: Position) -> Option<Snapshot> {
        self.joining.joined(synced)
    }

    /// Says that this snapshot is stored.
    pub fn has_joined(&self) {
        self.joining.end();
        self.call();
    }

    /// Ends replication: when all that this process has logged is committed, the peer has a second to take what it lacks of it
    /// and hears a goodbye. Nothing arrives any more then.
    pub fn end(&self) {
        // Before the call, so that the link sees it when it looks.
        self.is_ending.store(true, Ordering::Release);
        self.call();
    }

    /// Returns whether replication is to end.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// Calls the link: there is something new for it to look at.
    pub fn call(&self) {
        self.bell.ring();
    }

    /// Calls the link for an answer that waits for the peer.
    pub fn hurry(&self) {
        self.bell.hurry();
    }
}
