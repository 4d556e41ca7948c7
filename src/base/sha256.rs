//! SHA-256 (FIPS 180-4). `ring` uses the processor's own instructions for it where there are some, on x86-64 and on
//! arm64, which it finds out when the program runs; it is here already for the keys of hosts.

use ring::digest::{Context, SHA256, digest};

/// Bytes of a hash.
const SHA256_BYTES: usize = 32;

/// The hash of a content that comes in pieces.
#[derive(Clone)]
pub struct Sha256(Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Sha256 {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Returns the hash of what was taken so far.
    #[must_use]
    pub fn hash(&self) -> [u8; SHA256_BYTES] {
        sized(self.0.clone().finish().as_ref())
    }
}

/// Returns the hash of a content.
#[must_use]
pub fn sha256(content: &[u8]) -> [u8; SHA256_BYTES] {
    sized(digest(&SHA256, content).as_ref())
}

fn sized(hash: &[u8]) -> [u8; SHA256_BYTES] {
    hash.try_into().unwrap_or_else(|_| unreachable!("SHA-256 has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::blob::BlobId;

    /// The examples of FIPS 180-4's companion, and pieces of any size.
    #[test]
    fn known_hashes_in_any_pieces() {
        let long = vec![b'a'; 1_000_000];
        for (content, expected) in [
            (&b""[..], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (&b"abc"[..], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (&long[..], "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        ] {
            assert_eq!(BlobId(sha256(content)).to_string(), expected);
            for size in [1_000, 4_096, 65_537] {
                let mut hash = Sha256::default();
                for piece in content.chunks(size) {
                    hash.update(piece);
                    // Looked at on the way, it goes on.
                    let _ = hash.hash();
                }
                assert_eq!(BlobId(hash.hash()).to_string(), expected);
            }
        }
    }
}
