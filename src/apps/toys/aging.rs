//! How the shop's oldest toys go to the disk. Toys that were sent with a key stay in memory, and so do orders: which of two with one
//! key or id stands has to be known when the second one is applied, without reading.
//!
//! ```text
//! item     u64 time  u64 number  the name
//! TIMES    the order of the list
//! NUMBERS  u64 number, big endian
//! ```

use crate::app::aging::Aging;
use crate::app::heal::Heals;
use crate::app::old::Old;
use crate::base::places;
use crate::log::runs::item::{Item, TIMES};

use super::index::Held;
use super::place::Place;
use super::snapshot;
use super::state::{Product, ToysState};
use super::trim::is_added;

/// Table of toys by their numbers.
pub const NUMBERS: u8 = 2;

/// About what a toy takes in memory beside its name, in three maps, bytes.
const TOY_BYTES: u64 = 300;

/// Reads a toy that comes from a run; nothing for what is none.
#[must_use]
pub fn read(item: &Item) -> Option<Product> {
    let (_, rest) = item.value.split_first_chunk::<8>()?;
    let (id, name) = rest.split_first_chunk()?;
    Some(Product { id: u64::from_le_bytes(*id), name: std::str::from_utf8(name).ok()?.into() })
}

fn item(place: &Place, product: &Product) -> Item {
    let words = [place.time_us, product.id].map(u64::to_le_bytes).concat();
    Item {
        place: (place.origin, place.seq),
        bytes: product.name.len() as u64,
        contents_bytes: 0,
        value: [&words[..], product.name.as_bytes()].concat(),
        keys: vec![
            (TIMES, place.time_us.to_be_bytes().to_vec()),
            (NUMBERS, product.id.to_be_bytes().to_vec()),
        ],
    }
}

fn memory_bytes(name_bytes: usize, toys: usize) -> u64 {
    name_bytes as u64 + TOY_BYTES * toys as u64
}

impl ToysState {
    /// Returns whether the toy at a place may go to the disk.
    fn may_age(&self, place: &Place) -> bool {
        is_added(place) && !self.claims.has((place.origin, place.seq))
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
        let staying = super::state::FIRST.len() + self.claims.iter().len();
        memory_bytes(self.plain_bytes, self.products.len() - staying)
    }

    fn oldest(&self, keep_bytes: u64) -> Vec<Item> {
        let mut left = self.young_bytes();
        let goes = |(_, product): &(&Place, &Product)| {
            let is_too_much = left > keep_bytes;
            left = left.saturating_sub(memory_bytes(product.name.len(), 1));
            is_too_much
        };
        let plain = self.products.iter().filter(|(place, _)| self.may_age(place));
        plain.take_while(goes).map(|(place, product)| item(place, product)).collect()
    }

    fn young_at(&self, at: places::Place) -> Option<Item> {
        let Held::Toy(place) = self.index.get(at)? else { return None };
        if self.may_age(&place) { Some(item(&place, self.products.get(&place)?)) } else { None }
    }

    fn forget(&mut self, at: places::Place) -> bool {
        let Some(Held::Toy(place)) = self.index.get(at).filter(|_| !self.claims.has(at)) else {
            return false;
        };
        self.index.remove_toy(at);
        let found = self.take_out(place);
        self.plain_bytes -= found.as_ref().map_or(0, |product| product.name.len());
        found.is_some()
    }

    fn young(&self) -> Box<dyn Iterator<Item = Item> + '_> {
        let plain = self.index.toys().filter(|place| self.may_age(place));
        Box::new(plain.filter_map(|place| Some(item(&place, self.products.get(&place)?))))
    }

    fn beside_items(&self, out: &mut Vec<u8>) {
        snapshot::push_beside(self, out);
    }

    /// Gives it with the time as of which it counts.
    fn current(&self, mut item: Item, heals: &Heals) -> Item {
        let (origin, seq) = item.place;
        if let Some(time) = item.value.first_chunk_mut::<8>() {
            *time = heals.time_us(origin, seq, u64::from_le_bytes(*time)).to_le_bytes();
        }
        item
    }

    /// Does nothing: a toy names no blob, and nobody is told that it went.
    fn take_gone(&mut self, _: &Item) {}
}
