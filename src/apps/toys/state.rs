//! What the shop keeps: toys in the order in which they came, and orders by their id.
//!
//! Both are folds that commute. A toy stands at the place of its record, and a number that was given twice names the
//! earlier one; of two orders with one id, and of two toys with one key, the earlier one stands. A toy that gave way is passed
//! over. Nothing is ever taken away but by a cut (`trim.rs`). The oldest toys without a key go to the disk (`aging.rs`).

use std::collections::BTreeMap;

use crate::app::floors::Floors;
use crate::app::old::Old;
use crate::apps::toys::limits::{TOYS_COUNT_MAX, TOYS_HELD_MAX, TOYS_NAMES_BYTES_MAX};
use crate::base::ids::{Inc, NodeId, Origin};

use super::claims::{Claim, Claims};
use super::index::{Held, Index};
use super::place::Place;
use super::record::{Fingerprint, KeyId, OrderId};

/// The toys that every shop begins with: their numbers are the same on all hosts.
pub(super) const FIRST: [(u64, &str); 2] = [(1, "Yoyo"), (2, "Joli train")];

/// A toy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its number.
    pub id: u64,
    /// Its name; any text.
    pub name: Box<str>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The place of its record.
    pub place: Place,
    /// When it is done by its own time, microseconds since 1970.
    pub done_us: u64,
    /// Since when it is known here, microseconds of this process's monotonic clock. No part of the state.
    pub here_us: u64,
    /// It was applied as it was committed; if not, it is one of before this start or of a snapshot. No part of the state.
    pub is_live: bool,
    /// Of the body that it was sent with; zeros if it came without a key.
    pub fingerprint: Fingerprint,
    /// What was ordered.
    pub product: Box<str>,
}

impl Order {
    /// Returns how long it still takes, microseconds; 0 once it is done. By duration since it was applied here, whatever the clock of
    /// the host that took it said; after a restart by its time `counts_us`, but no longer than all of its duration again.
    #[must_use]
    pub fn rest_us(&self, counts_us: u64, now: Now) -> u64 {
        let takes_us = self.done_us.saturating_sub(self.place.time_us);
        let rest_us = self.here_us.saturating_add(takes_us).saturating_sub(now.clock_us);
        if self.is_live {
            rest_us
        } else {
            rest_us.min(counts_us.saturating_add(takes_us).saturating_sub(now.wall_us))
        }
    }
}

/// What this host's clocks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Microseconds since 1970; may be wrong, and jump.
    pub wall_us: u64,
    /// Microseconds since this process's start; never jumps.
    pub clock_us: u64,
}

/// The shop's state.
#[derive(Clone, Debug)]
pub struct ToysState {
    pub(super) products: BTreeMap<Place, Product>,
    /// Where the toy with that number stands.
    pub(super) places: BTreeMap<u64, Place>,
    /// Toys whose number an earlier one has.
    pub(super) doubles: usize,
    /// The largest number given.
    pub(super) last_id: u64,
    pub(super) claims: Claims,
    pub(super) orders: BTreeMap<OrderId, Order>,
    /// Orders that gave way to an earlier one with their id: they stand if a cut takes that.
    pub(super) later: BTreeMap<(OrderId, Place), Order>,
    pub(super) floors: Floors,
    pub(super) index: Index,
    /// Bytes of all names.
    pub(super) names_bytes: usize,
    /// Those of toys without a key that were added.
    pub(super) plain_bytes: usize,
    pub(super) old: Old,
    /// The process's monotonic clock while records are applied as they are committed. No part of the state.
    pub(super) clock_us: Option<u64>,
}

impl Default for ToysState {
    /// Returns a shop before its first record: two toys, earlier than any record can be.
    fn default() -> Self {
        let mut state = Self {
            products: BTreeMap::new(),
            places: BTreeMap::new(),
            doubles: 0,
            last_id: 0,
            claims: Claims::default(),
            orders: BTreeMap::new(),
            later: BTreeMap::new(),
            floors: Floors::default(),
            index: Index::default(),
            names_bytes: 0,
            plain_bytes: 0,
            old: Old::default(),
            clock_us: None,
        };
        for (seq, (id, name)) in (1..).zip(FIRST) {
            let origin = Origin { node: NodeId(0), inc: Inc(0) };
            state.add(Place { time_us: 0, origin, seq }, id, name);
        }
        state
    }
}

