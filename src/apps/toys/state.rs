//! What the shop keeps: toys in the order in which they came, and orders by their id.
//!
//! Both are folds that commute. A toy stands at the place of its record, and a number that was given twice names the
//! earlier one; of two orders with one id the earlier one stands. Nothing is ever taken away.

use std::collections::BTreeMap;

use crate::apps::heal::Heal;
use crate::apps::state::{Entry, RestoreError, Stamp, State};
use crate::base::ids::{Inc, NodeId, Origin, Seq};
use crate::base::limits::{TOYS_COUNT_MAX, TOYS_NAMES_BYTES_MAX};

use super::record::{self, Fingerprint, Record};

/// The toys that every shop begins with: their numbers are the same on all hosts.
const FIRST: [(u64, &str); 2] = [(1, "Yoyo"), (2, "Joli train")];

/// The place of a record among all of them: what came earlier is less, on every host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Hybrid time of its batch, microseconds.
    pub time_us: u64,
    /// Whose stream.
    pub origin: Origin,
    /// Its number there.
    pub seq: Seq,
}

impl From<&Entry> for Place {
    fn from(entry: &Entry) -> Self {
        Self { time_us: entry.time_us, origin: entry.origin, seq: entry.seq }
    }
}

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
    /// How long it still takes, microseconds; 0 once it is done. By duration since it was applied here, whatever the clock of
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

/// An order's id.
pub type OrderId = [u8; 16];

/// The shop's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToysState {
    products: BTreeMap<Place, Product>,
    /// Where the toy with that number stands.
    places: BTreeMap<u64, Place>,
    orders: BTreeMap<OrderId, Order>,
    /// Bytes of all names.
    names_bytes: usize,
    /// The process's monotonic clock while records are applied as they are committed. No part of the state.
    clock_us: Option<u64>,
}

impl Default for ToysState {
    /// A shop before its first record: two toys, earlier than any record can be.
    fn default() -> Self {
        let mut state = Self {
            products: BTreeMap::new(),
            places: BTreeMap::new(),
            orders: BTreeMap::new(),
            names_bytes: 0,
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
    /// Number of toys. It only ever grows, and with it whatever can be asked about toys changes.
    #[must_use]
    pub fn count(&self) -> usize {
        self.products.len()
    }

    /// The toy that came last.
    #[must_use]
    pub fn last(&self) -> Option<&Product> {
        self.products.last_key_value().map(|(_, product)| product)
    }

    /// The toy with that number.
    #[must_use]
    pub fn product(&self, id: u64) -> Option<&Product> {
        self.products.get(self.places.get(&id)?)
    }

    /// The toys behind the one with the number `after`, or all, in their order.
    pub fn products(&self, after: Option<u64>) -> impl Iterator<Item = &Product> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = after.and_then(|id| self.places.get(&id)).map_or(Unbounded, |place| Excluded(*place));
        self.products.range((start, Unbounded)).map(|(_, product)| product)
    }

    /// The order with that id.
    #[must_use]
    pub fn order(&self, id: &OrderId) -> Option<&Order> {
        self.orders.get(id)
    }

    /// Whether there is room for one more name of so many bytes.
    #[must_use]
    pub fn has_room_for(&self, name_bytes: usize) -> bool {
        self.products.len().max(self.orders.len()) < TOYS_COUNT_MAX
            && self.names_bytes + name_bytes <= TOYS_NAMES_BYTES_MAX
    }

    fn add(&mut self, place: Place, id: u64, name: &str) {
        self.names_bytes += name.len();
        self.products.insert(place, Product { id, name: name.into() });
        let first = self.places.entry(id).or_insert(place);
        *first = place.min(*first);
    }

    /// Puts the toy at `place` where it would stand if it had come at `time_us`.
    fn move_to(&mut self, place: Place, time_us: u64) {
        let Some(product) = self.products.remove(&place) else { return };
        let (id, moved) = (product.id, Place { time_us, ..place });
        self.products.insert(moved, product);
        if self.places.get(&id).is_some_and(|first| *first >= moved) {
            self.places.insert(id, moved);
        }
    }

    /// Gives whether the order stands.
    fn take_order(&mut self, id: OrderId, order: Order) -> bool {
        if self.orders.get(&id).is_some_and(|standing| standing.place <= order.place) {
            return false;
        }
        self.names_bytes += order.product.len();
        if let Some(later) = self.orders.insert(id, order) {
            self.names_bytes -= later.product.len();
        }
        true
    }
}

impl State for ToysState {
    /// Gives a toy its number.
    fn stamp(&self, at: &Stamp<'_>, record: &[u8], out: &mut Vec<u8>) {
        match record::decode(record) {
            Some(Record::Product(product)) => {
                let last = self.places.last_key_value().map_or(0, |(id, _)| *id);
                let id = at.new_id(last.max(at.ahead.get()));
                at.ahead.set(id);
                record::Product { id, ..product }.push(out);
            }
            _ => out.extend_from_slice(record),
        }
    }

