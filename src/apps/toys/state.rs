//! What the shop keeps: toys in the order in which they came, and orders by their id.
//!
//! Both are folds that commute. A toy stands at the place of its record, and a number that was given twice names the
//! earlier one; of two orders with one id, and of two toys with one key, the earlier one stands. A toy that gave way is passed
//! over. Nothing is ever taken away but by a cut, and the oldest go to the disk (`aging.rs`).

use std::collections::BTreeMap;

use crate::app::floors::Floors;
use crate::app::heal::Heals;
use crate::app::old::Old;
use crate::apps::toys::limits::{TOYS_COUNT_MAX, TOYS_HELD_MAX, TOYS_NAMES_BYTES_MAX};
use crate::base::ids::{Inc, NodeId, Origin};
use crate::base::places::{self, Places};
use crate::log::runs::item::Item;

use super::claims::{Claim, Claims};
use super::doubts::{Doubts, Name};
use super::index::{Held, Index};
use super::item::{Order, Product};
use super::named::{IN_DOUBT, Look, keyed_bytes, order_bytes, plain_bytes};
use super::place::Place;
use super::record::{KeyId, OrderId};
use super::running::Running;
use super::stored::{self, Stored};

/// The toys that every shop begins with: their numbers are the same on all hosts.
pub(super) const FIRST: [(u64, &str); 2] = [(1, "Yoyo"), (2, "Joli train")];

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
    /// About what the toys and orders take in memory that may go to the disk.
    pub(super) young_bytes: u64,
    pub(super) old: Old,
    /// Those of them that are orders.
    pub(super) old_orders: Places,
    pub(super) doubts: Doubts,
    pub(super) running: Running,
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
            young_bytes: 0,
            old: Old::default(),
            old_orders: Places::default(),
            doubts: Doubts::default(),
            running: Running::default(),
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
    /// Returns how many toys there are. One in doubt is not counted: an old one may stand for it.
    #[must_use]
    pub fn count(&self) -> usize {
        let young = self.products.len() - self.claims.displaced() - self.doubts.toys();
        young + (self.old.count() - self.old_orders.len()) as usize
    }

    fn is_shown(&self, place: &Place) -> bool {
        !self.claims.is_displaced(place) && !self.is_in_doubt(place)
    }

    /// Returns the toy in memory that came last.
    #[must_use]
    pub fn last(&self) -> Option<(&Place, &Product)> {
        self.products.iter().rev().find(|(place, _)| self.is_shown(place))
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
        self.toy_at(self.claims.stand_in(place)?)
    }

    /// Returns whether it is not known yet which toy is meant by a number.
    #[must_use]
    pub fn is_number_in_doubt(&self, id: u64) -> bool {
        self.places.get(&id).is_some_and(|place| self.is_in_doubt(place))
    }

    /// Returns the toys in memory behind a place, or all of them, in their order.
    pub fn products(&self, after: Option<Place>) -> impl Iterator<Item = (&Place, &Product)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let found = self.products.range((after.map_or(Unbounded, Excluded), Unbounded));
        found.filter(|(place, _)| self.is_shown(place))
    }

    /// Returns whether there is room for one more name of so many bytes.
    #[must_use]
    pub fn has_room_for(&self, name_bytes: usize) -> bool {
        let held = self.claims.iter().len().max(self.orders.len());
        let orders = self.orders.len() + self.old_orders.len() as usize;
        self.count().max(orders) < TOYS_COUNT_MAX
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

    /// Adds an order; gives whether it stands among those in memory.
    pub(super) fn put_order(&mut self, id: OrderId, order: Order) -> bool {
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

impl ToysState {
    /// Returns what has a key of toys.
    #[must_use]
    pub fn look_at_key(&self, key: &KeyId) -> Look<Claim> {
        self.look(&Name::Toy(*key), self.claims.standing(key).copied())
    }

    /// Returns what has an id of orders.
    #[must_use]
    pub fn look_at_order(&self, id: &OrderId) -> Look<Order> {
        self.look(&Name::Order(*id), self.orders.get(id).cloned())
    }

    fn look<T>(&self, name: &Name, standing: Option<T>) -> Look<T> {
        match standing {
            Some(_) if self.doubts.has(name) => Look::Doubt,
            Some(standing) => Look::Known(standing),
            None if self.old.may_have(name.table(), name.bytes()) => Look::Old,
            None => Look::Free,
        }
    }

    /// Returns whether it is not known yet whether the toy of a record stands.
    #[must_use]
    pub fn is_in_doubt(&self, place: &Place) -> bool {
        let name = || self.claims.of_record((place.origin, place.seq)).map(|(key, ..)| Name::Toy(key));
        !self.doubts.is_empty() && name().is_some_and(|name| self.doubts.has(&name))
    }

    /// Returns an order that was read as it would be had it never left the memory.
    #[must_use]
    pub fn revived(&self, order: Order) -> Order {
        self.running.revived(order)
    }

    /// Takes a toy with a key. Gives its number, with [`IN_DOUBT`] if it stands in memory and may not stand; 0 if another one stands.
    pub(super) fn take_keyed(&mut self, place: Place, name: &str, key: KeyId, claim: Claim) -> u64 {
        let of = Name::Toy(key);
        self.changing(of, |shop| {
            let is_first = shop.claims.standing(&key).is_none();
            let is_kept = shop.add(place, claim.id, name);
            let stands = is_kept && shop.claims.add(key, place, claim);
            if is_kept && is_first {
                shop.ask(of);
            }
            shop.outcome(of, stands, claim.id)
        })
    }

    /// Takes an order. Gives 1 if it stands, the time of its batch with [`IN_DOUBT`] if it stands in memory and may not stand, else 0.
    pub(super) fn take_order(&mut self, id: OrderId, order: Order) -> u64 {
        let (of, time_us) = (Name::Order(id), order.place.time_us);
        self.changing(of, |shop| {
            let is_first = !shop.orders.contains_key(&id);
            let stands = shop.put_order(id, order);
            if stands && is_first {
                shop.ask(of);
            }
            let own = if shop.doubts.has(&of) { time_us } else { 1 };
            shop.outcome(of, stands, own)
        })
    }

    fn outcome(&self, name: Name, stands: bool, own: u64) -> u64 {
        match stands {
            true if self.doubts.has(&name) => own | IN_DOUBT,
            true => own,
            false => 0,
        }
    }

    /// Begins a doubt if an old item may have a name.
    fn ask(&mut self, name: Name) {
        if self.old.may_have(name.table(), name.bytes()) {
            self.doubts.add(name);
        }
    }

    /// Changes what has a name, and counts anew what of that may go to the disk. A doubt ends when nothing in memory has the name.
    pub(super) fn changing<T>(&mut self, name: Name, change: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.bytes_of(&name);
        let given = change(self);
        if self.count_of(&name) == 0 {
            self.doubts.remove(&name);
        }
        self.young_bytes = (self.young_bytes + self.bytes_of(&name)).saturating_sub(before);
        given
    }

    /// Returns how many items in memory have a name: 0, 1, or 2 for all that are more.
    fn count_of(&self, name: &Name) -> usize {
        match name {
            Name::Toy(key) => self.claims.of(key).take(2).count(),
            Name::Order(id) => {
                let later = self.later.range((*id, Place::FIRST)..).next();
                let has_later = later.is_some_and(|((of, _), _)| of == id);
                usize::from(self.orders.contains_key(id)) + usize::from(has_later)
            }
        }
    }

    /// Returns whether one item in memory has a name, and no old one can.
    pub(super) fn is_alone(&self, name: &Name) -> bool {
        !self.doubts.has(name) && self.count_of(name) == 1
    }

    /// Returns about what the item with a name takes in memory, if it may go to the disk, bytes.
    pub(super) fn bytes_of(&self, name: &Name) -> u64 {
        if !self.is_alone(name) {
            return 0;
        }
        match name {
            Name::Toy(key) => self.claims.of(key).next().map_or(0, |(place, _)| {
                self.toy_at((place.origin, place.seq)).map_or(0, |product| keyed_bytes(&product.name))
            }),
            Name::Order(id) => self.orders.get(id).map_or(0, |order| order_bytes(&order.product)),
        }
    }

    /// Counts all of that anew.
    pub(super) fn weigh(&mut self) {
        let added = self.products.iter().filter(|(place, _)| place.is_added());
        let plain = added.filter(|(place, _)| !self.claims.has((place.origin, place.seq)));
        let plain: u64 = plain.map(|(_, product)| plain_bytes(&product.name)).sum();
        let keyed = self.claims.iter().map(|(key, ..)| Name::Toy(*key));
        let named = keyed.chain(self.orders.keys().map(|id| Name::Order(*id)));
        self.young_bytes = plain + named.map(|name| self.bytes_of(&name)).sum::<u64>();
    }

    /// Returns the name of what a record holds, nothing for a toy without a key.
    pub(super) fn name_of(&self, held: &Held) -> Option<Name> {
        match held {
            Held::Toy(place) => {
                self.claims.of_record((place.origin, place.seq)).map(|(key, ..)| Name::Toy(key))
            }
            Held::Order(_, id) => Some(Name::Order(*id)),
        }
    }

    /// Returns the toy in memory whose record is that one.
    pub(super) fn toy_at(&self, at: places::Place) -> Option<&Product> {
        match self.index.get(at)? {
            Held::Toy(place) => self.products.get(&place),
            Held::Order(..) => None,
        }
    }

    /// Puts an item into memory that a run had.
    pub(super) fn put_back(&mut self, item: &Item, heals: &Heals) {
        let (origin, seq) = item.place;
        match stored::read(item) {
            Some(Stored::Toy(product, written_us, claimed)) => {
                let place = Place::at((heals.time_us(origin, seq, written_us), item.place));
                let Some((key, at, claim)) = claimed else {
                    self.add(place, product.id, &product.name);
                    self.young_bytes += plain_bytes(&product.name);
                    return;
                };
                self.changing(Name::Toy(key), |shop| {
                    shop.add(place, product.id, &product.name);
                    shop.claims.add(key, at, claim);
                });
            }
            Some(Stored::Order(id, order)) => {
                self.old_orders.remove(item.place);
                let order = self.running.revived(order);
                self.changing(Name::Order(id), |shop| shop.put_order(id, order));
            }
            None => {}
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
