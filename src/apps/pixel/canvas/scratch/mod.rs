//! The scratch file: tiles that there is no room for in memory. It is made anew by each start, nothing is synced, and it may be
//! deleted at any time: this process has it open, and no other one needs it.
//!
//! Its list of tiles is in the file too, or a canvas on which each pixel stands far from the others would take memory without end.
//! It is a table by linear hashing (W. Litwin, "Linear Hashing: A New Tool for File and Table Addressing", VLDB 1980), which grows by
//! one bucket at a time: memory holds the number of each bucket's first page, 4 bytes for some 40 tiles of one pixel each.

mod entries;
mod pages;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::{ControlFlow, Range};

use crate::os::disk::Disk;

use super::bounds::Bounds;
use super::limits::{SCRATCH_JOIN_BELOW_PERCENT, SCRATCH_SPLIT_ABOVE_PERCENT, SCRATCH_TILE_BYTES_MAX};
use super::tile::TileKey;
use entries::{Entry, ROOM_BYTES};
use pages::{PAGE_BYTES, Page, PageId, Pages, pages_of};

/// Tiles along each side of a square whose tiles share a bucket, as a power of two: drawing nearby finds its page in memory.
const GROUP_BITS: u32 = 2;

/// The file.
pub struct Scratch {
    pages: Pages,
    /// The first page of each bucket; others follow from page to page.
    buckets: Vec<PageId>,
    /// Bytes of all entries.
    entry_bytes: usize,
    /// How many tiles are here.
    count: usize,
    /// Random, since everybody may choose the places of tiles.
    hash: RandomState,
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
        let pages = Pages::new(disk.create(name, 0)?);
        Ok(Self { pages, buckets: Vec::new(), entry_bytes: 0, count: 0, hash: RandomState::new() })
    }

    /// Stores the bytes of a tile that is not here.
    ///
    /// # Errors
    /// Returns the error of the disk; the tile is not stored then.
    pub fn put(&mut self, key: TileKey, bytes: &[u8], extent: [u8; 4]) -> io::Result<()> {
        if bytes.len() > SCRATCH_TILE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if self.buckets.is_empty() {
            let first = self.chain(&[])?;
            self.buckets.push(first);
        }
        let entry = Entry { key, extent, length: bytes.len() };
        if entry.is_inside() {
            self.append(self.bucket_of(key), &entry, bytes)?;
        } else {
            let first = self.pages.write(bytes)?;
            if let Err(error) = self.append(self.bucket_of(key), &entry, &entries::elsewhere(first, bytes)) {
                self.pages.release(first, pages_of(bytes.len()));
                return Err(error);
            }
        }
        self.count += 1;
        self.entry_bytes += entry.bytes();
        while self.entry_bytes * 100 > self.buckets.len() * ROOM_BYTES * SCRATCH_SPLIT_ABOVE_PERCENT {
            // Where another bucket can't be written those that are there get longer.
            if self.split().is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Returns the bytes of a tile; nothing if it is not here.
    ///
    /// # Errors
    /// Returns the error of the disk; `UnexpectedEof` for a file that has become shorter, `InvalidData` for one that was changed.
    pub fn read(&self, key: TileKey) -> io::Result<Option<Vec<u8>>> {
        if self.buckets.is_empty() {
            return Ok(None);
        }
        let found = self.walk(self.bucket_of(key), |page| match entries::find(page, key) {
            Some((entry, at)) => ControlFlow::Break((entry, entries::rest(page, at).to_vec())),
            None => ControlFlow::Continue(()),
        })?;
        found.map(|(entry, rest)| self.tile_bytes(&entry, rest)).transpose()
    }

    /// Removes a tile, and gives its bytes; nothing if it is not here.
    ///
    /// # Errors
    /// Fails as [`Scratch::read`] does. The tile is still here then.
    pub fn take(&mut self, key: TileKey) -> io::Result<Option<Vec<u8>>> {
        if self.buckets.is_empty() {
            return Ok(None);
        }
        let (mut before, mut id) = (None, self.buckets[self.bucket_of(key)]);
        for _ in 0..self.pages.count() {
            let page = self.pages.look(id)?;
            if let Some((entry, at)) = entries::find(page, key) {
                return self.take_at(id, before, &entry, at).map(Some);
            }
            let Some(next) = entries::next(page) else { return Ok(None) };
            (before, id) = (Some(id), next);
        }
        Err(self.pages.damaged())
    }

    /// Calls `visit` with each tile whose set cells may lie in an area, and its bytes.
    ///
    /// # Errors
    /// Returns what `visit` does, and fails as [`Scratch::read`] does.
    pub fn each_in(
        &self,
        area: Bounds,
        mut visit: impl FnMut(TileKey, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let group = |x, y| group_of(TileKey::of(x, y));
        let (first, last) = (group(area.x_min, area.y_min), group(area.x_max, area.y_max));
        let side = |first: i32, last: i32| i64::from(last) - i64::from(first) + 1;
        let is_met = |entry: &Entry| Bounds::of_extent(entry.key, entry.extent).meet(area).is_some();
        if side(first.0, last.0) * side(first.1, last.1) >= self.buckets.len() as i64 {
            return (0..self.buckets.len()).try_for_each(|bucket| self.each_of(bucket, is_met, &mut visit));
        }
        for (x, y) in (first.1..=last.1).flat_map(|y| (first.0..=last.0).map(move |x| (x, y))) {
            let is_of_group = |entry: &Entry| group_of(entry.key) == (x, y) && is_met(entry);
            self.each_of(self.bucket_among((x, y), self.buckets.len()), is_of_group, &mut visit)?;
        }
        Ok(())
    }

    /// Calls `visit` with each tile and its bytes.
    ///
    /// # Errors
    /// Returns what `visit` does, and the error of the disk.
    pub fn each(&self, mut visit: impl FnMut(TileKey, &[u8]) -> io::Result<()>) -> io::Result<()> {
        (0..self.buckets.len()).try_for_each(|bucket| self.each_of(bucket, |_| true, &mut visit))
    }

    /// Returns the tiles of a bucket of which `is_asked` for their bytes. Going through all buckets in order visits each tile, also
    /// when tiles are taken and put meanwhile: those of a bucket that is split go to the last one.
    ///
    /// # Errors
    /// Returns the error of the disk.
    pub fn keys_of(
        &self,
        bucket: usize,
        mut is_asked: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<Vec<TileKey>> {
        let mut keys = Vec::new();
        self.each_of(bucket, |_| true, &mut |key, bytes| {
            if is_asked(bytes) {
                keys.push(key);
            }
            Ok(())
        })?;
        Ok(keys)
    }

    /// Returns the bounds of the cells of all tiles.
    ///
    /// # Errors
    /// Returns the error of the disk.
    pub fn bounds(&self) -> io::Result<Option<Bounds>> {
        let mut all: Option<Bounds> = None;
        for bucket in 0..self.buckets.len() {
            self.each_page(bucket, |page| {
                entries::each(page, |entry, _| {
                    let bounds = Bounds::of_extent(entry.key, entry.extent);
                    all = Some(all.map_or(bounds, |all| all.join(bounds)));
                });
            })?;
        }
        Ok(all)
    }

    /// Returns whether any read failed: tiles may be lost. An error of writing leaves everything as it was.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.pages.is_damaged()
    }

    /// Returns how many buckets there are.
    #[must_use]
    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Returns how many tiles are here.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Gives the disk's blocks of free places back, so that records that were cut take no room here either.
    pub fn give_back(&mut self) {
        self.pages.give_back();
        while self.buckets.len() > 1
            && self.entry_bytes * 100 < self.buckets.len() * ROOM_BYTES * SCRATCH_JOIN_BELOW_PERCENT
        {
            // Two that can't be joined take some room, and nothing else.
            if self.join().is_err() {
                break;
            }
        }
        self.pages.give_back();
    }

    /// Forgets all tiles.
    pub fn clear(&mut self) {
        self.pages.clear();
        self.buckets = Vec::new();
        (self.entry_bytes, self.count) = (0, 0);
    }

    fn bucket_of(&self, key: TileKey) -> usize {
        self.bucket_among(group_of(key), self.buckets.len())
    }

    /// Returns the bucket of a group of tiles where there are so many.
    fn bucket_among(&self, group: (i32, i32), buckets: usize) -> usize {
        let hash = self.hash.hash_one(group) as usize;
        let mask = buckets.next_power_of_two() - 1;
        let bucket = hash & mask;
        if bucket < buckets { bucket } else { bucket & mask >> 1 }
    }

    /// Appends an entry to a bucket, with another page if need be.
    fn append(&mut self, bucket: usize, entry: &Entry, rest: &[u8]) -> io::Result<()> {
        let mut id = self.buckets[bucket];
        for _ in 0..self.pages.count() {
            let page = self.pages.look(id)?;
            if entries::used(page) + entry.bytes() <= ROOM_BYTES {
                entries::append(self.pages.change(id)?, entry, rest);
                return Ok(());
            }
            match entries::next(page) {
                Some(next) => id = next,
                None => return self.append_page(id, entry, rest),
            }
        }
        Err(self.pages.damaged())
    }

    /// Appends an entry in a page of its own behind the last one of a bucket.
    fn append_page(&mut self, last: PageId, entry: &Entry, rest: &[u8]) -> io::Result<()> {
        let added = self.chain(&[(*entry, rest.to_vec())])?;
        match self.pages.change(last) {
            Ok(page) => entries::set_next(page, Some(added)),
            Err(error) => {
                self.pages.release(added, 1);
                return Err(error);
            }
        }
        Ok(())
    }

    fn take_at(
        &mut self,
        id: PageId,
        before: Option<PageId>,
        entry: &Entry,
        at: Range<usize>,
    ) -> io::Result<Vec<u8>> {
        let rest = self.pages.read(id, |page| entries::rest(page, at.clone()).to_vec())?;
        let first = (!entry.is_inside()).then(|| entries::place(&rest).0);
        let bytes = self.tile_bytes(entry, rest)?;
        let page = self.pages.change(id)?;
        entries::remove(page, at);
        let (is_empty, next) = (entries::used(page) == 0, entries::next(page));
        if let Some(first) = first {
            self.pages.release(first, pages_of(entry.length));
        }
        self.count -= 1;
        self.entry_bytes -= entry.bytes();
        let before = before.filter(|_| is_empty).and_then(|before| self.pages.change(before).ok());
        if let Some(before) = before {
            entries::set_next(before, next);
            self.pages.release(id, 1);
        }
        Ok(bytes)
    }

    fn tile_bytes(&self, entry: &Entry, rest: Vec<u8>) -> io::Result<Vec<u8>> {
        if entry.is_inside() {
            return Ok(rest);
        }
        if entry.length > SCRATCH_TILE_BYTES_MAX {
            return Err(self.pages.damaged());
        }
        let (first, checksum) = entries::place(&rest);
        self.pages.read_bytes(first, entry.length, checksum)
    }

    fn each_page(&self, bucket: usize, mut visit: impl FnMut(&Page)) -> io::Result<()> {
        let visit_all = |page: &Page| {
            visit(page);
            ControlFlow::<()>::Continue(())
        };
        self.walk(bucket, visit_all).map(|_| ())
    }

    /// Calls `visit` with the pages of a bucket until it breaks off, and gives what it does so with.
    fn walk<T>(
        &self,
        bucket: usize,
        mut visit: impl FnMut(&Page) -> ControlFlow<T>,
    ) -> io::Result<Option<T>> {
        let mut id = self.buckets[bucket];
        // No bucket has more pages than there are.
        for _ in 0..self.pages.count() {
            let (flow, next) = self.pages.read(id, |page| (visit(page), entries::next(page)))?;
            match (flow, next) {
                (ControlFlow::Break(found), _) => return Ok(Some(found)),
                (ControlFlow::Continue(()), Some(next)) => id = next,
                (ControlFlow::Continue(()), None) => return Ok(None),
            }
        }
        Err(self.pages.damaged())
    }

    fn each_of(
        &self,
        bucket: usize,
        is_asked: impl Fn(&Entry) -> bool,
        visit: &mut impl FnMut(TileKey, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut result = Ok(());
        self.each_page(bucket, |page| {
            entries::each(page, |entry, rest| {
                if result.is_ok() && is_asked(&entry) {
                    result = if entry.is_inside() {
                        visit(entry.key, rest)
                    } else {
                        self.tile_bytes(&entry, rest.to_vec()).and_then(|bytes| visit(entry.key, &bytes))
                    };
                }
            });
        })?;
        result
    }

    /// Makes another bucket of those tiles of one before it that belong there now. The old pages stand until both are written.
    fn split(&mut self) -> io::Result<()> {
        let added = self.buckets.len();
        let from = halved(added);
        let (moved, kept): (Vec<_>, Vec<_>) = self
            .contents(from)?
            .into_iter()
            .partition(|(entry, _)| self.bucket_among(group_of(entry.key), added + 1) == added);
        let kept = self.chain(&kept)?;
        match self.chain(&moved) {
            Ok(moved) => self.buckets.push(moved),
            Err(error) => {
                self.release_chain(kept);
                return Err(error);
            }
        }
        let old = std::mem::replace(&mut self.buckets[from], kept);
        self.release_chain(old);
        Ok(())
    }

    /// Adds the last bucket to the one that it was split from.
    fn join(&mut self) -> io::Result<()> {
        let last = self.buckets.len() - 1;
        let to = halved(last);
        let mut all = self.contents(to)?;
        all.append(&mut self.contents(last)?);
        let joined = self.chain(&all)?;
        let old = [std::mem::replace(&mut self.buckets[to], joined), self.buckets[last]];
        self.buckets.truncate(last);
        old.into_iter().for_each(|first| self.release_chain(first));
        Ok(())
    }

    fn contents(&self, bucket: usize) -> io::Result<Vec<(Entry, Vec<u8>)>> {
        let mut contents = Vec::new();
        self.each_page(bucket, |page| {
            entries::each(page, |entry, rest| contents.push((entry, rest.to_vec())));
        })?;
        Ok(contents)
    }

    /// Writes entries to pages that follow each other; gives the first.
    fn chain(&mut self, contents: &[(Entry, Vec<u8>)]) -> io::Result<PageId> {
        let mut filled: Vec<Page> = vec![[0; PAGE_BYTES]];
        for (entry, rest) in contents {
            if !entries::append(filled.last_mut().expect("there is one"), entry, rest) {
                filled.push([0; PAGE_BYTES]);
                entries::append(filled.last_mut().expect("there is one"), entry, rest);
            }
        }
        let mut next = None;
        for page in filled.iter_mut().rev() {
            entries::set_next(page, next);
            match self.pages.add(page) {
                Ok(id) => next = Some(id),
                Err(error) => {
                    next.into_iter().for_each(|first| self.release_chain(first));
                    return Err(error);
                }
            }
        }
        Ok(next.expect("there is a page"))
    }

    fn release_chain(&mut self, first: PageId) {
        let mut next = Some(first);
        while let Some(id) = next.filter(|id| self.pages.is_used(*id)) {
            // Pages that can't be found any more take some room until the file is made anew.
            next = self.pages.read(id, entries::next).ok().flatten();
            self.pages.release(id, 1);
        }
    }
}

/// Returns the group of a tile.
fn group_of(key: TileKey) -> (i32, i32) {
    (key.x >> GROUP_BITS, key.y >> GROUP_BITS)
}

/// Returns the bucket that another one was split from, or will be.
fn halved(bucket: usize) -> usize {
    bucket & !(1 << bucket.ilog2())
}
