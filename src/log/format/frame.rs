//! Frames: a batch at its place in this host's journal.
//!
//! ```text
//!  0 u32 segment number   4 u32 crc32c of the other 20 bytes   8 u64 position   16 u64 synced position
//! 24 batch header        88 body, then zeros up to a multiple of 8
//! ```
//!
//! The first 24 bytes are the slot. It is local: the peer's journal has the same batch at another position. `synced`
//! says how far the disk had got when this frame was made, which lets recovery tell a torn tail (nobody ever said that
//! the bytes were safe) from damage (somebody did). The checksum starts from a value that depends on the cluster, so
//! that nobody who can post a body can post a slot.

use xxhash_rust::xxh3::xxh3_64;

use crate::base::ids::{ClusterId, NodeId, Position};
use crate::base::numbers::{u32_at, u64_at};
use crate::log::batch::{BATCH_HEADER_BYTES, BatchError, BatchHeader};

/// Length of a slot in bytes.
pub const SLOT_BYTES: usize = 24;
/// Slot and batch header.
pub const FRAME_HEAD_BYTES: usize = SLOT_BYTES + BATCH_HEADER_BYTES;
/// Frames start at multiples of this many bytes.
pub const FRAME_ALIGN_BYTES: u64 = 8;

/// Returns the length in bytes of the frame of a body of `body_len` bytes, padding included.
#[must_use]
pub fn frame_bytes(body_len: usize) -> u64 {
    ((FRAME_HEAD_BYTES + body_len) as u64).next_multiple_of(FRAME_ALIGN_BYTES)
}

/// What the checksums of a directory's slots start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotKey(u32);

impl SlotKey {
    /// Returns the key of one host of a cluster; clients see neither the cluster's id nor a slot.
    #[must_use]
    pub fn new(cluster: ClusterId, node: NodeId) -> Self {
        let mut hashed = [0; 24];
        hashed[..16].copy_from_slice(&cluster.0);
        hashed[16..].copy_from_slice(&node.0.to_le_bytes());
        let hash = xxh3_64(&hashed).to_le_bytes();
        Self(u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]))
    }
}

/// The local part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Number of the segment it stands in.
    pub segment: u32,
    /// Where it starts.
    pub position: Position,
    /// All before this was durable when the frame was made; never beyond `position`.
    pub synced: Position,
}

impl Slot {
    /// Returns its 24 bytes.
    #[must_use]
    pub fn encode(&self, key: SlotKey) -> [u8; SLOT_BYTES] {
        debug_assert!(self.synced <= self.position);
        let mut bytes = [0; SLOT_BYTES];
        bytes[..4].copy_from_slice(&self.segment.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.position.0.to_le_bytes());
        bytes[16..].copy_from_slice(&self.synced.0.to_le_bytes());
        let crc = slot_crc(&bytes, key);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a slot; nothing if the checksum doesn't agree or it claims what can't be.
    #[must_use]
    pub fn decode(bytes: &[u8; SLOT_BYTES], key: SlotKey) -> Option<Self> {
        let slot = Self {
            segment: u32_at(bytes, 0),
            position: Position(u64_at(bytes, 8)),
            synced: Position(u64_at(bytes, 16)),
        };
        (slot.segment > 0 && slot.synced <= slot.position && u32_at(bytes, 4) == slot_crc(bytes, key))
            .then_some(slot)
    }
}

fn slot_crc(bytes: &[u8; SLOT_BYTES], key: SlotKey) -> u32 {
    // Side by side: a call for each half would cost twice as much.
    let mut covered = [0; SLOT_BYTES - 4];
    covered[..4].copy_from_slice(&bytes[..4]);
    covered[4..].copy_from_slice(&bytes[8..]);
    crc32c::crc32c_append(key.0, &covered)
}

/// Where a frame is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Number of the segment.
    pub segment: u32,
    /// Position of the first byte.
    pub position: Position,
    /// The directory's key.
    pub key: SlotKey,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The slot is damaged, or it is that of another place.
    #[error("the slot does not match its copy")]
    Slot,
    /// The batch's header is none.
    #[error("{0}")]
    Batch(#[from] BatchError),
    /// The body isn't the one that was written.
    #[error("the batch body's checksum does not match")]
    BodyCrc,
    /// The frame would reach beyond the end of its segment.
    #[error("the batch is longer than the rest of its segment")]
    Length,
}

/// What stands at a place.
#[derive(Debug, PartialEq, Eq)]
pub enum Look<'a> {
    /// A frame whose checksums all agree.
    Frame {
        /// Its slot.
        slot: Slot,
        /// Its batch's header.
        header: BatchHeader,
        /// Its batch's records.
        body: &'a [u8],
        /// Bytes from the start of the slot to the start of the next one.
        length: u64,
    },
    /// A slot of zeros: nothing was written here, or it was lost.
    Nothing,
    /// This many bytes from the start of the slot are needed to say more.
    More(usize),
    /// Something else.
    Fault(FrameFault),
}

/// Looks at the bytes that start at a place; they may reach beyond the frame.
#[must_use]
pub fn look(bytes: &[u8], place: Place) -> Look<'_> {
    let Some((slot_bytes, rest)) = bytes.split_first_chunk::<SLOT_BYTES>() else {
        return Look::More(SLOT_BYTES);
    };
    if *slot_bytes == [0; SLOT_BYTES] {
        return Look::Nothing;
    }
    let slot = match Slot::decode(slot_bytes, place.key) {
        Some(slot) if slot.segment == place.segment && slot.position == place.position => slot,
        _ => return Look::Fault(FrameFault::Slot),
    };
    let Some((header_bytes, rest)) = rest.split_first_chunk::<BATCH_HEADER_BYTES>() else {
        return Look::More(FRAME_HEAD_BYTES);
    };
    let header = match BatchHeader::decode(header_bytes) {
        Ok(header) => header,
        Err(error) => return Look::Fault(error.into()),
    };
    let body_len = header.body_len as usize;
    let Some(body) = rest.get(..body_len) else {
        return Look::More(FRAME_HEAD_BYTES + body_len);
    };
    if crc32c::crc32c(body) != header.body_crc && !cfg!(seeded_bug = "crc_ignored") {
        return Look::Fault(FrameFault::BodyCrc);
    }
    Look::Frame { slot, header, body, length: frame_bytes(body_len) }
}
