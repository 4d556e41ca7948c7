//! Numbers of the binary formats: little-endian, at fixed places.
//!
//! Each function panics if `bytes` ends before the number does: lengths are checked before, where a format is read.

/// Returns the number in the two bytes from `at` on.
#[inline]
#[must_use]
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Returns the number in the four bytes from `at` on.
#[inline]
#[must_use]
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Returns the number in the eight bytes from `at` on.
#[inline]
#[must_use]
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_byte_comes_first() {
        let bytes: Vec<u8> = (0..10).collect();
        assert_eq!(u16_at(&bytes, 8), 0x0908);
        assert_eq!(u32_at(&bytes, 1), 0x0403_0201);
        assert_eq!(u64_at(&bytes, 2), 0x0908_0706_0504_0302);
    }
}
