//! Staged bytes: what was sealed and is yet to be written.

use std::ops::Range;

use crate::base::ids::Position;
use crate::log::format::segment::SegmentHeader;

/// Bytes of the journal in rising order of their positions, as few extents: a new one begins only where a new segment
/// does. Filled, written, cleared and filled again without allocating.
#[derive(Default)]
pub struct Staged {
    bytes: Vec<u8>,
    extents: Vec<Extent>,
    entered: Vec<SegmentHeader>,
}

struct Extent {
    position: Position,
    range: Range<usize>,
}

impl Staged {
    /// Returns an empty one that holds `bytes` without allocating.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), extents: Vec::with_capacity(4), entered: Vec::new() }
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.extents.clear();
        self.entered.clear();
    }

    /// Returns whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.extents.is_empty()
    }

    /// Returns the number of bytes to write.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns where the first extent starts; nothing when empty.
    #[must_use]
    pub fn start(&self) -> Option<Position> {
        self.extents.first().map(|extent| extent.position)
    }

    /// Returns where the last extent ends; nothing when empty.
    #[must_use]
    pub fn end(&self) -> Option<Position> {
        self.extents.last().map(|extent| Position(extent.position.0 + extent.range.len() as u64))
    }

    /// Returns the extents; none spans two segments.
    pub fn extents(&self) -> impl Iterator<Item = (Position, &[u8])> {
        self.extents.iter().map(|extent| (extent.position, &self.bytes[extent.range.clone()]))
    }

    /// Headers of the segments that begin in here.
    #[must_use]
    pub fn entered(&self) -> &[SegmentHeader] {
        &self.entered
    }

    /// Appends bytes that stand at `position`: behind the last ones, or at the start of a later segment.
    pub(in crate::log) fn push(&mut self, position: Position, bytes: &[u8]) {
        self.extend_at(position, |out| out.extend_from_slice(bytes));
    }

    /// Appends a segment's header.
    pub(in crate::log) fn enter(&mut self, start: Position, header: SegmentHeader) {
        self.open_extent(start);
        self.write_into_last(|out| header.encode(out));
        self.entered.push(header);
    }

    /// Appends what `fill` pushes.
    pub(in crate::log) fn extend_at(&mut self, position: Position, fill: impl FnOnce(&mut Vec<u8>)) {
        if self.end() != Some(position) {
            self.open_extent(position);
        }
        self.write_into_last(fill);
    }

    fn open_extent(&mut self, position: Position) {
        assert!(self.end().is_none_or(|end| end <= position), "positions only rise");
        let at = self.bytes.len();
        self.extents.push(Extent { position, range: at..at });
    }

    fn write_into_last(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        fill(&mut self.bytes);
        let last = self.extents.last_mut().expect("an extent is open");
        assert!(last.range.end <= self.bytes.len(), "filling only appends");
        last.range.end = self.bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_extent_and_clearing_keeps_the_memory() {
        let mut staged = Staged::with_capacity(64);
        assert!(staged.is_empty() && staged.start().is_none() && staged.end().is_none());
        staged.push(Position(100), b"ab");
        staged.push(Position(102), b"cd");
        staged.push(Position(200), b"e");
        let extents: Vec<_> = staged.extents().collect();
        assert_eq!(extents, [(Position(100), &b"abcd"[..]), (Position(200), &b"e"[..])]);
        assert_eq!((staged.start(), staged.end()), (Some(Position(100)), Some(Position(201))));
        let memory = staged.bytes.as_ptr();
        staged.clear();
        staged.push(Position(7), b"f");
        assert_eq!((staged.len(), staged.bytes.as_ptr()), (1, memory));
    }
}
