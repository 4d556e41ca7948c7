//! Replay: reading the journal forward, checking everything, up to the first thing that is not valid.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use super::outcome::{RecoverError, io_error};
use super::reading::{PatientFile, Trouble, patiently};
use crate::base::ids::Position;
use crate::base::limits::{BLOCK_BYTES, REPLAY_PIECE_BYTES};
use crate::log::files::identity::Identity;
use crate::log::format::damage::{Fault, Located};
use crate::log::format::frame::{Place, SlotKey};
use crate::log::format::segment::{self, HeaderLook, Layout, SEGMENT_FIRST, SegmentError, SegmentHeader};
use crate::log::read::scan::BatchView;
use crate::log::read::window::{Found, Window};
use crate::log::write::append::End;
use crate::os::disk::{Access, Disk, DiskFile};

/// The segments of a directory. Their files are opened when they are looked at, because there may be more of them than a
/// process may have open.
pub(in crate::log) struct Segments<'d> {
    disk: &'d dyn Disk,
    access: Access,
    pub(in crate::log) identity: Identity,
    pub(in crate::log) layout: Layout,
    pub(in crate::log) key: SlotKey,
    pub(in crate::log) numbers: BTreeSet<u32>,
    trouble: Arc<Trouble>,
}

impl<'d> Segments<'d> {
    /// Lists all there are, and makes sure that each can be opened, unless the medium or the file's absence is in the way:
    /// a lack of rights is no damage.
    pub(in crate::log) fn open(
        disk: &'d dyn Disk,
        identity: Identity,
        access: Access,
    ) -> Result<Self, RecoverError> {
        let layout = Layout { segment_bytes: identity.segment_bytes };
        let key = SlotKey::new(identity.cluster, identity.node);
        let names = disk.list().map_err(io_error("listing the directory"))?;
        let numbers: BTreeSet<_> = names.iter().filter_map(|name| segment::number_of(name)).collect();
        let segments = Self { disk, access, identity, layout, key, numbers, trouble: Arc::default() };
        for &number in &segments.numbers {
            let _ = segments.file(number);
        }
        segments.check()?;
        Ok(segments)
    }

    /// Opens a segment's file.
    pub(in crate::log) fn file(&self, number: u32) -> io::Result<Arc<dyn DiskFile>> {
        let name = segment::name(number);
        let open = || match self.disk.open(&name, self.access) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        };
        let file = patiently(&self.trouble, &name, open)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(PatientFile { file, name, trouble: Arc::clone(&self.trouble) }))
    }

    /// Fails if anything could not be read for a reason that says nothing of the bytes. To be asked before what was read is
    /// called damaged, and before anything is written because of it.
    pub(in crate::log) fn check(&self) -> Result<(), RecoverError> {
        self.trouble.check()
    }

    fn file_or_fault(&self, number: u32) -> Result<Arc<dyn DiskFile>, Fault> {
        self.file(number).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Fault::Missing,
            _ => Fault::Unreadable(error),
        })
    }

    /// Returns the oldest one's number; the first one's if there is none at all.
    pub(in crate::log) fn oldest(&self) -> u32 {
        self.numbers.first().copied().unwrap_or(SEGMENT_FIRST)
    }

    /// Reads a segment's header and checks that it belongs here.
    pub(in crate::log) fn header(&self, number: u32) -> Result<SegmentHeader, Fault> {
        let file = self.file_or_fault(number)?;
        let mut bytes = vec![0; BLOCK_BYTES];
        loop {
            let length = file.read_at(&mut bytes, 0).map_err(Fault::Unreadable)?;
            match SegmentHeader::decode(&bytes[..length])? {
                HeaderLook::Header(header) => {
                    return if self.is_own(&header, number) {
                        Ok(header)
                    } else {
                        Err(SegmentError::Foreign.into())
                    };
                }
                HeaderLook::More(more) if length < bytes.len() || more <= bytes.len() => {
                    return Err(Fault::Unreadable(io::ErrorKind::UnexpectedEof.into()));
                }
                HeaderLook::More(more) => bytes.resize(more, 0),
            }
        }
    }

    fn is_own(&self, header: &SegmentHeader, number: u32) -> bool {
        let previous = header.previous_end;
        let follows = match number {
            SEGMENT_FIRST => previous == Position(0),
            _ => previous > self.layout.start_of(number - 1) && previous < self.layout.start_of(number),
        };
        let identity = &self.identity;
        follows
            && header.number == number
            && header.cluster == identity.cluster
            && header.node == identity.node
            && header.segment_bytes == identity.segment_bytes
            && header.synced <= self.layout.start_of(number)
    }
}

