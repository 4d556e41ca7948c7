//! Pieces of what is longer than a frame, a blob or a snapshot, and what asks for a blob. All numbers are little endian.
//!
//! ```text
//! BLOB                         0 sha256  32 u64 length of the blob  40 u64 offset  48 bytes
//! WANT                         0 sha256
//! SNAP without flag STREAMS    0 u64 length of the snapshot  8 u64 offset  16 bytes
//! ```

use super::fault::Violation;
use super::frame::Kind;
use super::message::{exactly, invalid};
use crate::base::blob::BlobId;
use crate::base::limits::{BLOB_BYTES_MAX, PEER_SNAPSHOT_BYTES_MAX};
use crate::base::numbers::u64_at;

/// In a BLOB: the speaker does not have it, because no record of its names it any more.
pub const FLAG_GONE: u8 = 1;
/// Bytes before a blob's content.
const BLOB_HEAD_BYTES: usize = 48;
/// Bytes before a snapshot's content.
const PART_HEAD_BYTES: usize = 16;

/// A piece of something longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Length of the whole in bytes.
    pub total: u64,
    /// Where the piece starts.
    pub offset: u64,
    /// The piece, at least one byte.
    pub bytes: &'a [u8],
}

impl<'a> Piece<'a> {
    fn new(kind: Kind, total: u64, offset: u64, bytes: &'a [u8], total_max: u64) -> Result<Self, Violation> {
        let end = offset.checked_add(bytes.len() as u64);
        if bytes.is_empty() || total > total_max || end.is_none_or(|end| end > total) {
            return Err(invalid(kind, "its numbers are impossible"));
        }
        Ok(Self { total, offset, bytes })
    }

    /// Returns whether it is the last one.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.offset + self.bytes.len() as u64 == self.total
    }
}

/// Returns what stands before the bytes of a snapshot's piece.
#[must_use]
pub fn encode_part_head(total: u64, offset: u64) -> [u8; PART_HEAD_BYTES] {
    let mut out = [0; PART_HEAD_BYTES];
    out[..8].copy_from_slice(&total.to_le_bytes());
    out[8..].copy_from_slice(&offset.to_le_bytes());
    out
}

/// Reads the payload of a SNAP without streams.
///
/// # Errors
/// Fails if the payload is not a valid SNAP.
pub fn decode_part(payload: &[u8]) -> Result<Piece<'_>, Violation> {
    let Some((head, bytes)) = payload.split_at_checked(PART_HEAD_BYTES) else {
        return Err(invalid(Kind::Snap, "it is too short"));
    };
    Piece::new(Kind::Snap, u64_at(head, 0), u64_at(head, 8), bytes, PEER_SNAPSHOT_BYTES_MAX)
}

/// Returns what stands before the bytes of a blob's piece.
#[must_use]
pub fn encode_blob_head(hash: &BlobId, total: u64, offset: u64) -> [u8; BLOB_HEAD_BYTES] {
    let mut out = [0; BLOB_HEAD_BYTES];
    out[..32].copy_from_slice(&hash.0);
    out[32..].copy_from_slice(&encode_part_head(total, offset));
    out
}

/// Reads the payload of a BLOB: its name, and a piece of it unless it is gone.
///
/// # Errors
/// Fails if the payload is not a valid BLOB.
pub fn decode_blob(flags: u8, payload: &[u8]) -> Result<(BlobId, Option<Piece<'_>>), Violation> {
    let Some((head, bytes)) = payload.split_at_checked(BLOB_HEAD_BYTES) else {
        return Err(invalid(Kind::Blob, "it is too short"));
    };
    let hash = BlobId(head[..32].try_into().expect("thirty-two bytes"));
    let (total, offset) = (u64_at(head, 32), u64_at(head, 40));
    if flags & FLAG_GONE == 0 {
        return Piece::new(Kind::Blob, total, offset, bytes, BLOB_BYTES_MAX).map(|piece| (hash, Some(piece)));
    }
    if total != 0 || offset != 0 || !bytes.is_empty() {
        return Err(invalid(Kind::Blob, "it is gone and has a length"));
    }
    Ok((hash, None))
}

/// Reads the payload of a WANT.
///
/// # Errors
/// Fails if the payload is not a valid WANT.
pub fn decode_want(payload: &[u8]) -> Result<BlobId, Violation> {
    Ok(BlobId(exactly(Kind::Want, payload, 32)?.try_into().expect("thirty-two bytes")))
}
