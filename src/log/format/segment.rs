//! Segments: the journal's files, their names and their headers.
//!
//! ```text
//!  0 u32 magic 'PXS1'       4 u32 crc32c of 8..header length   8 u32 header length   12 u32 segment number
//! 16 u128 cluster          32 u64 node                        40 u64 segment size
//! 48 u64 previous end      56 u64 synced position             64 u64 time_us
//! 72 u32 version           76 u32 number of streams           80 the streams, then (version 2) the folded ones,
//!                                                                then zeros up to a multiple of 4096
//! ```
//!
//! Where no stream is folded, version 1 is written.
//!
//! All segments have the same size and are zero-filled before they get their name. A header of zeros says that nothing
//! was written yet: such a segment is a spare. Segments are numbered from 1; one is entered when a frame does not fit
//! any more into the one before, whose frames end at `previous end`.

use crate::base::folds::Folds;
use crate::base::ids::{ClusterId, NodeId, Position};
use crate::base::limits::{BLOCK_BYTES, FOLD_HOSTS_MAX, FOLD_STARTS_MIN, ORIGINS_MAX};
use crate::base::numbers::{u32_at, u64_at};
use crate::log::streams::{STREAM_BYTES, Streams};

/// First bytes of a header.
pub const SEGMENT_MAGIC: [u8; 4] = *b"PXS1";
/// The version of a header without folded streams.
const SEGMENT_VERSION: u32 = 1;
/// That of one with some.
const SEGMENT_VERSION_FOLDS: u32 = 2;
/// Number of the first segment of every journal; 0 is none.
pub const SEGMENT_FIRST: u32 = 1;
/// Bytes in front of the streams.
const FIXED_BYTES: usize = 80;
/// Bytes that one more node with folded streams takes at most, before it has streams without a number.
const FOLDS_GROWTH_BYTES: usize = 64 + 8 * FOLD_HOSTS_MAX;
/// Length in bytes of the longest header: streams without a number take less once they are folded.
pub const SEGMENT_HEADER_BYTES_MAX: usize =
    (FIXED_BYTES + ORIGINS_MAX * STREAM_BYTES + ORIGINS_MAX * 8).next_multiple_of(BLOCK_BYTES);

const SUFFIX: &str = ".seg";

/// Returns the file of segment `number`.
#[must_use]
pub fn name(number: u32) -> String {
    format!("{number:010}{SUFFIX}")
}

/// Returns the number of the segment that a file's name stands for, if it is one's.
#[must_use]
pub fn number_of(file_name: &str) -> Option<u32> {
    let digits = file_name.strip_suffix(SUFFIX)?;
    let is_plain = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|&number| is_plain && number >= SEGMENT_FIRST)
}

/// How positions and segments correspond in one data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Size of every segment in bytes: a multiple of [`BLOCK_BYTES`].
    pub segment_bytes: u64,
}

impl Layout {
    /// Returns the segment that a position is in.
    #[inline]
    #[must_use]
    pub fn segment_of(self, position: Position) -> u32 {
        u32::try_from(position.0 / self.segment_bytes).expect("segments are numbered with 32 bits")
    }

    /// Returns a position's offset in its segment's file.
    #[inline]
    #[must_use]
    pub fn offset_of(self, position: Position) -> u64 {
        position.0 % self.segment_bytes
    }

    /// Returns where a segment starts.
    #[inline]
    #[must_use]
    pub fn start_of(self, segment: u32) -> Position {
        Position(u64::from(segment) * self.segment_bytes)
    }
}

/// What a segment's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Its number.
    pub number: u32,
    /// The cluster the directory belongs to.
    pub cluster: ClusterId,
    /// The directory.
    pub node: NodeId,
    /// Size of every segment of the directory in bytes.
    pub segment_bytes: u64,
    /// Where the frames of the segment before end; 0 for the first one.
    pub previous_end: Position,
    /// All before this was durable when the header was made.
    pub synced: Position,
    /// Latest time of any batch before it, microseconds since 1970.
    pub time_us: u64,
    /// Where each stream stood at its start.
    pub streams: Streams,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Zeros where the header belongs.
    #[error("the segment has no header")]
    Spare,
    /// Other first bytes.
    #[error("not a segment")]
    Magic,
    /// The bytes are not those that were written.
    #[error("the segment header's checksum does not match")]
    Crc,
    /// Written by a later program.
    #[error("segment version {0} is unknown")]
    Version(u32),
    /// A length or number that no header can have.
    #[error("the segment's header holds an impossible value")]
    Bounds,
    /// The file is that of another directory or of another place.
    #[error("the segment belongs to another data directory or place")]
    Foreign,
}