/// A walk over the journal's batches.
pub(in crate::log) struct Walk<'s> {
    segments: &'s Segments<'s>,
    window: Window,
    /// How far it has come.
    pub(in crate::log) end: End,
    /// Headers of the segments it has been in.
    pub(in crate::log) headers: Vec<SegmentHeader>,
    /// The farthest that anything valid says was durable.
    pub(in crate::log) synced: Position,
    pub(in crate::log) batches: u64,
}

impl<'s> Walk<'s> {
    /// Returns a walk that goes on from `end`.
    pub(in crate::log) fn new(segments: &'s Segments<'s>, end: End) -> Self {
        let window = Window::new(REPLAY_PIECE_BYTES);
        let synced = end.position;
        Self { segments, window, end, headers: Vec::new(), synced, batches: 0 }
    }

    /// Walks until there is nothing more, or a fault. `on_batch` sees each batch once it is known to be valid.
    ///
    /// The end is where the last valid frame ends. A fault at the start of the next segment leaves it there.
    pub(in crate::log) fn run<E>(
        &mut self,
        on_batch: &mut dyn FnMut(&BatchView<'_>) -> Result<(), E>,
    ) -> Result<Option<Located>, E> {
        let layout = self.segments.layout;
        let mut number = layout.segment_of(self.end.position);
        let mut is_inside = layout.offset_of(self.end.position) > 0;
        loop {
            if !is_inside {
                match self.enter(number) {
                    Ok(true) => {}
                    Ok(false) => return Ok(None),
                    Err(Fault::Lost) => return Ok(Some(self.located(number - 1, Fault::Lost))),
                    Err(fault) => return Ok(Some(Located { segment: number, offset: 0, fault })),
                }
            }
            if let Some(fault) = self.run_segment(number, on_batch)? {
                return Ok(Some(self.located(number, fault)));
            }
            is_inside = false;
            number += 1;
        }
    }

    fn located(&self, segment: u32, fault: Fault) -> Located {
        let offset = self.end.position.0 - self.segments.layout.start_of(segment).0;
        Located { segment, offset, fault }
    }

    /// Goes on in segment `number` if it continues what was read so far; says no if it is a spare or not there.
    fn enter(&mut self, number: u32) -> Result<bool, Fault> {
        let header = match self.segments.header(number) {
            Ok(header) => header,
            Err(Fault::Missing | Fault::Header(SegmentError::Spare)) => return Ok(false),
            Err(fault) => return Err(fault),
        };
        let layout = self.segments.layout;
        let start = layout.start_of(number);
        // At the very start there is no segment before; otherwise its frames end here.
        let is_first = self.end.position == start;
        let previous = if is_first { self.end.previous_end } else { self.end.position };
        if header.previous_end > previous {
            return Err(Fault::Lost);
        }
        if header.previous_end != previous || header.streams != self.end.streams {
            return Err(Fault::Break);
        }
        self.end.previous_end = previous;
        self.end.position = Position(start.0 + header.length() as u64);
        self.end.time_us = self.end.time_us.max(header.time_us);
        self.synced = self.synced.max(header.synced);
        self.window.reset();
        self.headers.push(header);
        Ok(true)
    }

    /// Reads the rest of a segment; gives the fault that stands at the end then, if any.
    pub(in crate::log) fn run_segment<E>(
        &mut self,
        number: u32,
        on_batch: &mut dyn FnMut(&BatchView<'_>) -> Result<(), E>,
    ) -> Result<Option<Fault>, E> {
        let segments = self.segments;
        let layout = segments.layout;
        let file = match segments.file_or_fault(number) {
            Ok(file) => file,
            Err(fault) => return Ok(Some(fault)),
        };
        let mut read = |buffer: &mut [u8], at: u64| file.read_at(buffer, at);
        loop {
            let position = self.end.position;
            let offset = position.0 - layout.start_of(number).0;
            let place = Place { segment: number, position, key: segments.key };
            let (slot, header, length) =
                match self.window.frame(place, offset, layout.segment_bytes, &mut read) {
                    Ok(Found::Frame { slot, header, length }) => (slot, header, length),
                    Ok(Found::Nothing) => return Ok(None),
                    Ok(Found::Fault(fault)) => return Ok(Some(fault.into())),
                    Err(error) => return Ok(Some(Fault::Unreadable(error))),
                };
            let batch = BatchView::new(position, length, header, self.window.body(offset, &header));
            let cluster = segments.identity.cluster;
            if let Err(fault) = self.end.streams.follow(cluster, &header, &batch.folds()) {
                return Ok(Some(fault.into()));
            }
            on_batch(&batch)?;
            self.end.position = Position(position.0 + length);
            self.end.time_us = self.end.time_us.max(header.time_us);
            self.synced = self.synced.max(slot.synced);
            self.batches += 1;
        }
    }
}
