//! The writer: brings staged bytes into the segments' files. The one who writes has it: the disk thread.
//!
//! A write always covers whole blocks. The last, partly filled block stays in memory and is written again, longer, with
//! the next bytes: what of it was acknowledged does not change, so any mix of its old and new sectors keeps it.
//!
//! An error is final. What a failed write or sync left on the disk is unknown, and the system reports it once only.

use std::io;
use std::sync::Arc;

use super::segment::{self, Layout};
use super::spare::ReadyFiles;
use super::staged::Staged;
use crate::base::aligned::AlignedBuffer;
use crate::base::ids::Position;
use crate::base::limits::{BLOCK_BYTES, WRITE_PIECE_BYTES};
use crate::os::disk::{Access, Disk, DiskFile};

const BLOCK: u64 = BLOCK_BYTES as u64;

/// A write or sync has failed; nothing is acknowledged any more and the process has to end.
#[derive(Debug, thiserror::Error)]
#[error("{} of segment {segment} at offset {offset}: {source}", what.as_str())]
pub struct WriteError {
    /// What was being done.
    pub what: WriteStep,
    /// Number of the segment.
    pub segment: u32,
    /// Offset in its file, bytes.
    pub offset: u64,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// What a [`WriteError`] happened in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteStep {
    /// Opening a segment's file.
    Open,
    /// Writing.
    Write,
    /// Syncing.
    Sync,
    /// Nothing was tried, because an earlier call has failed.
    Refused,
}

impl WriteStep {
    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Refused => "write after a failed one",
        }
    }
}

/// Writes the journal's end.
pub struct Writer {
    disk: Arc<dyn Disk>,
    /// Segments that are open already.
    files: Arc<ReadyFiles>,
    layout: Layout,
    file: Option<(u32, Arc<dyn DiskFile>)>,
    /// Starts with the bytes of the last block that are in the file already.
    buffer: AlignedBuffer,
    position: Position,
    /// The end of the last frame that is durable; while a segment is entered that is still in the one before, because
    /// the place where the new one starts must not be called durable before its header is.
    synced: Position,
    /// Whether the open file has something that is not durable.
    is_behind: bool,
    has_failed: bool,
}

impl Writer {
    /// A writer that goes on at `position`, before which everything is durable. `partial` holds the bytes from the
    /// start of its block up to it.
    #[must_use]
    pub fn new(
        disk: Arc<dyn Disk>,
        files: Arc<ReadyFiles>,
        layout: Layout,
        position: Position,
        partial: &[u8],
    ) -> Self {
        assert_eq!(partial.len() as u64, position.0 % BLOCK, "the last block, as far as it is filled");
        // What is written at once lies in one segment.
        let segment = usize::try_from(layout.segment_bytes).unwrap_or(usize::MAX);
        let mut buffer = AlignedBuffer::zeroed(WRITE_PIECE_BYTES.min(segment) + BLOCK_BYTES);
        buffer.bytes_mut()[..partial.len()].copy_from_slice(partial);
        Self {
            disk,
            files,
            layout,
            file: None,
            buffer,
            position,
            synced: position,
            is_behind: false,
            has_failed: false,
        }
    }

    /// All before this is in the files, at least in the system's memory.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// All before this is durable.
    #[must_use]
    pub fn synced(&self) -> Position {
        self.synced
    }

    /// Writes what was staged behind all that was written before. With `sync` it is durable, and all before it, when
    /// this returns. Without, the next call with `sync`, or [`Writer::sync`], or the next segment sees to that.
    ///
    /// # Errors
    /// Final: every later call fails too.
    pub fn write(&mut self, staged: &Staged, sync: bool) -> Result<(), WriteError> {
        self.refuse_after_failure()?;
        for (position, bytes) in staged.extents() {
            self.write_extent(position, bytes, sync)?;
        }
        if sync { self.sync().map(|_| ()) } else { Ok(()) }
    }

    /// Makes all that was written durable; gives how far that is.
    ///
    /// # Errors
    /// Final.
    pub fn sync(&mut self) -> Result<Position, WriteError> {
        self.refuse_after_failure()?;
        if self.is_behind {
            let (_, file) = self.file.as_ref().expect("it has been written to");
            let outcome = file.sync();
            self.settle(WriteStep::Sync, self.position, outcome)?;
            self.synced = self.position;
            self.is_behind = false;
        }
        assert!(self.synced <= self.position);
        Ok(self.synced)
    }

    fn write_extent(&mut self, position: Position, bytes: &[u8], sync: bool) -> Result<(), WriteError> {
        let number = self.layout.segment_of(position);
        if self.file.as_ref().is_none_or(|(open, _)| *open != number) {
            self.turn_to(number, position)?;
        }
        assert_eq!(position, self.position, "the journal has no gaps");
        for piece in bytes.chunks(WRITE_PIECE_BYTES) {
            self.write_piece(piece, sync)?;
        }
        Ok(())
    }

    /// Opens the segment that comes next. Whatever the old one still owes is synced first, so that only one file is
    /// ever behind.
    fn turn_to(&mut self, number: u32, position: Position) -> Result<(), WriteError> {
        self.sync()?;
        let opened =
            self.files.take(number).map_or_else(|| self.disk.open(&segment::name(number), Access::Write), Ok);
        let file = self.settle(WriteStep::Open, position, opened)?;
        self.file = Some((number, file));
        if self.layout.segment_of(self.position) != number {
            assert_eq!(position, self.layout.start_of(number), "a segment is entered at its start");
            self.position = position;
        }
        Ok(())
    }

    /// Writes at most [`WRITE_PIECE_BYTES`] behind the partial block at the head of the buffer.
    fn write_piece(&mut self, piece: &[u8], sync: bool) -> Result<(), WriteError> {
        let partial = (self.position.0 % BLOCK) as usize;
        let start = Position(self.position.0 - partial as u64);
        let filled = partial + piece.len();
        let length = filled.next_multiple_of(BLOCK_BYTES);
        let buffer = self.buffer.bytes_mut();
        buffer[partial..filled].copy_from_slice(piece);
        buffer[filled..length].fill(0);

        let (_, file) = self.file.as_ref().expect("opened by turn_to");
        let offset = self.layout.offset_of(start);
        let blocks = &self.buffer.bytes()[..length];
        // A durable write says nothing of what was written without sync before it.
        let durable = sync && !self.is_behind;
        let outcome =
            if durable { file.write_durable_at(blocks, offset) } else { file.write_at(blocks, offset) };
        self.settle(WriteStep::Write, start, outcome)?;

        self.position = Position(self.position.0 + piece.len() as u64);
        if durable {
            self.synced = self.position;
        } else {
            self.is_behind = true;
        }
        let last = filled - filled % BLOCK_BYTES;
        self.buffer.bytes_mut().copy_within(last..filled, 0);
        Ok(())
    }

    fn refuse_after_failure(&self) -> Result<(), WriteError> {
        if !self.has_failed {
            return Ok(());
        }
        Err(WriteError {
            what: WriteStep::Refused,
            segment: self.layout.segment_of(self.position),
            offset: self.layout.offset_of(self.position),
            source: io::Error::other("an earlier write or sync has failed, which is final"),
        })
    }

    fn settle<T>(&mut self, what: WriteStep, at: Position, outcome: io::Result<T>) -> Result<T, WriteError> {
        outcome.map_err(|source| {
            self.has_failed = true;
            let (segment, offset) = (self.layout.segment_of(at), self.layout.offset_of(at));
            WriteError { what, segment, offset, source }
        })
    }
}
