//! Bounds of the thumbnail service.

/// Most pictures that the thumbnail service knows; beyond that a new one is answered 507. About a bit of memory is kept for each.
pub const THUMBS_COUNT_MAX: u64 = 1_000_000_000;
/// Most pictures without an end, all of which are in memory; beyond that a new one is answered 507.
pub const THUMBS_OPEN_MAX: usize = 1_000_000;
/// Bytes of a picture beyond which what has come of it is written to the store; a shorter one, should its content be known
/// already, never gets there.
pub const THUMBS_HELD_BYTES: usize = 512 * 1024;
/// Greatest width and height that a thumbnail may be asked to fit, pixels.
pub const THUMBS_SIDE_MAX: u16 = 2_048;
/// Attempts of one host at one picture without an end; then there is none any more.
pub const THUMBS_ATTEMPTS_MAX: u32 = 2;
/// Pictures of one host that are looked at for the next one to be made: all of them may be of a content that is in hand.
pub const THUMBS_CLAIM_LOOKED_AT: usize = 256;
/// Characters of the reason why a picture has no thumbnail.
pub const THUMBS_REASON_CHARS_MAX: usize = 200;
/// Requests that wait for a picture's state; a further one is answered at once.
pub const THUMBS_WAITERS_MAX: usize = 65_536;
/// Pictures in one page of the list.
pub const THUMBS_LIST_MAX: usize = 1_000;
/// Pictures that are looked at for one page of the list: of a state that is rare there may be fewer in it.
pub const THUMBS_LOOKED_AT_MAX: usize = 10_000;
/// Bytes of thumbnails as text that are kept for the next who asks.
pub const THUMBS_TEXTS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one that is kept: an animation's thumbnail has some hundred thousand.
pub const THUMBS_TEXT_BYTES_MAX: usize = 1024 * 1024;
