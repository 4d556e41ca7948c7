//! Scans: reading a range of the journal, batch by batch, while it grows.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::source::{Source, Span};
use super::window::{Found, Window};
use crate::base::folds::Fold;
use crate::base::ids::{Origin, Position, Seq};
use crate::base::limits::SCAN_PIECE_BYTES;
use crate::log::batch::BatchHeader;
use crate::log::format::frame::{FrameFault, Place};
use crate::log::format::segment;
use crate::os::disk::DiskFile;

/// A batch of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchView<'a> {
    /// Who made its records.
    pub origin: Origin,
    /// Number of its first record in its origin's stream.
    pub first_seq: Seq,
    /// Number of its records.
    pub count: u32,
    /// Its time, microseconds since 1970.
    pub time_us: u64,
    /// Where its frame starts.
    pub start: Position,
    /// Where its frame ends, and the next one starts unless a new segment does.
    pub end: Position,
    /// Its records.
    pub body: &'a [u8],
    /// Its header as written.
    pub header: BatchHeader,
}

impl<'a> BatchView<'a> {
    pub(in crate::log) fn new(start: Position, length: u64, header: BatchHeader, body: &'a [u8]) -> Self {
        Self {
            origin: header.origin,
            first_seq: header.first_seq,
            count: header.count,
            time_us: header.time_us,
            start,
            end: Position(start.0 + length),
            body,
            header,
        }
    }

    /// Returns the folds among its records.
    #[must_use]
    pub fn folds(&self) -> Vec<Fold> {
        Fold::all_of(&self.header, self.body)
    }
}

/// A committed batch can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes aren't those that were written, or the scan began where no batch does.
    #[error("{} at offset {offset}: {fault}", segment::name(*.segment))]
    Damaged {
        /// Number of the segment.
        segment: u32,
        /// Offset of the frame in its file, bytes.
        offset: u64,
        /// What is wrong.
        fault: FrameFault,
    },
    /// The disk can't read it.
    #[error("{} at offset {offset}: {source}", segment::name(*.segment))]
    Io {
        /// Number of the segment.
        segment: u32,
        /// Offset in its file, bytes.
        offset: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ReadError {
    /// Returns what an operator can do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        "the state is whole, but records that were acknowledged can't be read any more. A peer that has them all \
         is the way back: make this one afresh with `pixeld init --join`. Without one, look at the disk, and start with \
         --accept-loss: it puts the damaged segment and those before it aside, and says what is missing"
    }
}

/// Reads batches in order. Its segments are not removed before it is dropped.
pub struct Scan {
    source: Arc<Source>,
    /// Segments still to be read, the current one first.
    spans: VecDeque<Span>,
    pinned: Option<RangeInclusive<u32>>,
    position: Position,
    to: Position,
    file: Option<Arc<dyn DiskFile>>,
    window: Window,
}

impl Scan {
    pub(in crate::log) fn new(source: Arc<Source>, from: Position, to: Position) -> Self {
        let spans = source.pin(from, to);
        let pinned = spans.front().zip(spans.back()).map(|(first, last)| first.number..=last.number);
        let window = Window::new(SCAN_PIECE_BYTES);
        Self { source, spans, pinned, position: from, to, file: None, window }
    }

    /// Returns where the next batch is looked for: behind the last one given.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the next batch, or nothing at the end of the range. Checks that its bytes are those that were written.
    ///
    /// # Errors
    /// Fails if the journal can not be read there; the scan stays where it is and gives nothing more.
    pub fn next_batch(&mut self) -> Result<Option<BatchView<'_>>, ReadError> {
        let Some((number, limit)) = self.enter_segment() else { return Ok(None) };
        let (source, start) = (&self.source, self.position);
        let base = source.layout.start_of(number);
        let offset = start.0 - base.0;
        let io_error = |source| ReadError::Io { segment: number, offset, source };
        if self.file.is_none() {
            self.file = Some(source.open(number).map_err(io_error)?);
        }
        let file = self.file.as_deref().expect("opened above");
        let place = Place { segment: number, position: start, key: source.key };
        let mut read = |buffer: &mut [u8], at: u64| source.read(file, Position(base.0 + at), buffer);
        let found = self.window.frame(place, offset, limit, &mut read).map_err(io_error)?;
        let fault = match found {
            Found::Frame { header, length, .. } => {
                self.position = Position(start.0 + length);
                let body = self.window.body(offset, &header);
                return Ok(Some(BatchView::new(start, length, header, body)));
            }
            Found::Nothing => FrameFault::Slot,
            Found::Fault(fault) => fault,
        };
        Err(ReadError::Damaged { segment: number, offset, fault })
    }

    /// Moves on to the segment in which there is something to read; gives its number and how far into its file to
    /// read. Nothing at the end of the range.
    fn enter_segment(&mut self) -> Option<(u32, u64)> {
        loop {
            let span = *self.spans.front()?;
            let end = span.end.map_or(self.to, |end| end.min(self.to));
            self.position = self.position.max(span.first_frame);
            if self.position < end {
                return Some((span.number, end.0 - self.source.layout.start_of(span.number).0));
            }
            if end == self.to {
                return None;
            }
            self.spans.pop_front();
            self.file = None;
            self.window.reset();
        }
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        if let Some(pinned) = &self.pinned {
            self.source.unpin(pinned);
        }
    }
}
