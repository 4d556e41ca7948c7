//! Version vectors: for each origin, the sequence number up to which something holds.

use super::folds::{Fold, Folds};
use super::ids::{Inc, NodeId, Origin, Seq};
use crate::base::numbers::u64_at;

/// For each origin a sequence number; an origin that is absent stands at 0, or at its end if it is folded. Sorted by origin,
/// so that equal vectors are equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionVector {
    entries: Vec<(Origin, Seq)>,
    folds: Folds,
}

/// Encoded length in bytes of one entry: node, inc, seq.
const VECTOR_ENTRY_BYTES: usize = 24;

impl VersionVector {
    /// Returns the vector at which nothing has happened.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the same with these origins folded, but for those that it has entries of.
    #[must_use]
    pub fn with_folds(self, folds: Folds) -> Self {
        Self { folds, ..self }
    }

    /// Returns the folded origins.
    #[must_use]
    pub fn folds(&self) -> &Folds {
        &self.folds
    }

    /// Takes a fold: its origins stand at their ends, and have no entries any more.
    pub fn fold(&mut self, fold: &Fold) {
        let entries = &self.entries;
        self.folds.fold(fold, |origin| entries.binary_search_by_key(&origin, |entry| entry.0).is_ok());
        let is_folded = |inc| fold.starts.binary_search_by_key(&inc, |start| start.inc).is_ok();
        self.entries.retain(|(origin, _)| origin.node != fold.by.node || !is_folded(origin.inc));
    }

    /// Takes it that all these origins stand at their ends.
    pub fn join_folds(&mut self, folds: &Folds, is_named: impl Fn(Origin) -> bool) {
        self.folds.join(folds);
        let folds = &self.folds;
        self.entries.retain(|(origin, _)| !folds.contains(*origin) || is_named(*origin));
    }

    /// Returns the number reached for `origin`, 0 if it was never seen; of a folded one, [`Seq::MAX`].
    #[must_use]
    pub fn seq_of(&self, origin: Origin) -> Seq {
        let unnamed = || if self.folds.contains(origin) { Seq::MAX } else { 0 };
        self.find(origin).map_or_else(|_| unnamed(), |at| self.entries[at].1)
    }

    /// Raises the entry of `origin` to `seq`; a lower `seq` changes nothing, nor does any if it is folded.
    #[inline]
    pub fn raise(&mut self, origin: Origin, seq: Seq) {
        match self.find(origin) {
            Ok(at) => self.entries[at].1 = self.entries[at].1.max(seq),
            Err(_) if seq == 0 || self.folds.contains(origin) => {}
            Err(at) => self.entries.insert(at, (origin, seq)),
        }
    }

    /// Raises every entry to that of `other`: the least vector that covers both.
    pub fn join(&mut self, other: &Self) {
        self.join_folds(&other.folds, |origin| other.find(origin).is_ok());
        for &(origin, seq) in &other.entries {
            self.raise(origin, seq);
        }
    }

    /// Returns whether every entry is at least that of `other`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.folds.covers(&other.folds)
            && other.entries.iter().all(|&(origin, seq)| self.seq_of(origin) >= seq)
    }

    /// Returns how many records it covers, those of folded origins among them.
    #[must_use]
    pub fn records(&self) -> u64 {
        let folded: u64 = self.folds.iter().map(|folds| folds.records).sum();
        self.entries.iter().map(|(_, seq)| seq).sum::<u64>() + folded
    }

    /// Entries in the order of their origins, without those that are folded.
    pub fn iter(&self) -> impl Iterator<Item = (Origin, Seq)> + '_ {
        self.entries.iter().copied()
    }

    /// Returns the number of origins with an entry: those that are not folded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether nothing has happened yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.folds.is_empty()
    }

    /// Returns whether it has a stream of a node other than `own`, folded or not.
    #[must_use]
    pub fn names_another(&self, own: NodeId) -> bool {
        self.iter().any(|(origin, _)| origin.node != own) || self.folds.iter().any(|folds| folds.node != own)
    }

    /// Appends the encoding of the entries: u32 number of them, then node, inc and seq of each, little endian.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let count = u32::try_from(self.entries.len()).expect("fewer than 2^32 process starts");
        out.extend_from_slice(&count.to_le_bytes());
        for (origin, seq) in &self.entries {
            out.extend_from_slice(&origin.node.0.to_le_bytes());
            out.extend_from_slice(&origin.inc.0.to_le_bytes());
            out.extend_from_slice(&seq.to_le_bytes());
        }
    }

    /// Reads an encoding from the start of `bytes`; gives the vector and the bytes it took, or nothing if they are no
    /// encoding (too short, or not in strictly rising order of origins).
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let count = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let length = count.checked_mul(VECTOR_ENTRY_BYTES)?.checked_add(4)?;
        let mut entries = Vec::with_capacity(count.min(bytes.len() / VECTOR_ENTRY_BYTES));
        for entry in bytes.get(4..length)?.chunks_exact(VECTOR_ENTRY_BYTES) {
            entries.push((
                Origin { node: NodeId(u64_at(entry, 0)), inc: Inc(u64_at(entry, 8)) },
                u64_at(entry, 16),
            ));
        }
        entries.is_sorted_by(|a, b| a.0 < b.0).then_some((Self { entries, folds: Folds::default() }, length))
    }

    #[inline]
    fn find(&self, origin: Origin) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&origin, |entry| entry.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(node: u64, inc: u64) -> Origin {
        Origin { node: NodeId(node), inc: Inc(inc) }
    }

    #[test]
    fn raises_joins_and_covers() {
        let mut a = VersionVector::new();
        a.raise(origin(2, 1), 7);
        a.raise(origin(1, 9), 3);
        a.raise(origin(2, 1), 5);
        a.raise(origin(3, 3), 0);
        assert_eq!(a.iter().collect::<Vec<_>>(), [(origin(1, 9), 3), (origin(2, 1), 7)]);
        let mut b = VersionVector::new();
        b.raise(origin(1, 9), 4);
        assert!(!a.covers(&b));
        a.join(&b);
        assert!(a.covers(&b) && a.seq_of(origin(1, 9)) == 4 && a.seq_of(origin(8, 8)) == 0);
    }

    #[test]
    fn encoding_round_trips_and_refuses_what_is_none() {
        let mut a = VersionVector::new();
        a.raise(origin(2, 1), 7);
        a.raise(origin(1, 9), u64::MAX);
        let mut bytes = Vec::new();
        a.encode(&mut bytes);
        assert_eq!(VersionVector::decode(&bytes), Some((a, bytes.len())));
        for cut in 0..bytes.len() {
            assert_eq!(VersionVector::decode(&bytes[..cut]), None);
        }
        let (first, second) = (bytes[4..28].to_vec(), bytes[28..52].to_vec());
        bytes[4..28].copy_from_slice(&second);
        bytes[28..52].copy_from_slice(&first);
        assert_eq!(VersionVector::decode(&bytes), None, "origins out of order");
    }
}
