//! The reader: which segments there are, who reads them, and the bytes that are in no file yet.
//!
//! Shared by all threads. Its locks are held for a look at the table or a copy of memory, never for a disk call.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::scan::Scan;
use super::source::{Segment, Source};
use crate::base::ids::Position;
use crate::base::limits::BLOCK_BYTES;
use crate::base::vector::VersionVector;
use crate::log::format::frame::SlotKey;
use crate::log::format::segment::{self, HeaderLook, Layout, SegmentHeader};
use crate::log::streams::Streams;
use crate::log::write::staged::Staged;
use crate::log::write::tail::Tail;
use crate::os::disk::Disk;

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

/// The journal for those who read it.
pub struct Reader {
    source: Arc<Source>,
    /// Held while files are removed, so that they go in order. True once one could not be: no later one may go before it.
    removal: Mutex<bool>,
}

impl Reader {
    /// Returns a reader of the segments whose headers these are, in order. The journal ends at `end`; `partial` is the last
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
        let source = Source::new(disk, layout, key, Tail::new(layout, end, partial));
        source.enter(headers);
        Self { source: Arc::new(source), removal: Mutex::new(false) }
    }

    /// Takes what was staged last: it can be read from now on. In `disk` it has been written before, and
    /// [`Reader::written`] follows; in `memory` it is written later.
    pub fn extend(&self, staged: &Staged) {
        if !staged.entered().is_empty() {
            self.source.enter(staged.entered());
        }
        let mut tail = self.source.tail();
        staged.extents().for_each(|(position, bytes)| tail.push(position, bytes));
    }

    /// Notes that the files have everything before `position`, at least in the system's memory.
    pub fn written(&self, position: Position) {
        self.source.tail().written(position);
    }

    /// Returns bytes that no file has yet.
    #[must_use]
    pub fn unwritten_bytes(&self) -> u64 {
        self.source.tail().unwritten_bytes()
    }

    /// Appends the bytes that no file has yet to `out`, for the writer.
    pub fn copy_unwritten(&self, out: &mut Staged) {
        self.source.tail().copy_unwritten(out);
    }

    /// Reads the batches from `from` (where a batch starts, or anything before the first one that is still there) to
    /// `to` (where one ends), pinning their segments.
    #[must_use]
    pub fn scan(&self, from: Position, to: Position) -> Scan {
        Scan::new(Arc::clone(&self.source), from, to)
    }

    /// Returns how positions and segments correspond.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.source.layout
    }

    /// Returns the segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let segments = self.source.segments();
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

    /// Returns how far each stream had come before the oldest batch that is kept.
    #[must_use]
    pub fn start_vector(&self) -> Arc<VersionVector> {
        self.source.segments().front().map(|oldest| Arc::clone(&oldest.start_vector)).unwrap_or_default()
    }

    /// Returns how far each stream had come before the oldest batch that is kept, with chains; read from that segment's header.
    ///
    /// # Errors
    /// Returns the error of the disk; `InvalidData` if the header is damaged.
    pub fn start_streams(&self) -> io::Result<Streams> {
        let Some(number) = self.source.segments().front().map(|oldest| oldest.span.number) else {
            return Ok(Streams::default());
        };
        let file = self.source.open(number)?;
        let start = self.source.layout.start_of(number);
        let mut bytes = vec![0; BLOCK_BYTES];
        loop {
            self.source.read(&*file, start, &mut bytes)?;
            match SegmentHeader::decode(&bytes).map_err(io::Error::other)? {
                HeaderLook::Header(header) => return Ok(header.streams),
                HeaderLook::More(length) => bytes.resize(length, 0),
            }
        }
    }

    /// Removes the oldest segments, up to but without `segment`, until one is pinned or being written. Gives how many.
    ///
    /// # Errors
    /// Returns the error of the disk. Files that could not be removed are found again by the next start; until then nothing is removed
    /// any more.
    pub fn remove_before(&self, segment: u32) -> io::Result<usize> {
        let mut has_failed = self.removal.lock().unwrap_or_else(PoisonError::into_inner);
        let mut removed = 0;
        while !*has_failed && let Some(number) = self.source.take_oldest(segment) {
            let gone = self.source.disk.remove(&segment::name(number));
            // One by one: no later one may be gone while an earlier one is there, whatever survives a power cut.
            gone.and_then(|()| self.source.disk.sync_directory()).inspect_err(|_| *has_failed = true)?;
            removed += 1;
        }
        Ok(removed)
    }
}
