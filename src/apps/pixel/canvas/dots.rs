//! The records of a run on their way into the tiles.
//!
//! The cells of a large canvas lie in memory that no cache holds, so each record waits for it if it is drawn by itself: a tenth of
//! a microsecond. Here all cells of a run are looked at before the first one is changed. One look does not depend on another, so the
//! processor has many of them under way at once, and what is drawn afterwards finds its cells in the cache.

use std::cmp::Ordering;
use std::hint::black_box;

use super::runs::{RUN_RECORDS, RunId, Runs};
use super::tile::Tile;

/// A record, and the cell that it is drawn to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dot {
    /// Where its tile is in memory; no tile may move before it is drawn.
    pub tile: u32,
    /// The cell in the tile.
    pub index: u16,
    /// The channel.
    pub channel: u8,
    /// Its value.
    pub value: u8,
    /// Its place in the run.
    pub offset: u8,
}

/// Records of one run, in order.
pub struct Dots {
    /// The run.
    pub run: RunId,
    /// It is later than all that is drawn.
    is_latest: bool,
    count: usize,
    dots: [Dot; RUN_RECORDS],
}

impl Dots {
    /// Returns none of a run yet.
    pub fn new(run: RunId, is_latest: bool) -> Self {
        Self { run, is_latest, count: 0, dots: [Dot::default(); RUN_RECORDS] }
    }

    /// Adds one behind all others; a run has no more than there is room for.
    #[inline]
    pub fn push(&mut self, dot: Dot) {
        self.dots[self.count] = dot;
        self.count += 1;
    }

    /// Takes all of them out.
    pub fn take(&mut self) -> &[Dot] {
        &self.dots[..std::mem::take(&mut self.count)]
    }

    /// Drops those whose cells have a later value. One that is drawn twice here is right in either case: both records stand
    /// behind the same earlier ones.
    pub fn drop_beaten(&mut self, tiles: &[Tile], runs: &Runs) {
        let mut kept = 0;
        for at in 0..self.count {
            let dot = self.dots[at];
            let cell = &tiles[dot.tile as usize].cells[usize::from(dot.index)];
            // Read also where it is of no use, which the compiler would leave out: that is how the cell gets into the cache.
            let before = black_box(cell.run(usize::from(dot.channel)));
            let stands = self.is_latest || before == 0 || runs.compare(before, self.run) != Ordering::Greater;
            self.dots[kept] = dot;
            kept += usize::from(stands);
        }
        self.count = kept;
    }
}
