//! The tiles: in memory up to a bound, the coldest in the scratch file. Records are drawn into them in any order; of two that set
//! the same channel of a cell the later one stands, by the order of [`super::runs`].

use std::io;

use crate::base::ids::{Origin, Seq};
use crate::base::tag::{SHORT_FIRST, SHORT_RECORD_BYTES};

use super::super::state::Floors;
use super::bounds::Bounds;
use super::changes::{Changes, Told};
use super::dots::{Dot, Dots};
use super::runs::{RUN_RECORDS, RunId, Runs};
use super::store::{MakeScratch, Store};
use super::stored::{self, Seen};
use super::tile::{CELLS, CHANNELS, Cell, Tile, TileKey, index_of};

/// The tiles.
pub struct Tiles {
    store: Store,
    /// Cells that are set, in memory and in the scratch file.
    set: u64,
    bounds: Option<Bounds>,
    changes: Changes,
    /// What is drawn only; nothing for all of it.
    area: Option<Bounds>,
}

impl Tiles {
    /// Returns tiles without a set cell, which may have so many bytes of memory; beyond that they go to the scratch file, if there
    /// may be one.
    #[must_use]
    pub fn new(memory_bytes: usize, make_scratch: Option<MakeScratch>) -> Self {
        let store = Store::new(memory_bytes, make_scratch);
        Self { store, set: 0, bounds: None, changes: Changes::default(), area: None }
    }

    /// Returns the same tiles, in which nothing beyond an area is drawn.
    #[must_use]
    pub fn within(self, area: Option<Bounds>) -> Self {
        Self { area, ..self }
    }

    /// Draws records side by side, all of them pixels, of which the first has the number `first`; those up to `floor` are
    /// passed over. They count as of `time_us`.
    pub fn draw(&mut self, records: &[u8], time_us: u64, origin: Origin, first: Seq, floor: Seq) {
        let passed = (floor + 1).saturating_sub(first);
        let passed_bytes = usize::try_from(passed).unwrap_or(usize::MAX).saturating_mul(SHORT_RECORD_BYTES);
        let Some(records) = records.get(passed_bytes..) else { return };
        let firsts = (first + passed..).step_by(RUN_RECORDS);
        for (run, first) in records.chunks(RUN_RECORDS * SHORT_RECORD_BYTES).zip(firsts) {
            self.draw_run(run, time_us, origin, first);
        }
    }

    fn draw_run(&mut self, records: &[u8], time_us: u64, origin: Origin, first: Seq) {
        self.store.make_room();
        let (run, is_latest) = self.store.runs.add(time_us, origin, first);
        let mut dots = Dots::new(run, is_latest);
        for (offset, record) in records.chunks_exact(SHORT_RECORD_BYTES).enumerate() {
            let word = |at: usize| i32::from_le_bytes(record[at..at + 4].try_into().expect("4 bytes"));
            let (x, y) = (word(2), word(6));
            if self.area.is_some_and(|area| !area.has(x, y)) {
                continue;
            }
            let key = TileKey::of(x, y);
            let at = match self.store.find_near(key) {
                Some(at) => at,
                None => {
                    // One that the dots so far go to may have to make room for it.
                    self.draw_dots(&mut dots);
                    self.store.open(key)
                }
            };
            dots.push(Dot {
                tile: at as u32,
                index: index_of(x, y) as u16,
                channel: record[0] - SHORT_FIRST,
                value: record[1],
                offset: offset as u8,
            });
        }
        self.draw_dots(&mut dots);
    }

    fn draw_dots(&mut self, dots: &mut Dots) {
        dots.drop_beaten(&self.store.tiles, &self.store.runs);
        let is_noted = self.changes.are_noted && !self.store.has_overflowed;
        let run = dots.run;
        for dot in dots.take() {
            let (tile, index) = (&mut self.store.tiles[dot.tile as usize], usize::from(dot.index));
            tile.is_warm = true;
            if !tile.cells[index].is_set() {
                tile.note_set(index);
                self.set += 1;
                let (x, y) = tile.key.cell(index);
                let place = Bounds::of(x, y);
                self.bounds = Some(self.bounds.map_or(place, |bounds| bounds.join(place)));
            }
            tile.cells[index].set(usize::from(dot.channel), run, dot.offset, dot.value);
            if is_noted {
                self.changes.note(tile, index);
            }
        }
    }

