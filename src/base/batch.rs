//! Batch headers: the 64 bytes in front of a batch's records, the same on both hosts and on the wire.
//!
//! ```text
//!  0 u32 magic 'PXB1'   4 u32 crc32c of 8..64   8 u32 crc32c of the body   12 u32 body length
//! 16 u64 node          24 u64 inc              32 u64 first seq            40 u32 count  44 u16 version  46 u16 flags
//! 48 u64 chain         56 u64 time_us                                      64 body
//! ```
//!
//! Version 2 says that a fold is among the records ([`super::folds`]), or one that takes all that its host has folded without naming it,
//! as a clear does: who follows the streams looks into the body, and who brings them together has both in order. Everything else is
//! version 1.
//!
//! The chain ties each batch to all before it of its origin: it is xxh3-64 of the previous chain, this header with both
//! checksums and the chain zeroed, and the body's checksum. Two streams with the same chain at the same seq are the
//! same stream; a copied data directory that went its own way shows at the first batch.

use xxhash_rust::xxh3::xxh3_64;

use super::ids::{ClusterId, Inc, NodeId, Origin, Seq};
use super::limits::BATCH_BODY_BYTES_MAX;
use crate::base::numbers::{u16_at, u32_at, u64_at};

/// Length of a header in bytes.
pub const BATCH_HEADER_BYTES: usize = 64;
/// First bytes of a header.
const BATCH_MAGIC: [u8; 4] = *b"PXB1";
/// The version of most batches.
const BATCH_VERSION: u16 = 1;
/// That of one with a fold, with a word about ends (`app/folding.rs`), or with a record that takes all that is folded.
const BATCH_VERSION_FOLDS: u16 = 2;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Who made the records.
    pub origin: Origin,
    /// Number of the first record in its origin's stream.
    pub first_seq: Seq,
    /// Number of records, at least 1.
    pub count: u32,
    /// Length of the body in bytes, at least 1, at most [`BATCH_BODY_BYTES_MAX`].
    pub body_len: u32,
    /// Checksum of the body.
    pub body_crc: u32,
    /// See the module.
    pub chain: u64,
    /// Hybrid clock, microseconds since 1970.
    pub time_us: u64,
    /// A fold is among the records, a word about ends, or one that takes all that is folded.
    pub touches_folds: bool,
}

/// Why 64 bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Other first bytes.
    #[error("no batch begins here")]
    Magic,
    /// Bytes 8 to 64 are not those that were written.
    #[error("the batch header's checksum does not match")]
    HeaderCrc,
    /// Written by a later program.
    #[error("batch version {0} is unknown")]
    Version(u16),
    /// A flag, a count or a length that no batch can have.
    #[error("the batch's header holds an impossible value")]
    Bounds,
}

impl BatchHeader {
    /// Returns the header of a batch that follows on `previous`, the chain of its stream so far.
    #[inline]
    #[must_use]
    pub fn seal(
        origin: Origin,
        first_seq: Seq,
        count: u32,
        time_us: u64,
        previous: u64,
        body: &[u8],
    ) -> Self {
        Self::unlinked(origin, first_seq, count, time_us, body).linked(previous)
    }

    /// Returns the same for a batch that has a fold among its records, or one that takes all that is folded.
    #[must_use]
    pub fn seal_touching_folds(
        origin: Origin,
        first_seq: Seq,
        count: u32,
        time_us: u64,
        previous: u64,
        body: &[u8],
    ) -> Self {
        let header = Self::unlinked(origin, first_seq, count, time_us, body);
        Self { touches_folds: true, ..header }.linked(previous)
    }

    #[inline]
    fn linked(mut self, previous: u64) -> Self {
        self.chain = self.link(previous);
        self
    }

