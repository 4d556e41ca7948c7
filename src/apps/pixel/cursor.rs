//! Cursors: where a listing was left, as an opaque word that only the host that made it understands.
//!
//! ```text
//! 0 u8 version (1, of a filtered list 3)   1 u64 node   9 u64 position of the batch   17 u32 index in it   21 u32 check       25 bytes
//! ```
//!
//! Little endian, in base64url without padding. The check keeps typing errors apart from cursors; it is no secret,
//! because a cursor grants nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::base::ids::{NodeId, Position};
use crate::base::numbers::{u32_at, u64_at};

const VERSION: u8 = 1;
/// Of a list that left some out; 2 is the canvas's.
const VERSION_FILTERED: u8 = 3;
const CURSOR_BYTES: usize = 25;
const CHECKED_BYTES: usize = 21;

/// A pixel that was listed, by its place in this host's journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The host whose journal is meant.
    pub node: NodeId,
    /// Where its batch starts.
    pub batch: Position,
    /// Its record's number in the batch, from 0.
    pub index: u32,
    /// The list left some out, so that not all before it were seen.
    pub is_filtered: bool,
}

impl Cursor {
    /// Returns the word for it: 34 letters.
    #[must_use]
    pub fn encode(&self) -> String {
        let version = if self.is_filtered { VERSION_FILTERED } else { VERSION };
        encode(version, self.node, self.batch, self.index)
    }

    /// Reads a word; nothing if it is no cursor.
    #[must_use]
    pub fn decode(word: &str) -> Option<Self> {
        [(VERSION, false), (VERSION_FILTERED, true)].into_iter().find_map(|(version, is_filtered)| {
            let (node, batch, index) = decode(version, word)?;
            Some(Self { node, batch, index, is_filtered })
        })
    }
}

/// Returns the word for a place in a host's journal, of a cursor of this version.
pub(super) fn encode(version: u8, node: NodeId, position: Position, index: u32) -> String {
    let mut bytes = [0; CURSOR_BYTES];
    bytes[0] = version;
    bytes[1..9].copy_from_slice(&node.0.to_le_bytes());
    bytes[9..17].copy_from_slice(&position.0.to_le_bytes());
    bytes[17..CHECKED_BYTES].copy_from_slice(&index.to_le_bytes());
    let check = check(&bytes[..CHECKED_BYTES]);
    bytes[CHECKED_BYTES..].copy_from_slice(&check.to_le_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a word; nothing if it is no cursor of this version.
pub(super) fn decode(version: u8, word: &str) -> Option<(NodeId, Position, u32)> {
    let bytes: [u8; CURSOR_BYTES] = URL_SAFE_NO_PAD.decode(word).ok()?.try_into().ok()?;
    let (checked, check_bytes) = bytes.split_at(CHECKED_BYTES);
    (bytes[0] == version && check(checked).to_le_bytes() == check_bytes)
        .then(|| (NodeId(u64_at(&bytes, 1)), Position(u64_at(&bytes, 9)), u32_at(&bytes, 17)))
}

/// Returns FNV-1a, 32 bit (draft-eastlake-fnv).
fn check(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_and_a_changed_one_is_seen() {
        let cursor = Cursor {
            node: NodeId(0xFEDC_BA98_7654_3210),
            batch: Position(1 << 40),
            index: 77,
            is_filtered: false,
        };
        let word = cursor.encode();
        assert_eq!(word.len(), 34);
        for cursor in [cursor, Cursor { is_filtered: true, ..cursor }] {
            assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
            // As the document says of the parameter.
            assert!(include_str!("openapi/get_pixels.json").contains("\"^A[A-Za-z0-9_-]{33}$\""));
            let word = cursor.encode();
            assert!(word.starts_with('A') && word.len() == 34, "{word}");
        }
        for at in 0..word.len() {
            let mut changed = word.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_ne!(Cursor::decode(std::str::from_utf8(&changed).unwrap()), Some(cursor));
        }
        for word in ["", "x", "!!!!", &word[1..], "null"] {
            assert_eq!(Cursor::decode(word), None);
        }
    }
}
