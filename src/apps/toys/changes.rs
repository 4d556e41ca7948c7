//! What changes the shop: records, heals and snapshots, and the way of its oldest toys to the disk. Toys that were sent with a key stay in memory, and so do orders: which of two with one
//! key or id stands has to be known when the second one is applied, without reading.
//!
//! ```text
//! item     u64 time  u64 number  the name
//! TIMES    the order of the list
//! NUMBERS  u64 number, big endian
//! ```

use crate::app::aging::Aging;
use crate::app::floors;
use crate::app::heal::{Heal, Heals};
use crate::app::old::Old;
use crate::app::state::{Entry, RestoreError, Stamp, State};
use crate::apps::toys::tag::TOYS_CUT;
use crate::base::folds::Folds;
use crate::base::ids::Origin;
use crate::base::places;
use crate::log::runs::item::{Item, TIMES};

use super::claims::Claim;
use super::index::Held;
use super::place::Place;
use super::record::{self, KeyedProduct, Record};
use super::snapshot;
use super::state::{Order, Product, ToysState};
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

    fn keys(&self, stored: &Item) -> Vec<(u8, Vec<u8>)> {
        let written_us = stored.value.first_chunk().map(|time| u64::from_le_bytes(*time));
        let toy = written_us.zip(read(stored));
        toy.map_or_else(Vec::new, |(time_us, product)| {
            item(&Place::at((time_us, stored.place)), &product).keys
        })
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
