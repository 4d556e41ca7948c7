//! A tile in a file: with its own table of runs, so that it can be read whatever the table in memory is then.
//!
//! ```text
//! 0 i32 tile x   4 i32 tile y   8 u32 cells set, the highest bit: they are listed   12 u32 runs
//! 16 which cells are set: u16 for each in ascending order if they are listed, otherwise a bit for each of all cells, 512 bytes
//!     runs: u64 time, u64 number of the first record, u32 place of the origin in the table of origins
//!     cells that are set: for each channel u32 (its run, counted from 1, in the upper 24 bits; the value), then u8 offset x 3
//! ```
//!
//! They are listed where that is shorter. Earlier programs never list them, and read none that are.

use crate::base::ids::Origin;
use crate::base::numbers::{u16_at, u32_at, u64_at};

use super::super::state::Floors;
use super::runs::{self, Run, RunId, Runs};
use super::tile::{CELLS, CHANNELS, Cell, SIDE, Tile, TileKey};

/// Bytes before the cells that are set.
const HEAD_BYTES: usize = 16;
/// Bytes of a bit for each cell.
const BITS_BYTES: usize = CELLS / 8;
/// Cells are listed.
const LISTED: u32 = 1 << 31;
const STORED_RUN_BYTES: usize = 20;
const STORED_CELL_BYTES: usize = 5 * CHANNELS;

/// Appends a tile's bytes.
pub fn encode(tile: &Tile, table: &Runs, out: &mut Vec<u8>) {
    let mut named: Vec<RunId> = Vec::new();
    tile.each_set(|index| {
        named.extend((0..CHANNELS).map(|channel| tile.cells[index].run(channel)).filter(|run| *run != 0));
    });
    named.sort_unstable();
    named.dedup();
    let is_listed = (tile.set as usize) < BITS_BYTES / 2;
    let set = tile.set | if is_listed { LISTED } else { 0 };
    let words = [tile.key.x as u32, tile.key.y as u32, set, named.len() as u32];
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    if is_listed {
        tile.each_set(|index| out.extend_from_slice(&(index as u16).to_le_bytes()));
    } else {
        tile.set_bits().iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }
    for run in named.iter().map(|id| table.get(*id)) {
        out.extend_from_slice(&run.time_us.to_le_bytes());
        out.extend_from_slice(&run.first.to_le_bytes());
        out.extend_from_slice(&run.origin.to_le_bytes());
    }
    tile.each_set(|index| {
        let cell = &tile.cells[index];
        for channel in 0..CHANNELS {
            let place = named.binary_search(&cell.run(channel)).map_or(0, |at| at as u32 + 1);
            let word = place << 8 | u32::from(cell.colour()[channel]);
            out.extend_from_slice(&word.to_le_bytes());
        }
        (0..CHANNELS).for_each(|channel| out.push(cell.offset(channel)));
    });
}

/// Reads a tile, and adds its runs to the table; nothing for bytes that are no tile.
#[must_use]
pub fn decode(bytes: &[u8], table: &mut Runs) -> Option<Tile> {
    let mut tile = Tile::new(parts(bytes)?.key);
    decode_into(&mut tile, bytes, table).map(|()| tile)
}

/// Reads a tile into one whose cells are no more of use; returns nothing for bytes that are no tile, after which its cells are undefined.
#[must_use]
pub fn decode_into(tile: &mut Tile, bytes: &[u8], table: &mut Runs) -> Option<()> {
    let Parts { key, runs, cells, set } = parts(bytes)?;
    if runs.iter().any(|run| run.origin as usize >= table.origins().len()) {
        return None;
    }
    let ids: Vec<RunId> = runs.iter().map(|run| table.put_back(*run)).collect();
    tile.reset(key);
    let mut cells = cells.chunks_exact(STORED_CELL_BYTES);
    let mut is_sound = true;
    set.each(|index| {
        is_sound &= cells.next().and_then(|bytes| set_cell(&mut tile.cells[index], bytes, &ids)).is_some();
        tile.note_set(index);
    });
    is_sound.then_some(())
}

