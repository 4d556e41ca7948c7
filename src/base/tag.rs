//! Tags: the first byte of every record.
//!
//! The high nibble is the application, the low nibble the kind of change. Zero is no tag, because segments are
//! zero-filled before they are written.

/// Application ids of the program's own: the high nibble of their records' tags. Those of applications are in their folders.
pub mod app {
    /// The index page; it keeps nothing.
    pub const INDEX: u8 = 12;
    /// The members: a section of snapshots; no record bears it.
    pub const MEMBERS: u8 = 13;
    /// The engine: its own endpoints, and records that concern every application.
    pub const ENGINE: u8 = 14;
    /// What hosts have said of each other's streams: a section of snapshots; no record bears it.
    pub const ENDS: u8 = 15;
    /// The runs that states name: a section of snapshots, beyond what a tag can say.
    pub const RUNS: u8 = 16;
}

/// Records count as of another time than their batches say.
pub const TIME_HEALED: u8 = 0xE1;
/// A host says that it has streams of another node durably, to their ends as it knows them.
pub const ENDS_HELD: u8 = 0xE2;
/// Streams of earlier starts of the node that logs it are folded.
pub const STREAMS_FOLDED: u8 = 0xE3;

/// A host is a member, or is forgotten.
pub const MEMBER: u8 = 0xE4;

/// The first tag of short records, which have no field for their length. The journal's format has three of them.
pub const SHORT_FIRST: u8 = 0x11;
/// The last tag of short records.
const SHORT_LAST: u8 = 0x13;
/// Length in bytes of a short record, with its tag.
pub const SHORT_RECORD_BYTES: usize = 10;
/// Length in bytes of the head of every other record: tag and u32 payload length.
pub const RECORD_HEAD_BYTES: usize = 5;

/// Returns the application a tag belongs to.
#[must_use]
pub fn app_of(tag: u8) -> u8 {
    tag >> 4
}

/// Returns whether a record with this tag is short: its length is fixed.
#[inline]
#[must_use]
pub fn is_short(tag: u8) -> bool {
    matches!(tag, SHORT_FIRST..=SHORT_LAST)
}
