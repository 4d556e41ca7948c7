//! The record of a cut: up to where each stream is not listed any more.
//!
//! ```text
//! cut      0x1e  for each stream: 0 u64 node  8 u64 inc  16 u64 seq  24 u64 pixels up to it
//! clear    0x1f  the same, of all streams
//! ```
//!
//! A floor is a fact about its stream, so it needs no stamp and may be logged by either host at any time. Floors are joined
//! by taking the higher one.

use crate::apps::pixel::tag::{FLOOR_BYTES, PIXEL_CUT};
use crate::base::ids::{Inc, NodeId, Origin, Seq};
use crate::base::limits::CUT_FLOORS_MAX;
use crate::log::format::record;

/// How far a stream was cleared or cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Floor {
    /// The last record that is not listed any more.
    pub seq: Seq,
    /// Pixels of the stream up to and including it.
    pub pixels: u64,
}

/// Appends a floor as records have it.
pub fn push_floor(payload: &mut Vec<u8>, origin: Origin, floor: Floor) {
    for word in [origin.node.0, origin.inc.0, floor.seq, floor.pixels] {
        payload.extend_from_slice(&word.to_le_bytes());
    }
}

/// Returns the floors of a clear's or a cut's record.
pub fn floors(record: &[u8]) -> impl Iterator<Item = (Origin, Floor)> {
    record::payload(record).chunks_exact(FLOOR_BYTES).map(|entry| {
        let word = |index: usize| {
            u64::from_le_bytes(entry[8 * index..8 * index + 8].try_into().expect("eight bytes"))
        };
        let origin = Origin { node: NodeId(word(0)), inc: Inc(word(1)) };
        (origin, Floor { seq: word(2), pixels: word(3) })
    })
}

/// Returns a cut that cuts nothing.
#[must_use]
pub fn no_cut() -> Vec<u8> {
    let mut record = Vec::new();
    record::push(&mut record, PIXEL_CUT, &[]);
    record
}

/// Returns a cut with these floors, at most [`CUT_FLOORS_MAX`] in each record.
#[must_use]
pub fn records(floors: &[(Origin, Floor)]) -> Vec<Vec<u8>> {
    let record = |floors: &[(Origin, Floor)]| {
        let (mut payload, mut record) = (Vec::new(), Vec::new());
        floors.iter().for_each(|(origin, floor)| push_floor(&mut payload, *origin, *floor));
        record::push(&mut record, PIXEL_CUT, &payload);
        record
    };
    floors.chunks(CUT_FLOORS_MAX).map(record).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::pixel::tag::RECORD_BYTES_MAX;

    #[test]
    fn golden_bytes() {
        let floor = |inc| (Origin { node: NodeId(1), inc: Inc(inc) }, Floor { seq: 3, pixels: 2 });
        let all: Vec<_> = (0..CUT_FLOORS_MAX as u64 + 1).map(floor).collect();
        let records = records(&all);
        assert_eq!((records.len(), records[0].len()), (2, RECORD_BYTES_MAX));
        let numbers = [1, CUT_FLOORS_MAX as u64, 3, 2].map(u64::to_le_bytes).concat();
        assert_eq!(records[1], [&[0x1E, 32, 0, 0, 0][..], &numbers].concat());
        assert_eq!(records.iter().flat_map(|record| floors(record)).collect::<Vec<_>>(), all);
    }
}
