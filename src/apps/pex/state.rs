//! Where the service stands: for each stream the sum of its steps, its hits, and how far a reset took them away.
//!
//! The position is the sum of the steps above the floors, and never below zero. Sums add up in any order and of two
//! floors of a stream the higher one stands, so hosts that have applied the same streams stand at the same position.

use crate::app::state::{Entry, RestoreError, Stamper, State};
use crate::base::folds::Folds;
use crate::base::ids::{Inc, NodeId, Origin};

use super::record::{Change, Floor, Wish, word};
use super::steps::Steps;
use super::stream::{Stream, position};

/// Encoded bytes of a stream in a snapshot: node, inc, seq, sum, hits, and the floor's seq and sum. Behind the streams the folded
/// ones are one, if there are any: 0, 0, [`FOLDED`], sum, hits, 0, 0.
const STREAM_BYTES: usize = 56;
/// In place of a seq.
const FOLDED: u64 = u64::MAX;

/// What applying a step on gave that found the end; any other step gives the position it led to.
pub const AT_END: u64 = u64::MAX;

/// What the folded streams come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Folded {
    /// Sum of their steps above the floors. A reset takes all of it: whoever made it had all of them.
    above: i64,
    hits: u64,
}

/// The service's state: one entry for each stream that is not folded, sorted by origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PexState {
    streams: Vec<Stream>,
    /// Of those with records of this service; nothing before the first.
    folded: Option<Folded>,
    folds: Folds,
    /// Sum of the steps above the floors; below zero when both hosts stepped back from the same position.
    above: i64,
    hits: u64,
}

impl PexState {
    /// Returns the position.
    #[must_use]
    pub fn position(&self) -> u64 {
        position(self.above)
    }

    /// Steps and resets that were counted, ever.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits
    }

    /// Returns whether nothing has ever happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.folded.is_none()
    }

    /// Changes a stream, and the totals with it.
    fn change(&mut self, origin: Origin, change: impl FnOnce(&mut Stream)) {
        let at = match self.streams.binary_search_by_key(&origin, |stream| stream.origin) {
            Ok(at) => at,
            Err(at) => {
                self.streams.insert(at, Stream::new(origin));
                at
            }
        };
        let stream = &mut self.streams[at];
        let (above, hits) = (stream.above(), stream.hits);
        change(stream);
        self.above = self.above.wrapping_add(stream.above().wrapping_sub(above));
        self.hits = self.hits.wrapping_add(stream.hits.wrapping_sub(hits));
    }

    fn is_folded(&self, origin: Origin) -> bool {
        self.folds.contains(origin)
            && self.streams.binary_search_by_key(&origin, |stream| stream.origin).is_err()
    }

    /// Takes note of a record of the stream.
    fn count(&mut self, at: &Entry, hits: u64, step: i64) {
        self.change(at.origin, |stream| {
            stream.seq = stream.seq.max(at.seq);
            stream.sum = stream.sum.wrapping_add(step);
            stream.hits = stream.hits.wrapping_add(hits);
        });
    }
}

impl State for PexState {
    fn kinds(&self) -> &'static [(u8, &'static str)] {
        crate::apps::pex::tag::KINDS
    }

    fn record_bytes_max(&self) -> usize {
        crate::apps::pex::tag::RECORD_BYTES_MAX
    }

    fn stamper(&self) -> Option<Box<dyn Stamper + '_>> {
        Some(Box::new(Steps::new(&self.streams, self.above, self.is_empty())))
    }

    /// Gives the position after a step or an import, the hits after a reset, and [`AT_END`].
    fn apply(&mut self, at: &Entry, record: &[u8]) -> Option<u64> {
        match Change::decode(record)? {
            Change::Step(step) => {
                self.count(at, 1, step);
                Some(self.position())
            }
            Change::AtEnd | Change::NoImport => Some(AT_END),
            Change::Reset(floors) => {
                if let Some(folded) = &mut self.folded {
                    self.above = self.above.wrapping_sub(std::mem::take(&mut folded.above));
                }
                for (origin, floor) in floors {
                    if self.is_folded(origin) {
                        continue;
                    }
                    self.change(origin, |stream| stream.floor = stream.floor.max(floor));
                }
                self.count(at, 1, 0);
                Some(self.hits)
            }
            Change::Import { hits, position } => {
                self.count(at, hits, position.cast_signed());
                Some(self.position())
            }
        }
    }

    fn takes_folded(&self, record: &[u8]) -> bool {
        self.folded.is_some() && matches!(Change::decode(record), Some(Change::Reset(_)))
    }

    fn take_folds(&mut self, streams: &[Origin], all: &Folds) {
        self.folds = all.clone();
        let is_folded = |stream: &mut Stream| streams.binary_search(&stream.origin).is_ok();
        for stream in self.streams.extract_if(.., is_folded) {
            let folded = self.folded.get_or_insert_default();
            folded.above = folded.above.wrapping_add(stream.above());
            folded.hits = folded.hits.wrapping_add(stream.hits);
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        for stream in &self.streams {
            let Stream { origin, seq, sum, hits, floor } = stream;
            let sums = [sum.cast_unsigned(), *hits, floor.seq, floor.sum.cast_unsigned()];
            for word in [origin.node.0, origin.inc.0, *seq].into_iter().chain(sums) {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }
        if let Some(Folded { above, hits }) = self.folded {
            for word in [0, 0, FOLDED, above.cast_unsigned(), hits, 0, 0] {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let is_folded = |entry: &&[u8]| entry.len() == STREAM_BYTES && word(entry, 2) == FOLDED;
        let last = bytes.rchunks(STREAM_BYTES).next().filter(is_folded);
        let folded = last.map(|entry| Folded { above: word(entry, 3).cast_signed(), hits: word(entry, 4) });
        let bytes = &bytes[..bytes.len() - last.map_or(0, <[u8]>::len)];
        let streams: Vec<Stream> = bytes
            .chunks_exact(STREAM_BYTES)
            .map(|entry| Stream {
                origin: Origin { node: NodeId(word(entry, 0)), inc: Inc(word(entry, 1)) },
                seq: word(entry, 2),
                sum: word(entry, 3).cast_signed(),
                hits: word(entry, 4),
                floor: Floor { seq: word(entry, 5), sum: word(entry, 6).cast_signed() },
            })
            .collect();
        let whole = bytes.len().is_multiple_of(STREAM_BYTES);
        if !whole || !streams.is_sorted_by(|a, b| a.origin < b.origin) {
            return Err(RestoreError);
        }
        let Folded { above, hits } = folded.unwrap_or_default();
        let above = streams.iter().fold(above, |sum, stream| sum.wrapping_add(stream.above()));
        let hits = streams.iter().fold(hits, |sum, stream| sum.wrapping_add(stream.hits));
        *self = Self { streams, folded, folds: Folds::default(), above, hits };
        Ok(())
    }

    fn sample(&self, seed: u64) -> Vec<u8> {
        let wish = match seed % 16 {
            0 => Wish::Reset,
            1 => Wish::Import { hits: seed >> 8 & 0xFF, position: seed >> 16 & 0xFF },
            2..=6 => Wish::Previous,
            // An end that is often reached.
            _ => Wish::Next { last: seed >> 8 & 7 },
        };
        wish.encode()
    }
}
