//! How the shop's oldest toys and orders go: to the disk (`stored.rs` says how they are found there), and for good.
//!
//! What a cut leaves is what it would be had the others never come, so hosts that hear of a cut and of what it takes in another
//! order agree: of toys and orders with one key or id, the earliest of those that are left stands.

use crate::app::aging::{Aging, Doubt};
use crate::app::heal::Heals;
use crate::app::old::Old;
use crate::app::trimming::{self, OldList, Trimmed};
use crate::apps::toys::limits::TOYS_KEPT_US_MIN;
use crate::base::ids::{Origin, Seq};
use crate::base::places;
use crate::log::runs::item::Item;

use super::doubts::Name;
use super::index::Held;
use super::item::Product;
use super::named::plain_bytes;
use super::old;
use super::place::Place;
use super::record::OrderId;
use super::snapshot;
use super::state::{FIRST, ToysState};
use super::stored::{self, Stored};

impl ToysState {
    /// Takes a cut's record.
    pub(super) fn cut(&mut self, record: &[u8]) {
        let raised = self.floors.raise(record).into_iter();
        for (origin, floor) in raised.filter(|(origin, _)| *origin != Place::FIRST.origin) {
            self.old.remove_up_to(origin, floor);
            self.old_orders.remove_all(&self.old_orders.up_to(origin, floor));
            for held in self.index.up_to(origin, floor) {
                match held {
                    Held::Toy(place) => self.remove_toy(place, self.name_of(&held)),
                    Held::Order(place, id) => {
                        self.changing(Name::Order(id), |shop| shop.remove_order(place, id));
                    }
                }
            }
        }
    }

    /// Takes a toy out of memory, with its claim.
    pub(super) fn remove_toy(&mut self, place: Place, name: Option<Name>) {
        let at = (place.origin, place.seq);
        let Some(name) = name else {
            self.index.remove(at);
            self.young_bytes -= self.take_out(place).map_or(0, |product| plain_bytes(&product.name));
            return;
        };
        self.changing(name, |shop| {
            shop.index.remove(at);
            shop.take_out(place);
            shop.claims.remove(at);
        });
    }

    fn take_out(&mut self, place: Place) -> Option<Product> {
        let product = self.products.remove(&place)?;
        self.names_bytes -= product.name.len();
        let is_first = self.places.get(&product.id) == Some(&place);
        if self.doubles == 0 {
            self.places.remove(&product.id);
            return Some(product);
        }
        // Of those with its number the next one is meant from now on, if there is one.
        let others = || self.products.iter().filter(|(_, other)| other.id == product.id);
        let next = others().next().map(|(place, _)| *place);
        self.doubles -= usize::from(next.is_some());
        match next {
            Some(next) if is_first => drop(self.places.insert(product.id, next)),
            None => drop(self.places.remove(&product.id)),
            Some(_) => {}
        }
        Some(product)
    }

    fn remove_order(&mut self, place: Place, id: OrderId) {
        self.index.remove((place.origin, place.seq));
        let is_standing = self.orders.get(&id).is_some_and(|order| order.place == place);
        let gone = if is_standing { self.orders.remove(&id) } else { self.later.remove(&(id, place)) };
        self.names_bytes -= gone.map_or(0, |order| order.product.len());
        if is_standing {
            let next = self.later.range((id, Place::FIRST)..).next().map(|(key, _)| *key);
            if let Some(order) = next.filter(|(of, _)| *of == id).and_then(|key| self.later.remove(&key)) {
                self.orders.insert(id, order);
            }
        }
    }

    /// Returns whether what a record holds may go to the disk.
    fn may_age(&self, held: &Held) -> bool {
        match (self.name_of(held), held) {
            (Some(name), _) => self.is_alone(&name),
            (None, Held::Toy(place)) => place.is_added(),
            (None, Held::Order(..)) => false,
        }
    }

    /// Returns what a record holds as a run would have it.
    fn item(&self, held: &Held) -> Option<Item> {
        match held {
            Held::Toy(place) => {
                let claimed = self.claims.of_record((place.origin, place.seq));
                Some(stored::toy(place, self.products.get(place)?, claimed.as_ref()))
            }
            Held::Order(place, id) => {
                let standing = self.orders.get(id).filter(|order| order.place == *place);
                Some(stored::order(id, standing.or_else(|| self.later.get(&(*id, *place)))?))
            }
        }
    }

    /// Lets an order out of the memory that a run has now.
    fn forget_order(&mut self, place: Place, id: OrderId) {
        self.changing(Name::Order(id), |shop| {
            shop.index.remove((place.origin, place.seq));
            let Some(order) = shop.orders.remove(&id) else { return };
            shop.names_bytes -= order.product.len();
            shop.running.note(&order, shop.clock_us.unwrap_or(0));
            shop.old_orders.insert((place.origin, place.seq));
        });
    }
}

impl Aging for ToysState {
    fn old(&self) -> &Old {
        &self.old
    }

    fn old_mut(&mut self) -> &mut Old {
        &mut self.old
    }

    fn young_bytes(&self) -> u64 {
        self.young_bytes
    }

    fn oldest(&self, keep_bytes: u64) -> Vec<Item> {
        let toys = self.products.keys().map(|place| Held::Toy(*place));
        let orders = self.index.orders().map(|(place, id)| Held::Order(*place, *id));
        let (mut left, mut going) = (self.young_bytes, Vec::new());
        for held in in_order(toys, orders, Held::place).filter(|held| self.may_age(held)) {
            if left <= keep_bytes {
                break;
            }
            let Some(item) = self.item(&held) else { continue };
            let own = self.name_of(&held).map(|name| self.bytes_of(&name));
            left = left.saturating_sub(own.unwrap_or(plain_bytes("") + item.bytes));
            going.push(item);
        }
        going
    }

