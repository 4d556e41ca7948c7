//! How far each origin's stream has come: its last seq and its chain.
//!
//! ```text
//! 0 u64 node   8 u64 inc   16 u64 seq   24 u64 chain      per stream, in rising order of (node, inc)
//! ```

use super::batch::{BatchHeader, first_chain};
use super::folds::{Fold, Folds, NodeFolds, StreamEnd};
use super::ids::{ClusterId, Inc, NodeId, Origin, Seq};
use super::limits::ORIGINS_MAX;
use super::vector::VersionVector;
use crate::base::numbers::u64_at;

/// Encoded length in bytes of one stream's state.
pub const STREAM_BYTES: usize = 32;

/// One origin's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Who makes its records.
    pub origin: Origin,
    /// Its last record's number.
    pub seq: Seq,
    /// Its last batch's chain.
    pub chain: u64,
}

/// All streams that have a batch in the journal, sorted by origin, so that equal states are equal bytes; those that are folded
/// are counted beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    entries: Vec<Stream>,
    folds: Folds,
}

/// Why a batch doesn't continue its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// Its first record's number isn't the next one.
    #[error("the batch starts at seq {found} of {origin}, expected {due}")]
    Sequence {
        /// The stream.
        origin: Origin,
        /// The number the header says.
        found: Seq,
        /// The number that would have continued the stream.
        due: Seq,
    },
    /// It was made after another history than the one that is here.
    #[error("the chain of {origin} breaks at seq {seq}")]
    Chain {
        /// The stream.
        origin: Origin,
        /// The batch's first record.
        seq: Seq,
    },
    /// One more origin than a journal may know.
    #[error("more than {ORIGINS_MAX} origins")]
    TooMany,
    /// It folds a stream that ends elsewhere here, or that is not known.
    #[error("a fold says that {origin} ends at seq {seq}, which is not so here")]
    Fold {
        /// The stream.
        origin: Origin,
        /// Its end, as the fold says.
        seq: Seq,
    },
    /// It names this very start of the process, whose batches nobody else can have made.
    #[error(
        "the batch at seq {seq} names this host's own start {origin} as its origin; is the other directory a copy?"
    )]
    Own {
        /// The stream.
        origin: Origin,
        /// The batch's first record.
        seq: Seq,
    },
}

/// A node of whose folded streams two hosts do not have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldsDiffer {
    /// The node.
    pub node: NodeId,
    /// How many starts of it each of them has to their ends that one of them has folded.
    pub starts: [u32; 2],
}

impl Streams {
    /// Returns where the stream of `origin` stands; before its first batch, seq 0 and the first chain.
    #[must_use]
    pub fn of(&self, cluster: ClusterId, origin: Origin) -> Stream {
        match self.find(origin) {
            Ok(at) => self.entries[at],
            Err(_) => Stream { origin, seq: 0, chain: first_chain(cluster, origin) },
        }
    }

    /// Returns where its stream stands behind a batch, if it is the next one.
    ///
    /// # Errors
    /// Returns why it is not the next one.
    pub fn behind(&self, cluster: ClusterId, header: &BatchHeader) -> Result<Stream, StreamFault> {
        let origin = header.origin;
        let before = self.of(cluster, origin);
        if before.seq == 0 && self.folds.contains(origin) {
            // All of it is here.
            return Err(StreamFault::Sequence { origin, found: header.first_seq, due: Seq::MAX });
        }
        if header.first_seq != before.seq + 1 {
            let due = before.seq + 1;
            return Err(StreamFault::Sequence { origin, found: header.first_seq, due });
        }
        if header.chain != header.link(before.chain) {
            return Err(StreamFault::Chain { origin, seq: header.first_seq });
        }
        if before.seq == 0 && self.entries.len() >= ORIGINS_MAX {
            return Err(StreamFault::TooMany);
        }
        Ok(Stream { origin, seq: header.last_seq(), chain: header.chain })
    }

    /// Takes a batch with these folds if it is the next of its stream.
    ///
    /// # Errors
    /// Returns why it is not the next one, or why a fold can't be; nothing has changed then.
    pub fn follow(
        &mut self,
        cluster: ClusterId,
        header: &BatchHeader,
        folds: &[Fold],
    ) -> Result<(), StreamFault> {
        let after = self.behind(cluster, header)?;
        folds.iter().try_for_each(|fold| self.check_fold(fold))?;
        self.set(after);
        folds.iter().try_for_each(|fold| self.fold(fold))
    }

    /// Takes a fold: its streams are counted from now on, and not named. What was folded before stays so.
    ///
    /// # Errors
    /// Fails if one of them ends elsewhere here; nothing has changed then.
    pub fn fold(&mut self, fold: &Fold) -> Result<(), StreamFault> {
        self.check_fold(fold)?;
        let node = fold.by.node;
        let entries = &self.entries;
        self.folds.fold(fold, |origin| entries.binary_search_by_key(&origin, |stream| stream.origin).is_ok());
        let is_folded = |inc| fold.starts.binary_search_by_key(&inc, |start| start.inc).is_ok();
        self.entries.retain(|stream| stream.origin.node != node || !is_folded(stream.origin.inc));
        Ok(())
    }

