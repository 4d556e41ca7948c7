//! The scratch file in pages: which of them are in use, and those used lately in memory.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::super::limits::SCRATCH_PAGES_CACHED as CACHED;
use crate::os::disk::{DiskFile, is_no_space};

/// Bytes of a page.
pub const PAGE_BYTES: usize = 4096;
/// Where the checksum of a page stands in it.
const CHECKSUM: std::ops::Range<usize> = 0..4;
/// Powers of two up to the most pages of a tile, 128.
const CLASSES: usize = 8;

/// Number of a page.
pub type PageId = u32;
/// The bytes of a page.
pub type Page = [u8; PAGE_BYTES];

/// A page in memory.
struct Cached {
    id: PageId,
    is_changed: bool,
    bytes: Page,
}

impl Cached {
    fn checksum(&self) -> [u8; 4] {
        checksum(self.id, &self.bytes)
    }

    fn seal(&mut self) {
        let checksum = self.checksum();
        self.bytes[CHECKSUM].copy_from_slice(&checksum);
    }

    fn is_sealed(&self) -> bool {
        self.bytes[CHECKSUM] == self.checksum()
    }
}

/// The file.
pub struct Pages {
    file: Arc<dyn DiskFile>,
    /// Each at the place that its number leaves when divided by the number of places.
    cache: Vec<Option<Box<Cached>>>,
    /// Those that had to leave the cache while the disk was full: there are file systems on which even a change needs room.
    unwritten: BTreeMap<PageId, Box<Cached>>,
    /// The first of those that is tried next.
    try_from: PageId,
    /// A bit for each page: whether it is in use.
    used: Vec<u64>,
    /// Number of pages in use.
    count: usize,
    /// For each power of two: no place for as many pages side by side begins in a word before this one.
    search_from: [usize; CLASSES],
    /// A page has become free since the file system was given such pages back.
    has_freed: bool,
    /// A read failed.
    is_damaged: Cell<bool>,
}

impl Pages {
    /// Returns the pages of an empty file.
    #[must_use]
    pub fn new(file: Arc<dyn DiskFile>) -> Self {
        let cache = (0..CACHED).map(|_| None).collect();
        let search_from = [0; CLASSES];
        Self {
            file,
            cache,
            unwritten: BTreeMap::new(),
            try_from: 0,
            used: Vec::new(),
            count: 0,
            search_from,
            has_freed: false,
            is_damaged: Cell::new(false),
        }
    }

