//! Where tiles are: in memory up to a bound, the coldest in the scratch file, each with the runs that its cells name.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::io;

use super::super::state::Floors;
use super::bounds::Bounds;
use super::keys::KeyHasher;
use super::runs::{RUN_BYTES, RUNS_MAX, Runs};
use super::scratch::Scratch;
use super::stored;
use super::tile::{CELLS, CHANNELS, Cell, TILE_BYTES, Tile, TileKey};

/// Bytes of a tile's cells.
const CELLS_BYTES: usize = CELLS * size_of::<Cell>();

/// Tiles along each side of a square of which each tile has a place of its own in [`Store::near`].
const NEAR_SIDE: i32 = 64;
const NEAR_PLACES: usize = (NEAR_SIDE * NEAR_SIDE) as usize;

/// Makes a scratch file.
pub type MakeScratch = Box<dyn FnMut() -> io::Result<Scratch> + Send>;

/// The tiles, wherever they are.
pub struct Store {
    /// Those in memory.
    pub tiles: Vec<Tile>,
    /// The runs that their cells name, and some that none does any more.
    pub runs: Runs,
    directory: HashMap<TileKey, u32, BuildHasherDefault<KeyHasher>>,
    /// Where a tile was found last, at the place of its key; the tile there says whether it still is.
    near: Box<[u32; NEAR_PLACES]>,
    scratch: Option<Scratch>,
    /// Makes the scratch file when it is needed first.
    make_scratch: Option<MakeScratch>,
    memory_bytes: usize,
    /// The tile that the clock's hand points to.
    hand: usize,
    /// How many runs there are when they are looked through.
    collect_at: usize,
    /// The scratch file takes no tiles at the moment, for this reason: they stay in memory.
    pub refuses: Option<io::Error>,
    /// A tile that was in it can't be read any more.
    is_lost: bool,
    /// Tiles of which watchers were to be told were stored.
    pub has_overflowed: bool,
}

impl Store {
    /// Returns a store without a tile, which may have so many bytes of memory.
    #[must_use]
    pub fn new(memory_bytes: usize, make_scratch: Option<MakeScratch>) -> Self {
        Self {
            tiles: Vec::new(),
            runs: Runs::default(),
            directory: HashMap::default(),
            near: Box::new([0; NEAR_PLACES]),
            scratch: None,
            make_scratch,
            memory_bytes,
            hand: 0,
            collect_at: collect_from(memory_bytes),
            refuses: None,
            is_lost: false,
            has_overflowed: false,
        }
    }

    /// Forgets all tiles.
    pub fn clear(&mut self) {
        self.tiles.clear();
        self.directory.clear();
        self.runs.clear();
        self.collect_at = collect_from(self.memory_bytes);
        self.hand = 0;
        if let Some(scratch) = &mut self.scratch {
            scratch.clear();
        }
    }

