//! Starts that fold: a host says which streams of the other hosts it has to their ends, and folds those of its own earlier starts that
//! all others have. Without that each start that logged something would cost room for ever.

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use super::membership;
use crate::app::applied::Applied;
use crate::app::background::Unlogged;
use crate::app::foldable::foldable;
use crate::app::folding::{self, FoldWish};
use crate::base::ids::{Inc, NodeId, Origin, Seq};
use crate::base::limits::{
    FOLD_AGAIN_LOOKS, FOLD_EVERY_LOOKS, FOLD_STARTS_MAX, FOLD_STARTS_MIN, ORIGINS_MAX, ORIGINS_WARN,
};
use crate::base::tag::{ENDS_HELD, STREAMS_FOLDED};
use crate::engine::shared::Shared;
use crate::engine::shared::mailbox::Mail;
use crate::engine::shared::submission::Submission;

/// What the keeper knows of starts.
#[derive(Debug, Default)]
pub struct Starts {
    /// The answer to what is being logged.
    answer: Option<Receiver<Result<(), Unlogged>>>,
    /// Looks until it is tried again.
    pause: u32,
    has_warned: bool,
}

/// Starts of both hosts that logged something and are not folded.
#[must_use]
pub fn count(shared: &Shared) -> usize {
    shared.applied.read().vector.len()
}

/// Returns how many earlier starts of this host are not folded.
#[must_use]
pub fn waiting(shared: &Shared) -> usize {
    let applied = shared.applied.read();
    let own = shared.origin;
    applied.vector.iter().filter(|(origin, _)| origin.node == own.node && *origin != own).count()
}

/// Returns how many starts of both hosts are folded.
#[must_use]
pub fn folded(shared: &Shared) -> u64 {
    let applied = shared.applied.read();
    applied.vector.folds().iter().map(|folds| u64::from(folds.starts)).sum()
}

impl Starts {
    /// Looks once; `hosts` have to have what is folded, and `peer` is the one on the link, if it is known. What is due is logged by a
    /// worker, and looked at again when that has answered.
    pub fn look_after(&mut self, shared: &Shared, peer: Option<NodeId>, hosts: &[NodeId]) {
        self.warn(shared, hosts);
        self.pause = self.pause.saturating_sub(1);
        if shared.claim.seat().is_some() && self.answer.is_none() {
            // Requests wait for the seat that is to be logged.
            self.pause = 0;
        }
        if self.pause > 0 || shared.space.is_joining() {
            return;
        }
        match self.answer.as_ref().map(Receiver::try_recv) {
            Some(Err(TryRecvError::Empty)) => return,
            // No room, or a peer that is too old: neither changes soon.
            Some(Ok(Err(_)) | Err(TryRecvError::Disconnected)) => {
                (self.answer, self.pause) = (None, FOLD_AGAIN_LOOKS);
                return;
            }
            Some(Ok(Ok(()))) | None => self.answer = None,
        }
        self.pause = FOLD_EVERY_LOOKS;
        let due = membership::due(shared, peer).or_else(|| said(shared, hosts));
        if let Some(records) = due.or_else(|| wish(shared, hosts).map(|wish| wish.record())) {
            let (reply, answer) = bounded(1);
            shared.workers[0].send(Mail::Log(Submission { records, reply }));
            self.answer = Some(answer);
        }
    }

    /// Says once in a process that many starts wait, and for whom.
    fn warn(&mut self, shared: &Shared, hosts: &[NodeId]) {
        let starts = count(shared);
        if starts < ORIGINS_WARN || std::mem::replace(&mut self.has_warned, true) {
            return;
        }
        let hosts = hosts.iter().map(NodeId::to_string).collect::<Vec<_>>().join(",");
        tracing::warn!(
            starts,
            most = ORIGINS_MAX,
            hosts,
            "many earlier starts are not folded, because not every other host has said that it has them; once there are as many as a journal may \
             know, no further start is possible. Connect the hosts, all with a program that knows folds; if one is lost for \
             good, stop this host and run `pixeld forget-host` (of two hosts: `pixeld forget-peer`, and start it without --peer until another one joins)"
        );
    }
}

/// Returns the record that says which streams of another host's earlier starts are durable here, if enough of them were not spoken of.
fn said(shared: &Shared, hosts: &[NodeId]) -> Option<Vec<u8>> {
    let peering = shared.peering.as_ref()?;
    shared.understanding.admits_kinds(&[ENDS_HELD, STREAMS_FOLDED]).ok()?;
    let applied = shared.applied.read();
    let of_host = |node: &NodeId| {
        let unsaid = unsaid(&applied, shared.node, *node, peering.durable_ends(*node));
        (!unsaid.is_empty()).then(|| folding::ends_record(*node, &unsaid))
    };
    hosts.iter().find_map(of_host)
}

fn unsaid(applied: &Applied, own: NodeId, node: NodeId, mut ends: Vec<(Inc, Seq)>) -> Vec<(Inc, Seq)> {
    ends.retain(|&(inc, seq)| applied.ends.of(own, Origin { node, inc }) != seq);
    if ends.len() < FOLD_STARTS_MIN {
        ends.clear();
    }
    ends.truncate(FOLD_STARTS_MAX);
    ends
}

/// Returns the fold of this host's earlier starts that is due. One that is told to have a peer waits for it, known or not: a crash may
/// have come before it was written down.
fn wish(shared: &Shared, hosts: &[NodeId]) -> Option<FoldWish> {
    if shared.peering.is_some() && hosts.is_empty() {
        return None;
    }
    shared.understanding.admits_kinds(&[ENDS_HELD, STREAMS_FOLDED]).ok()?;
    let applied = shared.applied.read();
    let starts = foldable(&applied, shared.origin, hosts);
    (starts.len() >= FOLD_STARTS_MIN).then_some(FoldWish { hosts: hosts.to_vec(), starts })
}
