//! Tiles: squares of 64 x 64 cells, each with its three channels and the record that set each.

use super::runs::RunId;

/// Cells along each side of a tile.
pub const SIDE: i32 = 64;
/// Cells of a tile.
pub const CELLS: usize = (SIDE * SIDE) as usize;
/// Channels of a cell.
pub const CHANNELS: usize = 3;
/// A bit for each cell of a tile.
pub type CellBits = [u64; CELLS / 64];
/// Bytes of a tile in memory.
pub const TILE_BYTES: usize = CELLS * size_of::<Cell>() + 2 * size_of::<CellBits>() + size_of::<Tile>();

/// A tile's place: its column and row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileKey {
    /// Column: x divided by [`SIDE`], rounded down.
    pub x: i32,
    /// Row.
    pub y: i32,
}

impl TileKey {
    /// Returns the tile of a cell.
    #[inline]
    #[must_use]
    pub fn of(x: i32, y: i32) -> Self {
        Self { x: x >> 6, y: y >> 6 }
    }

    /// Returns the cell at an index of this tile.
    #[inline]
    #[must_use]
    pub fn cell(self, index: usize) -> (i32, i32) {
        (self.x << 6 | (index & 63) as i32, self.y << 6 | (index >> 6) as i32)
    }
}

/// Returns a cell's index in its tile: row by row.
#[inline]
#[must_use]
pub fn index_of(x: i32, y: i32) -> usize {
    ((y & 63) << 6 | (x & 63)) as usize
}

/// One cell: for each channel its value, and the run and the offset in it of the record that set it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct Cell {
    /// The run in the upper 24 bits (0: unset), the value in the lower 8.
    words: [u32; CHANNELS],
    offsets: [u8; CHANNELS],
}

impl Cell {
    /// Returns whether any channel is set.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.words[0] | self.words[1] | self.words[2] != 0
    }

    /// Returns the run that set a channel; 0 if it is unset.
    #[inline]
    #[must_use]
    pub fn run(&self, channel: usize) -> RunId {
        self.words[channel] >> 8
    }

    /// Returns the record's offset in its run.
    #[inline]
    #[must_use]
    pub fn offset(&self, channel: usize) -> u8 {
        self.offsets[channel]
    }

    /// Sets a channel.
    #[inline]
    pub fn set(&mut self, channel: usize, run: RunId, offset: u8, value: u8) {
        self.words[channel] = run << 8 | u32::from(value);
        self.offsets[channel] = offset;
    }

    /// Makes a channel unset.
    pub fn unset(&mut self, channel: usize) {
        self.words[channel] = 0;
        self.offsets[channel] = 0;
    }

    /// Gives the run of each channel that is set another id.
    fn rename(&mut self, renamed: &[RunId]) {
        for word in &mut self.words {
            *word = renamed[(*word >> 8) as usize] << 8 | *word & 0xFF;
        }
    }

    /// Returns its colour: red, green, blue, and 255 if it is set. Channels that are unset are 0.
    #[inline]
    #[must_use]
    pub fn colour(&self) -> [u8; 4] {
        let value = |channel: usize| self.words[channel] as u8;
        [value(0), value(1), value(2), if self.is_set() { 255 } else { 0 }]
    }
}

/// A tile in memory. It is small, so that the tiles of a large canvas fit a processor's cache, if not their cells.
#[derive(Clone, Debug)]
pub struct Tile {
    /// Its place.
    pub key: TileKey,
    /// Its cells, row by row.
    pub cells: Box<[Cell; CELLS]>,
    /// How many are set.
    pub set: u32,
    /// Which are: who stores a tile with few set cells looks at these alone.
    set_bits: Box<CellBits>,
    /// Some were changed since watchers were last told: they are in the list of such tiles.
    pub is_changed: bool,
    /// It was looked for since the hand of the clock went by.
    pub is_warm: bool,
    /// Which cells were changed since then, a bit for each.
    pub changed: Box<CellBits>,
}

impl Tile {
    /// Returns a tile without a set cell.
    #[must_use]
    pub fn new(key: TileKey) -> Self {
        let cells = Box::new([Cell::default(); CELLS]);
        let no_bits = || Box::new([0; CELLS / 64]);
        Self { key, cells, set: 0, set_bits: no_bits(), is_changed: false, is_warm: true, changed: no_bits() }
    }

