//! How the shop's oldest toys and orders go.
//!
//! What is left is what it would be had the others never come, so hosts that hear of a cut and of what it takes in another
//! order agree: of toys and orders with one key or id, the earliest of those that are left stands.

use crate::app::heal::Heals;
use crate::app::old_times;
use crate::app::trimming::{self, Item, OldList, Trimmed};
use crate::apps::toys::limits::TOYS_KEPT_US_MIN;
use crate::base::ids::{Origin, Seq};
use crate::base::limits::CUT_ITEMS_MAX;

use super::index::Held;
use super::place::Place;
use super::record::OrderId;
use super::state::{FIRST, Product, ToysState};

impl ToysState {
    /// Takes a cut's record.
    pub(super) fn cut(&mut self, record: &[u8]) {
        let raised = self.floors.raise(record).into_iter();
        for (origin, floor) in raised.filter(|(origin, _)| *origin != Place::FIRST.origin) {
            self.old.remove_up_to(origin, floor);
            for held in self.index.take_up_to(origin, floor) {
                match held {
                    Held::Toy(place) => self.remove_toy(place),
                    Held::Order(place, id) => self.remove_order(place, id),
                }
            }
        }
    }

    fn remove_toy(&mut self, place: Place) {
        let at = (place.origin, place.seq);
        let is_plain = !self.claims.has(at);
        if let Some(product) = self.take_out(place) {
            self.plain_bytes -= if is_plain { product.name.len() } else { 0 };
            self.claims.remove(at);
        }
    }

    /// Takes a toy out of memory, but for a claim of it.
    pub(super) fn take_out(&mut self, place: Place) -> Option<Product> {
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
}

impl Trimmed for ToysState {
    fn extent(&self) -> (u64, u64) {
        let toys = self.products.len() - FIRST.len();
        let young = toys + self.orders.len() + self.later.len();
        let bytes = (self.names_bytes as u64).wrapping_add(self.old.amounts().bytes);
        (young as u64 + self.old.count(), bytes)
    }

    /// Gives toys and orders in the order in which they came. What has a key stays for a day, and an order until it is done.
    fn oldest(&self, now_us: u64) -> Box<dyn Iterator<Item = Item> + '_> {
        let is_young = move |time_us: u64| time_us.saturating_add(TOYS_KEPT_US_MIN) > now_us;
        let toys = self.products.iter().filter(|(place, _)| is_added(place)).map(move |(place, product)| {
            let has_key = self.claims.has((place.origin, place.seq));
            item(place, product.name.len(), has_key && is_young(place.time_us))
        });
        let orders = self.index.orders().filter_map(move |(place, id)| {
            let standing = self.orders.get(id).filter(|order| order.place == *place);
            let order = standing.or_else(|| self.later.get(&(*id, *place)))?;
            let is_open = is_young(place.time_us) || order.done_us > now_us;
            Some(item(place, order.product.len(), is_open))
        });
        Box::new(merged(toys, orders))
    }

    fn numbers(&self, origin: Origin) -> Box<dyn Iterator<Item = Seq> + '_> {
        trimming::joined(self.index.numbers(origin), self.old.numbers(origin))
    }

    fn old_list(&self, heals: &Heals) -> Option<OldList> {
        let view = self.old.view();
        if view.is_empty() {
            return None;
        }
        let mut step = old_times::lazily(view, heals.clone(), CUT_ITEMS_MAX);
        let next = move || {
            Ok(step()?.map(|(time_us, found)| {
                let (origin, seq) = found.place;
                item(&Place { time_us, origin, seq }, found.bytes as usize, false)
            }))
        };
        Some(OldList { next: Box::new(next), is_read: self.old.is_read() })
    }
}

/// Returns whether a toy is none of those that every shop begins with.
pub(super) fn is_added(place: &Place) -> bool {
    place.origin != Place::FIRST.origin
}

fn item(place: &Place, bytes: usize, is_open: bool) -> Item {
    let (time_us, origin, seq, bytes) = (place.time_us, place.origin, place.seq, bytes as u64);
    Item { order: time_us, time_us, origin, seq, bytes, is_open }
}

/// Merges two sequences in the order of their places.
fn merged(one: impl Iterator<Item = Item>, other: impl Iterator<Item = Item>) -> impl Iterator<Item = Item> {
    let place = |item: &Item| (item.time_us, item.origin, item.seq);
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(first), Some(second)) if place(second) < place(first) => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    })
}
