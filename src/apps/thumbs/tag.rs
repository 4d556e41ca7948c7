//! Tags of the thumbnail service's records.

/// The high nibble of all of them.
pub const APP: u8 = 4;

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
/// The oldest pictures are not kept any more: the floors in the payload.
pub const THUMBS_CUT: u8 = 0x4E;

/// Each with what its records are, in the plural, for an operator.
pub static KINDS: &[(u8, &str)] = &[
    (THUMBS_SUBMIT, "pictures handed in for a thumbnail"),
    (THUMBS_KNOWN, "pictures whose thumbnail was known"),
    (THUMBS_ATTEMPT, "tries to make a thumbnail"),
    (THUMBS_DONE, "thumbnails"),
    (THUMBS_FAILED, "pictures without a thumbnail"),
    (THUMBS_DELETE, "deletions of pictures"),
    (THUMBS_SUBMIT_STYLED, "pictures handed in for a thumbnail of another form"),
    (THUMBS_KNOWN_STYLED, "pictures whose thumbnail of another form was known"),
    (THUMBS_CUT, "cuts of the oldest pictures"),
];

/// Bytes of the longest record before it is stamped.
pub const RECORD_BYTES_MAX: usize = 4 * 1024;
