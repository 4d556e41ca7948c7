//! Bounds of the canvas.

/// Bytes of a frame's body; watchers of a canvas that has changed in more cells are told to load the picture.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;
/// Most pixels of a picture.
pub const PICTURE_PIXELS_MAX: u64 = 16 * 1024 * 1024;
/// Most pixels that a cell becomes in a picture, along each side.
pub const SCALE_MAX: u32 = 32;
/// Most cells, along each side, that become one pixel.
pub const SHRINK_MAX: u32 = 64;
/// Pictures that are remembered for further requests.
pub const PICTURES_MAX: usize = 16;
/// Bytes of them all.
pub const PICTURES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Least time between two renderings of the same view, microseconds.
pub const RENDER_EVERY_US: u64 = 100_000;
/// How long a read waits until the canvas has what was applied before it, microseconds.
pub const BEHIND_US: u64 = 250_000;
/// Time after which watchers are told that there is nothing new, microseconds.
pub const ALIVE_EVERY_US: u64 = 15_000_000;
/// How long frames are made behind the last request that may lead to a watcher, microseconds.
pub const INTEREST_US: u64 = 60_000_000;
/// Records since the last checkpoint from which on another one is stored.
pub const CHECKPOINT_RECORDS: u64 = 10_000_000;
/// The same when the server ends.
pub const CHECKPOINT_RECORDS_AT_END: u64 = 200_000;
/// Least time between two checkpoints, microseconds.
pub const CHECKPOINT_EVERY_US: u64 = 5_000_000;
/// Entries of a cell's history in one answer.
pub const HISTORY_ENTRIES_MAX: usize = 1_000;
/// Bytes of the journal that are read for one answer with a history; it may be a segment more.
pub const HISTORY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Time between two words to the operator about a scratch file or a checkpoint that can't be written, microseconds.
pub const TROUBLE_TOLD_US: u64 = 60_000_000;
/// Pages of the scratch file in memory, 4 KiB each.
pub const SCRATCH_PAGES_CACHED: usize = 1024;
/// A bucket of the scratch file is split when entries take more than so many percent of the first pages, on average...
pub const SCRATCH_SPLIT_ABOVE_PERCENT: usize = 70;
/// ...and two are joined below so many, after tiles were removed.
pub const SCRATCH_JOIN_BELOW_PERCENT: usize = 30;
/// Most bytes of a tile in the scratch file: one with a run for each channel of each cell has 307,728.
pub const SCRATCH_TILE_BYTES_MAX: usize = 512 * 1024;
