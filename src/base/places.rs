//! Sets of places: of which record in which stream something is known, in about a bit for each where they are dense.

use std::collections::BTreeMap;

use roaring::RoaringTreemap;

use super::ids::{Inc, NodeId, Origin, Seq};
use super::numbers::{u32_at, u64_at};

/// Where a record stands: its stream, and its number there. No two records share one, and none ever moves.
pub type Place = (Origin, Seq);

/// Bytes of a place in the order of places.
pub const PLACE_BYTES: usize = 24;

/// Returns a place as bytes whose order is that of places.
#[must_use]
pub fn place_bytes((origin, seq): Place) -> [u8; PLACE_BYTES] {
    let mut bytes = [0; PLACE_BYTES];
    for (part, word) in bytes.chunks_exact_mut(8).zip([origin.node.0, origin.inc.0, seq]) {
        part.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

/// Returns the place that these are the bytes of.
#[must_use]
pub fn place_of(bytes: &[u8; PLACE_BYTES]) -> Place {
    let word = |at: usize| u64::from_be_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    (Origin { node: NodeId(word(0)), inc: Inc(word(8)) }, word(16))
}

/// A set of places.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places {
    /// No stream has an empty set.
    by_stream: BTreeMap<Origin, RoaringTreemap>,
}

impl Places {
    /// Adds a place; gives whether it is new.
    pub fn insert(&mut self, (origin, seq): Place) -> bool {
        self.by_stream.entry(origin).or_default().insert(seq)
    }

    /// Takes a place out; gives whether it was there.
    pub fn remove(&mut self, (origin, seq): Place) -> bool {
        let Some(seqs) = self.by_stream.get_mut(&origin) else { return false };
        let was_there = seqs.remove(seq);
        if seqs.is_empty() {
            self.by_stream.remove(&origin);
        }
        was_there
    }

    /// Returns whether a place is in it.
    #[must_use]
    pub fn contains(&self, (origin, seq): &Place) -> bool {
        self.by_stream.get(origin).is_some_and(|seqs| seqs.contains(*seq))
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.by_stream.values().map(RoaringTreemap::len).sum()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_stream.is_empty()
    }

    /// Returns those of one stream up to a number.
    #[must_use]
    pub fn up_to(&self, origin: Origin, last: Seq) -> Self {
        let mut found = self.by_stream.get(&origin).cloned().unwrap_or_default();
        if let Some(behind) = last.checked_add(1) {
            found.remove_range(behind..);
        }
        Self::of_streams([(origin, found)])
    }

    /// Returns those of one stream from a number up to another one.
    #[must_use]
    pub fn between(&self, origin: Origin, first: Seq, last: Seq) -> Self {
        let mut found = self.up_to(origin, last);
        if let Some(seqs) = found.by_stream.get_mut(&origin) {
            seqs.remove_range(..first);
        }
        found.by_stream.retain(|_, seqs| !seqs.is_empty());
        found
    }

    /// Returns those that the other set does not have.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self::of_streams(self.by_stream.iter().map(|(origin, seqs)| match other.by_stream.get(origin) {
            Some(others) => (*origin, seqs - others),
            None => (*origin, seqs.clone()),
        }))
    }

    /// Returns those that both have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let of_both = self
            .by_stream
            .iter()
            .filter_map(|(origin, seqs)| other.by_stream.get(origin).map(|others| (*origin, seqs & others)));
        Self::of_streams(of_both)
    }

    /// Adds all of the other set.
    pub fn add_all(&mut self, other: &Self) {
        for (origin, seqs) in &other.by_stream {
            *self.by_stream.entry(*origin).or_default() |= seqs;
        }
    }

    /// Takes all of the other set out.
    pub fn remove_all(&mut self, other: &Self) {
        for (origin, seqs) in &other.by_stream {
            if let Some(own) = self.by_stream.get_mut(origin) {
                *own -= seqs;
            }
        }
        self.by_stream.retain(|_, seqs| !seqs.is_empty());
    }

    /// Returns all of them, in the order of places.
    pub fn iter(&self) -> impl Iterator<Item = Place> + '_ {
        self.by_stream.iter().flat_map(|(origin, seqs)| seqs.iter().map(|seq| (*origin, seq)))
    }

    /// Returns the numbers of a stream's places, in their order.
    pub fn numbers(&self, origin: Origin) -> impl Iterator<Item = Seq> + '_ {
        self.by_stream.get(&origin).into_iter().flat_map(RoaringTreemap::iter)
    }

    /// Appends their bytes.
    pub fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::try_from(self.by_stream.len()).expect("bounded streams").to_le_bytes());
        for (origin, seqs) in &self.by_stream {
            for word in [origin.node.0, origin.inc.0, seqs.serialized_size() as u64] {
                out.extend_from_slice(&word.to_le_bytes());
            }
            seqs.serialize_into(&mut *out).expect("memory takes everything");
        }
    }

    /// Reads the bytes at the start of `bytes`; gives how many they were, too. Nothing if they are no set.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let (count, mut at) = (u32_at(bytes.get(..4)?, 0), 4);
        let mut by_stream = BTreeMap::new();
        for _ in 0..count {
            let head = bytes.get(at..at + 24)?;
            let origin = Origin { node: NodeId(u64_at(head, 0)), inc: Inc(u64_at(head, 8)) };
            let length = usize::try_from(u64_at(head, 16)).ok()?;
            at += 24;
            let content = bytes.get(at..at.checked_add(length)?)?;
            let seqs = RoaringTreemap::deserialize_from(content).ok()?;
            at += length;
            if seqs.is_empty() || by_stream.last_key_value().is_some_and(|(last, _)| *last >= origin) {
                return None;
            }
            by_stream.insert(origin, seqs);
        }
        Some((Self { by_stream }, at))
    }

    fn of_streams(streams: impl IntoIterator<Item = (Origin, RoaringTreemap)>) -> Self {
        Self { by_stream: streams.into_iter().filter(|(_, seqs)| !seqs.is_empty()).collect() }
    }
}