    fn tell_clock(&mut self, clock_us: u64) {
        self.clock_us = Some(clock_us);
    }

    /// Gives a toy's number; of an order 1 if it stands, 0 if another one with its id does.
    fn apply(&mut self, at: &Entry, record: &[u8]) -> Option<u64> {
        match record::decode(record)? {
            Record::Product(product) => {
                self.add(at.into(), product.id, product.name);
                Some(product.id)
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

    /// Toys move; of orders that were told to stand none is displaced, and their rest is looked up.
    fn heal(&mut self, heal: &Heal, just: Option<&Entry>) {
        let is_later = |place: &Place| heal.covers(place.origin, place.seq) && place.time_us > heal.time_us;
        let moved: Vec<Place> = match just {
            Some(at) => [Place::from(at)].into_iter().filter(is_later).collect(),
            None => self.products.keys().filter(|place| is_later(place)).copied().collect(),
        };
        moved.into_iter().for_each(|place| self.move_to(place, heal.time_us));
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        let added = self.products.len() - FIRST.len();
        push_word(out, added as u64);
        for (place, product) in self.products.iter().skip(FIRST.len()) {
            push_place(out, place);
            push_word(out, product.id);
            push_text(out, &product.name);
        }
        for (id, order) in &self.orders {
            out.extend_from_slice(id);
            push_place(out, &order.place);
            push_word(out, order.done_us);
            out.extend_from_slice(&order.fingerprint);
            push_text(out, &order.product);
        }
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let (clock_us, mut state) = (self.clock_us, read(bytes).ok_or(RestoreError)?);
        state.orders.values_mut().for_each(|order| order.here_us = clock_us.unwrap_or(0));
        *self = Self { clock_us, ..state };
        Ok(())
    }

    fn sample(&self, seed: u64) -> Vec<u8> {
        let name = ["Kite", "", "\"<b>\"", "🚂\0"][(seed / 8 % 4) as usize];
        let mut out = Vec::new();
        if seed.is_multiple_of(2) {
            record::Product { id: 0, name }.push(&mut out);
        } else {
            // Few ids, so that one key is often used on both hosts.
            let id = [(seed / 2 % 4) as u8; 16];
            let fingerprint = [(seed / 32 % 3) as u8; 16];
            record::Order { id, takes_ms: (seed >> 40) as u32, fingerprint, product: name }.push(&mut out);
        }
        out
    }
}

fn push_word(out: &mut Vec<u8>, word: u64) {
    out.extend_from_slice(&word.to_le_bytes());
}

fn push_place(out: &mut Vec<u8>, place: &Place) {
    for word in [place.time_us, place.origin.node.0, place.origin.inc.0, place.seq] {
        push_word(out, word);
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    push_word(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads a snapshot; nothing if it is none. Toys and orders stand in their order, each once.
fn read(bytes: &[u8]) -> Option<ToysState> {
    let mut state = ToysState::default();
    let mut rest = bytes;
    for _ in 0..word(&mut rest)? {
        let (place, id) = (place(&mut rest)?, word(&mut rest)?);
        if state.products.last_key_value().is_some_and(|(last, _)| *last >= place) {
            return None;
        }
        state.add(place, id, text(&mut rest)?);
    }
    while !rest.is_empty() {
        let id = take(&mut rest)?;
        if state.orders.last_key_value().is_some_and(|(last, _)| *last >= id) {
            return None;
        }
        let order = Order {
            place: place(&mut rest)?,
            done_us: word(&mut rest)?,
            here_us: 0,
            is_live: false,
            fingerprint: take(&mut rest)?,
            product: text(&mut rest)?.into(),
        };
        state.take_order(id, order);
    }
    Some(state)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (found, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*found)
}

fn word(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_le_bytes)
}

fn place(rest: &mut &[u8]) -> Option<Place> {
    let time_us = word(rest)?;
    let origin = Origin { node: NodeId(word(rest)?), inc: Inc(word(rest)?) };
    Some(Place { time_us, origin, seq: word(rest)? })
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(word(rest)?).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::state::{Applied, Batch, Side};
    use crate::base::ids::Position;
    use crate::base::tag;

    const HERE: Origin = Origin { node: NodeId(1), inc: Inc(1) };
    const THERE: Origin = Origin { node: NodeId(2), inc: Inc(1) };

    fn host(side: Option<Side>) -> Applied {
        let mut applied = Applied::default();
        applied.insert(tag::app::TOYS, Box::new(ToysState::default()));
        applied.side = side;
        applied
    }

    fn shop(applied: &Applied) -> &ToysState {
        applied.state().unwrap()
    }

    fn receive(applied: &mut Applied, origin: Origin, time_us: u64, body: &[u8], count: u32) {
        let first = Entry { origin, seq: applied.vector.seq_of(origin) + 1, time_us };
        applied.apply_batch(&Batch { first, count, body, end: Position(applied.position.0 + 1) });
    }

    /// Stamps and applies a batch of toys; gives it as the peer receives it.
    fn add(applied: &mut Applied, origin: Origin, time_us: u64, names: &[&str]) -> Vec<u8> {
        let (mut body, mut stamped) = (Vec::new(), Vec::new());
        names.iter().for_each(|name| record::Product { id: 0, name }.push(&mut body));
        let first = Entry { origin, seq: applied.vector.seq_of(origin) + 1, time_us };
        applied.stamp_batch(&first, &body, &mut stamped);
        receive(applied, origin, time_us, &stamped, names.len() as u32);
        stamped
    }

    fn ids(applied: &Applied) -> Vec<u64> {
        shop(applied).products(None).map(|product| product.id).collect()
    }

    fn order(fingerprint: u8, product: &str) -> Vec<u8> {
        let mut out = Vec::new();
        record::Order { id: [7; 16], takes_ms: 5, fingerprint: [fingerprint; 16], product }.push(&mut out);
        out
    }

    #[test]
    fn a_host_alone_counts_on_from_the_first_two() {
        let mut host = host(None);
        add(&mut host, HERE, 1_000, &["Kite", "Ball"]);
        add(&mut host, HERE, 2_000, &["Kite"]);
        assert_eq!(ids(&host), [1, 2, 3, 4, 5]);
        let shop = shop(&host);
        assert_eq!((shop.count(), &*shop.last().unwrap().name), (5, "Kite"));
        assert_eq!(shop.product(2).map(|product| &*product.name), Some("Joli train"));
        assert_eq!(shop.product(6), None);
        assert_eq!(shop.products(Some(4)).map(|product| product.id).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn two_hosts_never_give_the_same_number_and_agree_on_the_order() {
        let (mut here, mut there) = (host(Some(Side::Even)), host(Some(Side::Odd)));
        let time_us = 1_795_234_432_000_001;
        let first = add(&mut here, HERE, time_us, &["a", "b"]);
        let second = add(&mut there, THERE, time_us, &["c", "d"]);
        receive(&mut here, THERE, time_us, &second, 2);
        receive(&mut there, HERE, time_us, &first, 2);
        assert_eq!(here.sections(), there.sections());
        assert_eq!(ids(&here)[2..], [time_us + 1, time_us + 3, time_us, time_us + 2]);
        assert!(ids(&here).iter().all(|id| *id < 1 << 53));
        // A clock that went back gives no number that is not larger than all before.
        add(&mut here, HERE, 7, &["e"]);
        assert_eq!(shop(&here).product(time_us + 5).map(|product| &*product.name), Some("e"));
    }

    #[test]
    fn of_two_orders_with_one_id_the_earlier_stands() {
        let (mut here, mut there) = (host(None), host(None));
        receive(&mut here, HERE, 20_000, &order(1, "late"), 1);
        receive(&mut here, THERE, 10_000, &order(2, "early"), 1);
        receive(&mut there, THERE, 10_000, &order(2, "early"), 1);
        receive(&mut there, HERE, 20_000, &order(1, "late"), 1);
        assert_eq!(here.sections(), there.sections());
        let standing = shop(&here).order(&[7; 16]).unwrap();
        assert_eq!((&*standing.product, standing.fingerprint), ("early", [2; 16]));
        let at = |wall_us| Now { wall_us, clock_us: 0 };
        assert_eq!([14_999, 15_000].map(|wall_us| standing.rest_us(10_000, at(wall_us))), [1, 0]);
        assert_eq!(shop(&here).names_bytes, "YoyoJoli trainearly".len());
    }

    /// An order of a host whose clock is 400 days ahead takes no longer here than one of a host whose clock is right.
    #[test]
    fn an_order_waits_by_duration_and_after_a_restart_for_no_longer_than_that() {
        const AHEAD_US: u64 = 400 * 86_400_000_000;
        const WALL_US: u64 = 1_795_234_432_000_000;
        for time_us in [WALL_US + AHEAD_US, WALL_US, WALL_US - AHEAD_US] {
            let mut host = host(None);
            host.tell_clock(1_000_000);
            receive(&mut host, THERE, time_us, &order(1, "Kite"), 1);
            let rest = |applied: &Applied, wall_us, clock_us| {
                shop(applied).order(&[7; 16]).unwrap().rest_us(time_us, Now { wall_us, clock_us })
            };
            assert_eq!(rest(&host, WALL_US, 1_000_000), 5_000);
            assert_eq!(rest(&host, WALL_US + AHEAD_US, 1_004_999), 1, "a clock that jumps changes nothing");
            assert_eq!(rest(&host, WALL_US, 1_005_000), 0);

            let mut again = self::host(None);
            again.restore(tag::app::TOYS, &host.sections()[0].1).unwrap();
            let most_us = if time_us < WALL_US { 0 } else { 5_000 };
            assert_eq!(rest(&again, WALL_US, 0), most_us);
            assert_eq!(rest(&again, WALL_US + 2_000, 2_000), most_us.saturating_sub(2_000));
            assert_eq!(rest(&again, WALL_US, 5_000), 0);
        }
    }

    #[test]
    fn what_is_no_snapshot_changes_nothing() {
        let mut host = host(None);
        add(&mut host, HERE, 1_000, &["Kite"]);
        receive(&mut host, HERE, 2_000, &order(1, "Kite"), 1);
        let (mut state, mut bytes) = (shop(&host).clone(), Vec::new());
        state.snapshot(&mut bytes);
        for cut in 1..bytes.len() {
            let whole_without_the_order = cut == 8 + 32 + 8 + 8 + 4;
            assert_eq!(state.restore(&bytes[..cut]).is_ok(), whole_without_the_order, "cut at {cut}");
            state = shop(&host).clone();
        }
        let twice = [&bytes[..], &bytes[60..]].concat();
        assert_eq!(state.restore(&twice), Err(RestoreError), "one order twice");
        assert_eq!(state, *shop(&host));
        assert_eq!(ToysState::default().clone().restore(&bytes), Ok(()));
    }
}
