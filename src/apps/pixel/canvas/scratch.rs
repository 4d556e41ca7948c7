//! The scratch file: tiles that there is no room for in memory. It is made anew by each start, nothing is synced, and it may be
//! deleted at any time: this process has it open, and no other one needs it.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::os::disk::{Disk, DiskFile};

use super::tile::TileKey;

/// Bytes of the smallest places in the file; each next class is twice as large.
const PLACE_BYTES: u64 = 1024;
/// The largest class: no tile with a run for each channel of each cell is larger.
const CLASSES: usize = 10;

/// Where a tile is in the file, and what is asked of it without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    offset: u64,
    bytes: u32,
    class: u8,
    /// How many of its cells are set.
    pub set: u32,
    /// The bounds of those, relative to the tile: left, top, right, bottom.
    pub extent: [u8; 4],
}

/// The file.
pub struct Scratch {
    file: Arc<dyn DiskFile>,
    end: u64,
    /// Places of each class that are free.
    free: [Vec<u64>; CLASSES],
    tiles: HashMap<TileKey, Kept>,
    /// Whether a place has become free since the file system was given them back.
    has_freed: bool,
}

impl Scratch {
    /// Makes the file; one of an earlier process is removed.
    ///
    /// # Errors
    /// Returns the error of the disk.
    pub fn make(disk: &dyn Disk, name: &str) -> io::Result<Self> {
        match disk.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.create(name, 0)?;
        Ok(Self { file, end: 0, free: Default::default(), tiles: HashMap::new(), has_freed: false })
    }

    /// Stores a tile's bytes.
    ///
    /// # Errors
    /// Returns the error of the disk; the tile is not stored then.
    pub fn put(&mut self, key: TileKey, bytes: &[u8], set: u32, extent: [u8; 4]) -> io::Result<()> {
        let class = (0..CLASSES).find(|class| bytes.len() as u64 <= PLACE_BYTES << class);
        let class = class.ok_or(io::ErrorKind::FileTooLarge)?;
        let offset = self.free[class].pop().unwrap_or(self.end);
        if let Err(error) = self.file.write_at(bytes, offset) {
            if offset != self.end {
                self.free[class].push(offset);
            }
            return Err(error);
        }
        self.end = self.end.max(offset + (PLACE_BYTES << class));
        self.remove(key);
        let bytes = bytes.len() as u32;
        self.tiles.insert(key, Kept { offset, bytes, class: class as u8, set, extent });
        Ok(())
    }

    /// Returns the bytes of a tile; nothing if it is not here.
    ///
    /// # Errors
    /// Returns the error of the disk; `UnexpectedEof` for a file that has become shorter.
    pub fn read(&self, key: TileKey) -> io::Result<Option<Vec<u8>>> {
        let Some(kept) = self.tiles.get(&key) else { return Ok(None) };
        let mut bytes = vec![0; kept.bytes as usize];
        let read = self.file.read_at(&mut bytes, kept.offset)?;
        if read < bytes.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(Some(bytes)) }
    }

    /// Forgets a tile.
    pub fn remove(&mut self, key: TileKey) {
        if let Some(kept) = self.tiles.remove(&key) {
            self.free[usize::from(kept.class)].push(kept.offset);
            self.has_freed = true;
        }
    }

    /// Gives the disk's blocks of free places back: what was cut from the list takes no room here either.
    pub fn give_back(&mut self) {
        if !std::mem::take(&mut self.has_freed) {
            return;
        }
        let classes = self.free.iter().enumerate();
        let mut places: Vec<(u64, u64)> = classes
            .flat_map(|(class, free)| free.iter().map(move |offset| (*offset, PLACE_BYTES << class)))
            .collect();
        places.sort_unstable();
        for range in places.chunk_by(|(offset, bytes), (next, _)| offset + bytes == *next) {
            let bytes = range.iter().map(|(_, bytes)| bytes).sum();
            self.file.give_back(range[0].0, bytes);
        }
    }

    /// Forgets all tiles.
    pub fn clear(&mut self) {
        if self.end > 0 {
            self.file.give_back(0, self.end);
        }
        self.tiles.clear();
        self.free = Default::default();
        self.has_freed = false;
        self.end = 0;
    }

    /// Returns the tiles that are here.
    pub fn tiles(&self) -> impl Iterator<Item = (TileKey, Kept)> + '_ {
        self.tiles.iter().map(|(key, kept)| (*key, *kept))
    }

    /// Returns whether a tile is here.
    #[must_use]
    pub fn has(&self, key: TileKey) -> bool {
        self.tiles.contains_key(&key)
    }

    /// Returns how many tiles are here.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tiles.len()
    }
}
