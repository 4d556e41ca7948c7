//! What the shop keeps: toys in the order in which they came, and orders by their id.
//!
//! Both are folds that commute. A toy stands at the place of its record, and a number that was given twice names the
//! earlier one; of two orders with one id, and of two toys with one key, the earlier one stands. A toy that gave way is passed
//! over. Nothing is ever taken away but by a cut (`trim.rs`). The oldest toys without a key go to the disk (`aging.rs`).

use std::collections::BTreeMap;

use crate::app::aging::Aging;
use crate::app::floors::{self, Floors};
use crate::app::heal::Heal;
use crate::app::old::Old;
use crate::app::state::{Entry, RestoreError, Stamp, State};
use crate::apps::toys::limits::{TOYS_COUNT_MAX, TOYS_HELD_MAX, TOYS_NAMES_BYTES_MAX};
use crate::apps::toys::tag::TOYS_CUT;
use crate::base::folds::Folds;
use crate::base::ids::{Inc, NodeId, Origin};

use super::claims::{Claim, Claims};
use super::index::{Held, Index};
use super::place::Place;
use super::record::{self, Fingerprint, KeyId, KeyedProduct, OrderId, Record};
use super::snapshot;

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
    clock_us: Option<u64>,
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
    fn move_to(&mut self, place: Place, time_us: u64) {
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

impl State for ToysState {
    fn kinds(&self) -> &'static [(u8, &'static str)] {
        crate::apps::toys::tag::KINDS
    }

    fn record_bytes_max(&self) -> usize {
        crate::apps::toys::tag::RECORD_BYTES_MAX
    }

    /// Gives a toy its number.
    fn stamp(&self, at: &Stamp<'_>, record: &[u8], out: &mut Vec<u8>) {
        let new_id = || {
            let id = at.new_id(self.last_id.max(at.ahead.get()));
            at.ahead.set(id);
            id
        };
        match record::decode(record) {
            Some(Record::Product(product)) => record::Product { id: new_id(), ..product }.push(out),
            Some(Record::Keyed(keyed)) => {
                let product = record::Product { id: new_id(), ..keyed.product };
                KeyedProduct { product, ..keyed }.push(out);
            }
            _ => out.extend_from_slice(record),
        }
    }

    fn set_clock(&mut self, clock_us: u64) {
        self.clock_us = Some(clock_us);
    }

    /// Gives a toy's number, or 0 if another one with its key stands; of an order 1 if it stands, 0 if another one with its id
    /// does.
    fn apply(&mut self, at: &Entry, record: &[u8]) -> Option<u64> {
        if record.first() == Some(&TOYS_CUT) {
            self.cut(record);
            return None;
        }
        match record::decode(record)? {
            Record::Product(product) => {
                if self.add(at.into(), product.id, product.name) {
                    self.plain_bytes += product.name.len();
                }
                Some(product.id)
            }
            Record::Keyed(KeyedProduct { product, key, fingerprint }) => {
                let claim = Claim { id: product.id, fingerprint };
                let is_kept = self.add(at.into(), product.id, product.name);
                Some(if is_kept && self.claims.add(key, at.into(), claim) { product.id } else { 0 })
            }
            Record::Order(order) => {
                let taken = Order {
                    place: at.into(),
                    done_us: at.time_us.saturating_add(u64::from(order.takes_ms) * 1_000),
                    here_us: self.clock_us.unwrap_or(0),
                    is_live: self.clock_us.is_some(),
                    fingerprint: order.fingerprint,
                    product: order.product.into(),
                };
                Some(self.take_order(order.id, taken).into())
            }
        }
    }

    /// Moves toys; no order that was answered gives way to another one, and the time that orders still take is looked up.
    fn heal(&mut self, heal: &Heal, just: Option<&Entry>) {
        let is_later = |place: &Place| heal.covers(place.origin, place.seq) && place.time_us > heal.time_us;
        let moved: Vec<Place> = match just {
            Some(at) => [Place::from(at)].into_iter().filter(is_later).collect(),
            None => self.products.keys().filter(|place| is_later(place)).copied().collect(),
        };
        moved.into_iter().for_each(|place| self.move_to(place, heal.time_us));
    }

    fn data_bytes(&self) -> u64 {
        (self.names_bytes as u64).wrapping_add(self.old.amounts().bytes)
    }

    fn aging(&self) -> Option<&dyn Aging> {
        Some(self)
    }

    fn aging_mut(&mut self) -> Option<&mut dyn Aging> {
        Some(self)
    }

    fn take_folds(&mut self, _: &[Origin], all: &Folds) {
        self.floors.take_folds(all);
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        snapshot::push(self, out);
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let (clock_us, mut state) = (self.clock_us, snapshot::read(bytes).ok_or(RestoreError)?);
        let orders = state.orders.values_mut().chain(state.later.values_mut());
        orders.for_each(|order| order.here_us = clock_us.unwrap_or(0));
        *self = Self { clock_us, ..state };
        Ok(())
    }

    fn sample(&self, seed: u64) -> Vec<u8> {
        if seed.is_multiple_of(13) {
            return floors::sample(TOYS_CUT, seed, &self.index.streams());
        }
        let name = ["Kite", "", "\"<b>\"", "🚂\0"][(seed / 8 % 4) as usize];
        // Few ids, so that one key is often used on both hosts.
        let (id, fingerprint) = ([(seed / 2 % 4) as u8; 16], [(seed / 32 % 3) as u8; 16]);
        let product = record::Product { id: 0, name };
        let mut out = Vec::new();
        match (seed.is_multiple_of(2), (seed / 128).is_multiple_of(2)) {
            (true, true) => product.push(&mut out),
            (true, false) => KeyedProduct { product, key: id, fingerprint }.push(&mut out),
            (false, _) => {
                record::Order { id, takes_ms: (seed >> 40) as u32, fingerprint, product: name }
                    .push(&mut out);
            }
        }
        out
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
