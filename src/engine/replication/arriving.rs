//! Arriving: a host that joins has a goal, and has joined when it is there.

use super::Replica;
use super::access::peering_of;
use crate::app::members::Ties;
use crate::base::ids::Origin;
use crate::base::vector::VersionVector;
use crate::engine::shared::seating;
use crate::log::files::newcomer;

impl Replica {
    /// Takes the peer's whole state. If this is the first host that a joining one meets, that is the goal, durably: it
    /// does not rise any more, whatever the first host takes meanwhile and however often this one starts again. It falls by
    /// what nobody has any more.
    pub(super) fn aim(&mut self, peer: Origin) {
        let joining = &peering_of(&self.shared).joining;
        if !self.shared.space.is_joining() {
            return;
        }
        let goal = match joining.goal() {
            None => {
                let mut goal = VersionVector::new();
                self.session.peer_receipts().for_each(|receipt| goal.raise(receipt.origin, receipt.received));
                goal
            }
            Some(goal) => {
                let left = self.left_of(&goal, peer);
                if left == *goal {
                    return;
                }
                tracing::warn!(
                    "some records that another host had when this one met it are lost: this host joins without them"
                );
                left
            }
        };
        match newcomer::aim(&*self.disk, &goal) {
            Ok(()) => joining.aim(goal),
            Err(error) => {
                self.session
                    .fail(format!("this host can't keep what it has to have before it has joined: {error}"));
            }
        }
    }

    /// Returns what is left of a goal. At `memory` a crash of a host takes records that were committed and not synced;
    /// it comes back as a new start, so the old start's stream ends with what this host or the peer has of it.
    fn left_of(&self, goal: &VersionVector, peer: Origin) -> VersionVector {
        let mut left = VersionVector::new();
        for (origin, seq) in goal.iter() {
            // What it has folded it has to the end.
            if self.session.has_peer_folded(origin) {
                left.raise(origin, seq);
                continue;
            }
            let is_restarted = |of: Origin| of.node == origin.node && of.inc > origin.inc;
            let is_over = (origin.node == peer.node && origin.inc != peer.inc)
                || self.session.peer_receipts().any(|receipt| is_restarted(receipt.origin));
            let ours = self.session.held(origin).map_or(0, |held| held.received);
            let most = self.session.peer_has(origin).received.max(ours);
            left.raise(origin, if is_over { seq.min(most) } else { seq });
        }
        left
    }

    /// Looks whether this host has joined, which it has once it durably has the goal. Its pictures are there then: no batch is
    /// committed before those that it names are, or the peer says that they are gone. A snapshot comes before the first PONG, or
    /// not at all.
    pub(super) fn look_whether_joined(&mut self) {
        let (space, peering) = (&self.shared.space, peering_of(&self.shared));
        if !space.is_joining() {
            return;
        }
        let gets_snapshot = peering.joining.is_under_way() || self.taking.is_in_snapshot();
        // In a log that has nothing it waits for the host that it is to join: a blank directory without a mark would be the first one.
        let is_on_log = || matches!(self.shared.applied.read().seating.ties, Ties::Log { .. });
        let has_met = || peering.progress.has_of_another() || !is_on_log();
        let has_goal = || peering.joining.goal().is_some_and(|goal| peering.progress.is_durable(&goal));
        let has_all = || has_goal() && has_met();
        if gets_snapshot || self.session.is_closed() || self.session.rtt_us().is_none() || !has_all() {
            return;
        }
        // The mark goes first: from then on the host is ready at every start.
        if let Err(error) = newcomer::clear(&*self.disk) {
            return self.session.fail(format!("this host can't remove the mark of a joining one: {error}"));
        }
        peering.progress.joined();
        // It is not open for a moment before it is known whether it has a seat.
        seating::look(&self.shared);
        space.set_joining(false);
        self.shared.wake_workers();
        peering.bell.ring();
        tracing::info!(
            "joined: everything that the first host had when the two met is here; requests are taken"
        );
    }
}
