//! A secret that is shown once, and of which nobody but its bearer needs more than the hash.

use std::fmt;

use super::sha256::sha256;

/// Bytes of a secret.
pub const SECRET_BYTES: usize = 16;

/// 128 random bits by which one host may make itself known to another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; SECRET_BYTES]);

impl Secret {
    /// Returns its hash, which tells nobody the secret.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(&self.0)
    }
}

/// Returns a checksum of a text that people carry: by it a part of one, or a digit that is wrong, is noticed.
#[must_use]
pub fn checksum(text: &str) -> u32 {
    crc32c::crc32c(text.as_bytes())
}

/// Never shown in a log.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
