//! The scratch file in pages: which of them are in use, and those used lately in memory.

use std::io;
use std::sync::Arc;

use crate::os::disk::DiskFile;

/// Bytes of a page.
pub const PAGE_BYTES: usize = 4096;
/// Pages in memory, each at the place that its number leaves when divided by this: 4 MiB.
const CACHED: usize = 1024;

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

/// The file.
pub struct Pages {
    file: Arc<dyn DiskFile>,
    cache: Vec<Option<Box<Cached>>>,
    /// A bit for each page: whether it is in use.
    used: Vec<u64>,
    /// Number of pages in use.
    count: usize,
    /// For each power of two: no place for as many pages side by side begins in a word before this one.
    search_from: [usize; 8],
    /// A page has become free since the file system was given such pages back.
    has_freed: bool,
}

impl Pages {
    /// Returns the pages of an empty file.
    #[must_use]
    pub fn new(file: Arc<dyn DiskFile>) -> Self {
        let cache = (0..CACHED).map(|_| None).collect();
        Self { file, cache, used: Vec::new(), count: 0, search_from: [0; 8], has_freed: false }
    }

    /// Returns how many pages are in use.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds a page. It has its room on the disk from now on, so that no later change of it fails for want of any.
    ///
    /// # Errors
    /// Returns the error of the disk; there is no such page then.
    pub fn add(&mut self, bytes: &Page) -> io::Result<PageId> {
        let id = self.write(bytes)?;
        // In memory only if it has a place there, since that of another one may not be to be had.
        if let Ok(place) = self.make_place(id) {
            self.cache[place] = Some(Box::new(Cached { id, is_changed: false, bytes: *bytes }));
        }
        Ok(id)
    }

    /// Frees pages side by side.
    pub fn release(&mut self, first: PageId, pages: usize) {
        for id in first..first + pages as PageId {
            self.used[id as usize / 64] &= !(1 << (id % 64));
            self.cache[id as usize % CACHED].take_if(|cached| cached.id == id);
        }
        self.count -= pages;
        self.has_freed = true;
        let word = first as usize / 64;
        self.search_from.iter_mut().for_each(|from| *from = (*from).min(word));
    }

    /// Calls `read` with the bytes of a page.
    ///
    /// # Errors
    /// Returns the error of the disk; `UnexpectedEof` for a file that has become shorter.
    pub fn read<T>(&self, id: PageId, read: impl FnOnce(&Page) -> T) -> io::Result<T> {
        if let Some(cached) = self.cached(id) {
            return Ok(read(&cached.bytes));
        }
        let mut bytes = [0; PAGE_BYTES];
        self.fill(&mut bytes, id)?;
        Ok(read(&bytes))
    }

    /// Returns a page, to be changed.
    ///
    /// # Errors
    /// Returns the error of the disk: of reading it, or of writing one that makes room for it in memory.
    pub fn change(&mut self, id: PageId) -> io::Result<&mut Page> {
        let place = id as usize % CACHED;
        if self.cached(id).is_none() {
            self.make_place(id)?;
            let mut cached = Box::new(Cached { id, is_changed: false, bytes: [0; PAGE_BYTES] });
            self.fill(&mut cached.bytes, id)?;
            self.cache[place] = Some(cached);
        }
        let cached = self.cache[place].as_mut().expect("it was just put there");
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

    /// Returns bytes that were written to pages of their own.
    ///
    /// # Errors
    /// Fails as [`Pages::read`] does.
    pub fn read_bytes(&self, first: PageId, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes, first)?;
        Ok(bytes)
    }

    /// Gives the disk's blocks of free pages back.
    pub fn give_back(&mut self) {
        if !std::mem::take(&mut self.has_freed) {
            return;
        }
        let end = self.used.len() as u64 * 64;
        let is_free = |id: u64| self.used[id as usize / 64] >> (id % 64) & 1 == 0;
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
        self.cache[id as usize % CACHED].as_deref().filter(|cached| cached.id == id)
    }

    /// Empties the place of a page in memory, and gives it.
    fn make_place(&mut self, id: PageId) -> io::Result<usize> {
        let place = id as usize % CACHED;
        if let Some(cached) = self.cache[place].as_mut().filter(|cached| cached.is_changed) {
            self.file.write_at(&cached.bytes, offset_of(cached.id))?;
        }
        self.cache[place] = None;
        Ok(place)
    }

    fn fill(&self, bytes: &mut [u8], first: PageId) -> io::Result<()> {
        let read = self.file.read_at(bytes, offset_of(first))?;
        if read < bytes.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Finds so many free pages side by side, a power of two that divides the number of the first, so that what is freed can be used
    /// again whatever its size.
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

fn offset_of(id: PageId) -> u64 {
    u64::from(id) * PAGE_BYTES as u64
}

/// Returns the first bit of the first word from which on so many pages are free, which may go on in the next words.
fn free_in(words: &[u64], pages: usize) -> Option<usize> {
    if pages > 64 {
        let is_free = words.iter().take(pages / 64).all(|word| *word == 0);
        return (is_free && words.len() >= pages / 64).then_some(0);
    }
    let mask = u64::MAX >> (64 - pages);
    (0..64).step_by(pages).find(|bit| words[0] & mask << bit == 0)
}