/// Sets a cell as it was stored; returns nothing if no channel is set, or one by no run.
fn set_cell(cell: &mut Cell, bytes: &[u8], ids: &[RunId]) -> Option<()> {
    for channel in 0..CHANNELS {
        let word = u32_at(bytes, channel * 4);
        if word >> 8 != 0 {
            let run = *ids.get((word >> 8) as usize - 1)?;
            cell.set(channel, run, bytes[4 * CHANNELS + channel], word as u8);
        }
    }
    cell.is_set().then_some(())
}

/// A stored tile without its cells.
pub struct Seen {
    /// Its place.
    pub key: TileKey,
    /// How many of its cells are set.
    pub set: u32,
    /// The bounds of those, relative to the tile: left, top, right, bottom.
    pub extent: [u8; 4],
    /// It could not be stored in fewer bytes, as one of an earlier program may be.
    pub is_shortest: bool,
}

/// Looks at a tile that stays stored, so that runs which are added from now on are compared with its own; returns nothing for bytes
/// that are no tile.
#[must_use]
pub fn look(bytes: &[u8], table: &mut Runs) -> Option<Seen> {
    let Parts { key, runs, set, cells } = parts(bytes)?;
    let is_known = |run: &Run| (run.origin as usize) < table.origins().len();
    if !runs.iter().all(is_known)
        || !cells.chunks_exact(STORED_CELL_BYTES).all(|cell| is_cell(cell, runs.len()))
    {
        return None;
    }
    runs.iter().for_each(|run| table.note_stored(run));
    let (mut count, mut extent) = (0, [u8::MAX, u8::MAX, 0, 0]);
    set.each(|index| {
        let (x, y) = ((index % SIDE as usize) as u8, (index / SIDE as usize) as u8);
        extent = [extent[0].min(x), extent[1].min(y), extent[2].max(x), extent[3].max(y)];
        count += 1;
    });
    let is_listed = matches!(set, Set::Listed(_));
    let is_shortest = is_listed || count as usize >= BITS_BYTES / 2;
    (count > 0).then_some(Seen { key, set: count, extent, is_shortest })
}

/// Returns whether a stored cell is set by one of so many runs, and by no other.
fn is_cell(bytes: &[u8], runs: usize) -> bool {
    let places = (0..CHANNELS).map(|channel| (u32_at(bytes, channel * 4) >> 8) as usize);
    places.clone().all(|place| place <= runs) && places.max() > Some(0)
}

/// Calls `paint` with the index and the colour of each cell that is set, without reading more.
pub fn paint(bytes: &[u8], mut paint: impl FnMut(usize, [u8; 4])) {
    let Some(Parts { cells, set, .. }) = parts(bytes) else { return };
    let mut cells = cells.chunks_exact(STORED_CELL_BYTES);
    set.each(|index| {
        if let Some(cell) = cells.next() {
            paint(index, [cell[0], cell[4], cell[8], 255]);
        }
    });
}

/// Returns whether a floor takes any record that set a cell; `origins` is the table of origins.
#[must_use]
pub fn is_touched(bytes: &[u8], origins: &[Origin], floors: &Floors) -> bool {
    let Some(Parts { runs, .. }) = parts(bytes) else { return false };
    runs.iter().any(|run| {
        origins.get(run.origin as usize).is_some_and(|origin| runs::below(run, floors.of(*origin)) > 0)
    })
}

/// A stored tile.
struct Parts<'a> {
    key: TileKey,
    runs: Vec<Run>,
    /// Those that are set, one behind the other.
    cells: &'a [u8],
    set: Set<'a>,
}

/// Which cells are set.
enum Set<'a> {
    /// Their numbers, ascending.
    Listed(&'a [u8]),
    /// A bit for each of all.
    Bits(&'a [u8]),
}

impl Set<'_> {
    /// Returns whether it names so many cells, each of a tile, and none twice.
    fn is_sound(&self, count: usize) -> bool {
        match self {
            Self::Listed(listed) => {
                let mut indexes = listed.chunks_exact(2).map(index_at);
                indexes.clone().is_sorted_by(|one, next| one < next)
                    && indexes.next_back().is_none_or(|last| last < CELLS)
            }
            Self::Bits(bits) => bits.iter().map(|byte| byte.count_ones() as usize).sum::<usize>() == count,
        }
    }

    fn each(&self, mut visit: impl FnMut(usize)) {
        match self {
            Self::Listed(listed) => listed.chunks_exact(2).map(index_at).for_each(visit),
            Self::Bits(bits) => {
                (0..CELLS).filter(|index| bits[index / 8] >> (index % 8) & 1 != 0).for_each(&mut visit);
            }
        }
    }
}

