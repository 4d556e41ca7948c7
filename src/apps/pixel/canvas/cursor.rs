//! Cursors of the canvas: up to where the journal of this host has been told, as an opaque word. Pictures, frames and events have
//! the same ones.
//!
//! ```text
//! 0 u8 version (2)   1 u64 node   9 u64 position   17 u32 0   21 u32 check       25 bytes
//! ```
//!
//! As long as the cursors of the list (`super::super::cursor`), and told apart from them by the version.

use super::super::cursor;
use crate::base::ids::{NodeId, Position};

const VERSION: u8 = 2;

/// Letters of a cursor's word.
pub const CURSOR_LETTERS: usize = 34;

/// A place in a host's journal: behind a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The host.
    pub node: NodeId,
    /// Where the batch ends.
    pub position: Position,
}

impl Cursor {
    /// Returns the word for it: [`CURSOR_LETTERS`] letters.
    #[must_use]
    pub fn encode(&self) -> String {
        cursor::encode(VERSION, self.node, self.position, 0)
    }

    /// Reads a word; nothing if it is no such cursor.
    #[must_use]
    pub fn decode(word: &str) -> Option<Self> {
        cursor::decode(VERSION, word).map(|(node, position, _)| Self { node, position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::pixel::cursor;

    #[test]
    fn a_cursor_survives_and_is_none_of_the_list() {
        let cursor = Cursor { node: NodeId(0xFEDC_BA98_7654_3210), position: Position(1 << 40) };
        let word = cursor.encode();
        assert_eq!((word.len(), Cursor::decode(&word)), (CURSOR_LETTERS, Some(cursor)));
        assert_eq!(cursor::Cursor::decode(&word), None);
        let listed =
            cursor::Cursor { node: NodeId(1), batch: Position(2), index: 3, is_filtered: false }.encode();
        for other in [listed.as_str(), "", &word[1..], "null"] {
            assert_eq!(Cursor::decode(other), None);
        }
    }
}
