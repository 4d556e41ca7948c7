//! The reader: which segments there are, who reads them, and the bytes that are in no file yet.
//!
//! Shared by all threads. Its locks are held for a look at the table or a copy of memory, never for a disk call.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard};

use super::frame::SlotKey;
use super::scan::Scan;
use super::segment::{self, Layout, SegmentHeader};
use super::staged::Staged;
use super::tail::Tail;
use crate::base::ids::Position;
use crate::base::vector::VersionVector;
use crate::os::disk::{Disk, DiskFile};

/// What is known of a segment; for the one who decides what may be removed.
#[derive(Clone, Debug)]
pub struct SegmentInfo {
    /// Its number.
    pub number: u32,
    /// How far each stream had come at its start.
    pub start_vector: Arc<VersionVector>,
    /// How far each stream had come at its end; nothing for the segment that is being written.
    pub end_vector: Option<Arc<VersionVector>>,
    /// Where its frames end; nothing for the segment that is being written.
    pub end: Option<Position>,
    /// Whether a scan reads it.
    pub is_pinned: bool,
}

/// A segment's frames: from where to where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) number: u32,
    pub(super) first_frame: Position,
    /// Nothing while the segment is being written.
    pub(super) end: Option<Position>,
}

pub(super) struct Segment {
    span: Span,
    start_vector: Arc<VersionVector>,
    pins: u32,
}

impl Segment {
    /// A segment with this header whose end isn't known yet.
    pub(super) fn new(header: &SegmentHeader, layout: Layout) -> Self {
        let start = layout.start_of(header.number);
        let first_frame = Position(start.0 + header.length() as u64);
        Self {
            span: Span { number: header.number, first_frame, end: None },
            start_vector: Arc::new(header.streams.vector()),
            pins: 0,
        }
    }
}

/// The journal for those who read it.
pub struct Reader {
    disk: Arc<dyn Disk>,
    pub(super) layout: Layout,
    pub(super) key: SlotKey,
    /// In rising order of numbers.
    segments: Mutex<VecDeque<Segment>>,
    tail: Mutex<Tail>,
    /// Held while files are removed, so that they go in order.
    removal: Mutex<()>,
}

impl Reader {
    /// A reader of the segments whose headers these are, in order. The journal ends at `end`; `partial` is the last
    /// block as far as it is filled.
    #[must_use]
    pub fn new(
        disk: Arc<dyn Disk>,
        layout: Layout,
        key: SlotKey,
        headers: &[SegmentHeader],
        end: Position,
        partial: &[u8],
    ) -> Self {
        let tail = Mutex::new(Tail::new(layout, end, partial));
        let segments = Mutex::new(VecDeque::with_capacity(headers.len() + 1));
        let reader = Self { disk, layout, key, segments, tail, removal: Mutex::new(()) };
        reader.enter(headers);
        reader
    }

    /// Takes what was staged last: it can be read from now on. In `disk` it has been written before, and
    /// [`Reader::written`] follows; in `memory` it is written later.
    pub fn extend(&self, staged: &Staged) {
        if !staged.entered().is_empty() {
            self.enter(staged.entered());
        }
        let mut tail = lock(&self.tail);
        staged.extents().for_each(|(position, bytes)| tail.push(position, bytes));
    }

    /// Notes that the files have everything before `position`, at least in the system's memory.
    pub fn written(&self, position: Position) {
        lock(&self.tail).written(position);
    }

    /// Bytes that no file has yet.
    #[must_use]
    pub fn unwritten_bytes(&self) -> u64 {
        lock(&self.tail).unwritten_bytes()
    }

    /// Appends the bytes that no file has yet to `out`, for the writer.
    pub fn copy_unwritten(&self, out: &mut Staged) {
        lock(&self.tail).copy_unwritten(out);
    }

    /// Reads the batches from `from` (where a batch starts, or anything before the first one that is still there) to
    /// `to` (where one ends), pinning their segments.
    #[must_use]
    pub fn scan(self: &Arc<Self>, from: Position, to: Position) -> Scan {
        let spans = self.pin(from, to);
        Scan::new(Arc::clone(self), spans, from, to)
    }

    /// The segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let segments = lock(&self.segments);
        let next = segments.iter().skip(1).map(|next| Some(Arc::clone(&next.start_vector))).chain([None]);
        let info = |(segment, end_vector): (&Segment, _)| SegmentInfo {
            number: segment.span.number,
            start_vector: Arc::clone(&segment.start_vector),
            end_vector,
            end: segment.span.end,
            is_pinned: segment.pins > 0,
        };
        segments.iter().zip(next).map(info).collect()
    }

    /// Removes the oldest segments, up to but without `segment`, until one is pinned or being written. Gives how many.
    ///
    /// # Errors
    /// Those of the disk. Files that could not be removed are found again by the next start.
    pub fn remove_before(&self, segment: u32) -> io::Result<usize> {
        let _in_order = lock(&self.removal);
        let mut removed = 0;
        while let Some(number) = self.take_oldest(segment) {
            self.disk.remove(&segment::name(number))?;
            // One by one: no later one may be gone while an earlier one is there, whatever survives a power cut.
            self.disk.sync_directory()?;
            removed += 1;
        }
        Ok(removed)
    }

    fn take_oldest(&self, before: u32) -> Option<u32> {
        let mut segments = lock(&self.segments);
        let oldest = segments.front()?;
        let may_go = oldest.span.number < before && oldest.pins == 0 && oldest.span.end.is_some();
        if may_go { segments.pop_front().map(|segment| segment.span.number) } else { None }
    }

    fn enter(&self, headers: &[SegmentHeader]) {
        let mut segments = lock(&self.segments);
        for header in headers {
            if let Some(last) = segments.back_mut() {
                assert!(last.span.number < header.number, "segments are entered in order");
                last.span.end = Some(header.previous_end);
            }
            segments.push_back(Segment::new(header, self.layout));
        }
    }

    fn pin(&self, from: Position, to: Position) -> VecDeque<Span> {
        let wanted = self.layout.segment_of(from)..=self.layout.segment_of(to);
        let mut spans = VecDeque::new();
        if from >= to {
            return spans;
        }
        for segment in lock(&self.segments).iter_mut().filter(|s| wanted.contains(&s.span.number)) {
            segment.pins += 1;
            spans.push_back(segment.span);
        }
        spans
    }

    pub(super) fn unpin(&self, numbers: &RangeInclusive<u32>) {
        for segment in lock(&self.segments).iter_mut().filter(|s| numbers.contains(&s.span.number)) {
            assert!(segment.pins > 0, "pinned segments are not removed");
            segment.pins -= 1;
        }
    }

    pub(super) fn open(&self, number: u32) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&segment::name(number), crate::os::disk::Access::Read)
    }

    /// Fills `buffer` with the bytes from `position` on, of which `file` has the older ones.
    pub(super) fn read(
        &self,
        file: &dyn DiskFile,
        position: Position,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        // Memory first: what it does not have any more when the lock is released is in the file for good.
        let in_file = lock(&self.tail).fill(position, buffer);
        let read = file.read_at(&mut buffer[..in_file], self.layout.offset_of(position))?;
        Ok(if read < in_file { read } else { buffer.len() })
    }
}

/// A thread that panicked ends the process in production; in tests its locks stay usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
