//! The writer: brings staged bytes into the segments' files. The one who writes has it: the disk thread.
//!
//! A write always covers whole blocks. The last, partly filled block stays in memory and is written again, longer, with
//! the next bytes: what of it was acknowledged does not change, so any mix of its old and new sectors keeps it.
//!
//! Segments that were written without a sync are synced later, in any thread, while the next one is written: any number of
//! them, up to a bound, may be behind. What is called durable ends before the first of them.
//!
//! An error is final. What a failed write or sync left on the disk is unknown, and the system reports it once only. Want of
//! room at the call of a durable write is none: the same bytes are written again at the same place, as often as it takes.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::spare::ReadyFiles;
use super::staged::Staged;
use crate::base::aligned::AlignedBuffer;
use crate::base::ids::Position;
use crate::base::limits::{BLOCK_BYTES, UNSYNCED_SEGMENTS_MAX, WRITE_PIECE_BYTES};
use crate::log::format::segment::{self, Layout};
use crate::os::disk::{Access, Disk, DiskFile, failed_sync, is_failed_sync, is_no_space};

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

impl WriteError {
    /// Returns whether there was no room at the write call, before any sync: [`Writer::write`] may be called again with the same
    /// bytes, and goes on where it stopped.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.what == WriteStep::Write && is_no_space(&self.source) && !is_failed_sync(&self.source)
    }
}

/// A file with bytes that are not durable, and where they end.
#[derive(Clone)]
pub struct Debt {
    /// The file.
    pub file: Arc<dyn DiskFile>,
    /// Everything before this is in it and in those before it.
    pub end: Position,
}

impl Debt {
    /// Syncs the file.
    ///
    /// # Errors
    /// Any error is final.
    pub fn pay(&self, layout: Layout) -> Result<Position, WriteError> {
        let (segment, offset) = (layout.segment_of(self.end), layout.offset_of(self.end));
        let synced = self.file.sync().map(|()| self.end);
        synced.map_err(|source| WriteError { what: WriteStep::Sync, segment, offset, source })
    }
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
    /// Segments before it that are written to their end and not durable, oldest first.
    finished: VecDeque<Debt>,
    has_failed: bool,
}

impl Writer {
    /// Returns a writer that goes on at `position`, before which everything is durable. `partial` holds the bytes from the
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
            finished: VecDeque::new(),
            has_failed: false,
        }
    }

    /// Returns the position before which all is in the files, at least in the system's memory.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the position before which all is durable.
    #[must_use]
    pub fn synced(&self) -> Position {
        self.synced
    }

    /// Writes what was staged behind all that was written before. With `sync` it is durable, and all before it, when
    /// this returns. Without, the next call with `sync`, or [`Writer::sync`], or whoever pays the [`Writer::debts`] sees to
    /// that.
    ///
    /// # Errors
    /// Any error is final: every later call fails too; but [`WriteError::is_full`] may be tried again.
    pub fn write(&mut self, staged: &Staged, sync: bool) -> Result<(), WriteError> {
        self.refuse_after_failure()?;
        for (position, bytes) in staged.extents() {
            // What an earlier try has written is not written again.
            let done = usize::try_from(self.position.0.saturating_sub(position.0)).unwrap_or(usize::MAX);
            if let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
                self.write_extent(Position(position.0 + done as u64), rest, sync)?;
            }
        }
        if sync { self.sync().map(|_| ()) } else { Ok(()) }
    }

    /// Makes all that was written durable; gives how far that is.
    ///
    /// # Errors
    /// Any error is final.
    pub fn sync(&mut self) -> Result<Position, WriteError> {
        self.refuse_after_failure()?;
        for debt in self.debts(true) {
            let paid = debt.pay(self.layout).inspect_err(|_| self.has_failed = true)?;
            self.paid(paid);
        }
        assert!(self.synced <= self.position);
        Ok(self.synced)
    }

    /// Makes the segments durable that are written to their end.
    ///
    /// # Errors
    /// Any error is final.
    pub fn sync_finished(&mut self) -> Result<(), WriteError> {
        self.refuse_after_failure()?;
        while let Some(debt) = self.finished.front().cloned() {
            let paid = debt.pay(self.layout).inspect_err(|_| self.has_failed = true)?;
            self.paid(paid);
        }
        Ok(())
    }

    /// Returns what is not durable, oldest first: segments that are written to their end, and with `current` what the current one
    /// has by now.
    #[must_use]
    pub fn debts(&self, current: bool) -> Vec<Debt> {
        let open = self.file.as_ref().filter(|_| current && self.is_behind);
        let open = open.map(|(_, file)| Debt { file: file.clone(), end: self.position });
        self.finished.iter().cloned().chain(open).collect()
    }

    /// Returns whether a segment that is written to its end is not durable.
    #[must_use]
    pub fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// Returns how positions and segments correspond.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Notes that the debts up to `end` are paid, those before it included.
    pub fn paid(&mut self, end: Position) {
        assert!(end <= self.position, "only what is written is synced");
        while self.finished.front().is_some_and(|debt| debt.end <= end) {
            self.finished.pop_front();
        }
        self.synced = self.synced.max(end);
        if end == self.position {
            self.is_behind = false;
        }
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

    /// Turns to the segment that comes next. What the old one still owes is for later, unless too many are behind.
    fn turn_to(&mut self, number: u32, position: Position) -> Result<(), WriteError> {
        if let Some((_, file)) = self.file.take_if(|_| self.is_behind) {
            self.finished.push_back(Debt { file, end: self.position });
            self.is_behind = false;
        }
        if self.finished.len() > UNSYNCED_SEGMENTS_MAX {
            self.sync_finished()?;
        }
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
        let durable = sync && !self.is_behind && self.finished.is_empty();
        let outcome = if durable {
            file.write_durable_at(blocks, offset)
        } else {
            // What a failed write leaves in the system's memory is unknown, and the block holds what was acknowledged.
            file.write_at(blocks, offset).map_err(failed_sync)
        };
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
            let (segment, offset) = (self.layout.segment_of(at), self.layout.offset_of(at));
            let error = WriteError { what, segment, offset, source };
            self.has_failed |= !error.is_full();
            error
        })
    }
}
