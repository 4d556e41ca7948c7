//! A tile in a file: with its own table of runs, so that it can be read whatever the table in memory is then.
//!
//! ```text
//! 0 i32 tile x   4 i32 tile y   8 u32 cells set   12 u32 runs   16 bits of the cells that are set, 512 bytes
//! 528 runs: u64 time, u64 number of the first record, u32 place of the origin in the table of origins
//!     cells that are set: for each channel u32 (its run, counted from 1, in the upper 24 bits; the value), then u8 offset x 3
//! ```

use crate::base::ids::Origin;

use super::super::state::Floors;
use super::runs::{self, Run, RunId, Runs};
use super::tile::{CELLS, CHANNELS, Tile, TileKey};

/// Bytes before the runs.
const HEAD_BYTES: usize = 16 + CELLS / 8;
const STORED_RUN_BYTES: usize = 20;
const STORED_CELL_BYTES: usize = 5 * CHANNELS;

/// Appends a tile's bytes.
pub fn encode(tile: &Tile, table: &Runs, out: &mut Vec<u8>) {
    let start = out.len();
    let mut named: Vec<RunId> = Vec::new();
    tile.each_set(|index| {
        named.extend((0..CHANNELS).map(|channel| tile.cells[index].run(channel)).filter(|run| *run != 0));
    });
    named.sort_unstable();
    named.dedup();
    let words = [tile.key.x as u32, tile.key.y as u32, tile.set, named.len() as u32];
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    tile.set_bits().iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    debug_assert_eq!(out.len() - start, HEAD_BYTES);
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
    let mut tile = Tile::new(parts(bytes)?.0);
    decode_into(&mut tile, bytes, table).map(|()| tile)
}

/// Reads a tile into one whose cells are no more of use; returns nothing for bytes that are no tile, after which its cells are undefined.
#[must_use]
pub fn decode_into(tile: &mut Tile, bytes: &[u8], table: &mut Runs) -> Option<()> {
    let (key, _, runs, cells, bits) = parts(bytes)?;
    if runs.iter().any(|run| run.origin as usize >= table.origins().len()) {
        return None;
    }
    let ids: Vec<RunId> = runs.iter().map(|run| table.put_back(*run)).collect();
    tile.reset(key);
    let mut cells = cells.chunks_exact(STORED_CELL_BYTES);
    for index in (0..CELLS).filter(|index| bits[index / 8] >> (index % 8) & 1 != 0) {
        let bytes = cells.next()?;
        for channel in 0..CHANNELS {
            let word = u32_at(bytes, channel * 4);
            if word >> 8 != 0 {
                let run = *ids.get((word >> 8) as usize - 1)?;
                tile.cells[index].set(channel, run, bytes[4 * CHANNELS + channel], word as u8);
            }
        }
        if !tile.cells[index].is_set() {
            return None;
        }
        tile.note_set(index);
    }
    Some(())
}

/// Calls `paint` with the index and the colour of each cell that is set, without reading more.
pub fn paint(bytes: &[u8], mut paint: impl FnMut(usize, [u8; 4])) {
    let Some((_, _, _, cells, bits)) = parts(bytes) else { return };
    let set = (0..CELLS).filter(|index| bits[index / 8] >> (index % 8) & 1 != 0);
    for (index, cell) in set.zip(cells.chunks_exact(STORED_CELL_BYTES)) {
        paint(index, [cell[0], cell[4], cell[8], 255]);
    }
}

/// Returns whether a floor takes any record that set a cell; `origins` is the table of origins.
#[must_use]
pub fn is_touched(bytes: &[u8], origins: &[Origin], floors: &Floors) -> bool {
    let Some((_, _, runs, _, _)) = parts(bytes) else { return false };
    runs.iter().any(|run| {
        origins.get(run.origin as usize).is_some_and(|origin| runs::below(run, floors.of(*origin)) > 0)
    })
}

type Parts<'a> = (TileKey, u32, Vec<Run>, &'a [u8], &'a [u8]);

/// Returns place, number of set cells, runs, cells and bits.
fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let (set, count) = (u32_at(head, 8), u32_at(head, 12) as usize);
    let (runs, cells) = rest.split_at_checked(count.checked_mul(STORED_RUN_BYTES)?)?;
    let bits = &head[16..];
    let is_whole = bits.iter().map(|byte| byte.count_ones()).sum::<u32>() == set
        && cells.len() == set as usize * STORED_CELL_BYTES;
    let u64_at = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    let run =
        |bytes: &[u8]| Run { time_us: u64_at(bytes, 0), first: u64_at(bytes, 8), origin: u32_at(bytes, 16) };
    let key = TileKey { x: u32_at(head, 0) as i32, y: u32_at(head, 4) as i32 };
    is_whole.then(|| (key, set, runs.chunks_exact(STORED_RUN_BYTES).map(run).collect(), cells, bits))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
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
        for cut in [0, 15, HEAD_BYTES, bytes.len() - 1] {
            assert!(decode(&bytes[..cut], &mut other).is_none(), "{cut}");
        }
        assert!(decode(&bytes, &mut Runs::default()).is_none(), "an origin that nobody knows");
    }
}