    fn young_at(&self, at: places::Place) -> Option<Item> {
        let held = self.index.get(at).filter(|held| self.may_age(held))?;
        self.item(&held)
    }

    fn keys(&self, stored: &Item) -> Vec<(u8, Vec<u8>)> {
        stored::keys(stored)
    }

    fn forget(&mut self, at: places::Place) -> bool {
        let Some(held) = self.index.get(at).filter(|held| self.may_age(held)) else { return false };
        match held {
            Held::Toy(place) => self.remove_toy(place, self.name_of(&held)),
            Held::Order(place, id) => self.forget_order(place, id),
        }
        true
    }

    fn young(&self) -> Box<dyn Iterator<Item = Item> + '_> {
        let is_from_the_start = |held: &Held| matches!(held, Held::Toy(place) if !place.is_added());
        let added = self.index.iter().filter(move |held| !is_from_the_start(held));
        Box::new(added.filter_map(|held| self.item(held)))
    }

    fn beside_items(&self, out: &mut Vec<u8>) {
        snapshot::push_beside(self, out);
    }

    /// Gives it with the time as of which it counts; that of an order is never moved.
    fn current(&self, mut item: Item, heals: &Heals) -> Item {
        let (origin, seq) = item.place;
        if let Some(time) = item.value.first_chunk_mut::<8>() {
            *time = heals.time_us(origin, seq, u64::from_le_bytes(*time)).to_le_bytes();
        }
        item
    }

    /// Does nothing: a toy names no blob, and nobody is told that it went.
    fn take_gone(&mut self, _: &Item) {}

    fn doubts(&self, most: usize) -> Vec<Doubt> {
        self.doubts.first(most)
    }

    fn settle(&mut self, doubt: &Doubt) {
        if let Some(name) = self.doubts.name_of(doubt) {
            self.changing(name, |shop| shop.doubts.remove(&name));
        }
    }

    fn take_back(&mut self, item: &Item, heals: &Heals) {
        self.put_back(item, heals);
    }
}

impl Trimmed for ToysState {
    fn extent(&self) -> (u64, u64) {
        let toys = self.products.len() - FIRST.len();
        let young = toys + self.orders.len() + self.later.len();
        // Those that are there from the beginning stay, and count for nothing.
        let young_bytes = self.names_bytes - FIRST.iter().map(|(_, name)| name.len()).sum::<usize>();
        let bytes = (young_bytes as u64).wrapping_add(self.old.amounts().bytes);
        (young as u64 + self.old.count(), bytes)
    }

    /// Gives toys and orders in the order in which they came. What has a key stays for a day, and an order until it is done.
    fn oldest(&self, now_us: u64) -> Box<dyn Iterator<Item = trimming::Item> + '_> {
        let is_young = move |time_us: u64| time_us.saturating_add(TOYS_KEPT_US_MIN) > now_us;
        let toys = self.products.iter().filter(|(place, _)| place.is_added()).map(move |(place, product)| {
            let has_key = self.claims.has((place.origin, place.seq));
            kept(place, product.name.len(), has_key && is_young(place.time_us))
        });
        let orders = self.index.orders().filter_map(move |(place, id)| {
            let standing = self.orders.get(id).filter(|order| order.place == *place);
            let order = standing.or_else(|| self.later.get(&(*id, *place)))?;
            let is_open = is_young(place.time_us) || order.done_us > now_us;
            Some(kept(place, order.product.len(), is_open))
        });
        Box::new(in_order(toys, orders, |item| (item.time_us, item.origin, item.seq)))
    }

    fn numbers(&self, origin: Origin) -> Box<dyn Iterator<Item = Seq> + '_> {
        trimming::joined(self.index.numbers(origin), self.old.numbers(origin))
    }

    fn old_list(&self, heals: &Heals, now_us: u64) -> Option<OldList> {
        let view = self.old.view();
        if view.is_empty() {
            return None;
        }
        let mut step = old::in_order_of_cuts(view, heals.clone());
        let next = move || {
            let Some((place, old)) = step()? else { return Ok(None) };
            let is_young = place.time_us.saturating_add(TOYS_KEPT_US_MIN) > now_us;
            let (bytes, is_open) = match &old {
                Stored::Toy(product, _, claimed) => (product.name.len(), claimed.is_some() && is_young),
                Stored::Order(_, order) => (order.product.len(), is_young || order.done_us > now_us),
            };
            Ok(Some(kept(&place, bytes, is_open)))
        };
        let next = Box::new(next);
        Some(OldList { next, is_read: self.old.is_read() })
    }
}

fn kept(place: &Place, bytes: usize, is_open: bool) -> trimming::Item {
    let (time_us, origin, seq, bytes) = (place.time_us, place.origin, place.seq, bytes as u64);
    trimming::Item { order: time_us, time_us, origin, seq, bytes, is_open }
}

/// Merges two sequences that are in the order of what `place` gives.
pub(super) fn in_order<T, P: Ord>(
    one: impl Iterator<Item = T>,
    other: impl Iterator<Item = T>,
    place: impl Fn(&T) -> P,
) -> impl Iterator<Item = T> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(first), Some(second)) if place(second) < place(first) => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    })
}
