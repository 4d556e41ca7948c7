//! Bounds of films.

/// Bytes of the journal in one stretch, unless a single batch is longer: a picture reads each stretch that it needs a part of.
pub const STRETCH_BYTES: u64 = 1024 * 1024;
/// Most clears and cuts of a journal that is filmed: about 100 bytes of memory each.
pub const RAISES_MAX: usize = 1_000_000;
/// Memory for tiles and for the table of who set what, bytes.
pub const FILM_MEMORY_BYTES: usize = 512 * 1024 * 1024;
/// Most pictures of a film.
pub const FILM_PICTURES_MAX: u64 = 100_000;
/// Most pictures in a second.
pub const FPS_MAX: u32 = 100;
/// Most pictures in a second of a GIF: browsers take shorter delays than two hundredths for ten.
pub const GIF_FPS_MAX: u32 = 50;
/// Most pixels along a side: what a GIF can say, and less than a PNG can.
pub const SIDE_MAX: u64 = 65_535;
/// Pixels of a film along its sides, at most, if nobody says how large it is.
pub const USUAL_SIZE: (u64, u64) = (1_000, 1_000);
