//! Tags of the board's records.

/// The high nibble of all of them.
pub const APP: u8 = 3;

/// A message is posted.
pub const BOARD_POST: u8 = 0x31;
/// A message is taken off the board.
pub const BOARD_DELETE: u8 = 0x32;
/// The oldest messages are not kept any more: the floors in the payload.
pub const BOARD_CUT: u8 = 0x3E;

/// Each with what its records are, in the plural, for an operator.
pub static KINDS: &[(u8, &str)] = &[
    (BOARD_POST, "posts on the board"),
    (BOARD_DELETE, "deletions from the board"),
    (BOARD_CUT, "cuts of the oldest messages"),
];

/// Bytes of the longest record before it is stamped.
pub const RECORD_BYTES_MAX: usize = 8 * 1024;
