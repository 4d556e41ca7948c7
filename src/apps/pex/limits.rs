//! Bounds of the Fibonacci service.

/// Fibonacci numbers up to this position are made where they are asked for (about 400 digits, 3 us); longer ones by a
/// job thread.
pub const PEX_INLINE_POSITION_MAX: u64 = 2_000;
/// Longer numbers that are kept for the next one who asks.
pub const PEX_KEPT_MAX: usize = 64;
/// Bytes of those; a single one is shorter at any position that may be set.
pub const PEX_KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Requests that wait for a number that is being made; beyond that 503.
pub const PEX_WAITERS_MAX: usize = 65_536;
/// The most that `pex.max_position` may be set to: two million digits, some seconds of a job thread.
pub const PEX_POSITION_MAX: u64 = 10_000_000;
