//! Fields of records and snapshots: little-endian numbers, and bytes behind their length.

use crate::base::blob::BlobId;
use crate::base::ids::{Inc, NodeId, Origin};

/// Reads fields one after the other; nothing where the bytes end too soon.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Returns the fields in `bytes`.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns whether all was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }

    /// Takes all that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Returns the next bytes, as many as the array has.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    /// Returns a byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Returns a number of four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Returns a number of eight bytes.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Returns the name of a stream.
    pub fn origin(&mut self) -> Option<Origin> {
        Some(Origin { node: NodeId(self.u64()?), inc: Inc(self.u64()?) })
    }

    /// Returns the name of a blob.
    pub fn blob(&mut self) -> Option<BlobId> {
        self.array().map(BlobId)
    }

    /// Returns a text behind the number of its bytes.
    pub fn text(&mut self) -> Option<&'a str> {
        let length = self.u32()?;
        std::str::from_utf8(self.bytes(length as usize)?).ok()
    }
}

/// Appends the name of a stream.
pub fn push_origin(out: &mut Vec<u8>, origin: Origin) {
    out.extend_from_slice(&origin.node.0.to_le_bytes());
    out.extend_from_slice(&origin.inc.0.to_le_bytes());
}

/// Appends a text behind the number of its bytes.
///
/// # Panics
/// Panics if it is longer than 4 GiB.
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&u32::try_from(text.len()).expect("a text of a record").to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