    #[inline]
    fn unlinked(origin: Origin, first_seq: Seq, count: u32, time_us: u64, body: &[u8]) -> Self {
        assert!(count > 0 && first_seq > 0, "a batch holds records, and they are numbered from 1");
        assert!(!body.is_empty() && body.len() <= BATCH_BODY_BYTES_MAX, "a body has bounds");
        let body_len = u32::try_from(body.len()).expect("bounded above");
        let body_crc = crc32c::crc32c(body);
        Self { origin, first_seq, count, body_len, body_crc, chain: 0, time_us, touches_folds: false }
    }

    /// Returns the chain this header ought to have if `previous` is the chain of its stream before it.
    #[inline]
    #[must_use]
    pub fn link(&self, previous: u64) -> u64 {
        let mut hashed = [0; 8 + BATCH_HEADER_BYTES + 4];
        hashed[..8].copy_from_slice(&previous.to_le_bytes());
        let header = Self { body_crc: 0, chain: 0, ..*self };
        hashed[8..8 + BATCH_HEADER_BYTES].copy_from_slice(&header.unsigned());
        hashed[8 + BATCH_HEADER_BYTES..].copy_from_slice(&self.body_crc.to_le_bytes());
        xxh3_64(&hashed)
    }

    /// Returns its 64 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = self.unsigned();
        let crc = crc32c::crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    #[inline]
    fn unsigned(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        bytes[..4].copy_from_slice(&BATCH_MAGIC);
        bytes[8..12].copy_from_slice(&self.body_crc.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.body_len.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.origin.node.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.origin.inc.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.count.to_le_bytes());
        let version = if self.touches_folds { BATCH_VERSION_FOLDS } else { BATCH_VERSION };
        bytes[44..46].copy_from_slice(&version.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.chain.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.time_us.to_le_bytes());
        bytes
    }

    /// Reads a header and checks all that can be checked without the body and without the stream.
    ///
    /// # Errors
    /// Returns why it is not valid.
    pub fn decode(bytes: &[u8; BATCH_HEADER_BYTES]) -> Result<Self, BatchError> {
        if bytes[..4] != BATCH_MAGIC {
            return Err(BatchError::Magic);
        }
        if crc32c::crc32c(&bytes[8..]) != u32_at(bytes, 4) {
            return Err(BatchError::HeaderCrc);
        }
        if !(BATCH_VERSION..=BATCH_VERSION_FOLDS).contains(&u16_at(bytes, 44)) {
            return Err(BatchError::Version(u16_at(bytes, 44)));
        }
        let header = Self {
            origin: Origin { node: NodeId(u64_at(bytes, 16)), inc: Inc(u64_at(bytes, 24)) },
            first_seq: u64_at(bytes, 32),
            count: u32_at(bytes, 40),
            body_len: u32_at(bytes, 12),
            body_crc: u32_at(bytes, 8),
            chain: u64_at(bytes, 48),
            time_us: u64_at(bytes, 56),
            touches_folds: u16_at(bytes, 44) == BATCH_VERSION_FOLDS,
        };
        if u16_at(bytes, 46) == 0 && header.is_possible() { Ok(header) } else { Err(BatchError::Bounds) }
    }

    fn is_possible(&self) -> bool {
        let body_len = self.body_len as usize;
        // A record has at least five bytes, so a count can't exceed the length.
        (1..=BATCH_BODY_BYTES_MAX).contains(&body_len)
            && (1..=self.body_len).contains(&self.count)
            && self.first_seq > 0
            && self.first_seq.checked_add(u64::from(self.count)).is_some()
    }

    /// Returns the number of the last record in its origin's stream.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.first_seq + u64::from(self.count) - 1
    }
}

/// Returns the chain of a stream before its first batch.
#[must_use]
pub fn first_chain(cluster: ClusterId, origin: Origin) -> u64 {
    let mut hashed = [0; 32];
    hashed[..16].copy_from_slice(&cluster.0);
    hashed[16..24].copy_from_slice(&origin.node.0.to_le_bytes());
    hashed[24..].copy_from_slice(&origin.inc.0.to_le_bytes());
    xxh3_64(&hashed)
}