    /// Returns bytes of memory that tiles and runs take.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.tiles.len() * TILE_BYTES + self.runs.count() * RUN_BYTES
    }

    /// Returns the bytes that the bound on memory is about: those of cells, and of runs what is more than half as many. So 64 MiB
    /// hold 1,024 tiles, a canvas of 2,000 x 2,000, whoever has set each cell.
    fn bounded_bytes(&self) -> usize {
        let runs_bytes = self.runs.count() * RUN_BYTES;
        self.tiles.len() * CELLS_BYTES + runs_bytes.saturating_sub(self.memory_bytes / 2)
    }

    /// Returns how many tiles with a set cell there are in memory and in the scratch file.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let here = self.tiles.iter().filter(|tile| tile.set > 0).count();
        (here, self.scratch.as_ref().map_or(0, Scratch::count))
    }

    /// Returns the tile of a place, if it is in memory.
    #[must_use]
    pub fn find(&self, key: TileKey) -> Option<&Tile> {
        self.directory.get(&key).map(|at| &self.tiles[*at as usize])
    }

    /// Returns the same, to be changed.
    pub fn find_mut(&mut self, key: TileKey) -> Option<&mut Tile> {
        self.directory.get(&key).map(|at| &mut self.tiles[*at as usize])
    }

    /// Returns where a tile is, if it is in memory: nearly always without a look into the directory.
    #[inline]
    pub fn find_near(&mut self, key: TileKey) -> Option<usize> {
        let place = (key.y & (NEAR_SIDE - 1)) * NEAR_SIDE + (key.x & (NEAR_SIDE - 1));
        let near = &mut self.near[place as usize];
        if self.tiles.get(*near as usize).is_none_or(|tile| tile.key != key) {
            *near = *self.directory.get(&key)?;
        }
        Some(*near as usize)
    }

    /// Gives the disk back what the scratch file does not need any more.
    pub fn give_back(&mut self) {
        if let Some(scratch) = &mut self.scratch {
            scratch.give_back();
        }
    }

    /// Returns whether tiles may be lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.is_lost || self.scratch.as_ref().is_some_and(Scratch::is_damaged)
    }

    /// Returns the scratch file, if there is one.
    #[must_use]
    pub fn scratch(&self) -> Option<&Scratch> {
        self.scratch.as_ref()
    }

    /// Calls `visit` with the bytes of every tile, as [`stored`] has them.
    ///
    /// # Errors
    /// Returns what `visit` does, and the error of reading the scratch file.
    pub fn each_stored(&self, mut visit: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for tile in self.tiles.iter().filter(|tile| tile.set > 0) {
            bytes.clear();
            stored::encode(tile, &self.runs, &mut bytes);
            visit(&bytes)?;
        }
        if let Some(scratch) = &self.scratch {
            scratch.each(|_, bytes| visit(bytes))?;
        }
        Ok(())
    }

    /// Returns where a tile is in memory: made, or read from the scratch file, if need be.
    pub fn open(&mut self, key: TileKey) -> usize {
        if let Some(at) = self.directory.get(&key) {
            let at = *at as usize;
            self.tiles[at].is_warm = true;
            return at;
        }
        let taken = self.scratch.as_mut().map_or(Ok(None), |scratch| scratch.take(key));
        let stored = taken.unwrap_or_else(|_| {
            self.is_lost = true;
            None
        });
        let at = self.insert(key);
        let tile = &mut self.tiles[at];
        let is_read = stored.is_none_or(|bytes| stored::decode_into(tile, &bytes, &mut self.runs).is_some());
        if !is_read || tile.key != key {
            tile.reset(key);
            self.is_lost = true;
        }
        at
    }

    /// Adds a tile without a set cell; gives where it is. The memory of one that has to make room for it is used again: where most
    /// tiles have few cells, to fill it with zeros would cost more than all else.
    fn insert(&mut self, key: TileKey) -> usize {
        let is_full = self.bounded_bytes() + CELLS_BYTES > self.memory_bytes;
        let at = match if is_full { self.evict() } else { None } {
            Some(at) => {
                self.tiles[at].reset(key);
                at
            }
            None => {
                self.tiles.push(Tile::new(key));
                self.tiles.len() - 1
            }
        };
        self.directory.insert(key, at as u32);
        at
    }

    /// Adds a tile that was stored.
    pub fn put_back(&mut self, tile: Tile) {
        let at = self.insert(tile.key);
        self.tiles[at] = tile;
    }

    /// Returns the tiles of a bucket of the scratch file in which a floor takes records that set cells; nothing behind the last one.
    pub fn touched(&mut self, bucket: usize, floors: &Floors) -> Option<Vec<TileKey>> {
        let scratch = self.scratch.as_ref().filter(|scratch| bucket < scratch.buckets())?;
        let origins = self.runs.origins();
        let keys = scratch.keys_of(bucket, |bytes| stored::is_touched(bytes, origins, floors));
        keys.ok()
    }

    /// Returns the bounds of the cells that are set.
    pub fn look_for_bounds(&mut self) -> Option<Bounds> {
        let stored = self.scratch.as_ref().map_or(Ok(None), Scratch::bounds);
        let here = self.tiles.iter().filter_map(|tile| Some(Bounds::of_extent(tile.key, tile.extent()?)));
        here.chain(stored.ok().flatten()).reduce(Bounds::join)
    }

    /// Sees to it that there is an id for another run, and that tiles and runs keep within their memory.
    pub fn make_room(&mut self) {
        if self.runs.count() >= self.collect_at {
            self.collect();
        }
        let most_runs = RUNS_MAX - CELLS * CHANNELS;
        while self.bounded_bytes() > self.memory_bytes || self.runs.count() > most_runs {
            let Some(at) = self.evict() else { return };
            self.remove_at(at);
            if self.runs.count() > most_runs {
                self.collect();
            }
        }
    }

    /// Forgets the runs that no cell names any more.
    fn collect(&mut self) {
        let mut is_named = vec![false; self.runs.count() + 1];
        for tile in &self.tiles {
            tile.each_set(|index| {
                let cell = &tile.cells[index];
                (0..CHANNELS).for_each(|channel| is_named[cell.run(channel) as usize] = true);
            });
        }
        is_named[0] = false;
        let renamed = self.runs.keep(&is_named);
        self.tiles.iter_mut().for_each(|tile| tile.rename(&renamed));
        self.collect_at = (2 * self.runs.count()).max(collect_from(self.memory_bytes));
    }

    /// Stores a cold tile in the scratch file, and gives its place, which is free then; nothing if none can be stored.
    pub fn evict(&mut self) -> Option<usize> {
        if self.tiles.is_empty() || !self.has_scratch() {
            return None;
        }
        let scratch = self.scratch.as_mut()?;
        let at = match find_cold(&mut self.tiles, &mut self.hand) {
            Some(at) => at,
            None => {
                // All of them were changed since watchers were told: they are told to load everything.
                self.has_overflowed = true;
                self.tiles.iter_mut().for_each(|tile| tile.is_changed = false);
                find_cold(&mut self.tiles, &mut self.hand)?
            }
        };
        let tile = &self.tiles[at];
        if let Some(extent) = tile.extent() {
            let mut bytes = Vec::new();
            stored::encode(tile, &self.runs, &mut bytes);
            if let Err(error) = scratch.put(tile.key, &bytes, extent) {
                self.refuses = Some(error);
                return None;
            }
        }
        self.directory.remove(&tile.key);
        Some(at)
    }

    /// Puts a tile into the scratch file as it was stored, if memory is full; gives whether it is there.
    pub fn put_stored(&mut self, key: TileKey, bytes: &[u8], extent: [u8; 4]) -> bool {
        if self.bounded_bytes() + CELLS_BYTES <= self.memory_bytes || !self.has_scratch() {
            return false;
        }
        let put = self.scratch.as_mut().map(|scratch| scratch.put(key, bytes, extent));
        if let Some(Err(error)) = put {
            self.refuses = Some(error);
            return false;
        }
        put.is_some()
    }

    /// Makes the scratch file if need be; gives whether it takes tiles at the moment.
    fn has_scratch(&mut self) -> bool {
        if self.refuses.is_none() && self.scratch.is_none() {
            match self.make_scratch.as_mut().map(|make| make()) {
                Some(Ok(scratch)) => self.scratch = Some(scratch),
                Some(Err(error)) => self.refuses = Some(error),
                None => {}
            }
        }
        self.refuses.is_none() && self.scratch.is_some()
    }

    /// Removes a tile from memory whose key is not in the directory any more.
    fn remove_at(&mut self, at: usize) {
        self.tiles.swap_remove(at);
        if let Some(moved) = self.tiles.get(at) {
            self.directory.insert(moved.key, at as u32);
        }
    }

    /// Forgets tiles without a set cell, but those of which watchers are still to be told.
    pub fn drop_empty(&mut self) {
        (0..self.tiles.len()).rev().for_each(|at| self.drop_if_empty(at));
    }

    /// Forgets one of them.
    pub fn drop_if_empty(&mut self, at: usize) {
        if self.tiles[at].set == 0 && !self.tiles[at].is_changed {
            self.directory.remove(&self.tiles[at].key);
            self.remove_at(at);
        }
    }
}

/// Returns how many runs there may be in so many bytes of memory before those are looked for that no cell names any more.
fn collect_from(memory_bytes: usize) -> usize {
    (memory_bytes / 4 / RUN_BYTES).clamp(1024, 256 * 1024)
}

/// Moves the hand on to a tile that was not looked for since it came by last, and that watchers know.
fn find_cold(tiles: &mut [Tile], hand: &mut usize) -> Option<usize> {
    for _ in 0..2 * tiles.len() {
        *hand = (*hand + 1) % tiles.len();
        let tile = &mut tiles[*hand];
        if !tile.is_changed && !std::mem::replace(&mut tile.is_warm, false) {
            return Some(*hand);
        }
    }
    None
}
