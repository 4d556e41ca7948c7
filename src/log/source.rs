//! Where scans read from: the table of segments with its pins, the files, and the bytes that are in no file yet.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard};

use super::frame::SlotKey;
use super::segment::{self, Layout, SegmentHeader};
use super::tail::Tail;
use crate::base::ids::Position;
use crate::base::vector::VersionVector;
use crate::os::disk::{Access, Disk, DiskFile};

/// A segment's frames: from where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) number: u32,
    pub(super) first_frame: Position,
    /// Nothing while the segment is being written.
    pub(super) end: Option<Position>,
}

pub(super) struct Segment {
    pub(super) span: Span,
    pub(super) start_vector: Arc<VersionVector>,
    pub(super) pins: u32,
}

/// Shared by the reader and all its scans. The locks are held for a look at the table or a copy of memory, never for a
/// disk call.
pub(super) struct Source {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) layout: Layout,
    pub(super) key: SlotKey,
    /// In rising order of numbers.
    segments: Mutex<VecDeque<Segment>>,
    tail: Mutex<Tail>,
}

impl Source {
    pub(super) fn new(disk: Arc<dyn Disk>, layout: Layout, key: SlotKey, tail: Tail) -> Self {
        Self { disk, layout, key, segments: Mutex::default(), tail: Mutex::new(tail) }
    }

    pub(super) fn segments(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        lock(&self.segments)
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        lock(&self.tail)
    }

    /// Adds segments behind the last one, which ends with that.
    pub(super) fn enter(&self, headers: &[SegmentHeader]) {
        let mut segments = self.segments();
        for header in headers {
            if let Some(last) = segments.back_mut() {
                assert!(last.span.number < header.number, "segments are entered in order");
                last.span.end = Some(header.previous_end);
            }
            let start = self.layout.start_of(header.number);
            let first_frame = Position(start.0 + header.length() as u64);
            segments.push_back(Segment {
                span: Span { number: header.number, first_frame, end: None },
                start_vector: Arc::new(header.streams.vector()),
                pins: 0,
            });
        }
    }

    /// Takes the oldest segment out of the table if its number is below `before`, it is complete and nobody reads it.
    pub(super) fn take_oldest(&self, before: u32) -> Option<u32> {
        let mut segments = self.segments();
        let oldest = segments.front()?;
        let may_go = oldest.span.number < before && oldest.pins == 0 && oldest.span.end.is_some();
        if may_go { segments.pop_front().map(|segment| segment.span.number) } else { None }
    }

    /// Pins the segments between two positions, and tells where their frames are.
    pub(super) fn pin(&self, from: Position, to: Position) -> VecDeque<Span> {
        let wanted = self.layout.segment_of(from)..=self.layout.segment_of(to);
        let mut spans = VecDeque::new();
        if from >= to {
            return spans;
        }
        for segment in self.segments().iter_mut().filter(|s| wanted.contains(&s.span.number)) {
            segment.pins += 1;
            spans.push_back(segment.span);
        }
        spans
    }

    pub(super) fn unpin(&self, numbers: &RangeInclusive<u32>) {
        for segment in self.segments().iter_mut().filter(|s| numbers.contains(&s.span.number)) {
            assert!(segment.pins > 0, "pinned segments are not removed");
            segment.pins -= 1;
        }
    }

    pub(super) fn open(&self, number: u32) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&segment::name(number), Access::Read)
    }

    /// Fills `buffer` with the bytes from `position` on, of which `file` has the older ones.
    pub(super) fn read(
        &self,
        file: &dyn DiskFile,
        position: Position,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        // Memory first: what it does not have any more when the lock is released is in the file for good.
        let in_file = self.tail().fill(position, buffer);
        let read = file.read_at(&mut buffer[..in_file], self.layout.offset_of(position))?;
        Ok(if read < in_file { read } else { buffer.len() })
    }
}

/// A thread that panicked ends the process in production; in tests its locks stay usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
