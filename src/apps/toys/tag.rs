//! Tags of the toy shop's records.

use super::limits::TOYS_NAME_BYTES_MAX;

/// The high nibble of all of them.
pub const APP: u8 = 5;

/// A toy is added to the shop.
pub const TOYS_PRODUCT: u8 = 0x51;
/// A toy is ordered.
pub const TOYS_ORDER: u8 = 0x52;
/// A toy is added under a key: of those with one key the earliest stands.
pub const TOYS_KEYED_PRODUCT: u8 = 0x53;
/// The oldest toys and orders are not kept any more: the floors in the payload.
pub const TOYS_CUT: u8 = 0x5E;

/// Each with what its records are, in the plural, for an operator.
pub static KINDS: &[(u8, &str)] = &[
    (TOYS_PRODUCT, "toys of the shop"),
    (TOYS_ORDER, "orders of the shop"),
    (TOYS_KEYED_PRODUCT, "toys of the shop, each under a key"),
    (TOYS_CUT, "cuts of the oldest toys and orders"),
];

/// Bytes of the longest record before it is stamped.
pub const RECORD_BYTES_MAX: usize = TOYS_NAME_BYTES_MAX + 64;
