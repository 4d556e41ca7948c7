//! Where scans read from: the table of segments with its pins, the files, and the bytes that are in no file yet.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::base::ids::Position;
use crate::base::vector::VersionVector;
use crate::log::format::frame::SlotKey;
use crate::log::format::segment::{self, Layout, SegmentHeader};
use crate::log::write::tail::Tail;
use crate::os::disk::{Access, Disk, DiskFile};

/// A segment's frames: from where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) struct Span {
    pub(in crate::log) number: u32,
    pub(in crate::log) first_frame: Position,
    /// Nothing while the segment is being written.
    pub(in crate::log) end: Option<Position>,
}

pub(in crate::log) struct Segment {
    pub(in crate::log) span: Span,
    pub(in crate::log) start_vector: Arc<VersionVector>,
    pub(in crate::log) pins: u32,
}

/// Shared by the reader and all its scans. The locks are held for a look at the table or a copy of memory, never for a
/// disk call.
pub(in crate::log) struct Source {
    pub(in crate::log) disk: Arc<dyn Disk>,
    pub(in crate::log) layout: Layout,
    pub(in crate::log) key: SlotKey,
    /// In rising order of numbers.
    segments: Mutex<VecDeque<Segment>>,
    tail: Mutex<Tail>,
}

impl Source {
    pub(in crate::log) fn new(disk: Arc<dyn Disk>, layout: Layout, key: SlotKey, tail: Tail) -> Self {
        Self { disk, layout, key, segments: Mutex::default(), tail: Mutex::new(tail) }
    }

    pub(in crate::log) fn segments(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        lock(&self.segments)
    }

    pub(in crate::log) fn tail(&self) -> MutexGuard<'_, Tail> {
        lock(&self.tail)
    }

    /// Adds segments behind the last one, which ends with that.
    pub(in crate::log) fn enter(&self, headers: &[SegmentHeader]) {
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
    pub(in crate::log) fn take_oldest(&self, before: u32) -> Option<u32> {
        let mut segments = self.segments();
        let oldest = segments.front()?;
        let may_go = oldest.span.number < before && oldest.pins == 0 && oldest.span.end.is_some();
        if may_go { segments.pop_front().map(|segment| segment.span.number) } else { None }
    }

    /// Pins the segments between two positions, and tells where their frames are.
    pub(in crate::log) fn pin(&self, from: Position, to: Position) -> VecDeque<Span> {
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

    pub(in crate::log) fn unpin(&self, numbers: &RangeInclusive<u32>) {
        for segment in self.segments().iter_mut().filter(|s| numbers.contains(&s.span.number)) {
            assert!(segment.pins > 0, "pinned segments are not removed");
            segment.pins -= 1;
        }
    }

    pub(in crate::log) fn open(&self, number: u32) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&segment::name(number), Access::Read)
    }

    /// Fills `buffer` with the bytes from `position` on, of which `file` has the older ones.
    pub(in crate::log) fn read(
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

/// Locks a mutex. A thread that panicked ends the process in production; in tests its locks stay usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
