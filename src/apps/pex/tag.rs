//! Tags of the Fibonacci service's records.

/// The high nibble of all of them.
pub const APP: u8 = 2;

/// The Fibonacci service makes a step on.
pub const PEX_NEXT: u8 = 0x21;
/// It makes a step back.
pub const PEX_PREVIOUS: u8 = 0x22;
/// It takes over another server's count.
pub const PEX_IMPORT: u8 = 0x23;
/// It goes back to zero, up to the floors in the payload.
pub const PEX_RESET: u8 = 0x2F;

/// Each with what its records are, in the plural, for an operator.
pub static KINDS: &[(u8, &str)] = &[
    (PEX_NEXT, "steps on of the Fibonacci service"),
    (PEX_PREVIOUS, "steps back of the Fibonacci service"),
    (PEX_IMPORT, "imports of another Fibonacci server's count"),
    (PEX_RESET, "resets of the Fibonacci service"),
];

/// Bytes of the longest record before it is stamped.
pub const RECORD_BYTES_MAX: usize = 64;