    /// Checks whether all streams of a fold end where it says, or were folded before.
    ///
    /// # Errors
    /// Returns the first one that does not.
    pub fn check_fold(&self, fold: &Fold) -> Result<(), StreamFault> {
        for &StreamEnd { inc, seq, chain } in &fold.starts {
            let origin = Origin { node: fold.by.node, inc };
            let is_so = match self.find(origin) {
                Ok(at) => self.entries[at] == Stream { origin, seq, chain },
                Err(_) => self.folds.contains(origin),
            };
            if !is_so {
                return Err(StreamFault::Fold { origin, seq });
            }
        }
        Ok(())
    }

    /// Returns the folded streams.
    #[must_use]
    pub fn folds(&self) -> &Folds {
        &self.folds
    }

    /// Returns streams of these that are named here and folded in `other`.
    pub fn folded_in<'s>(&'s self, other: &'s Self) -> impl Iterator<Item = Stream> + 's {
        self.iter().filter(|stream| other.is_folded(stream.origin))
    }

    /// Compares what two hosts have of the streams that one of them has folded: it is the same if those that the other one names
    /// come to the same number and hash. Returns the first node for which they do not.
    #[must_use]
    pub fn differ_in_folds(&self, other: &Self) -> Option<FoldsDiffer> {
        let count = |one: &Self, other: &Self, node: NodeId| {
            let mut folds = one.folds.of(node).cloned().unwrap_or_else(|| NodeFolds::new(node));
            let named = one.folded_in(other).filter(|stream| stream.origin.node == node);
            named.for_each(|Stream { origin, seq, chain }| {
                folds.count(&StreamEnd { inc: origin.inc, seq, chain });
            });
            (folds.starts, folds.hash)
        };
        let nodes = self.folds.iter().chain(other.folds.iter()).map(|folds| folds.node);
        let differs = |node| {
            let (a, b) = (count(self, other, node), count(other, self, node));
            (a != b).then_some(FoldsDiffer { node, starts: [a.0, b.0] })
        };
        nodes.into_iter().find_map(differs)
    }

    /// Takes it that these streams are folded, of which none is named.
    pub fn join_folds(&mut self, folds: &Folds) {
        self.folds.join(folds);
    }

    /// Returns whether a stream is folded.
    #[must_use]
    pub fn is_folded(&self, origin: Origin) -> bool {
        self.folds.contains(origin) && self.find(origin).is_err()
    }

    /// Returns the same with these streams folded, which are not named.
    #[must_use]
    pub fn with_folds(self, folds: Folds) -> Self {
        Self { folds, ..self }
    }

    /// Returns the state of each stream that is not folded, in the order of their origins.
    pub fn iter(&self) -> impl Iterator<Item = Stream> + '_ {
        self.entries.iter().copied()
    }

    /// Returns the number of streams that are not folded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether no batch was ever written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.folds.is_empty()
    }

    /// Returns the last record's number of one stream, 0 before its first batch; of a folded one, [`Seq::MAX`].
    #[must_use]
    pub fn seq_of(&self, origin: Origin) -> Seq {
        let unnamed = || if self.folds.contains(origin) { Seq::MAX } else { 0 };
        self.find(origin).map_or_else(|_| unnamed(), |at| self.entries[at].seq)
    }

    /// Returns the sequence numbers alone.
    #[must_use]
    pub fn vector(&self) -> VersionVector {
        let mut vector = VersionVector::new();
        self.entries.iter().for_each(|stream| vector.raise(stream.origin, stream.seq));
        vector.with_folds(self.folds.clone())
    }

    /// Sets where a stream stands, which is not before where it stood, without asking whether it follows; for the one who
    /// just sealed the batch, or has asked. There is room for one more origin if it is new.
    #[inline]
    pub fn set(&mut self, stream: Stream) {
        match self.find(stream.origin) {
            Ok(at) => {
                debug_assert!(stream.seq >= self.entries[at].seq);
                self.entries[at] = stream;
            }
            Err(at) => {
                assert!(self.entries.len() < ORIGINS_MAX, "recovery leaves room for one more origin");
                self.entries.insert(at, stream);
            }
        }
    }

    /// Appends the encoding of those that are not folded: [`STREAM_BYTES`] for each.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for stream in &self.entries {
            for word in [stream.origin.node.0, stream.origin.inc.0, stream.seq, stream.chain] {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }
    }

    /// Reads an encoding that takes all of `bytes`; nothing for bytes of another form.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if !bytes.len().is_multiple_of(STREAM_BYTES) || bytes.len() / STREAM_BYTES > ORIGINS_MAX {
            return None;
        }
        let entries: Vec<_> = bytes.chunks_exact(STREAM_BYTES).map(decode_stream).collect();
        let is_sound = entries.is_sorted_by(|a, b| a.origin < b.origin) && entries.iter().all(|s| s.seq > 0);
        is_sound.then_some(Self { entries, folds: Folds::default() })
    }

    #[inline]
    fn find(&self, origin: Origin) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&origin, |stream| stream.origin)
    }
}

fn decode_stream(bytes: &[u8]) -> Stream {
    Stream {
        origin: Origin { node: NodeId(u64_at(bytes, 0)), inc: Inc(u64_at(bytes, 8)) },
        seq: u64_at(bytes, 16),
        chain: u64_at(bytes, 24),
    }
}
