//! The records of the Fibonacci service, as they are asked for and as they are stamped.
//!
//! ```text
//! next      asked: u64 last position allowed   stamped: u8 effect, 1, or 0 at the end
//! previous  asked: nothing                     stamped: u8 effect, 1 (one step back), or 0 at zero
//! reset     asked: nothing                     stamped: for each stream node, inc, seq, sum (u64 each)
//! import    asked: u64 hits, u64 position      stamped: the same, or nothing when there is something already
//! ```

use crate::apps::pex::tag::{PEX_IMPORT, PEX_NEXT, PEX_PREVIOUS, PEX_RESET};
use crate::base::ids::{Inc, NodeId, Origin, Seq};
use crate::base::numbers::u64_at;
use crate::log::format::record;

/// Encoded bytes of one stream's floor in a reset.
pub const FLOOR_BYTES: usize = 32;

/// How far a reset reached in one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Floor {
    /// The last record that it took away.
    pub seq: Seq,
    /// Sum of the stream's steps up to and including that one.
    pub sum: i64,
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// One step on, unless the position is `last` or beyond.
    Next {
        /// The last position there is.
        last: u64,
    },
    /// One step back, but not below zero.
    Previous,
    /// Back to zero.
    Reset,
    /// Takes over what another server had counted.
    Import {
        /// Its hits.
        hits: u64,
        /// Its position.
        position: u64,
    },
}

impl Wish {
    /// Returns the record to be stamped.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        match self {
            Self::Next { last } => record::push(&mut out, PEX_NEXT, &last.to_le_bytes()),
            Self::Previous => record::push(&mut out, PEX_PREVIOUS, &[]),
            Self::Reset => record::push(&mut out, PEX_RESET, &[]),
            Self::Import { hits, position } => push_import(hits, position, &mut out),
        }
        out
    }

    /// Returns the wish that an unstamped record holds.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let payload = record::payload(bytes);
        match (*bytes.first()?, payload.len()) {
            (PEX_NEXT, 8) => Some(Self::Next { last: word(payload, 0) }),
            (PEX_PREVIOUS, 0) => Some(Self::Previous),
            (PEX_RESET, 0) => Some(Self::Reset),
            (PEX_IMPORT, 16) => Some(Self::Import { hits: word(payload, 0), position: word(payload, 1) }),
            _ => None,
        }
    }
}

/// What a stamped record does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The position is moved by 1, 0 or -1, and a hit is counted.
    Step(i64),
    /// A step on was asked for at the end: nothing is moved or counted.
    AtEnd,
    /// The steps up to these floors are taken away, and a hit is counted.
    Reset(Floors<'a>),
    /// Hits and a position are taken over.
    Import {
        /// The hits.
        hits: u64,
        /// The position.
        position: u64,
    },
    /// An import came too late: nothing is changed.
    NoImport,
}

impl<'a> Change<'a> {
    /// Reads a stamped record.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let payload = record::payload(bytes);
        match (*bytes.first()?, payload) {
            (PEX_NEXT, [0]) => Some(Self::AtEnd),
            (PEX_NEXT, [1]) => Some(Self::Step(1)),
            (PEX_PREVIOUS, [0]) => Some(Self::Step(0)),
            (PEX_PREVIOUS, [1]) => Some(Self::Step(-1)),
            (PEX_RESET, floors) if floors.len().is_multiple_of(FLOOR_BYTES) => {
                Some(Self::Reset(Floors { bytes: floors }))
            }
            (PEX_IMPORT, []) => Some(Self::NoImport),
            (PEX_IMPORT, [..]) if payload.len() == 16 => {
                Some(Self::Import { hits: word(payload, 0), position: word(payload, 1) })
            }
            _ => None,
        }
    }
}

/// The floors of a reset, one for each stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floors<'a> {
    bytes: &'a [u8],
}

impl Iterator for Floors<'_> {
    type Item = (Origin, Floor);

    fn next(&mut self) -> Option<Self::Item> {
        let (floor, rest) = self.bytes.split_at_checked(FLOOR_BYTES)?;
        self.bytes = rest;
        let origin = Origin { node: NodeId(word(floor, 0)), inc: Inc(word(floor, 1)) };
        Some((origin, Floor { seq: word(floor, 2), sum: word(floor, 3).cast_signed() }))
    }
}

/// Appends a stamped step on.
pub fn push_next(moves: bool, out: &mut Vec<u8>) {
    record::push(out, PEX_NEXT, &[u8::from(moves)]);
}

/// Appends a stamped step back.
pub fn push_previous(moves: bool, out: &mut Vec<u8>) {
    record::push(out, PEX_PREVIOUS, &[u8::from(moves)]);
}

/// Appends a stamped reset.
pub fn push_reset(floors: impl Iterator<Item = (Origin, Floor)>, out: &mut Vec<u8>) {
    let mut payload = Vec::new();
    for (origin, floor) in floors {
        for word in [origin.node.0, origin.inc.0, floor.seq, floor.sum.cast_unsigned()] {
            payload.extend_from_slice(&word.to_le_bytes());
        }
    }
    record::push(out, PEX_RESET, &payload);
}

/// Appends an import that counts.
pub fn push_import(hits: u64, position: u64, out: &mut Vec<u8>) {
    record::push(out, PEX_IMPORT, &[hits.to_le_bytes(), position.to_le_bytes()].concat());
}

/// Appends an import that came too late.
pub fn push_no_import(out: &mut Vec<u8>) {
    record::push(out, PEX_IMPORT, &[]);
}

/// Returns the `index`th of the words that `bytes` are.
pub(super) fn word(bytes: &[u8], index: usize) -> u64 {
    u64_at(bytes, 8 * index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_round_trip() {
        let wishes = [
            Wish::Next { last: 7 },
            Wish::Previous,
            Wish::Reset,
            Wish::Import { hits: u64::MAX, position: 3 },
        ];
        for wish in wishes {
            assert_eq!(Wish::decode(&wish.encode()), Some(wish));
        }
    }

    #[test]
    fn golden_bytes_of_stamped_records() {
        let mut out = Vec::new();
        push_next(true, &mut out);
        push_previous(true, &mut out);
        push_no_import(&mut out);
        assert_eq!(out, [0x21, 1, 0, 0, 0, 1, 0x22, 1, 0, 0, 0, 1, 0x23, 0, 0, 0, 0]);
        let changes: Vec<_> = record::records(&out).map(|record| Change::decode(record.unwrap())).collect();
        assert_eq!(changes, [Some(Change::Step(1)), Some(Change::Step(-1)), Some(Change::NoImport)]);
    }

    #[test]
    fn what_is_no_record_of_ours_is_nothing() {
        for (tag, payload) in [
            (PEX_NEXT, &[2][..]),
            (PEX_NEXT, &[]),
            (PEX_RESET, &[0; 31]),
            (PEX_IMPORT, &[0; 15]),
            (0x2E, &[1]),
        ] {
            let mut bytes = Vec::new();
            record::push(&mut bytes, tag, payload);
            assert_eq!(Change::decode(&bytes), None, "{tag:x} {payload:?}");
        }
        assert_eq!((Change::decode(&[]), Wish::decode(&[])), (None, None));
    }
}
