//! Bounds of the toy shop.

/// Bytes of the name of a toy or of what is ordered; longer is answered 422.
pub const TOYS_NAME_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a body that holds such a name in JSON, where a byte may be six; longer is answered 413.
pub const TOYS_BODY_BYTES_MAX: usize = 6 * TOYS_NAME_BYTES_MAX + 4 * 1024;
/// Bytes of an idempotency key; longer is answered 400.
pub const TOYS_KEY_BYTES_MAX: usize = 255;
/// Most toys that a shop has; beyond that a new one is answered 507. About a bit of memory is kept for each.
pub const TOYS_COUNT_MAX: usize = 1_000_000_000;
/// Most orders, and most toys with a key, that a shop has: all of them are in memory. Beyond that nothing new is taken but 507
/// answered.
pub const TOYS_HELD_MAX: usize = 1_000_000;
/// Bytes of all names in memory, those of orders included; beyond that a new toy or order is answered 507.
pub const TOYS_NAMES_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Answers of slow calls that are kept.
pub const TOYS_CACHE_ENTRIES_MAX: usize = 1024;
/// Bytes of those answers and of their names.
pub const TOYS_CACHE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Toys in one page of the list.
pub const TOYS_LIST_MAX: usize = 1_000;
/// Bytes of the names in one page of the list, of which there is at least one.
pub const TOYS_LIST_BYTES_MAX: usize = 1024 * 1024;
/// How long the answer of the slow call is kept, milliseconds.
pub const TOYS_HEAVY_KEPT_MS: u64 = 30_000;
/// How long the answer about the last toy is kept, milliseconds.
pub const TOYS_LAST_KEPT_MS: u64 = 15_000;
/// How long an order, and a toy with a key, is kept at least, microseconds: a day, so that what is sent again is known.
pub const TOYS_KEPT_US_MIN: u64 = 86_400_000_000;