fn index_at(bytes: &[u8]) -> usize {
    usize::from(u16_at(bytes, 0))
}

fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let key = TileKey { x: u32_at(head, 0) as i32, y: u32_at(head, 4) as i32 };
    let (count, runs) = ((u32_at(head, 8) & !LISTED) as usize, u32_at(head, 12) as usize);
    let is_listed = u32_at(head, 8) & LISTED != 0;
    let (set, rest) = rest.split_at_checked(if is_listed { count.checked_mul(2)? } else { BITS_BYTES })?;
    let set = if is_listed { Set::Listed(set) } else { Set::Bits(set) };
    let (runs, cells) = rest.split_at_checked(runs.checked_mul(STORED_RUN_BYTES)?)?;
    let is_whole = cells.len() == count.checked_mul(STORED_CELL_BYTES)? && set.is_sound(count);
    let run =
        |bytes: &[u8]| Run { time_us: u64_at(bytes, 0), first: u64_at(bytes, 8), origin: u32_at(bytes, 16) };
    is_whole.then(|| Parts { key, runs: runs.chunks_exact(STORED_RUN_BYTES).map(run).collect(), cells, set })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, NodeId};

    #[test]
    fn a_tile_comes_back_with_its_runs() {
        let mut table = Runs::default();
        let origin = Origin { node: NodeId(1), inc: Inc(1) };
        let ids: Vec<RunId> = (0..4).map(|n| table.add(100 + n, origin, 1 + n * 300).0).collect();
        let mut tile = Tile::new(TileKey { x: -3, y: 7 });
        tile.cells[0].set(0, ids[1], 255, 9);
        tile.cells[0].set(2, ids[3], 0, 8);
        tile.cells[CELLS - 1].set(1, ids[1], 7, 0);
        [0, CELLS - 1].iter().for_each(|index| tile.note_set(*index));
        let mut bytes = Vec::new();
        encode(&tile, &table, &mut bytes);
        let mut other = Runs::default();
        other.origin_id(origin);
        other.add(1, origin, 1);
        let read = decode(&bytes, &mut other).unwrap();
        assert_eq!((read.key, read.set, other.count()), (tile.key, 2, 3), "two runs are named");
        assert_eq!(read.cells[0].colour(), [9, 0, 8, 255]);
        assert_eq!(other.get(read.cells[0].run(0)), table.get(ids[1]));
        assert_eq!((read.cells[0].offset(0), read.cells[CELLS - 1].offset(1)), (255, 7));
        let mut painted = Vec::new();
        paint(&bytes, |index, colour| painted.push((index, colour)));
        assert_eq!(painted, [(0, [9, 0, 8, 255]), (CELLS - 1, [0, 0, 0, 255])]);
        for cut in [0, 15, HEAD_BYTES, HEAD_BYTES + 3, bytes.len() - 1] {
            assert!(decode(&bytes[..cut], &mut other).is_none(), "{cut}");
        }
        assert!(decode(&bytes, &mut Runs::default()).is_none(), "an origin that nobody knows");
    }

    #[test]
    fn few_cells_are_listed_and_many_have_a_bit_each() {
        let origin = Origin { node: NodeId(1), inc: Inc(1) };
        for count in [1, BITS_BYTES / 2 - 1, BITS_BYTES / 2, CELLS] {
            let mut table = Runs::default();
            let id = table.add(1, origin, 1).0;
            let mut tile = Tile::new(TileKey { x: 1, y: 2 });
            for index in (0..CELLS).rev().step_by(CELLS / count).take(count) {
                tile.cells[index].set(index % CHANNELS, id, (index % 251) as u8, (index % 253) as u8);
                tile.note_set(index);
            }
            let mut bytes = Vec::new();
            encode(&tile, &table, &mut bytes);
            let places_bytes = (2 * count).min(BITS_BYTES);
            assert_eq!(bytes.len(), HEAD_BYTES + places_bytes + STORED_RUN_BYTES + count * STORED_CELL_BYTES);
            let mut other = Runs::default();
            other.origin_id(origin);
            let read = decode(&bytes, &mut other).unwrap();
            assert_eq!(
                (read.set as usize, read.set_bits(), read.extent()),
                (count, tile.set_bits(), tile.extent())
            );
            assert!(read.cells == tile.cells, "{count}");
            let mut painted = Vec::new();
            paint(&bytes, |index, colour| painted.push((index, colour)));
            let mut expected = Vec::new();
            tile.each_set(|index| expected.push((index, tile.cells[index].colour())));
            assert!(painted == expected, "{count}");
        }
    }

    #[test]
    fn a_list_of_cells_that_none_has_made_is_no_tile() {
        let mut table = Runs::default();
        let id = table.add(1, Origin { node: NodeId(1), inc: Inc(1) }, 1).0;
        let mut tile = Tile::new(TileKey { x: 0, y: 0 });
        for index in [7, 9] {
            tile.cells[index].set(0, id, 0, 1);
            tile.note_set(index);
        }
        let mut bytes = Vec::new();
        encode(&tile, &table, &mut bytes);
        for (first, second) in [(9, 7), (7, 7), (7, CELLS as u16)] {
            let mut wrong = bytes.clone();
            wrong[HEAD_BYTES..HEAD_BYTES + 2].copy_from_slice(&u16::to_le_bytes(first));
            wrong[HEAD_BYTES + 2..HEAD_BYTES + 4].copy_from_slice(&u16::to_le_bytes(second));
            assert!(decode(&wrong, &mut table).is_none(), "{first}, {second}");
        }
    }

    #[test]
    fn a_tile_of_an_earlier_program_has_a_bit_for_each_cell() {
        let mut table = Runs::default();
        let id = table.add(1, Origin { node: NodeId(1), inc: Inc(1) }, 1).0;
        let mut tile = Tile::new(TileKey { x: 3, y: 4 });
        for index in [7, 900] {
            tile.cells[index].set(2, id, 5, 6);
            tile.note_set(index);
        }
        let mut bytes = Vec::new();
        encode(&tile, &table, &mut bytes);
        let mut earlier = bytes[..HEAD_BYTES].to_vec();
        earlier[8..12].copy_from_slice(&2_u32.to_le_bytes());
        tile.set_bits().iter().for_each(|word| earlier.extend_from_slice(&word.to_le_bytes()));
        earlier.extend_from_slice(&bytes[HEAD_BYTES + 4..]);
        assert!(!look(&earlier, &mut table).unwrap().is_shortest, "it is stored anew");
        let read = decode(&earlier, &mut table).unwrap();
        assert!((read.set, read.set_bits()) == (2, tile.set_bits()));
        assert_eq!((read.cells[900].colour(), read.cells[900].offset(2)), ([0, 0, 6, 255], 5));
    }

    #[test]
    fn a_look_refuses_what_reading_refuses_and_says_the_same() {
        let origin = Origin { node: NodeId(1), inc: Inc(1) };
        let mut table = Runs::default();
        let ids: Vec<RunId> = (0..3).map(|n| table.add(100 + n, origin, 1 + n * 300).0).collect();
        let mut tile = Tile::new(TileKey { x: 5, y: -6 });
        for (nth, index) in [70, 1000, 4000].into_iter().enumerate() {
            tile.cells[index].set(nth, ids[nth], 1, 2);
            tile.note_set(index);
        }
        let mut bytes = Vec::new();
        encode(&tile, &table, &mut bytes);
        for at in 0..bytes.len() {
            for bit in [0, 3, 7] {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let mut other = Runs::default();
                other.origin_id(origin);
                let seen = look(&changed, &mut other);
                let read = decode(&changed, &mut other);
                let of_seen = seen.map(|seen| (seen.key, seen.set, Some(seen.extent)));
                assert_eq!(of_seen, read.map(|tile| (tile.key, tile.set, tile.extent())), "byte {at}");
            }
        }
        assert!(look(&bytes, &mut table).unwrap().is_shortest);
    }
}
