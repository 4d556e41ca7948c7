//! What stands behind the last valid frame: is it a torn tail, or did something say that it was safe?
//!
//! Frames start at multiples of 8 and each slot names its own place under a keyed checksum, so every slot that survived
//! can be found without knowing where the frame before it ended.

use std::io;

use crate::base::ids::Position;
use crate::base::limits::{BLOCK_BYTES, REPLAY_PIECE_BYTES};
use crate::base::vector::VersionVector;
use crate::log::batch::{BATCH_HEADER_BYTES, BatchHeader};
use crate::log::format::damage::{Fault, Located};
use crate::log::format::frame::{FRAME_ALIGN_BYTES, FRAME_HEAD_BYTES, SLOT_BYTES, Slot, SlotKey};
use crate::log::format::segment::Layout;
use crate::log::read::window::Window;
use crate::os::disk::DiskFile;

const STEP: usize = FRAME_ALIGN_BYTES as usize;

/// What was found behind the end, over all segments.
pub(in crate::log) struct Remains {
    layout: Layout,
    key: SlotKey,
    /// The farthest that any surviving slot or header says was durable.
    pub(in crate::log) synced: Position,
    /// The farthest that surviving batches and headers say their streams had come.
    pub(in crate::log) vector: VersionVector,
    /// The first place that could not be read.
    pub(in crate::log) unreadable: Option<Located>,
    /// For each segment the offsets between which there is something to be cleared away.
    pub(in crate::log) parts: Vec<Part>,
}

/// Bytes of a segment that are not zero, or not readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) struct Part {
    pub(in crate::log) segment: u32,
    /// Where the bytes begin that don't belong to the journal.
    pub(in crate::log) start: u64,
    /// Behind the last of them that is not zero.
    pub(in crate::log) end: u64,
}

impl Remains {
    pub(in crate::log) fn new(layout: Layout, key: SlotKey) -> Self {
        let (synced, vector) = (Position(0), VersionVector::new());
        Self { layout, key, synced, vector, unreadable: None, parts: Vec::new() }
    }

    /// Looks at everything in a segment's file from `start` on, a multiple of 8.
    pub(in crate::log) fn examine(&mut self, segment: u32, start: u64, file: &dyn DiskFile) {
        assert!(start.is_multiple_of(FRAME_ALIGN_BYTES));
        let limit = self.layout.segment_bytes;
        let mut window = Window::new(REPLAY_PIECE_BYTES);
        let mut read = |buffer: &mut [u8], at: u64| file.read_at(buffer, at);
        let mut part = Part { segment, start, end: start };
        let mut at = start;
        while at < limit {
            let found = window.ensure(at, FRAME_HEAD_BYTES.max(BLOCK_BYTES), limit, &mut read);
            let bytes = match found {
                Ok(0) => {
                    self.note_unreadable(segment, at, io::Error::other("the file is too short"));
                    part.end = limit;
                    break;
                }
                Ok(_) => window.bytes(at),
                Err(error) => {
                    self.note_unreadable(segment, at, error);
                    at = (at + 1).next_multiple_of(BLOCK_BYTES as u64).min(limit);
                    part.end = at;
                    window.reset();
                    continue;
                }
            };
            let length = self.steps_in(bytes, at);
            if let Some(last) = self.examine_bytes(segment, at, bytes, length) {
                part.end = last;
            }
            at += length as u64;
        }
        if part.end > part.start {
            self.parts.push(part);
        }
    }

    /// Returns how many of the bytes can be looked at now; the last ones wait until what follows them is there too.
    fn steps_in(&self, bytes: &[u8], at: u64) -> usize {
        if at + bytes.len() as u64 >= self.layout.segment_bytes || bytes.len() < 2 * FRAME_HEAD_BYTES {
            return bytes.len();
        }
        (bytes.len() - FRAME_HEAD_BYTES) / STEP * STEP
    }

    /// Looks at `length` bytes; gives the offset behind the last one that is not zero.
    fn examine_bytes(&mut self, segment: u32, at: u64, bytes: &[u8], length: usize) -> Option<u64> {
        let mut last = None;
        let mut from = 0;
        while from < length {
            let to = (from + BLOCK_BYTES).min(length);
            if bytes[from..to] != [0; BLOCK_BYTES][..to - from] {
                for step in (from..to).step_by(STEP) {
                    let word = &bytes[step..(step + STEP).min(to)];
                    if word.iter().any(|&byte| byte != 0) {
                        last = Some(at + (step + word.len()) as u64);
                        self.examine_slot(segment, at + step as u64, &bytes[step..]);
                    }
                }
            }
            from = to;
        }
        last
    }

    fn examine_slot(&mut self, segment: u32, offset: u64, bytes: &[u8]) {
        if !bytes.starts_with(&segment.to_le_bytes()) {
            return;
        }
        let position = Position(self.layout.start_of(segment).0 + offset);
        let slot = bytes.first_chunk::<SLOT_BYTES>().and_then(|slot| Slot::decode(slot, self.key));
        if slot.is_none_or(|slot| slot.position != position || slot.segment != segment) {
            return;
        }
        self.synced = self.synced.max(slot.map_or(Position(0), |slot| slot.synced));
        let header = bytes[SLOT_BYTES..].first_chunk::<BATCH_HEADER_BYTES>();
        if let Some(Ok(header)) = header.map(BatchHeader::decode) {
            self.vector.raise(header.origin, header.last_seq());
        }
    }

    /// Notes a place that can't be read.
    pub(in crate::log) fn note_unreadable(&mut self, segment: u32, offset: u64, error: io::Error) {
        let fault = Fault::Unreadable(error);
        self.unreadable.get_or_insert(Located { segment, offset, fault });
    }
}
