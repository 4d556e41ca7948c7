//! Understanding: which kinds of records the other hosts of the cluster can apply. A kind is logged only when all of them can.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::ids::NodeId;
use crate::base::kinds::Kinds;
use crate::base::version::VERSION;
use crate::log::read::scan::BatchView;

/// What is known of the other hosts. The link writes it, workers read it.
#[derive(Debug)]
pub struct Understanding {
    own: Kinds,
    known: Mutex<Option<(NodeId, Kinds)>>,
}

/// A host that is too old for a kind of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the host {node} does not know records of the kind 0x{tag:02x}: upgrade it, and let the two hosts connect once; nothing \
     was stored"
)]
pub struct TooOld {
    /// Its data directory.
    pub node: NodeId,
    /// The kind that it does not know.
    pub tag: u8,
}

impl Understanding {
    /// Returns one of a program that understands the kinds `own`, and knows of no other host.
    #[must_use]
    pub fn new(own: Kinds) -> Self {
        Self { own, known: Mutex::default() }
    }

    /// Returns the kinds that this program understands.
    #[must_use]
    pub fn own(&self) -> Kinds {
        self.own
    }

    /// Takes what the host `node` has said that it understands, now or when it was heard last.
    pub fn learn(&self, node: NodeId, kinds: Kinds) {
        *self.known() = Some((node, kinds));
    }

    /// Returns what the host `node` is known to understand.
    #[must_use]
    pub fn of(&self, node: NodeId) -> Kinds {
        let known = *self.known();
        known.filter(|(of, _)| *of == node).map_or(Kinds::FIRST, |(_, kinds)| kinds)
    }

    /// Checks whether every host that is known understands these records.
    ///
    /// # Errors
    /// Returns the first one that does not.
    pub fn admits(&self, records: &[u8]) -> Result<(), TooOld> {
        self.refusing(|kinds| kinds.first_unknown(records).map(|(_, tag)| tag))
    }

    /// Checks the same of records that are not made yet, by their tags.
    ///
    /// # Errors
    /// Fails as [`Understanding::admits`] does.
    pub fn admits_kinds(&self, tags: &[u8]) -> Result<(), TooOld> {
        self.refusing(|kinds| tags.iter().copied().find(|tag| !kinds.contains(*tag)))
    }

    fn refusing(&self, first_unknown: impl FnOnce(&Kinds) -> Option<u8>) -> Result<(), TooOld> {
        // What the first program knew everybody knows: the usual case, and the only one for short records.
        let Some((node, kinds)) = *self.known() else { return Ok(()) };
        if kinds.covers(&self.own) {
            return Ok(());
        }
        first_unknown(&kinds).map_or(Ok(()), |tag| Err(TooOld { node, tag }))
    }

    fn known(&self) -> MutexGuard<'_, Option<(NodeId, Kinds)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks whether this program understands all records of a batch that a start finds in the journal.
///
/// # Errors
/// Returns the first one that it does not, in words for an operator.
pub fn of_journal(batch: &BatchView<'_>, own: &Kinds) -> Result<(), String> {
    let Some((before, tag)) = own.first_unknown(batch.body) else { return Ok(()) };
    let (seq, origin) = (batch.first_seq + before, batch.origin);
    Err(format!(
        "record {seq} of the stream {origin} is of the kind 0x{tag:02x}, which this program ({VERSION}) does not know: use the \
         newer program that logged it; nothing was changed"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_admitted_when_the_other_host_knows_it() {
        let (node, new, old) = (NodeId(7), [0x7A, 0, 0, 0, 0], [0x21, 0, 0, 0, 0]);
        let understanding = Understanding::new(Kinds::FIRST);
        assert_eq!(understanding.admits(&new), Ok(()), "a host that is alone asks nobody");
        // An older program than this one: it lacks one of the first kinds.
        understanding.learn(node, Kinds::of(&[0x21]));
        assert_eq!(understanding.admits(&old), Ok(()));
        let refused = understanding.admits(&[&old[..], &new].concat()).unwrap_err();
        assert_eq!(refused, TooOld { node, tag: 0x7A });
        assert!(refused.to_string().contains("0000000000000007 does not know"), "{refused}");
        understanding.learn(node, Kinds::of(&[0x21, 0x7A]));
        assert_eq!(understanding.admits(&new), Ok(()), "it was upgraded");
        assert_eq!(
            (understanding.of(node).contains(0x7A), understanding.of(NodeId(8))),
            (true, Kinds::FIRST)
        );
    }
}
