//! The entries of a page: tiles one behind the other, small ones whole, of the others where they are.
//!
//! ```text
//! 0 u32 checksum (pages.rs)   4 u32 next page of the bucket, counted from 1; 0: none   8 u16 bytes of entries   10 zeros   16 entries
//! entry:   0 i32 tile x   4 i32 tile y   8 the extent, 4 bytes   12 u32 bytes of the tile
//!         16 the tile, or u32 the first of its pages, u32 its crc32c if it is larger than INSIDE_BYTES
//! ```

use std::ops::Range;

use super::super::tile::TileKey;
use super::pages::{PAGE_BYTES, Page, PageId};
use crate::base::numbers::{u16_at, u32_at};

/// Bytes before the entries.
const HEAD_BYTES: usize = 16;
/// Bytes of entries that a page has room for.
pub const ROOM_BYTES: usize = PAGE_BYTES - HEAD_BYTES;
/// Bytes of an entry before the tile.
const ENTRY_BYTES: usize = 16;
/// Bytes behind the entry of a tile that is elsewhere.
const ELSEWHERE_BYTES: usize = 8;
/// Most bytes of a tile that stands in its entry: a page has room for four such tiles.
const INSIDE_BYTES: usize = 1004;

/// A tile's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub key: TileKey,
    /// The bounds of its set cells, relative to the tile: left, top, right, bottom.
    pub extent: [u8; 4],
    /// Bytes of the tile.
    pub length: usize,
}

impl Entry {
    /// Returns whether the tile stands in its entry.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.length <= INSIDE_BYTES
    }

    /// Returns the bytes that it takes, with the tile or the place of its pages.
    #[must_use]
    pub fn bytes(&self) -> usize {
        ENTRY_BYTES + if self.is_inside() { self.length } else { ELSEWHERE_BYTES }
    }
}

/// Returns the next page of the bucket.
#[must_use]
pub fn next(page: &Page) -> Option<PageId> {
    u32_at(page, 4).checked_sub(1)
}

/// Sets the next page of the bucket.
pub fn set_next(page: &mut Page, next: Option<PageId>) {
    page[4..8].copy_from_slice(&next.map_or(0, |next| next + 1).to_le_bytes());
}

/// Returns the bytes of entries.
#[must_use]
pub fn used(page: &Page) -> usize {
    usize::from(u16_at(page, 8)).min(ROOM_BYTES)
}

/// Appends an entry with the bytes behind it; gives whether there was room.
pub fn append(page: &mut Page, entry: &Entry, rest: &[u8]) -> bool {
    debug_assert_eq!(ENTRY_BYTES + rest.len(), entry.bytes());
    let used = used(page);
    if used + entry.bytes() > ROOM_BYTES {
        return false;
    }
    let at = HEAD_BYTES + used;
    page[at..at + 4].copy_from_slice(&entry.key.x.to_le_bytes());
    page[at + 4..at + 8].copy_from_slice(&entry.key.y.to_le_bytes());
    page[at + 8..at + 12].copy_from_slice(&entry.extent);
    page[at + 12..at + ENTRY_BYTES].copy_from_slice(&(entry.length as u32).to_le_bytes());
    page[at + ENTRY_BYTES..at + entry.bytes()].copy_from_slice(rest);
    set_used(page, used + entry.bytes());
    true
}

/// Removes the entry at a place that [`find`] gave.
pub fn remove(page: &mut Page, at: Range<usize>) {
    let end = HEAD_BYTES + used(page);
    page.copy_within(at.end..end, at.start);
    set_used(page, end - HEAD_BYTES - at.len());
}

/// Returns a tile's entry and where it stands; nothing if it is not in this page.
#[must_use]
pub fn find(page: &Page, key: TileKey) -> Option<(Entry, Range<usize>)> {
    // As it stands there, so that one comparison passes over each of the others.
    let mut named = [0; 8];
    named[..4].copy_from_slice(&key.x.to_le_bytes());
    named[4..].copy_from_slice(&key.y.to_le_bytes());
    let mut at = HEAD_BYTES;
    while let Some(entry) = entry_at(page, at) {
        let end = at + entry.bytes();
        if page[at..at + 8] == named {
            return Some((entry, at..end));
        }
        at = end;
    }
    None
}

/// Returns the bytes behind an entry at a place that [`find`] gave.
#[must_use]
pub fn rest(page: &Page, at: Range<usize>) -> &[u8] {
    &page[at.start + ENTRY_BYTES..at.end]
}

/// Calls `visit` with each entry and the bytes behind it.
pub fn each(page: &Page, mut visit: impl FnMut(Entry, &[u8])) {
    let mut at = HEAD_BYTES;
    while let Some(entry) = entry_at(page, at) {
        let end = at + entry.bytes();
        visit(entry, rest(page, at..end));
        at = end;
    }
}

/// Returns the entry that begins there; nothing behind the last one.
fn entry_at(page: &Page, at: usize) -> Option<Entry> {
    let end = HEAD_BYTES + used(page);
    if at + ENTRY_BYTES > end {
        return None;
    }
    let key = TileKey { x: u32_at(page, at) as i32, y: u32_at(page, at + 4) as i32 };
    let extent = page[at + 8..at + 12].try_into().expect("4 bytes");
    let entry = Entry { key, extent, length: u32_at(page, at + 12) as usize };
    (at + entry.bytes() <= end).then_some(entry)
}

fn set_used(page: &mut Page, used: usize) {
    page[8..10].copy_from_slice(&(used as u16).to_le_bytes());
}

/// Returns the bytes behind the entry of a tile that is elsewhere.
#[must_use]
pub fn elsewhere(first: PageId, tile: &[u8]) -> [u8; ELSEWHERE_BYTES] {
    let mut rest = [0; ELSEWHERE_BYTES];
    rest[..4].copy_from_slice(&first.to_le_bytes());
    rest[4..].copy_from_slice(&crc32c::crc32c(tile).to_le_bytes());
    rest
}

/// Returns the first page of a tile that is elsewhere, and its checksum, from the bytes behind its entry.
#[must_use]
pub fn place(rest: &[u8]) -> (PageId, u32) {
    (u32_at(rest, 0), u32_at(rest, 4))
}
