//! What a journal holds, as far as a film needs to know it: a few words for each MiB.

use std::collections::BTreeMap;

use crate::app::applied::Batch;
use crate::app::heal::{Heal, Heals};
use crate::app::pieces::{Piece, pieces};
use crate::base::ids::{Origin, Position, Seq};
use crate::base::tag::{SHORT_RECORD_BYTES, TIME_HEALED};
use crate::base::vector::VersionVector;

use super::super::canvas::bounds::Bounds;
use super::super::canvas::raises::Raises;
use super::limits::{RAISES_MAX, STRETCH_BYTES};

/// Batches of one stream that stand near each other; those of other streams may stand between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The stream.
    pub origin: Origin,
    /// Where the first batch starts.
    pub start: Position,
    /// Where the last batch ends.
    pub end: Position,
    /// Number of the first record.
    pub first: Seq,
    /// Number of the last record.
    pub last: Seq,
    /// The earliest time as of which a batch counts, microseconds since 1970.
    pub from_us: u64,
    /// The latest.
    pub to_us: u64,
}

/// What a journal holds.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// All of its batches, in the order in which they begin.
    pub stretches: Vec<Stretch>,
    /// Its clears and cuts.
    pub raises: Raises,
    /// Pixels, listed or not.
    pub pixels: u64,
    /// Bounds of all cells that they set.
    pub bounds: Option<Bounds>,
    heals: Heals,
    /// Times were healed of which nothing was known at the beginning.
    is_outdated: bool,
    /// The times as of which the earliest and the latest pixel, clear or cut count, microseconds since 1970.
    times_us: Option<(u64, u64)>,
    /// The last stretch of each stream.
    open: BTreeMap<Origin, usize>,
}

impl Contents {
    /// Returns those of a journal of which nothing was read; it counts by these healed times.
    #[must_use]
    pub fn new(heals: Heals) -> Self {
        Self { heals, ..Self::default() }
    }

    /// Reads a journal; `read` shows all of its batches. They are shown again if healed times come to light with them, because what
    /// was read before counts as of another time then.
    ///
    /// # Errors
    /// Returns the error of `read`.
    pub fn read<E>(
        heals: Heals,
        mut read: impl FnMut(&mut dyn FnMut(&Batch<'_>, Position)) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut contents = Self::new(heals);
        loop {
            read(&mut |batch, start| contents.take(batch, start))?;
            if !contents.is_outdated {
                return Ok(contents);
            }
            contents = Self::new(contents.heals);
        }
    }

    /// Takes the next batch, which starts at `start`.
    fn take(&mut self, batch: &Batch<'_>, start: Position) {
        let time_us = self.time_us(batch);
        self.note_stretch(batch, start, time_us);
        let raises = self.raises.count();
        self.raises.take(batch, time_us);
        let mut has_pixels = false;
        for piece in pieces(batch.body) {
            match piece {
                Piece::Short(run) => {
                    has_pixels = true;
                    self.pixels += piece.count();
                    self.note_places(run);
                }
                Piece::Other(record) if record[0] == TIME_HEALED => self.heal(record),
                Piece::Other(_) => {}
            }
        }
        if has_pixels || self.raises.count() > raises {
            let (first, last) = self.times_us.unwrap_or((time_us, time_us));
            self.times_us = Some((first.min(time_us), last.max(time_us)));
        }
    }

    fn heal(&mut self, record: &[u8]) {
        let Some(heal) = Heal::of(record) else { return };
        let before = self.heals.clone();
        self.heals.add(heal);
        self.is_outdated |= self.heals != before;
    }

    fn note_stretch(&mut self, batch: &Batch<'_>, start: Position, time_us: u64) {
        let origin = batch.first.origin;
        let (first, last) = (batch.first.seq, batch.first.seq + u64::from(batch.count) - 1);
        let open = self.open.get(&origin).map(|at| &mut self.stretches[*at]);
        match open.filter(|open| batch.end.0 - open.start.0 <= STRETCH_BYTES) {
            Some(open) => {
                (open.end, open.last) = (batch.end, last);
                (open.from_us, open.to_us) = (open.from_us.min(time_us), open.to_us.max(time_us));
            }
            None => {
                self.open.insert(origin, self.stretches.len());
                let (end, from_us, to_us) = (batch.end, time_us, time_us);
                self.stretches.push(Stretch { origin, start, end, first, last, from_us, to_us });
            }
        }
    }

    fn note_places(&mut self, run: &[u8]) {
        let word =
            |record: &[u8], at: usize| i32::from_le_bytes(record[at..at + 4].try_into().expect("4 bytes"));
        let place = |record: &[u8]| (word(record, 2), word(record, 6));
        let (x, y) = place(run);
        let mut bounds = self.bounds.unwrap_or(Bounds::of(x, y));
        for record in run.chunks_exact(SHORT_RECORD_BYTES) {
            let (x, y) = place(record);
            bounds = bounds.join(Bounds::of(x, y));
        }
        self.bounds = Some(bounds);
    }

    /// Returns as of when a batch counts, microseconds since 1970.
    #[must_use]
    pub fn time_us(&self, batch: &Batch<'_>) -> u64 {
        self.heals.time_us(batch.first.origin, batch.first.seq, batch.first.time_us)
    }

    /// Returns the healed times.
    #[must_use]
    pub fn heals(&self) -> &Heals {
        &self.heals
    }

    /// Returns the earliest moment that can be shown, and the last one at which anything changes, microseconds since 1970; nothing
    /// if the journal, which has lost what lies before `lost`, holds no pixel and no clear.
    #[must_use]
    pub fn span_us(&self, lost: &VersionVector) -> Option<(u64, u64)> {
        let (first, last) = self.times_us?;
        Some((first.max(self.raises.earliest_us(lost)), last))
    }

    /// Returns whether there are more clears and cuts than a film takes.
    #[must_use]
    pub fn has_too_many_raises(&self) -> bool {
        self.raises.count() > RAISES_MAX
    }
}
