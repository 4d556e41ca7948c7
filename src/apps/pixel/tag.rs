//! Tags of the pixel service's records.

use crate::base::limits::CUT_FLOORS_MAX;
use crate::base::tag::RECORD_HEAD_BYTES;

/// The high nibble of all of them.
pub const APP: u8 = 1;

/// A pixel of the red channel.
pub const PIXEL_R: u8 = 0x11;
/// A pixel of the green channel.
pub const PIXEL_G: u8 = 0x12;
/// A pixel of the blue channel.
pub const PIXEL_B: u8 = 0x13;
/// Pixels before a moment are not kept any more: the floors in the payload.
pub const PIXEL_CUT: u8 = 0x1E;
/// The list of pixels was cleared up to the floors in the payload.
pub const PIXEL_CLEAR: u8 = 0x1F;

/// Each with what its records are, in the plural, for an operator.
pub static KINDS: &[(u8, &str)] = &[
    (PIXEL_R, "pixels of channel R"),
    (PIXEL_G, "pixels of channel G"),
    (PIXEL_B, "pixels of channel B"),
    (PIXEL_CUT, "cuts of the oldest pixels"),
    (PIXEL_CLEAR, "clears of the pixels"),
];

/// Bytes of the longest record before it is stamped.
pub const RECORD_BYTES_MAX: usize = RECORD_HEAD_BYTES + CUT_FLOORS_MAX * FLOOR_BYTES;
/// Bytes of a floor in a clear or a cut: node, inc, seq, pixels.
pub const FLOOR_BYTES: usize = 32;