/// What is known of a header from its first bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum HeaderLook {
    /// All of it.
    Header(SegmentHeader),
    /// It has this many bytes; more than were given.
    More(usize),
}

/// Returns the length in bytes of a header behind these streams: where the first frame stands.
fn header_bytes(streams: usize, folds_bytes: usize) -> usize {
    (FIXED_BYTES + streams * STREAM_BYTES + folds_bytes).next_multiple_of(BLOCK_BYTES)
}

/// Returns the length in bytes of the longest header that may stand behind these streams, `more` new ones, and a fold.
#[must_use]
pub fn header_bytes_most(streams: &Streams, more: usize) -> usize {
    let folds_bytes = streams.folds().encoded_bytes();
    let fold_bytes = if streams.len() + more < FOLD_STARTS_MIN { 0 } else { FOLDS_GROWTH_BYTES };
    header_bytes(streams.len() + more, folds_bytes + fold_bytes)
}

impl SegmentHeader {
    /// Returns the length of its encoding in bytes: where the first frame stands.
    #[must_use]
    pub fn length(&self) -> usize {
        header_bytes(self.streams.len(), self.streams.folds().encoded_bytes())
    }

    /// Appends its encoding, whole blocks.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let length = self.length();
        out.extend_from_slice(&SEGMENT_MAGIC);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&u32::try_from(length).expect("bounded").to_le_bytes());
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.cluster.0);
        out.extend_from_slice(&self.node.0.to_le_bytes());
        out.extend_from_slice(&self.segment_bytes.to_le_bytes());
        out.extend_from_slice(&self.previous_end.0.to_le_bytes());
        out.extend_from_slice(&self.synced.0.to_le_bytes());
        out.extend_from_slice(&self.time_us.to_le_bytes());
        let version = if self.streams.folds().is_empty() { SEGMENT_VERSION } else { SEGMENT_VERSION_FOLDS };
        out.extend_from_slice(&version.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.streams.len()).expect("bounded").to_le_bytes());
        debug_assert_eq!(out.len() - start, FIXED_BYTES);
        self.streams.encode(out);
        self.streams.folds().encode(out);
        out.resize(start + length, 0);
        let crc = crc32c::crc32c(&out[start + 8..]);
        out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads a header from the first bytes of a segment, at least [`BLOCK_BYTES`].
    ///
    /// # Errors
    /// Returns why it is not valid.
    pub fn decode(bytes: &[u8]) -> Result<HeaderLook, SegmentError> {
        let Some(fixed) = bytes.first_chunk::<FIXED_BYTES>() else {
            return Ok(HeaderLook::More(BLOCK_BYTES));
        };
        if fixed.iter().all(|&byte| byte == 0) {
            return Err(SegmentError::Spare);
        }
        if fixed[..4] != SEGMENT_MAGIC {
            return Err(SegmentError::Magic);
        }
        let length = u32_at(fixed, 8) as usize;
        if !length.is_multiple_of(BLOCK_BYTES) || !(BLOCK_BYTES..=SEGMENT_HEADER_BYTES_MAX).contains(&length)
        {
            return Err(SegmentError::Bounds);
        }
        let Some(all) = bytes.get(..length) else { return Ok(HeaderLook::More(length)) };
        if crc32c::crc32c(&all[8..]) != u32_at(fixed, 4) {
            return Err(SegmentError::Crc);
        }
        if !(SEGMENT_VERSION..=SEGMENT_VERSION_FOLDS).contains(&u32_at(fixed, 72)) {
            return Err(SegmentError::Version(u32_at(fixed, 72)));
        }
        let count = u32_at(fixed, 76) as usize;
        if count > ORIGINS_MAX || header_bytes(count, 0) > length {
            return Err(SegmentError::Bounds);
        }
        let (named, rest) = all[FIXED_BYTES..].split_at(count * STREAM_BYTES);
        let folds = match u32_at(fixed, 72) {
            SEGMENT_VERSION => Folds::default(),
            _ => Folds::decode(rest).ok_or(SegmentError::Bounds)?.0,
        };
        if header_bytes(count, folds.encoded_bytes()) != length {
            return Err(SegmentError::Bounds);
        }
        let header = Self {
            number: u32_at(fixed, 12),
            cluster: ClusterId(fixed[16..32].try_into().expect("sixteen bytes")),
            node: NodeId(u64_at(fixed, 32)),
            segment_bytes: u64_at(fixed, 40),
            previous_end: Position(u64_at(fixed, 48)),
            synced: Position(u64_at(fixed, 56)),
            time_us: u64_at(fixed, 64),
            streams: Streams::decode(named).ok_or(SegmentError::Bounds)?.with_folds(folds),
        };
        Ok(HeaderLook::Header(header))
    }
}
