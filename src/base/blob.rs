//! Names of blobs.

use std::fmt;

/// Bytes of a blob's name.
const BLOB_ID_BYTES: usize = 32;

/// A blob's name: the SHA-256 of its content, so that one name never stands for two contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub [u8; BLOB_ID_BYTES]);

impl BlobId {
    /// Reads 64 lower-case hexadecimal digits; nothing for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut id = [0; BLOB_ID_BYTES];
        if text.len() != 2 * BLOB_ID_BYTES {
            return None;
        }
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(id))
    }

    /// Reads the first bytes of `bytes`; nothing if there are too few.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().map(|id| Self(*id))
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand: a file is opened for each blob, and its name is most of what that costs.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 2 * BLOB_ID_BYTES];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        f.write_str(str::from_utf8(&text).expect("digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_spelling_names_a_blob() {
        let id = BlobId(std::array::from_fn(|at| at as u8 * 7));
        let text = id.to_string();
        assert_eq!(BlobId::parse(&text), Some(id));
        assert_eq!(BlobId::parse(&text.to_uppercase()), None);
        assert_eq!(BlobId::parse(&text[1..]), None);
        assert_eq!(BlobId::parse(&text.replace("00", "é")), None);
        assert_eq!((BlobId::read(&id.0), BlobId::read(&id.0[1..])), (Some(id), None));
    }
}
