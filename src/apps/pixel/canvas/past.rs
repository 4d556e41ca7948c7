//! Pictures of the past: what was listed at a moment, drawn from the journal.
//!
//! A moment is a time, which takes every batch that is known here and counts as of then or before, or a cursor, which takes what
//! this host had. Segments go when everything in them is cleared, so a moment before the clear that let them go can't be drawn any more.

use std::sync::Arc;

use crate::app::applied::Batch;
use crate::app::heal::Heals;
use crate::app::state::Entry;
use crate::base::ids::{Position, Seq};
use crate::log::read::reader::Reader;
use crate::log::read::scan::ReadError;

use super::super::state::Floors;
use super::bounds::Bounds;
use super::drawing::{Past, draw};
use super::journal::Journal;
use super::raises::{Raises, cover};
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
    /// Returns whether a batch belongs to it that ends at `end` and counts as of `time_us`.
    fn has(self, end: Position, time_us: u64) -> bool {
        match self {
            Self::Time(at_us) => time_us <= at_us,
            Self::Place(position) => end <= position,
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
            if at.has(batch.end, time_us) && !is_too_large {
                draw(&mut tiles, &floors, self.heals, batch, Seq::MAX);
                is_too_large = tiles.used_bytes() > self.memory_bytes;
            }
        })?;
        if is_too_large { Err(NotDrawn::TooLarge) } else { Ok(tiles) }
    }

    /// Returns the floors of a moment.
    fn floors(&self, at: At) -> Result<Floors, NotDrawn> {
        let mut raises = Raises::default();
        self.each(&Floors::default(), &mut |batch, time_us| raises.take(batch, time_us))?;
        let (floors, lost) =
            (raises.floors(|raise| at.has(raise.end, raise.time_us)), self.reader.start_vector());
        if cover(&floors, &lost) { Ok(floors) } else { Err(NotDrawn::Gone(raises.earliest_us(&lost))) }
    }

    fn each(&self, above: &Floors, visit: &mut dyn FnMut(&Batch<'_>, u64)) -> Result<(), ReadError> {
        let journal = Journal { reader: self.reader, end: self.end };
        journal.each(above, self.end, &mut |batch| {
            let Entry { origin, seq, time_us } = batch.first;
            visit(batch, self.heals.time_us(origin, seq, time_us));
        })
    }
}
