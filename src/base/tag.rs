//! Tags: the first byte of every record.
//!
//! The high nibble is the application, the low nibble the kind of change. Zero is no tag, because segments are
//! zero-filled before they are written.

/// Application ids: the high nibble of their records' tags.
pub mod app {
    /// The pixel service.
    pub const PIXEL: u8 = 1;
    /// The Fibonacci service.
    pub const PEX: u8 = 2;
    /// The message board.
    pub const BOARD: u8 = 3;
    /// The thumbnail service.
    pub const THUMBS: u8 = 4;
    /// The toy shop.
    pub const TOYS: u8 = 5;
    /// The index page; it keeps nothing.
    pub const INDEX: u8 = 12;
    /// Conformance suites' mirror; it keeps nothing.
    pub const ECHO: u8 = 13;
    /// The engine: its own endpoints, and records that concern every application.
    pub const ENGINE: u8 = 14;
}

/// A pixel of the red channel.
pub const PIXEL_R: u8 = 0x11;
/// A pixel of the green channel.
pub const PIXEL_G: u8 = 0x12;
/// A pixel of the blue channel.
pub const PIXEL_B: u8 = 0x13;
/// The list of pixels was cleared up to the floors in the payload.
pub const PIXEL_CLEAR: u8 = 0x1F;

/// The Fibonacci service makes a step on.
pub const PEX_NEXT: u8 = 0x21;
/// It makes a step back.
pub const PEX_PREVIOUS: u8 = 0x22;
/// It takes over another server's count.
pub const PEX_IMPORT: u8 = 0x23;
/// It goes back to zero, up to the floors in the payload.
pub const PEX_RESET: u8 = 0x2F;
/// A message is posted.
pub const BOARD_POST: u8 = 0x31;
/// A message is taken off the board.
pub const BOARD_DELETE: u8 = 0x32;

/// A picture is handed in.
pub const THUMBS_SUBMIT: u8 = 0x41;
/// A picture is handed in whose thumbnail is known already.
pub const THUMBS_KNOWN: u8 = 0x42;
/// A host begins to decode a picture.
pub const THUMBS_ATTEMPT: u8 = 0x43;
/// A thumbnail is made.
pub const THUMBS_DONE: u8 = 0x44;
/// A picture has no thumbnail.
pub const THUMBS_FAILED: u8 = 0x45;
/// A picture is taken away.
pub const THUMBS_DELETE: u8 = 0x46;
/// A picture is handed in whose thumbnail is to be of another kind than it, or to fill its frame.
pub const THUMBS_SUBMIT_STYLED: u8 = 0x47;
/// Such a one is handed in whose thumbnail is known already.
pub const THUMBS_KNOWN_STYLED: u8 = 0x48;

/// A toy is added to the shop.
pub const TOYS_PRODUCT: u8 = 0x51;
/// A toy is ordered.
pub const TOYS_ORDER: u8 = 0x52;
/// A toy is added under a key: of those with one key the earliest stands.
pub const TOYS_KEYED_PRODUCT: u8 = 0x53;

/// Records count as of another time than their batches say.
pub const TIME_HEALED: u8 = 0xE1;

/// Length in bytes of a pixel's record: tag, value, x, y.
pub const PIXEL_RECORD_BYTES: usize = 10;
/// Length in bytes of the head of every other record: tag and u32 payload length.
pub const RECORD_HEAD_BYTES: usize = 5;

/// Returns the application a tag belongs to.
#[must_use]
pub fn app_of(tag: u8) -> u8 {
    tag >> 4
}

/// Returns whether a record with this tag is a pixel, whose length is fixed.
#[inline]
#[must_use]
pub fn is_pixel(tag: u8) -> bool {
    matches!(tag, PIXEL_R..=PIXEL_B)
}
