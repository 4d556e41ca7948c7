//! Bounds of the pixel service.

/// Most details of rejected pixels in the answer to one batch.
pub const BATCH_REJECTS_MAX: usize = 1_000;
/// Requests that wait until it is known what stands before their moment; a further one is answered 503.
pub const CUT_WAITERS_MAX: usize = 64;
/// How long such a request waits, microseconds: the first one after a start reads the whole journal.
pub const CUT_WAIT_US: u64 = 60_000_000;
/// Bytes of the journal that are read for it before other work has its turn.
pub const CUT_STEP_BYTES: usize = 32 * 1024 * 1024;
/// Time without a write, microseconds, after which exactly what is asked for is kept and not up to a segment more.
pub const CUT_QUIET_US: u64 = 1_000_000;
/// Longest time, microseconds, after which that is done under load, too.
pub const CUT_EXACT_EVERY_US: u64 = 60_000_000;
/// Moments that are told apart in one reading of the segments in which a cut lies.
pub const CUT_BUCKETS: usize = 65_536;
