//! Toys with keys, and orders: of those with one name the earliest stands, whether it is in memory or on the disk.
//!
//! An item goes to the disk only while its name has no other claim. Whatever claims that name later finds out by the filters of the
//! runs that an old item may have it, and is in doubt until somebody has read: then the old one is in memory again, and everything is
//! as if it had never gone. So of one name either no item is on the disk, or none is in memory, or there is a doubt.

use crate::app::heal::Heals;
use crate::log::runs::item::Item;

use super::claims::Claim;
use super::doubts::Name;
use super::index::Held;
use super::place::Place;
use super::record::{KeyId, OrderId};
use super::state::{Order, Product, ToysState};
use super::stored::{self, Stored};

/// About what a toy without a key takes in memory beside its name, in three maps, bytes.
const TOY_BYTES: u64 = 300;
/// The same of a toy with a key, in six maps.
const KEYED_BYTES: u64 = 690;
/// The same of an order, in three maps.
const ORDER_BYTES: u64 = 470;

/// In the outcome of a record: whether it stands is not known before somebody has read.
pub const IN_DOUBT: u64 = 1 << 63;

/// What is known of a name without reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look<T> {
    /// This stands for it.
    Known(T),
    /// There is something in memory, and perhaps something on the disk, too.
    Doubt,
    /// There may be something on the disk.
    Old,
    /// Nothing has it.
    Free,
}

/// Returns about what a toy without a key takes in memory, bytes.
pub(super) fn plain_bytes(name: &str) -> u64 {
    TOY_BYTES + name.len() as u64
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
                let toy = self.toy_at((place.origin, place.seq));
                KEYED_BYTES + toy.map_or(0, |product| product.name.len() as u64)
            }),
            Name::Order(id) => {
                self.orders.get(id).map_or(0, |order| ORDER_BYTES + order.product.len() as u64)
            }
        }
    }

    /// Counts all of that anew.
    pub(super) fn weigh(&mut self) {
        let added = self.products.iter().filter(|(place, _)| super::trim::is_added(place));
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
    pub(super) fn toy_at(&self, at: crate::base::places::Place) -> Option<&Product> {
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
