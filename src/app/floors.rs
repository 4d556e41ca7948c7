//! Floors: up to where each stream of an application is not kept any more, and the record of a cut that raises them.
//!
//! ```text
//! cut      for each stream: 0 u64 node  8 u64 inc  16 u64 seq
//! ```
//!
//! What stands at or below the floor of its stream is gone, whether it has come already or comes yet, and so is what is said
//! of it. Floors are joined by taking the higher one, so hosts may cut apart from each other.

use std::collections::BTreeMap;

use super::fields::{Fields, push_origin};
use crate::base::folds::Folds;
use crate::base::ids::{Origin, Seq};
use crate::base::limits::CUT_FLOORS_MAX;
use crate::log::format::record;

/// The floors of one application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floors {
    by_stream: BTreeMap<Origin, Seq>,
    /// Of these no more comes, so a cut takes what is there and leaves no floor.
    folds: Folds,
}

impl Floors {
    /// Returns whether a record of that stream is gone.
    #[must_use]
    pub fn cover(&self, origin: Origin, seq: Seq) -> bool {
        self.by_stream
            .get(&origin)
            .is_some_and(|floor| seq < *floor + u64::from(!cfg!(seeded_bug = "floor_off_by_one")))
    }

    /// Returns the floor of a stream, 0 if it has none.
    #[must_use]
    pub fn of(&self, origin: Origin) -> Seq {
        self.by_stream.get(&origin).copied().unwrap_or(0)
    }

    /// Takes a cut's record; gives the floors that are higher now.
    pub fn raise(&mut self, record: &[u8]) -> Vec<(Origin, Seq)> {
        let (mut fields, mut raised) = (Fields::of(record::payload(record)), Vec::new());
        while let Some((origin, seq)) = read(&mut fields) {
            if seq > self.of(origin) {
                if !self.folds.contains(origin) {
                    self.by_stream.insert(origin, seq);
                }
                raised.push((origin, seq));
            }
        }
        raised
    }

    /// Takes note that these streams are folded: their floors are forgotten.
    pub fn take_folds(&mut self, all: &Folds) {
        self.folds = all.clone();
        self.by_stream.retain(|origin, _| !all.contains(*origin));
    }

    /// Returns whether nothing was ever cut of a stream that is not folded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_stream.is_empty()
    }

    /// Appends their bytes.
    pub fn push(&self, out: &mut Vec<u8>) {
        self.by_stream.iter().for_each(|(origin, seq)| push(out, *origin, *seq));
    }

    /// Reads all fields that are left; nothing if they are no floors in their order, each once.
    #[must_use]
    pub fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mut floors = Self::default();
        while !fields.is_empty() {
            let (origin, seq) = read(fields)?;
            if floors.by_stream.last_key_value().is_some_and(|(last, _)| *last >= origin) {
                return None;
            }
            floors.by_stream.insert(origin, seq);
        }
        Some(floors)
    }
}

/// Returns the records of a cut with these floors and this tag, at most [`CUT_FLOORS_MAX`] in each.
#[must_use]
pub fn records(tag: u8, floors: &[(Origin, Seq)]) -> Vec<Vec<u8>> {
    let record = |floors: &[(Origin, Seq)]| {
        let (mut payload, mut record) = (Vec::new(), Vec::new());
        floors.iter().for_each(|(origin, seq)| push(&mut payload, *origin, *seq));
        record::push(&mut record, tag, &payload);
        record
    };
    floors.chunks(CUT_FLOORS_MAX).map(record).collect()
}

/// Returns a cut that tests fold, of some of these streams: of what is there, of what is gone, and of what is yet to come.
#[must_use]
pub fn sample(tag: u8, seed: u64, streams: &[Origin]) -> Vec<u8> {
    let floor = |(nth, origin): (u64, &Origin)| (*origin, 1 + (seed >> (8 + nth)) % 20);
    let floors: Vec<_> = (0..8).zip(streams).map(floor).collect();
    let mut record = Vec::new();
    records(tag, &floors).into_iter().for_each(|one| record = one);
    if record.is_empty() {
        record::push(&mut record, tag, &[]);
    }
    record
}

fn push(out: &mut Vec<u8>, origin: Origin, seq: Seq) {
    push_origin(out, origin);
    out.extend_from_slice(&seq.to_le_bytes());
}

fn read(fields: &mut Fields<'_>) -> Option<(Origin, Seq)> {
    Some((fields.origin()?, fields.u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, NodeId};

    fn origin(inc: u64) -> Origin {
        Origin { node: NodeId(1), inc: Inc(inc) }
    }

    #[test]
    fn the_higher_floor_counts_and_bytes_are_read_back() {
        let mut floors = Floors::default();
        let cut = |floors: &[(Origin, Seq)]| records(0x3F, floors).concat();
        assert_eq!(
            cut(&[(origin(2), 3)]),
            [&[0x3F, 24, 0, 0, 0][..], &[1_u64, 2, 3].map(u64::to_le_bytes).concat()].concat()
        );
        assert_eq!(floors.raise(&cut(&[(origin(1), 5), (origin(2), 3)])), [(origin(1), 5), (origin(2), 3)]);
        assert_eq!(floors.raise(&cut(&[(origin(1), 4), (origin(2), 9)])), [(origin(2), 9)]);
        assert!(floors.cover(origin(1), 5) && !floors.cover(origin(1), 6) && !floors.cover(origin(3), 1));
        let mut bytes = Vec::new();
        floors.push(&mut bytes);
        assert_eq!(Floors::read(&mut Fields::of(&bytes)), Some(floors));
        assert_eq!(Floors::read(&mut Fields::of(&bytes[1..])), None);
        assert_eq!(Floors::read(&mut Fields::of(&bytes.repeat(2))), None, "one stream twice");
        let many: Vec<_> = (0..CUT_FLOORS_MAX as u64 + 1).map(|inc| (origin(inc), 1)).collect();
        assert_eq!(
            records(0x3F, &many).iter().map(Vec::len).max(),
            Some(5 + 128 * 24),
            "every application takes that"
        );
    }
}