impl ToysState {
    /// Returns how many toys there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.products.len() - self.claims.displaced() + self.old.count() as usize
    }

    /// Returns the toy in memory that came last.
    #[must_use]
    pub fn last(&self) -> Option<(&Place, &Product)> {
        self.products.iter().rev().find(|(place, _)| !self.claims.is_displaced(place))
    }

    /// Returns where the first toy in memory with that number stands, one that gave way included.
    #[must_use]
    pub fn place(&self, id: u64) -> Option<Place> {
        self.places.get(&id).copied()
    }

    /// Returns the toy in memory with that number, or the one that stands in for it.
    #[must_use]
    pub fn product(&self, id: u64) -> Option<&Product> {
        let place = self.places.get(&id)?;
        if !self.claims.is_displaced(place) {
            return self.products.get(place);
        }
        self.products.get(self.places.get(&self.claims.stand_in(place)?)?)
    }

    /// Returns the toys in memory behind a place, or all of them, in their order.
    pub fn products(&self, after: Option<Place>) -> impl Iterator<Item = (&Place, &Product)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let found = self.products.range((after.map_or(Unbounded, Excluded), Unbounded));
        found.filter(|(place, _)| !self.claims.is_displaced(place))
    }

    /// Returns the claim that stands for a key.
    #[must_use]
    pub fn claim(&self, key: &KeyId) -> Option<&Claim> {
        self.claims.standing(key)
    }

    /// Returns the order with that id.
    #[must_use]
    pub fn order(&self, id: &OrderId) -> Option<&Order> {
        self.orders.get(id)
    }

    /// Returns whether there is room for one more name of so many bytes.
    #[must_use]
    pub fn has_room_for(&self, name_bytes: usize) -> bool {
        let held = self.claims.iter().len().max(self.orders.len());
        self.count() < TOYS_COUNT_MAX
            && held < TOYS_HELD_MAX
            && self.names_bytes + name_bytes <= TOYS_NAMES_BYTES_MAX
    }

    /// Adds a toy; gives whether it is not cut.
    pub(super) fn add(&mut self, place: Place, id: u64, name: &str) -> bool {
        self.last_id = self.last_id.max(id);
        if self.floors.cover(place.origin, place.seq) {
            return false;
        }
        self.names_bytes += name.len();
        self.products.insert(place, Product { id, name: name.into() });
        self.index.add(Held::Toy(place));
        match self.places.get_mut(&id) {
            None => drop(self.places.insert(id, place)),
            Some(first) => {
                *first = place.min(*first);
                self.doubles += 1;
            }
        }
        true
    }

    /// Puts the toy at `place` where it would stand if it had come at `time_us`.
    pub(super) fn move_to(&mut self, place: Place, time_us: u64) {
        let Some(product) = self.products.remove(&place) else { return };
        let (id, moved) = (product.id, Place { time_us, ..place });
        self.products.insert(moved, product);
        self.index.add(Held::Toy(moved));
        if self.places.get(&id).is_some_and(|first| *first >= moved) {
            self.places.insert(id, moved);
        }
    }

    /// Gives whether the order stands.
    pub(super) fn take_order(&mut self, id: OrderId, order: Order) -> bool {
        let place = order.place;
        if self.floors.cover(place.origin, place.seq) {
            return false;
        }
        self.names_bytes += order.product.len();
        self.index.add(Held::Order(place, id));
        let stands = self.orders.get(&id).is_none_or(|standing| place < standing.place);
        let gave_way = if stands { self.orders.insert(id, order) } else { Some(order) };
        if let Some(later) = gave_way {
            self.later.insert((id, later.place), later);
        }
        stands
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
