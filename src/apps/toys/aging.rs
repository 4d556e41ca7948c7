//! How the oldest toys and orders go to the disk. `stored.rs` says how they are found there.

use crate::app::aging::{Aging, Doubt};
use crate::app::heal::Heals;
use crate::app::old::Old;
use crate::base::places;
use crate::log::runs::item::Item;

use super::doubts::Name;
use super::index::Held;
use super::named::plain_bytes;
use super::place::Place;
use super::record::OrderId;
use super::snapshot;
use super::state::ToysState;
use super::stored;
use super::trim::{in_order, is_added};

impl ToysState {
    /// Returns whether what a record holds may go to the disk.
    fn may_age(&self, held: &Held) -> bool {
        match (self.name_of(held), held) {
            (Some(name), _) => self.is_alone(&name),
            (None, Held::Toy(place)) => is_added(place),
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
        let is_from_the_start = |held: &Held| matches!(held, Held::Toy(place) if !is_added(place));
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
