//! Bounds of making thumbnails and of the process that does.

/// Bytes of a thumbnail; an animation that would be longer is refused.
pub const THUMBNAIL_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of a picture that are read and passed to its decoder at once.
pub const DECODER_PIECE_BYTES: usize = 64 * 1024;
/// Memory of a decoder for each pixel that it may decode, bytes (`docs/decisions/0012`).
pub const DECODER_PIXEL_BYTES: u64 = 14;
/// Memory of a decoder beside pixels and pictures, bytes: tables, stacks, a thumbnail.
pub const DECODER_MEMORY_BYTES: u64 = 96 * 1024 * 1024;
/// Memory above which a decoder ends after a picture instead of keeping it, bytes.
pub const DECODER_KEPT_BYTES: u64 = 48 * 1024 * 1024;
/// How long after its deadline a decoder that did not give up is killed, milliseconds.
pub const DECODER_GRACE_MS: u64 = 1_000;
/// How many times as much may pass by the clock as a picture may have of CPU time: decoders have the least priority.
pub const DECODER_WALL_FACTOR: u32 = 10;
/// A decoder that runs only when nobody else does has to get so much of this time, milliseconds of each...
pub const DECODER_STARVING_MS: u64 = 500;
/// ... as one of so many parts; otherwise the next one, for a while, only has the least weight among all.
pub const DECODER_STARVING_PARTS: u32 = 8;
/// For how long, milliseconds.
pub const DECODER_HUNGRY_MS: u64 = 30_000;
