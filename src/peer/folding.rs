//! Folded streams in a session: what each host had folded when it began, and whether both have the same.
//!
//! A STATE names the streams that were not folded when the session began, also those that are folded since, so what it says
//! never depends on how far the other host has come with a fold.

use super::fault::Violation;
use super::ledger::Ledger;
use super::message::{Holding, Receipt};
use crate::base::folds::Folds;
use crate::base::ids::{NodeId, Origin};
use crate::base::streams::{Stream, Streams};

/// What the two hosts had folded.
#[derive(Default)]
pub(super) struct Folding {
    pub(super) ours: Folds,
    /// What the peer's first STATE says: its folded streams, and beside them those that it names.
    pub(super) theirs: Streams,
    /// The folded streams of the STATE that is coming in, before its first part.
    incoming: Option<Folds>,
}

impl Folding {
    /// Returns whether this host had folded a stream.
    pub(super) fn is_ours(&self, ledger: &Ledger, origin: Origin) -> bool {
        let is_named = || ledger.get(origin).is_some_and(|line| line.held.received > 0);
        self.ours.contains(origin) && !is_named()
    }

    /// Takes the folded streams that a STATE begins with.
    pub(super) fn begin_state(&mut self, folds: Folds) {
        self.incoming = Some(folds);
    }

    /// Begins with the streams that a STATE names; whether it had folded ones before them.
    pub(super) fn begin_names(&mut self, is_first_state: bool) -> bool {
        let incoming = self.incoming.take();
        let had_folds = incoming.is_some();
        if let Some(folds) = incoming.filter(|_| is_first_state) {
            self.theirs = Streams::default().with_folds(folds);
        }
        had_folds
    }

    /// Takes what the peer's first STATE says of a stream.
    pub(super) fn note_named(&mut self, theirs: &Holding) {
        let Holding { origin, received, chain, .. } = *theirs;
        if !(self.ours.is_empty() && self.theirs.folds().is_empty()) {
            self.theirs.set(Stream { origin, seq: received, chain });
        }
    }

    /// Compares what both have of the streams that one of them has folded, once the peer's first STATE is whole. Those that only
    /// the peer has folded it has to the end. `nodes` are this host and the peer; nothing where one of them is joining, which is
    /// spared.
    ///
    /// # Errors
    /// Fails if one lacks some of them, or names streams that the other one has folded without waiting for it.
    pub(super) fn compare(&self, ledger: &mut Ledger, nodes: Option<[NodeId; 2]>) -> Result<(), Violation> {
        if self.ours.is_empty() && self.theirs.folds().is_empty() {
            return Ok(());
        }
        let mut ours = Streams::default().with_folds(self.ours.clone());
        for held in ledger.iter().map(|line| line.held).filter(|held| held.received > 0) {
            ours.set(Stream { origin: held.origin, seq: held.received, chain: held.chain });
        }
        let theirs = &self.theirs;
        if let Some([own, peer]) = nodes {
            let starts = |node| [ours.folds().starts_of(node), theirs.folds().starts_of(node)];
            let differs = ours.differ_in_folds(theirs).map(|differs| (differs.node, differs.starts));
            let unasked = unasked(&ours, theirs, peer).or_else(|| unasked(theirs, &ours, own));
            let found = differs.or_else(|| unasked.map(|node| (node, starts(node))));
            if let Some((node, [ours, theirs])) = found {
                return Err(Violation::BehindFold { node, ours, theirs });
            }
        }
        let whole: Vec<Stream> = ours.folded_in(theirs).collect();
        for Stream { origin, .. } in whole {
            if let Some(line) = ledger.get_mut(origin) {
                let received = line.held.received;
                line.peer = Receipt { origin, received, durable: received };
            }
        }
        Ok(())
    }
}

/// Returns a node of which `one` has folded streams that `other` still names, although the host `of_other` was not asked: what it
/// has logged may have been made by one that did not have them whole.
fn unasked(one: &Streams, other: &Streams, of_other: NodeId) -> Option<NodeId> {
    let is_asked =
        |node| node == of_other || one.folds().of(node).is_some_and(|folds| folds.hosts.contains(&of_other));
    other.folded_in(one).map(|stream| stream.origin.node).find(|node| !is_asked(*node))
}
