//! Toys and orders as runs have them.
//!
//! ```text
//! toy          u64 time  u64 number  the name
//! with a key   u64 time  u64 number  0xFF  key (16 bytes)  fingerprint (16 bytes)  u64 time of its batch  the name
//! order        u64 0  u64 when it is done  0xFE  id (16 bytes)  fingerprint (16 bytes)  u64 time of its batch  what was ordered
//!
//! TIMES        toys in the order of the list
//! NUMBERS      u64 number of a toy, big endian
//! KEYS         16 bytes: the key of a toy
//! ORDER_IDS    16 bytes
//! ORDER_TIMES  u64 time of an order's batch, big endian: the order in which cuts take them
//! ```
//!
//! The time in front is the one as of which a toy counts. Of an order it is 0: heals move no order. No name begins with 0xFE or 0xFF,
//! which no UTF-8 has.

use crate::app::fields::Fields;
use crate::log::runs::item::{Item, LOOKED_UP, TIMES};

use super::claims::Claim;
use super::item::{Order, Product};
use super::place::Place;
use super::record::{KeyId, OrderId};

/// Table of toys by their numbers.
pub const NUMBERS: u8 = 2;
/// Table of toys by their keys.
pub const KEYS: u8 = 3 | LOOKED_UP;
/// Table of orders by their ids.
pub const ORDER_IDS: u8 = 5 | LOOKED_UP;
/// Table of orders by their times.
pub const ORDER_TIMES: u8 = 6;

const KEYED: u8 = 0xFF;
const ORDERED: u8 = 0xFE;

/// The claim of a toy: its key, where the record was put by its batch, and the claim itself.
pub type Claimed = (KeyId, Place, Claim);

/// An item that a run has at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// A toy, the time as of which it counted when it was written, and its claim, if it has one.
    Toy(Product, u64, Option<Claimed>),
    /// An order. Since when it is known here no run knows.
    Order(OrderId, Order),
}

/// Returns a toy as a run has it, that counts as of its place.
#[must_use]
pub fn toy(place: &Place, product: &Product, claimed: Option<&Claimed>) -> Item {
    let mut value = [place.time_us, product.id].map(u64::to_le_bytes).concat();
    let mut keys =
        vec![(TIMES, place.time_us.to_be_bytes().to_vec()), (NUMBERS, product.id.to_be_bytes().to_vec())];
    if let Some((key, at, claim)) = claimed {
        push_named(&mut value, KEYED, key, &claim.fingerprint, at.time_us);
        keys.push((KEYS, key.to_vec()));
    }
    item(place, &product.name, value, keys)
}

/// Returns an order as a run has it.
#[must_use]
pub fn order(id: &OrderId, order: &Order) -> Item {
    let mut value = [0, order.done_us].map(u64::to_le_bytes).concat();
    push_named(&mut value, ORDERED, id, &order.fingerprint, order.place.time_us);
    let keys = vec![(ORDER_IDS, id.to_vec()), (ORDER_TIMES, order.place.time_us.to_be_bytes().to_vec())];
    item(&order.place, &order.product, value, keys)
}

fn push_named(value: &mut Vec<u8>, kind: u8, name: &[u8; 16], fingerprint: &[u8; 16], time_us: u64) {
    value.push(kind);
    value.extend_from_slice(name);
    value.extend_from_slice(fingerprint);
    value.extend_from_slice(&time_us.to_le_bytes());
}

fn item(place: &Place, name: &str, mut value: Vec<u8>, keys: Vec<(u8, Vec<u8>)>) -> Item {
    value.extend_from_slice(name.as_bytes());
    Item { place: (place.origin, place.seq), bytes: name.len() as u64, contents_bytes: 0, value, keys }
}

/// Reads an item that comes from a run; nothing for what is none.
#[must_use]
pub fn read(item: &Item) -> Option<Stored> {
    let mut fields = Fields::of(&item.value);
    let (time_us, number) = (fields.u64()?, fields.u64()?);
    let Some(kind @ (KEYED | ORDERED)) = item.value.get(16).copied() else {
        return Some(Stored::Toy(Product { id: number, name: text(fields.rest())? }, time_us, None));
    };
    fields.byte()?;
    let (name, fingerprint) = (fields.array()?, fields.array()?);
    let place = Place::at((fields.u64()?, item.place));
    let text = text(fields.rest())?;
    Some(if kind == KEYED {
        let claim = Claim { id: number, fingerprint };
        Stored::Toy(Product { id: number, name: text }, time_us, Some((name, place, claim)))
    } else {
        let order = Order { place, done_us: number, here_us: 0, is_live: false, fingerprint, product: text };
        Stored::Order(name, order)
    })
}

fn text(bytes: &[u8]) -> Option<Box<str>> {
    std::str::from_utf8(bytes).ok().map(Box::from)
}

/// Returns the keys under which tables have an item that comes from a run; none for what is no item.
#[must_use]
pub fn keys(stored: &Item) -> Vec<(u8, Vec<u8>)> {
    match read(stored) {
        Some(Stored::Toy(product, time_us, claimed)) => {
            toy(&Place::at((time_us, stored.place)), &product, claimed.as_ref()).keys
        }
        Some(Stored::Order(id, ordered)) => order(&id, &ordered).keys,
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, NodeId, Origin};

    #[test]
    fn what_is_written_is_read_and_a_toy_without_a_key_is_what_the_first_runs_have() {
        let origin = Origin { node: NodeId(1), inc: Inc(2) };
        let (counts, sealed) = (Place { time_us: 5, origin, seq: 3 }, Place { time_us: 9, origin, seq: 3 });
        let product = Product { id: 7, name: "é\0".into() };
        let plain = toy(&counts, &product, None);
        assert_eq!(
            plain.value,
            [&[5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0][..], "é\0".as_bytes()].concat()
        );
        assert_eq!(read(&plain), Some(Stored::Toy(product.clone(), 5, None)));
        let claimed = ([1; 16], sealed, Claim { id: 7, fingerprint: [2; 16] });
        let keyed = toy(&counts, &product, Some(&claimed));
        assert_eq!(read(&keyed), Some(Stored::Toy(product, 5, Some(claimed))));
        let fingerprint = [4; 16];
        let taken =
            Order { place: sealed, done_us: 11, here_us: 0, is_live: false, fingerprint, product: "".into() };
        let ordered = order(&[3; 16], &taken);
        assert_eq!(ordered.value[..8], [0; 8]);
        assert_eq!(read(&ordered), Some(Stored::Order([3; 16], taken)));
        for item in [plain, keyed, ordered] {
            assert_eq!(keys(&item), item.keys);
            for end in (0..16).chain(if item.value[16..].first() >= Some(&ORDERED) { 16..57 } else { 0..0 }) {
                let cut = Item { value: item.value[..end].to_vec(), ..item.clone() };
                // Without any name it is one with an empty one.
                assert_eq!(read(&cut).is_none(), end != 16, "{end}");
            }
        }
    }
}