    /// Makes it the tile of another place, without a set cell.
    pub fn reset(&mut self, key: TileKey) {
        let Self { cells, set_bits, .. } = self;
        each_of(set_bits, |index| cells[index] = Cell::default());
        set_bits.fill(0);
        (self.key, self.set, self.is_changed, self.is_warm) = (key, 0, false, true);
    }

    /// Notes that a cell is set which was not.
    #[inline]
    pub fn note_set(&mut self, index: usize) {
        self.set += 1;
        self.set_bits[index / 64] |= 1 << (index % 64);
    }

    /// Notes that a cell is not set any more.
    pub fn note_unset(&mut self, index: usize) {
        self.set -= 1;
        self.set_bits[index / 64] &= !(1 << (index % 64));
    }

    /// Returns which cells are set.
    #[must_use]
    pub fn set_bits(&self) -> &CellBits {
        &self.set_bits
    }

    /// Calls `visit` with the index of each cell that is set.
    pub fn each_set(&self, visit: impl FnMut(usize)) {
        each_of(&self.set_bits, visit);
    }

    /// Gives the runs of its cells other ids.
    pub fn rename(&mut self, renamed: &[RunId]) {
        let Self { cells, set_bits, .. } = self;
        each_of(set_bits, |index| cells[index].rename(renamed));
    }

    /// Calls `visit` with the index of each cell that was changed.
    pub fn each_changed(&self, visit: impl FnMut(usize)) {
        each_of(&self.changed, visit);
    }

    /// Returns the bounds of its set cells, relative to the tile: left, top, right, bottom, all inclusive; nothing without one.
    #[must_use]
    pub fn extent(&self) -> Option<[u8; 4]> {
        // The bits of a row are one word.
        let top = self.set_bits.iter().position(|row| *row != 0)?;
        let bottom = self.set_bits.iter().rposition(|row| *row != 0)?;
        let columns = self.set_bits.iter().fold(0, |all, row| all | row);
        let (left, right) = (columns.trailing_zeros(), 63 - columns.leading_zeros());
        Some([left as u8, top as u8, right as u8, bottom as u8])
    }
}

/// Calls `visit` with the index of each bit that is 1.
fn each_of(bits: &CellBits, mut visit: impl FnMut(usize)) {
    for (row, bits) in bits.iter().enumerate() {
        let mut bits = *bits;
        while bits != 0 {
            visit(row * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_sixteen_bytes_and_keeps_what_was_set() {
        assert_eq!(size_of::<Cell>(), 16);
        let mut cell = Cell::default();
        assert_eq!((cell.is_set(), cell.colour()), (false, [0; 4]));
        cell.set(1, 0xFF_FFFF, 200, 0);
        assert_eq!((cell.run(1), cell.offset(1), cell.run(0)), (0xFF_FFFF, 200, 0));
        assert_eq!(cell.colour(), [0, 0, 0, 255], "set to black is set");
        cell.unset(1);
        assert_eq!(cell, Cell::default());
    }

    #[test]
    fn every_coordinate_has_its_cell() {
        for x in [i32::MIN, -65, -64, -1, 0, 63, 64, i32::MAX] {
            for y in [i32::MIN, -1, 0, i32::MAX] {
                assert_eq!(TileKey::of(x, y).cell(index_of(x, y)), (x, y));
            }
        }
        assert_eq!((TileKey::of(-1, 64), index_of(-1, 64)), (TileKey { x: -1, y: 1 }, 63));
    }

    #[test]
    fn a_tile_that_is_used_again_is_as_a_new_one() {
        let mut tile = Tile::new(TileKey { x: 1, y: 2 });
        assert_eq!(tile.extent(), None);
        for index in [index_of(5, 9), index_of(40, 9), index_of(7, 63)] {
            tile.cells[index].set(1, 3, 0, 9);
            tile.note_set(index);
        }
        assert_eq!((tile.set, tile.extent()), (3, Some([5, 9, 40, 63])));
        tile.cells[index_of(40, 9)].unset(1);
        tile.note_unset(index_of(40, 9));
        let mut set = Vec::new();
        tile.each_set(|index| set.push(index));
        assert_eq!((set, tile.extent()), (vec![index_of(5, 9), index_of(7, 63)], Some([5, 9, 7, 63])));
        tile.reset(TileKey { x: -1, y: 0 });
        assert_eq!((tile.key, tile.set, tile.extent()), (TileKey { x: -1, y: 0 }, 0, None));
        assert!(tile.cells.iter().all(|cell| !cell.is_set()) && tile.set_bits() == &[0; CELLS / 64]);
    }
}
