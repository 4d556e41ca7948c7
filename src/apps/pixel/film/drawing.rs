//! The drawing of a film: what is listed at a moment, made from what was listed at the one before.
//!
//! Between two moments floors rise and batches come. What lies at or below the new floors is unset as the canvas does it
//! ([`super::super::canvas::drawing`]): all of it; where it is, if nothing that stays was overdrawn by it; else by drawing once more what stays.

use std::collections::BTreeMap;
use std::io;

use crate::app::applied::Batch;
use crate::base::ids::{Origin, Position, Seq};
use crate::log::read::scan::ReadError;

use super::super::canvas::bounds::Bounds;
use super::super::canvas::drawing::{Edges, draw};
use super::super::canvas::past::NotDrawn;
use super::super::canvas::raises::Raise;
use super::super::canvas::raster::Raster;
use super::super::canvas::shape::Shape;
use super::super::canvas::tiles::Tiles;
use super::super::state::{Floors, PixelState};
use super::Parts;
use super::contents::{Contents, Stretch};

/// What was drawn of a stream.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    /// Number of its last record.
    last: Seq,
    /// Times of its first and its last batch, microseconds since 1970.
    times_us: (u64, u64),
}

/// The canvas as it was at one moment after the other.
pub struct Drawing<'a, P> {
    parts: &'a P,
    contents: &'a Contents,
    tiles: Tiles,
    memory_bytes: usize,
    /// The moment, microseconds since 1970; nothing before the first.
    at_us: Option<u64>,
    drawn: BTreeMap<Origin, Drawn>,
    /// Clears and cuts that count later, the next one last.
    later: Vec<&'a Raise>,
    state: PixelState,
    floors: Floors,
}

impl<'a, P: Parts> Drawing<'a, P> {
    /// Returns the drawing of a journal of these contents before its first moment: all of it or an area, within so much memory.
    #[must_use]
    pub fn new(parts: &'a P, contents: &'a Contents, area: Option<Bounds>, memory_bytes: usize) -> Self {
        let mut later = contents.raises.by_time();
        later.reverse();
        let tiles = Tiles::new(usize::MAX, None).within(area);
        let (drawn, state, floors) = (BTreeMap::new(), PixelState::default(), Floors::default());
        Self { parts, contents, tiles, memory_bytes, at_us: None, drawn, later, state, floors }
    }

    /// Goes on to a moment that is not before the last one, microseconds since 1970.
    ///
    /// # Errors
    /// Fails if the journal can't be read, or the tiles have no room; the drawing is of no use then.
    pub fn advance(&mut self, to_us: u64) -> Result<(), NotDrawn> {
        let behind = self.later.iter().rposition(|raise| raise.time_us > to_us).map_or(0, |at| at + 1);
        for raise in self.later.drain(behind..).rev() {
            self.contents.raises.apply(raise, &mut self.state);
        }
        let floors = self.state.floors();
        if floors != self.floors {
            self.floors = floors;
            self.unset()?;
        }
        self.draw(self.at_us, to_us)?;
        self.at_us = Some(to_us);
        Ok(())
    }

    /// Paints the moment.
    ///
    /// # Errors
    /// Fails only as reading a scratch file does, and there is none.
    pub fn paint(&self, shape: &Shape) -> io::Result<Raster> {
        Raster::paint(&self.tiles, shape)
    }

    /// Unsets what was drawn and lies at or below the floors.
    fn unset(&mut self) -> Result<(), NotDrawn> {
        let Some(at_us) = self.at_us else { return Ok(()) };
        if self.drawn.iter().all(|(origin, drawn)| self.floors.of(*origin) >= drawn.last) {
            self.tiles.clear();
            self.drawn.clear();
        } else if self.is_cut()? {
            self.tiles.sweep(&self.floors);
        } else {
            self.tiles.clear();
            self.drawn.clear();
            self.draw(None, at_us)?;
        }
        Ok(())
    }

    /// Returns whether everything that was drawn at or below the floors comes before everything that was drawn above them.
    fn is_cut(&self) -> Result<bool, ReadError> {
        if !self.contents.heals().is_empty() {
            // Then a stream's times may go back.
            return Ok(false);
        }
        let mut edges = Edges::default();
        for (&origin, drawn) in &self.drawn {
            let floor = self.floors.of(origin);
            if floor >= drawn.last {
                edges.note_below(drawn.times_us.1, origin);
            } else if let Some(low_us) = self.time_of(origin, floor)? {
                edges.note_below(low_us, origin);
                let Some(high_us) = self.time_of(origin, floor + 1)? else { return Ok(false) };
                edges.note_above(high_us, origin);
            } else {
                edges.note_above(drawn.times_us.0, origin);
            }
        }
        Ok(edges.are_apart())
    }

    /// Returns the time of a record's batch; nothing for one that the journal does not have.
    fn time_of(&self, origin: Origin, seq: Seq) -> Result<Option<u64>, ReadError> {
        let has =
            |stretch: &&Stretch| stretch.origin == origin && (stretch.first..=stretch.last).contains(&seq);
        let Some(stretch) = self.contents.stretches.iter().find(has) else { return Ok(None) };
        let mut found = None;
        self.parts.each(stretch.start, stretch.end, &mut |batch| {
            let first = batch.first;
            let is_it =
                first.origin == origin && (first.seq..first.seq + u64::from(batch.count)).contains(&seq);
            if is_it {
                found = Some(first.time_us);
            }
            !is_it
        })?;
        Ok(found)
    }

    /// Draws what is listed of the batches behind one moment, or from the beginning on, and not behind another.
    fn draw(&mut self, behind_us: Option<u64>, to_us: u64) -> Result<(), NotDrawn> {
        let belongs =
            |time_us: u64| behind_us.is_none_or(|behind_us| time_us > behind_us) && time_us <= to_us;
        let mut is_too_large = false;
        for (start, end) in self.spans(behind_us, to_us) {
            let Self { parts, contents, tiles, drawn, floors, memory_bytes, .. } = self;
            parts.each(start, end, &mut |batch| {
                let time_us = contents.time_us(batch);
                if belongs(time_us) {
                    note(drawn, batch, time_us);
                    draw(tiles, floors, contents.heals(), batch, Seq::MAX);
                    is_too_large = tiles.used_bytes() > *memory_bytes;
                }
                !is_too_large
            })?;
        }
        if is_too_large { Err(NotDrawn::TooLarge) } else { Ok(()) }
    }

    /// Returns the parts of the journal that may hold such batches, apart from each other and in order.
    fn spans(&self, behind_us: Option<u64>, to_us: u64) -> Vec<(Position, Position)> {
        let is_needed = |stretch: &&Stretch| {
            let is_in_time =
                stretch.from_us <= to_us && behind_us.is_none_or(|behind_us| stretch.to_us > behind_us);
            is_in_time && stretch.last > self.floors.of(stretch.origin)
        };
        let mut spans: Vec<(Position, Position)> = Vec::new();
        for Stretch { start, end, .. } in self.contents.stretches.iter().filter(is_needed) {
            match spans.last_mut() {
                Some(last) if *start <= last.1 => last.1 = last.1.max(*end),
                _ => spans.push((*start, *end)),
            }
        }
        spans
    }
}

fn note(drawn: &mut BTreeMap<Origin, Drawn>, batch: &Batch<'_>, time_us: u64) {
    let last = batch.first.seq + u64::from(batch.count) - 1;
    let of = drawn.entry(batch.first.origin).or_insert(Drawn { last, times_us: (time_us, time_us) });
    of.last = of.last.max(last);
    of.times_us = (of.times_us.0.min(time_us), of.times_us.1.max(time_us));
}
