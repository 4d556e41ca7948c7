//! Healed times: an operator says that batches which were logged while a clock was wrong count as of another time.
//!
//! ```text
//! record  0xe1  0 u64 node  8 u64 inc  16 u64 first seq  24 u64 last seq  32 u64 time, microseconds since 1970
//! ```
//!
//! The batches stay as they are. Of several times that are said of one record the least stands, and it is never later than
//! its batch's own, so the order in which hosts hear of them does not matter.

use std::collections::BTreeSet;

use super::fields::{Fields, push_origin};
use crate::base::ids::{Inc, NodeId, Origin, Seq};
use crate::base::tag::TIME_HEALED;
use crate::log::format::record;

/// Records that count as of another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heal {
    /// Their stream.
    pub origin: Origin,
    /// The first one's number, at least 1.
    pub first: Seq,
    /// The last one's.
    pub last: Seq,
    /// The time, microseconds since 1970.
    pub time_us: u64,
}

impl Heal {
    /// Returns whether it speaks of this record.
    #[must_use]
    pub fn covers(&self, origin: Origin, seq: Seq) -> bool {
        origin == self.origin && (self.first..=self.last).contains(&seq)
    }

    /// Returns its record.
    #[must_use]
    pub fn record(&self) -> Vec<u8> {
        let (mut payload, mut out) = (Vec::new(), Vec::new());
        self.push(&mut payload);
        record::push(&mut out, TIME_HEALED, &payload);
        out
    }

    /// Reads a record; nothing for bytes of another form.
    #[must_use]
    pub fn of(record: &[u8]) -> Option<Self> {
        let mut fields = Fields::of(record::payload(record));
        let heal = Self::read(&mut fields)?;
        (record.first() == Some(&TIME_HEALED) && fields.is_empty()).then_some(heal)
    }

    fn push(&self, out: &mut Vec<u8>) {
        push_origin(out, self.origin);
        for number in [self.first, self.last, self.time_us] {
            out.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let (origin, first, last, time_us) = (fields.origin()?, fields.u64()?, fields.u64()?, fields.u64()?);
        (1..=last).contains(&first).then_some(Self { origin, first, last, time_us })
    }

    /// Returns a heal that tests fold, of the first records of one of these streams.
    #[must_use]
    pub fn sample(seed: u64, streams: &[Origin]) -> Self {
        let none = Origin { node: NodeId(3), inc: Inc(5) };
        let origin = streams.get(seed as usize % streams.len().max(1)).copied().unwrap_or(none);
        let first = 1 + (seed >> 8) % 20;
        Self { origin, first, last: first + (seed >> 16) % 20, time_us: (seed >> 24) % 20 }
    }
}

/// All that was healed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heals {
    all: BTreeSet<Heal>,
}

impl Heals {
    /// Adds one.
    pub fn add(&mut self, heal: Heal) {
        self.all.insert(heal);
    }

    /// Returns all of them.
    pub fn iter(&self) -> impl Iterator<Item = &Heal> {
        self.all.iter()
    }

    /// Returns whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns as of which time a record counts that its batch dates `sealed_us`, microseconds since 1970.
    #[must_use]
    pub fn time_us(&self, origin: Origin, seq: Seq, sealed_us: u64) -> u64 {
        let from = Heal { origin, first: 0, last: 0, time_us: 0 };
        let of_stream = self.all.range(from..).take_while(|heal| heal.origin == origin && heal.first <= seq);
        of_stream.filter(|heal| heal.last >= seq).map(|heal| heal.time_us).fold(sealed_us, u64::min)
    }

    /// Appends their bytes.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        self.all.iter().for_each(|heal| heal.push(out));
    }

    /// Reads the bytes; returns nothing if they are invalid.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (mut heals, mut fields) = (Self::default(), Fields::of(bytes));
        while !fields.is_empty() {
            let heal = Heal::read(&mut fields)?;
            if heals.all.last().is_some_and(|last| *last >= heal) {
                return None;
            }
            heals.add(heal);
        }
        Some(heals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Origin = Origin { node: NodeId(1), inc: Inc(1) };
    const OTHER: Origin = Origin { node: NodeId(1), inc: Inc(2) };

    fn heal(first: Seq, last: Seq, time_us: u64) -> Heal {
        Heal { origin: ONE, first, last, time_us }
    }

    #[test]
    fn the_least_time_stands_and_none_is_later_than_the_batchs() {
        let mut heals = Heals::default();
        [heal(3, 9, 500), heal(5, 6, 300), heal(6, 20, 400)].into_iter().for_each(|heal| heals.add(heal));
        let times: Vec<u64> = [2, 3, 5, 6, 7, 10, 20, 21].map(|seq| heals.time_us(ONE, seq, 1_000)).to_vec();
        assert_eq!(times, [1_000, 500, 300, 300, 400, 400, 400, 1_000]);
        assert_eq!((heals.time_us(ONE, 5, 200), heals.time_us(OTHER, 5, 1_000)), (200, 1_000));
        let mut bytes = Vec::new();
        heals.snapshot(&mut bytes);
        assert_eq!(Heals::read(&bytes), Some(heals));
        assert_eq!(Heals::read(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Heals::read(&[&bytes[..40], &bytes[..40]].concat()), None, "one twice");
    }

    #[test]
    fn golden_bytes() {
        let record = heal(2, 3, 4).record();
        let numbers = [1_u64, 1, 2, 3, 4].map(u64::to_le_bytes).concat();
        assert_eq!(record, [&[0xE1, 40, 0, 0, 0][..], &numbers].concat());
        assert_eq!(Heal::of(&record), Some(heal(2, 3, 4)));
        assert_eq!(Heal::of(&heal(3, 2, 4).record()), None);
        assert_eq!(Heal::of(&[&record[..], &[0]].concat()), None);
    }
}
