//! What changes the shop: records, heals and snapshots.

use crate::app::aging::Aging;
use crate::app::floors;
use crate::app::heal::Heal;
use crate::app::state::{Entry, RestoreError, Stamp, State};
use crate::apps::toys::tag::TOYS_CUT;
use crate::base::folds::Folds;
use crate::base::ids::Origin;

use super::claims::Claim;
use super::item::Order;
use super::named::plain_bytes;
use super::place::Place;
use super::record::{self, KeyedProduct, Record};
use super::running::Running;
use super::snapshot;
use super::state::ToysState;

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
    /// does. With [`super::named::IN_DOUBT`] in it that is not known yet.
    fn apply(&mut self, at: &Entry, record: &[u8]) -> Option<u64> {
        if record.first() == Some(&TOYS_CUT) {
            self.cut(record);
            return None;
        }
        match record::decode(record)? {
            Record::Product(product) => {
                if self.add(at.into(), product.id, product.name) {
                    self.young_bytes += plain_bytes(product.name);
                }
                Some(product.id)
            }
            Record::Keyed(KeyedProduct { product, key, fingerprint }) => {
                let claim = Claim { id: product.id, fingerprint };
                Some(self.take_keyed(at.into(), product.name, key, claim))
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
                Some(self.take_order(order.id, taken))
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
        let running = Running::since(clock_us.unwrap_or(0));
        *self = Self { clock_us, running, ..state };
        Ok(())
    }

    fn sample(&self, seed: u64) -> Vec<u8> {
        if seed.is_multiple_of(13) {
            return floors::sample(TOYS_CUT, seed, &self.index.streams());
        }
        let name = ["Kite", "", "\"<b>\"", "🚂\0"][(seed / 8 % 4) as usize];
        // Few ids, so that one key is often used on both hosts, and some more, of which many are used once.
        let of_many = if (seed / 256).is_multiple_of(2) { 0 } else { 4 * (1 + seed / 512 % 8) };
        let (id, fingerprint) = ([(seed / 2 % 4 + of_many) as u8; 16], [(seed / 32 % 3) as u8; 16]);
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
