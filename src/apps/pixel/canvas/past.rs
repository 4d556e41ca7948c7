//! Pictures of the past: what was listed at a moment, drawn from the journal.
//!
//! A moment is a time, which takes every batch that is known here and counts as of then or before, or a cursor, which takes what
//! this host had. Segments go when everything in them is cleared, so a moment before the clear that let them go can't be drawn any more.

use std::sync::Arc;

use crate::app::applied::Batch;
use crate::app::heal::Heals;
use crate::app::pieces::{Piece, pieces};
use crate::app::state::{Entry, State};
use crate::apps::pixel::tag;
use crate::base::folds::Fold;
use crate::base::ids::{Origin, Position, Seq};
use crate::base::tag as tags;
use crate::base::vector::VersionVector;
use crate::log::format::record;
use crate::log::read::reader::Reader;
use crate::log::read::scan::ReadError;

use super::super::cut::{self, Floor};
use super::super::state::{Floors, GONE, PixelState};
use super::bounds::Bounds;
use super::drawing::{Past, draw};
use super::journal::Journal;
use super::tiles::Tiles;

/// A moment of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// A time, microseconds since 1970.
    Time(u64),
    /// A place in the journal.
    Place(Position),
}

impl At {
    /// Returns whether a batch belongs to it that counts as of `time_us`.
    fn has(self, batch: &Batch<'_>, time_us: u64) -> bool {
        match self {
            Self::Time(at_us) => time_us <= at_us,
            Self::Place(position) => batch.end <= position,
        }
    }
}

/// Why a moment was not drawn.
#[derive(Debug, thiserror::Error)]
pub enum NotDrawn {
    /// The journal does not reach back so far: the earliest time that it can be drawn of, microseconds since 1970.
    #[error("the journal does not reach back so far")]
    Gone(u64),
    /// Its tiles do not have room in memory.
    #[error("its tiles have no room in memory")]
    TooLarge,
    /// The journal can't be read.
    #[error("the journal can't be read: {0}")]
    Unreadable(#[from] ReadError),
}

/// What a moment is drawn from.
pub struct Source<'a> {
    /// The journal.
    pub reader: &'a Arc<Reader>,
    /// Its end.
    pub end: Position,
    /// What counts as of another time.
    pub heals: &'a Heals,
    /// Memory for the tiles, bytes.
    pub memory_bytes: usize,
}

impl Source<'_> {
    /// Draws a moment, all of it or an area.
    ///
    /// # Errors
    /// Fails as [`NotDrawn`] says.
    pub fn draw(&self, at: At, area: Option<Bounds>) -> Result<Tiles, NotDrawn> {
        let floors = self.floors(at)?;
        let mut tiles = Tiles::new(usize::MAX, None).within(area);
        let mut is_too_large = false;
        self.each(&floors, &mut |batch, time_us| {
            if at.has(batch, time_us) && !is_too_large {
                draw(&mut tiles, &floors, self.heals, batch, Seq::MAX);
                is_too_large = tiles.used_bytes() > self.memory_bytes;
            }
        })?;
        if is_too_large { Err(NotDrawn::TooLarge) } else { Ok(tiles) }
    }

    /// Returns the floors of a moment.
    fn floors(&self, at: At) -> Result<Floors, NotDrawn> {
        let mut state = PixelState::default();
        // Records that raise floors later on: the time of each, and where it stands.
        let mut later: Vec<(u64, Entry, Vec<u8>)> = Vec::new();
        let mut folded: Vec<(Origin, Floor)> = Vec::new();
        self.each(&Floors::default(), &mut |batch, time_us| {
            let mut entry = batch.first;
            for piece in pieces(batch.body) {
                let Piece::Other(record) = piece else {
                    entry.seq += piece.count();
                    continue;
                };
                if record[0] == tags::STREAMS_FOLDED
                    && let Some(fold) = Fold::read(entry.origin, record::payload(record))
                {
                    let origins = fold.starts.iter().map(|start| Origin { inc: start.inc, ..entry.origin });
                    folded.extend(origins.map(|origin| (origin, Floor { seq: GONE, pixels: 0 })));
                }
                if tags::app_of(record[0]) == tag::APP {
                    if at.has(batch, time_us) && record[0] == tag::PIXEL_CLEAR {
                        // It takes what is folded without naming it.
                        for all in cut::records(&folded) {
                            state.apply(&entry, &all);
                        }
                    }
                    if at.has(batch, time_us) {
                        state.apply(&entry, record);
                    } else {
                        later.push((time_us, entry, record.to_vec()));
                    }
                }
                entry.seq += piece.count();
            }
        })?;
        let lost = self.reader.start_vector();
        if cover(&state.floors(), &lost) {
            return Ok(state.floors());
        }
        later.sort_by_key(|(time_us, entry, _)| (*time_us, entry.origin, entry.seq));
        let mut covers = |(time_us, entry, record): &(u64, Entry, Vec<u8>)| {
            state.apply(entry, record);
            cover(&state.floors(), &lost).then_some(*time_us)
        };
        // What let the segments go is in the journal behind them.
        Err(NotDrawn::Gone(later.iter().find_map(&mut covers).unwrap_or(u64::MAX)))
    }

    fn each(&self, above: &Floors, visit: &mut dyn FnMut(&Batch<'_>, u64)) -> Result<(), ReadError> {
        let journal = Journal { reader: self.reader, end: self.end };
        journal.each(above, self.end, &mut |batch| {
            let Entry { origin, seq, time_us } = batch.first;
            visit(batch, self.heals.time_us(origin, seq, time_us));
        })
    }
}

fn cover(floors: &Floors, lost: &VersionVector) -> bool {
    lost.iter().all(|(origin, seq)| floors.of(origin) >= seq)
}