    /// Makes every cell unset.
    pub fn clear(&mut self) {
        self.store.clear();
        (self.set, self.bounds) = (0, None);
        self.changes.tiles.clear();
        self.changes.forget = true;
    }

    /// Makes the cells unset whose records lie at or below these floors. Right only where nothing that lies above them was
    /// overdrawn by what lies below.
    pub fn sweep(&mut self, floors: &Floors) {
        let below = self.store.runs.below(floors);
        if below.iter().all(|count| *count == 0) && self.store.scratch().is_none_or(|s| s.count() == 0) {
            return;
        }
        let before = self.set;
        let mut unnoted = Changes::default();
        let changes = if self.store.has_overflowed { &mut unnoted } else { &mut self.changes };
        for tile in &mut self.store.tiles {
            self.set -= u64::from(sweep_tile(tile, |run| below[run as usize], changes));
        }
        self.store.drop_empty();
        let mut bucket = 0;
        while let Some(touched) = self.store.touched(bucket, floors) {
            touched.into_iter().for_each(|key| self.sweep_stored(key, floors));
            bucket += 1;
        }
        self.store.give_back();
        if self.set != before {
            self.bounds = self.store.look_for_bounds();
        }
    }

    fn sweep_stored(&mut self, key: TileKey, floors: &Floors) {
        let at = self.store.open(key);
        let mut unnoted = Changes::default();
        let changes = if self.store.has_overflowed { &mut unnoted } else { &mut self.changes };
        let runs = &self.store.runs;
        self.set -=
            u64::from(sweep_tile(&mut self.store.tiles[at], |run| runs.below_of(run, floors), changes));
        self.store.drop_if_empty(at);
        self.store.make_room();
    }

    /// Returns how many cells are set.
    #[must_use]
    pub fn set(&self) -> u64 {
        self.set
    }

    /// Returns the bounds of the cells that are set.
    #[must_use]
    pub fn bounds(&self) -> Option<Bounds> {
        self.bounds
    }

    /// Returns the runs that cells may name.
    #[must_use]
    pub fn runs(&self) -> &Runs {
        &self.store.runs
    }

    /// Returns the runs, to be filled before any tile is put back.
    pub fn runs_mut(&mut self) -> &mut Runs {
        &mut self.store.runs
    }

