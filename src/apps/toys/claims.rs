//! Toys that were sent with an Idempotency-Key: of those with one key the earliest stands, and the others give way to it.
//!
//! Two hosts that don't see each other may both take a toy with one key, and both have told its number. A toy that gave way
//! keeps its record, so that any order of the records leads to the same state, and its number leads to the toy that stands.

use std::collections::BTreeMap;

use crate::base::ids::{Origin, Seq};

use super::place::Place;
use super::record::{Fingerprint, KeyId};

/// A toy's claim to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The number that the toy got.
    pub id: u64,
    /// Of the request's body.
    pub fingerprint: Fingerprint,
}

/// All claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    by_key: BTreeMap<(KeyId, Place), Claim>,
    /// Toys that gave way, with their keys.
    displaced: BTreeMap<(Origin, Seq), KeyId>,
    /// Where each claim stands.
    places: BTreeMap<(Origin, Seq), (KeyId, Place)>,
}

impl Claims {
    /// Takes up a claim that was logged at `place`. Returns whether its toy stands now.
    pub fn add(&mut self, key: KeyId, place: Place, claim: Claim) -> bool {
        let standing = self.first(&key).map(|(place, _)| *place);
        self.by_key.insert((key, place), claim);
        self.places.insert((place.origin, place.seq), (key, place));
        let gives_way = match standing {
            None => return true,
            Some(standing) => standing.max(place),
        };
        self.displaced.insert((gives_way.origin, gives_way.seq), key);
        gives_way != place
    }

    /// Takes the claim of a record back, if it has one. If it stood, the earliest of the others does now.
    pub fn remove(&mut self, at: (Origin, Seq)) {
        let Some((key, place)) = self.places.remove(&at) else { return };
        self.by_key.remove(&(key, place));
        self.displaced.remove(&at);
        if let Some((first, _)) = self.first(&key) {
            let first = (first.origin, first.seq);
            self.displaced.remove(&first);
        }
    }

    /// Returns the claim of a record: its key, its place and itself.
    #[must_use]
    pub fn of_record(&self, at: (Origin, Seq)) -> Option<(KeyId, Place, Claim)> {
        let (key, place) = *self.places.get(&at)?;
        Some((key, place, *self.by_key.get(&(key, place))?))
    }

    /// Returns whether a record has a claim.
    #[must_use]
    pub fn has(&self, at: (Origin, Seq)) -> bool {
        self.places.contains_key(&at)
    }

    /// Returns the claim that stands.
    #[must_use]
    pub fn standing(&self, key: &KeyId) -> Option<&Claim> {
        self.first(key).map(|(_, claim)| claim)
    }

    /// Returns whether the toy whose record is that one gave way to another.
    #[must_use]
    pub fn is_displaced(&self, place: &Place) -> bool {
        !self.displaced.is_empty() && self.displaced.contains_key(&(place.origin, place.seq))
    }

    /// Returns how many toys gave way.
    #[must_use]
    pub fn displaced(&self) -> usize {
        self.displaced.len()
    }

    /// Returns the record of the toy that stands in for one that gave way; nothing if their bodies differed.
    #[must_use]
    pub fn stand_in(&self, place: &Place) -> Option<(Origin, Seq)> {
        let key = self.displaced.get(&(place.origin, place.seq))?;
        let own = self.of(key).find(|(at, _)| (at.origin, at.seq) == (place.origin, place.seq))?.1;
        let (at, standing) = self.first(key)?;
        (standing.fingerprint == own.fingerprint).then_some((at.origin, at.seq))
    }

    /// Returns all claims in a fixed order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&KeyId, &Place, &Claim)> {
        self.by_key.iter().map(|((key, place), claim)| (key, place, claim))
    }

    fn first(&self, key: &KeyId) -> Option<(&Place, &Claim)> {
        self.of(key).next()
    }

    /// Returns the claims to one key, the earliest first.
    pub fn of(&self, key: &KeyId) -> impl Iterator<Item = (&Place, &Claim)> {
        let found = self.by_key.range((*key, Place::FIRST)..);
        let key = *key;
        found.take_while(move |((of, _), _)| *of == key).map(|((_, place), claim)| (place, claim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, NodeId};

    const KEY: KeyId = [7; 16];

    fn place(time_us: u64, node: u64) -> Place {
        Place { time_us, origin: Origin { node: NodeId(node), inc: Inc(1) }, seq: time_us }
    }

    #[test]
    fn the_earliest_stands_in_whatever_order_they_come() {
        let all = [(place(30, 1), 31, 1), (place(10, 2), 11, 1), (place(20, 3), 21, 2)];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut claims = Claims::default();
            for (place, id, body) in order.map(|at| all[at]) {
                let is_earliest = claims.of(&KEY).all(|(other, _)| place < *other);
                assert_eq!(claims.add(KEY, place, Claim { id, fingerprint: [body; 16] }), is_earliest);
            }
            claims.add([8; 16], place(5, 1), Claim { id: 5, fingerprint: [1; 16] });
            assert_eq!((claims.standing(&KEY).map(|claim| claim.id), claims.displaced()), (Some(11), 2));
            assert_eq!(all.map(|(place, ..)| claims.is_displaced(&place)), [true, false, true]);
            // The same body means the same toy; another one never meant it.
            let stand_in = Some((all[1].0.origin, all[1].0.seq));
            assert_eq!(all.map(|(place, ..)| claims.stand_in(&place)), [stand_in, None, None]);
        }
        assert_eq!(Claims::default().standing(&KEY), None);
    }
}