    /// Returns how many pages are in use.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns whether a page is in use.
    #[must_use]
    pub fn is_used(&self, id: PageId) -> bool {
        self.used.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 != 0)
    }

    /// Returns how many pages the file has room for.
    #[cfg(test)]
    pub fn room(&self) -> usize {
        self.used.len() * 64
    }

    /// Adds a page, of which the first four bytes are left for its checksum. It has its room on the disk from now on, so that on most
    /// file systems no later change of it fails for want of any.
    ///
    /// # Errors
    /// Returns the error of the disk; there is no such page then.
    pub fn add(&mut self, bytes: &Page) -> io::Result<PageId> {
        let id = self.allocate(1)?;
        let mut cached = Box::new(Cached { id, is_changed: false, bytes: *bytes });
        cached.seal();
        let added = self.file.write_at(&cached.bytes, offset_of(id)).and_then(|()| self.make_place(id));
        match added {
            Ok(place) => self.cache[place] = Some(cached),
            Err(error) => {
                self.release(id, 1);
                return Err(error);
            }
        }
        Ok(id)
    }

    /// Writes what has changed, and empties the memory of pages.
    #[cfg(test)]
    pub fn forget(&mut self) {
        (0..CACHED).for_each(|place| _ = self.make_place(place as PageId).unwrap());
    }

    /// Returns how many pages wait for room on the disk.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.unwritten.len()
    }

    /// Frees pages side by side.
    pub fn release(&mut self, first: PageId, pages: usize) {
        for id in first..first + pages as PageId {
            self.used[id as usize / 64] &= !(1 << (id % 64));
            self.cache[id as usize % CACHED].take_if(|cached| cached.id == id);
            self.unwritten.remove(&id);
        }
        self.count -= pages;
        self.has_freed = true;
        let word = first as usize / 64;
        for (class, from) in self.search_from.iter_mut().enumerate() {
            if class > 6 {
                // Such a place goes over two words, of which the other one may come before.
                *from = (*from).min(word.saturating_sub(1));
            } else if free_in(&self.used[word..], 1 << class).is_some() {
                *from = (*from).min(word);
            }
        }
    }

    /// Calls `read` with the bytes of a page.
    ///
    /// # Errors
    /// Returns the error of the disk; `UnexpectedEof` for a file that has become shorter, `InvalidData` for a page that is not what was
    /// written.
    pub fn read<T>(&self, id: PageId, read: impl FnOnce(&Page) -> T) -> io::Result<T> {
        match self.cached(id) {
            Some(cached) => Ok(read(&cached.bytes)),
            None => Ok(read(&self.load(id)?.bytes)),
        }
    }

    /// Returns a page, which is in memory from now on.
    ///
    /// # Errors
    /// Fails as [`Pages::read`] does, and with the error of writing a page that makes room for it in memory.
    pub fn look(&mut self, id: PageId) -> io::Result<&Page> {
        self.keep(id).map(|cached| &cached.bytes)
    }

    /// Returns a page, to be changed.
    ///
    /// # Errors
    /// Fails as [`Pages::look`] does.
    pub fn change(&mut self, id: PageId) -> io::Result<&mut Page> {
        let cached = self.keep(id)?;
        cached.is_changed = true;
        Ok(&mut cached.bytes)
    }

    /// Writes bytes to pages of their own; gives the first of them.
    ///
    /// # Errors
    /// Returns the error of the disk; the pages are free then.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<PageId> {
        let pages = pages_of(bytes.len());
        let first = self.allocate(pages)?;
        let written = self.file.write_at(bytes, offset_of(first));
        if let Err(error) = written {
            self.release(first, pages);
            return Err(error);
        }
        Ok(first)
    }

    /// Returns bytes with this crc32c that were written to pages of their own.
    ///
    /// # Errors
    /// Fails as [`Pages::read`] does.
    pub fn read_bytes(&self, first: PageId, length: usize, checksum: u32) -> io::Result<Vec<u8>> {
        self.checked(self.is_used(first))?;
        let mut bytes = vec![0; length];
        self.fill(&mut bytes, first)?;
        self.checked(crc32c::crc32c(&bytes) == checksum)?;
        Ok(bytes)
    }

    /// Returns whether any page could not be read, or was not what was written.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.is_damaged.get()
    }

    /// Notes that the file is not what was written, and gives the error that says so.
    #[must_use]
    pub fn damaged(&self) -> io::Error {
        self.is_damaged.set(true);
        io::ErrorKind::InvalidData.into()
    }

    /// Gives the disk's blocks of free pages back.
    pub fn give_back(&mut self) {
        if !std::mem::take(&mut self.has_freed) {
            return;
        }
        let end = self.used.len() as u64 * 64;
        let is_free = |id: u64| !self.is_used(id as PageId);
        let mut at = 0;
        while at < end {
            let first = at;
            while at < end && is_free(at) {
                at += 1;
            }
            if at > first {
                self.file.give_back(first * PAGE_BYTES as u64, (at - first) * PAGE_BYTES as u64);
            }
            at += 1;
        }
    }

    /// Frees all pages and gives their blocks back.
    pub fn clear(&mut self) {
        self.file.give_back(0, self.used.len() as u64 * 64 * PAGE_BYTES as u64);
        *self = Self::new(self.file.clone());
    }

    fn cached(&self, id: PageId) -> Option<&Cached> {
        let cached = self.cache[id as usize % CACHED].as_ref().filter(|cached| cached.id == id);
        cached.or_else(|| self.unwritten.get(&id)).map(|cached| &**cached)
    }

    fn keep(&mut self, id: PageId) -> io::Result<&mut Cached> {
        let place = id as usize % CACHED;
        if self.cache[place].as_ref().is_none_or(|cached| cached.id != id) {
            self.make_place(id)?;
            let kept = match self.unwritten.remove(&id) {
                Some(unwritten) => unwritten,
                None => self.load(id)?,
            };
            self.cache[place] = Some(kept);
        }
        Ok(self.cache[place].as_mut().expect("it was just put there"))
    }

    /// Reads a page.
    fn load(&self, id: PageId) -> io::Result<Box<Cached>> {
        // A page as it was before, because the disk lost a write, may lead to one that is free.
        self.checked(self.is_used(id))?;
        let mut cached = Box::new(Cached { id, is_changed: false, bytes: [0; PAGE_BYTES] });
        self.fill(&mut cached.bytes, id)?;
        self.checked(cached.is_sealed())?;
        Ok(cached)
    }

    /// Empties the place of a page in memory, and gives it.
    fn make_place(&mut self, id: PageId) -> io::Result<usize> {
        let place = id as usize % CACHED;
        if let Some(mut cached) = self.cache[place].take_if(|cached| cached.is_changed) {
            cached.seal();
            match self.file.write_at(&cached.bytes, offset_of(cached.id)) {
                Ok(()) => self.write_one(),
                Err(error) if is_no_space(&error) => _ = self.unwritten.insert(cached.id, cached),
                Err(error) => {
                    self.cache[place] = Some(cached);
                    return Err(error);
                }
            }
        }
        self.cache[place] = None;
        Ok(place)
    }

    /// Tries to write one of the pages for which there was no room: another one each time, since some blocks may have room to be
    /// changed and others not.
    fn write_one(&mut self) {
        let next = self.unwritten.range(self.try_from..).chain(&self.unwritten).next();
        let Some((&id, cached)) = next else { return };
        if self.file.write_at(&cached.bytes, offset_of(id)).is_ok() {
            self.unwritten.remove(&id);
        }
        self.try_from = id + 1;
    }

    fn fill(&self, bytes: &mut [u8], first: PageId) -> io::Result<()> {
        let filled = match self.file.read_at(bytes, offset_of(first)) {
            Ok(read) if read < bytes.len() => Err(io::ErrorKind::UnexpectedEof.into()),
            read => read.map(drop),
        };
        filled.inspect_err(|_| self.is_damaged.set(true))
    }

    fn checked(&self, is_sound: bool) -> io::Result<()> {
        if is_sound { Ok(()) } else { Err(self.damaged()) }
    }

    /// Finds so many free pages side by side, a power of two that divides the number of the first (64 for 128 pages), so that freed
    /// places can be used again for other sizes.
    fn allocate(&mut self, pages: usize) -> io::Result<PageId> {
        let class = pages.next_power_of_two().trailing_zeros() as usize;
        let from = self.search_from[class];
        let found =
            (from..self.used.len()).find_map(|word| Some((word, free_in(&self.used[word..], pages)?)));
        let (word, bit) = found.unwrap_or((self.used.len(), 0));
        self.search_from[class] = word;
        let first = PageId::try_from(word * 64 + bit).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let words = (word * 64 + bit + pages).div_ceil(64);
        self.used.resize(self.used.len().max(words), 0);
        (first..first + pages as PageId).for_each(|id| self.used[id as usize / 64] |= 1 << (id % 64));
        self.count += pages;
        Ok(first)
    }
}

/// Returns how many pages so many bytes take.
#[must_use]
pub fn pages_of(bytes: usize) -> usize {
    bytes.div_ceil(PAGE_BYTES).next_power_of_two()
}

/// Returns the checksum of a page as it is, at its place: one that was written elsewhere reads wrong, too.
#[must_use]
pub fn checksum(id: PageId, page: &Page) -> [u8; 4] {
    crc32c::crc32c_append(id, &page[CHECKSUM.end..]).to_le_bytes()
}

fn offset_of(id: PageId) -> u64 {
    u64::from(id) * PAGE_BYTES as u64
}

/// Returns the first bit of the first word from which on so many pages are free, which may go on in the next words.
fn free_in(words: &[u64], pages: usize) -> Option<usize> {
    if words[0] == u64::MAX {
        return None;
    }
    if pages > 64 {
        let is_free = words.iter().take(pages / 64).all(|word| *word == 0);
        return (is_free && words.len() >= pages / 64).then_some(0);
    }
    let mask = u64::MAX >> (64 - pages);
    (0..64).step_by(pages).find(|bit| words[0] & mask << bit == 0)
}