    /// Returns bytes of memory that tiles and runs take.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.store.used_bytes()
    }

    /// Returns how many tiles with a set cell there are in memory and in the scratch file.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        self.store.counts()
    }

    /// Returns whether a tile is lost, so that nothing here stands any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.store.is_lost()
    }

    /// Takes the error of the scratch file, once; it is tried again from now on.
    pub fn take_trouble(&mut self) -> Option<io::Error> {
        self.store.refuses.take()
    }

    /// Calls `visit` with the bytes of every tile with a set cell, as [`stored`] has them.
    ///
    /// # Errors
    /// Returns what `visit` does, and the error of reading the scratch file.
    pub fn each_stored(&self, visit: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.store.each_stored(visit)
    }

    /// Calls `visit` for each set cell of an area with its place and colour.
    ///
    /// # Errors
    /// Returns the error of reading the scratch file.
    pub fn paint(&self, area: Bounds, mut visit: impl FnMut(i32, i32, [u8; 4])) -> io::Result<()> {
        let Some(area) = self.bounds.and_then(|bounds| bounds.meet(area)) else { return Ok(()) };
        for tile in &self.store.tiles {
            let Some(part) = Bounds::of_tile(tile.key).meet(area) else { continue };
            for y in part.y_min..=part.y_max {
                let row = index_of(part.x_min, y);
                for (x, cell) in (part.x_min..=part.x_max).zip(&tile.cells[row..]) {
                    if cell.is_set() {
                        visit(x, y, cell.colour());
                    }
                }
            }
        }
        self.store.scratch().map_or(Ok(()), |scratch| {
            scratch.each_in(area, |key, bytes| {
                stored::paint(bytes, |index, colour| {
                    let (x, y) = key.cell(index);
                    if area.has(x, y) {
                        visit(x, y, colour);
                    }
                });
                Ok(())
            })
        })
    }

    /// Returns a cell's colour, and the time of the record that set each channel, microseconds since 1970.
    ///
    /// # Errors
    /// Returns the error of reading the scratch file.
    pub fn look(&self, x: i32, y: i32) -> io::Result<([u8; 4], [Option<u64>; CHANNELS])> {
        let (key, index) = (TileKey::of(x, y), index_of(x, y));
        let seen = |cell: &Cell, runs: &Runs| {
            let time = |channel: usize| (cell.run(channel) != 0).then(|| runs.get(cell.run(channel)).time_us);
            (cell.colour(), [time(0), time(1), time(2)])
        };
        if let Some(tile) = self.store.find(key) {
            return Ok(seen(&tile.cells[index], &self.store.runs));
        }
        let bytes = match self.store.scratch() {
            Some(scratch) => scratch.read(key)?,
            None => None,
        };
        let mut runs = Runs::default();
        self.store.runs.origins().iter().for_each(|origin| _ = runs.origin_id(*origin));
        let tile = bytes.and_then(|bytes| stored::decode(&bytes, &mut runs));
        Ok(tile.map_or(Default::default(), |tile| seen(&tile.cells[index], &runs)))
    }

    /// Adds a tile that was stored; gives whether its bytes are those of one.
    pub fn put_back(&mut self, bytes: &[u8]) -> bool {
        self.store.make_room();
        let seen = stored::look(bytes, &mut self.store.runs);
        let Some(Seen { key, set, extent, is_shortest }) = seen else { return false };
        if self.store.find(key).is_some() {
            return false;
        }
        if !is_shortest || !self.store.put_stored(key, bytes, extent) {
            let Some(tile) = stored::decode(bytes, &mut self.store.runs) else { return false };
            self.store.put_back(tile);
        }
        let bounds = Bounds::of_extent(key, extent);
        self.set += u64::from(set);
        self.bounds = Some(self.bounds.map_or(bounds, |all| all.join(bounds)));
        true
    }

    /// Begins to note changes: what is drawn from now on is told.
    pub fn note_changes(&mut self) {
        self.changes = Changes { are_noted: true, ..Changes::default() };
    }

    /// Gives what watchers are told. [`Tiles::told`] follows.
    #[must_use]
    pub fn changes(&self) -> Told<'_> {
        let Changes { forget, ref tiles, .. } = self.changes;
        if self.store.has_overflowed {
            return Told::TooMuch;
        }
        if tiles.is_empty() && !forget {
            return Told::Nothing;
        }
        Told::Cells { forget, tiles: tiles.iter().filter_map(|key| self.store.find(*key)).collect() }
    }

    /// Takes note that watchers were told all of it.
    pub fn told(&mut self) {
        for key in std::mem::take(&mut self.changes.tiles) {
            if let Some(tile) = self.store.find_mut(key) {
                tile.is_changed = false;
            }
        }
        (self.changes.forget, self.store.has_overflowed) = (false, false);
        self.store.drop_empty();
    }
}

/// Makes the channels of a tile unset that lie below; gives how many cells are unset with that.
fn sweep_tile(tile: &mut Tile, below: impl Fn(RunId) -> u16, changes: &mut Changes) -> u32 {
    let mut unset = 0;
    for index in 0..CELLS {
        let cell = &mut tile.cells[index];
        if !cell.is_set() {
            continue;
        }
        let before = *cell;
        for channel in 0..CHANNELS {
            let run = cell.run(channel);
            if run != 0 && u16::from(cell.offset(channel)) < below(run) {
                cell.unset(channel);
            }
        }
        if *cell != before {
            let is_unset = !cell.is_set();
            if is_unset {
                unset += 1;
                tile.note_unset(index);
            }
            if changes.are_noted {
                changes.note(tile, index);
            }
        }
    }
    unset
}

#[cfg(test)]
mod tests;