impl FromIterator<Place> for Places {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        let mut set = Self::default();
        for place in places {
            set.insert(place);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(inc: u64) -> Origin {
        Origin { node: NodeId(7), inc: Inc(inc) }
    }

    fn set(places: &[(u64, Seq)]) -> Places {
        places.iter().map(|(inc, seq)| (origin(*inc), *seq)).collect()
    }

    #[test]
    fn sets_are_joined_cut_and_read_back() {
        let (one, other) = (set(&[(1, 1), (1, 5), (1, 1 << 40), (2, 3)]), set(&[(1, 5), (2, 3), (3, 9)]));
        assert_eq!(one.len(), 4);
        assert_eq!(one.minus(&other), set(&[(1, 1), (1, 1 << 40)]));
        assert_eq!(one.and(&other), set(&[(1, 5), (2, 3)]));
        assert_eq!(one.up_to(origin(1), 5), set(&[(1, 1), (1, 5)]));
        assert_eq!(one.up_to(origin(1), Seq::MAX).len(), 3);
        let mut all = one.clone();
        all.add_all(&other);
        assert_eq!(all.iter().collect::<Places>(), all);
        all.remove_all(&one);
        assert_eq!(all, set(&[(3, 9)]));
        assert!(all.remove((origin(3), 9)) && !all.remove((origin(3), 9)) && all.is_empty());
        let mut bytes = Vec::new();
        one.push(&mut bytes);
        let length = bytes.len();
        bytes.push(9);
        assert_eq!(Places::read(&bytes), Some((one, length)));
        assert_eq!(Places::read(&bytes[..length - 1]), None);
    }

    #[test]
    fn the_order_of_bytes_is_that_of_places() {
        let places: Vec<Place> = set(&[(1, 255), (1, 256), (2, 1), (256, 0)]).iter().collect();
        let bytes: Vec<_> = places.iter().map(|place| place_bytes(*place)).collect();
        assert!(bytes.is_sorted());
        assert_eq!(bytes.iter().map(place_of).collect::<Vec<_>>(), places);
    }
}
