//! The shop's snapshot.

use crate::app::fields::Fields;
use crate::app::floors::Floors;
use crate::base::ids::{Inc, NodeId, Origin};
use crate::base::places::Places;

use super::claims::Claim;
use super::doubts::Name;
use super::index::Held;
use super::item::Order;
use super::place::Place;
use super::record::{KeyId, OrderId};
use super::state::{FIRST, ToysState};

/// In a snapshot's number of toys: claims to keys follow them.
const WITH_CLAIMS: u64 = 1 << 63;
/// In a snapshot's number of toys: what cuts need follows them and the claims.
const WITH_CUTS: u64 = 1 << 62;
/// In a snapshot's number of toys: which old items are orders, and the open doubts, follow all of that.
const WITH_OLD: u64 = 1 << 61;

/// Appends the state's bytes.
pub fn push(shop: &ToysState, out: &mut Vec<u8>) {
    let added = (shop.products.len() - FIRST.len()) as u64;
    // Without claims and cuts it is what the first program wrote, and reads.
    let has_claims = shop.claims.iter().len() > 0;
    // Of toys on the disk, and of those that are gone, no number is among those that follow.
    let is_last_known = shop.places.last_key_value().is_some_and(|(id, _)| *id == shop.last_id);
    let has_cuts = !shop.floors.is_empty() || !shop.later.is_empty() || !is_last_known;
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    let has_old = !shop.old_orders.is_empty() || !shop.doubts.is_empty();
    let flags = flag(has_claims, WITH_CLAIMS) | flag(has_cuts, WITH_CUTS) | flag(has_old, WITH_OLD);
    push_word(out, added | flags);
    for (place, product) in shop.products.iter().skip(FIRST.len()) {
        push_place(out, place);
        push_word(out, product.id);
        push_text(out, &product.name);
    }
    if has_claims {
        push_word(out, shop.claims.iter().len() as u64);
    }
    for (key, place, claim) in shop.claims.iter() {
        push_claim(out, key, place, claim);
    }
    if has_cuts {
        push_word(out, shop.last_id);
        push_word(out, shop.later.len() as u64);
        shop.later.iter().for_each(|((id, _), order)| push_order(out, id, order));
        push_floors(shop, out);
    }
    if has_old {
        shop.old_orders.push(out);
        push_word(out, shop.doubts.names().len() as u64);
        for name in shop.doubts.names() {
            out.push(name.table());
            out.extend_from_slice(name.bytes());
        }
    }
    shop.orders.iter().for_each(|(id, order)| push_order(out, id, order));
}

fn push_floors(shop: &ToysState, out: &mut Vec<u8>) {
    let mut floors = Vec::new();
    shop.floors.push(&mut floors);
    push_word(out, floors.len() as u64);
    out.extend_from_slice(&floors);
}

/// Appends what is kept beside toys and orders.
pub fn push_beside(shop: &ToysState, out: &mut Vec<u8>) {
    push_word(out, shop.last_id);
    push_floors(shop, out);
}

/// Reads what a shop has that was cut, or whose oldest items are gone or on the disk.
fn read_cuts(shop: &mut ToysState, rest: &mut &[u8]) -> Option<()> {
    shop.last_id = shop.last_id.max(word(rest)?);
    for _ in 0..word(rest)? {
        let (id, order) = read_order(rest)?;
        shop.names_bytes += order.product.len();
        shop.index.add(Held::Order(order.place, id));
        shop.later.insert((id, order.place), order);
    }
    let length = usize::try_from(word(rest)?).ok()?;
    let (floors, after) = rest.split_at_checked(length)?;
    *rest = after;
    shop.floors = Floors::read(&mut Fields::of(floors))?;
    Some(())
}

/// Reads what is on the disk, and what is in doubt.
fn read_old(shop: &mut ToysState, rest: &mut &[u8]) -> Option<()> {
    let (orders, length) = Places::read(rest)?;
    shop.old_orders = orders;
    *rest = rest.get(length..)?;
    for _ in 0..word(rest)? {
        let ([table], bytes) = (take(rest)?, take::<16>(rest)?);
        shop.doubts.add(Name::of(table, &bytes)?);
    }
    Some(())
}

fn push_claim(out: &mut Vec<u8>, key: &KeyId, place: &Place, claim: &Claim) {
    out.extend_from_slice(key);
    push_place(out, place);
    push_word(out, claim.id);
    out.extend_from_slice(&claim.fingerprint);
}

fn push_order(out: &mut Vec<u8>, id: &OrderId, order: &Order) {
    out.extend_from_slice(id);
    push_place(out, &order.place);
    push_word(out, order.done_us);
    out.extend_from_slice(&order.fingerprint);
    push_text(out, &order.product);
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

/// Reads a snapshot; nothing for bytes of another form. Toys and orders stand in their order, each once.
pub fn read(bytes: &[u8]) -> Option<ToysState> {
    let mut state = ToysState::default();
    let mut rest = bytes;
    let added = word(&mut rest)?;
    for _ in 0..added & !(WITH_CLAIMS | WITH_CUTS | WITH_OLD) {
        let (place, id) = (place(&mut rest)?, word(&mut rest)?);
        if state.products.last_key_value().is_some_and(|(last, _)| *last >= place) {
            return None;
        }
        state.add(place, id, text(&mut rest)?);
    }
    let claims = if added & WITH_CLAIMS == 0 { 0 } else { word(&mut rest)? };
    for _ in 0..claims {
        let (key, place) = (take(&mut rest)?, place(&mut rest)?);
        let claim = Claim { id: word(&mut rest)?, fingerprint: take(&mut rest)? };
        state.claims.add(key, place, claim);
    }
    if added & WITH_CUTS != 0 {
        read_cuts(&mut state, &mut rest)?;
    }
    if added & WITH_OLD != 0 {
        read_old(&mut state, &mut rest)?;
    }
    while !rest.is_empty() {
        let (id, order) = read_order(&mut rest)?;
        if state.orders.last_key_value().is_some_and(|(last, _)| *last >= id) {
            return None;
        }
        state.put_order(id, order);
    }
    state.weigh();
    Some(state)
}

fn read_order(rest: &mut &[u8]) -> Option<(OrderId, Order)> {
    let id = take(rest)?;
    let order = Order {
        place: place(rest)?,
        done_us: word(rest)?,
        here_us: 0,
        is_live: false,
        fingerprint: take(rest)?,
        product: text(rest)?.into(),
    };
    Some((id, order))
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
