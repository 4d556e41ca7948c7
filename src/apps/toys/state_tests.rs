//! Tests of the shop's state.

use super::super::item::Now;
use super::super::record::{self, KeyedProduct, Record};
use super::*;
use crate::app::applied::{Applied, Batch};
use crate::app::floors;
use crate::app::members::Ties;
use crate::app::state::{Entry, RestoreError, State};
use crate::app::trimming::Trimmed;
use crate::apps::toys::tag::{self, TOYS_CUT};
use crate::base::ids::Position;
use crate::base::seat::Seat;

const HERE: Origin = Origin { node: NodeId(1), inc: Inc(1) };
const THERE: Origin = Origin { node: NodeId(2), inc: Inc(1) };

fn host(seat: Option<u16>) -> Applied {
    let mut applied = Applied::default();
    applied.insert(tag::APP, Box::new(ToysState::default()));
    applied.seating.ties = seat.and_then(Seat::new).map_or(Ties::Alone, Ties::Pair);
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
    shop(applied).products(None).map(|(_, product)| product.id).collect()
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
    assert_eq!(shop(&host).extent(), (3, "KiteBallKite".len() as u64), "the first two can't go");
    let shop = shop(&host);
    assert_eq!((shop.count(), &*shop.last().unwrap().1.name), (5, "Kite"));
    assert_eq!(shop.product(2).map(|product| &*product.name), Some("Joli train"));
    assert_eq!(shop.product(6), None);
    assert_eq!(shop.products(shop.place(4)).map(|(_, product)| product.id).collect::<Vec<_>>(), [5]);
}

#[test]
fn two_hosts_never_give_the_same_number_and_agree_on_the_order() {
    let (mut here, mut there) = (host(Some(0)), host(Some(1)));
    let time_us = 1_795_234_432_000_001;
    let first = add(&mut here, HERE, time_us, &["a", "b"]);
    let second = add(&mut there, THERE, time_us, &["c", "d"]);
    receive(&mut here, THERE, time_us, &second, 2);
    receive(&mut there, HERE, time_us, &first, 2);
    assert_eq!(here.sections(), there.sections());
    assert_eq!(ids(&here)[2..], [time_us + 127, time_us + 255, time_us, time_us + 128]);
    assert!(ids(&here).iter().all(|id| *id < 1 << 53));
    // A clock that went back gives no number that is not larger than all before.
    add(&mut here, HERE, 7, &["e"]);
    assert_eq!(shop(&here).product(time_us + 383).map(|product| &*product.name), Some("e"));
}

#[test]
fn of_two_orders_with_one_id_the_earlier_stands() {
    let (mut here, mut there) = (host(None), host(None));
    receive(&mut here, HERE, 20_000, &order(1, "late"), 1);
    receive(&mut here, THERE, 10_000, &order(2, "early"), 1);
    receive(&mut there, THERE, 10_000, &order(2, "early"), 1);
    receive(&mut there, HERE, 20_000, &order(1, "late"), 1);
    assert_eq!(here.sections(), there.sections());
    let standing = shop(&here).orders.get(&[7; 16]).unwrap();
    assert_eq!((&*standing.product, standing.fingerprint), ("early", [2; 16]));
    let at = |wall_us| Now { wall_us, clock_us: 0 };
    assert_eq!([14_999, 15_000].map(|wall_us| standing.rest_us(10_000, at(wall_us))), [1, 0]);
    assert_eq!(shop(&here).names_bytes, "YoyoJoli trainearlylate".len(), "that gave way is in memory, too");
}

/// An order of a host whose clock is 400 days ahead takes no longer here than one of a host whose clock is right.
#[test]
fn an_order_waits_by_duration_and_after_a_restart_for_no_longer_than_that() {
    const AHEAD_US: u64 = 400 * 86_400_000_000;
    const WALL_US: u64 = 1_795_234_432_000_000;
    for time_us in [WALL_US + AHEAD_US, WALL_US, WALL_US - AHEAD_US] {
        let mut host = host(None);
        host.set_clock(1_000_000);
        receive(&mut host, THERE, time_us, &order(1, "Kite"), 1);
        let rest = |applied: &Applied, wall_us, clock_us| {
            shop(applied).orders.get(&[7; 16]).unwrap().rest_us(time_us, Now { wall_us, clock_us })
        };
        assert_eq!(rest(&host, WALL_US, 1_000_000), 5_000);
        assert_eq!(rest(&host, WALL_US + AHEAD_US, 1_004_999), 1, "a clock that jumps changes nothing");
        assert_eq!(rest(&host, WALL_US, 1_005_000), 0);

        let mut again = self::host(None);
        again.restore(tag::APP, &host.sections()[0].1).unwrap();
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
    let mut again = Vec::new();
    state.snapshot(&mut again);
    assert_eq!(again, bytes);
    assert_eq!(ToysState::default().clone().restore(&bytes), Ok(()));
}

fn keyed(host: &mut Applied, origin: Origin, time_us: u64, name: &str, body: u8) -> (u64, Vec<u8>) {
    let mut record = Vec::new();
    let product = record::Product { id: 0, name };
    KeyedProduct { product, key: [9; 16], fingerprint: [body; 16] }.push(&mut record);
    let first = Entry { origin, seq: host.vector.seq_of(origin) + 1, time_us };
    let mut body = Vec::new();
    host.stamp_batch(&first, &record, &mut body);
    let Some(Record::Keyed(stamped)) = record::decode(&body) else { panic!("a keyed toy") };
    receive(host, origin, time_us, &body, 1);
    (stamped.product.id, body)
}

#[test]
fn of_two_toys_with_one_key_the_earlier_stands_and_answers_for_the_other() {
    let (mut here, mut there) = (host(Some(0)), host(Some(1)));
    let (late, of_here) = keyed(&mut here, HERE, 20_000, "Kite", 1);
    assert_eq!(shop(&here).claims.standing(&[9; 16]).map(|claim| claim.id), Some(late));
    let (early, of_there) = keyed(&mut there, THERE, 10_000, "Kite", 1);
    receive(&mut here, THERE, 10_000, &of_there, 1);
    receive(&mut there, HERE, 20_000, &of_here, 1);
    assert_eq!(here.sections(), there.sections());
    let mut restored = host(None);
    restored.restore(tag::APP, &here.sections()[0].1).unwrap();
    assert_eq!(restored.sections(), here.sections());
    for host in [&here, &there, &restored] {
        assert_eq!((ids(host), shop(host).count()), (vec![1, 2, early], 3));
        assert_eq!(shop(host).last().map(|(_, product)| product.id), Some(early));
        assert_eq!(shop(host).claims.standing(&[9; 16]).map(|claim| claim.id), Some(early));
        let named = [early, late].map(|id| shop(host).product(id).map(|product| product.id));
        assert_eq!(named, [Some(early), Some(early)], "both were told to somebody");
    }
    // Another body under the same key was another toy: nothing stands in for it.
    let (other, _) = keyed(&mut here, HERE, 30_000, "Ball", 2);
    assert_eq!((shop(&here).product(other), shop(&here).count()), (None, 3));
}

#[test]
fn a_snapshot_without_keys_is_that_of_the_first_program() {
    let mut host = host(None);
    add(&mut host, HERE, 1_000, &["Kite"]);
    let bytes = host.sections()[0].1.clone();
    assert_eq!(bytes[..8], 1_u64.to_le_bytes());
    keyed(&mut host, HERE, 2_000, "Ball", 1);
    let bytes = host.sections()[0].1.clone();
    assert_eq!(bytes[..8], (2_u64 | 1 << 63).to_le_bytes());
    for cut in 9..bytes.len() {
        assert!(ToysState::default().restore(&bytes[..cut]).is_err(), "cut at {cut}");
    }
}

/// Every record, whoever hears of it in which order.
#[test]
fn what_is_cut_leaves_what_would_be_there_had_it_never_come() {
    let mut keyed = Vec::new();
    let product = record::Product { id: 7, name: "Kite" };
    KeyedProduct { product, key: [9; 16], fingerprint: [1; 16] }.push(&mut keyed);
    let mut plain = Vec::new();
    product.push(&mut plain);
    let cut = floors::records(TOYS_CUT, &[(HERE, 3)]).concat();
    // The same key, the same number and the same order on both hosts; the cut takes those of the first one, which stood.
    let of_here = [(10, keyed.clone()), (20, plain.clone()), (30, order(1, "x"))];
    let of_there = [(11, keyed), (21, plain), (31, order(2, "yz")), (32, cut)];
    let mut expected = host(None);
    of_there[..3].iter().for_each(|(time_us, record)| receive(&mut expected, THERE, *time_us, record, 1));
    for order in 0..128_u32 {
        let mut host = host(None);
        let (mut here, mut there) = (of_here.iter(), of_there.iter());
        let mut apply = |origin, (time_us, record): &(u64, Vec<u8>)| {
            receive(&mut host, origin, *time_us, record, 1);
        };
        for bit in 0..7 {
            match order >> bit & 1 {
                0 => here.next().into_iter().for_each(|one| apply(HERE, one)),
                _ => there.next().into_iter().for_each(|one| apply(THERE, one)),
            }
        }
        here.for_each(|one| apply(HERE, one));
        there.for_each(|one| apply(THERE, one));
        let (left, whole) = (shop(&host), shop(&expected));
        assert_eq!(left.products, whole.products, "{order:b}");
        assert_eq!((&left.claims, &left.places, &left.orders), (&whole.claims, &whole.places, &whole.orders));
        assert_eq!((left.names_bytes, left.doubles, left.later.len()), (whole.names_bytes, whole.doubles, 0));
        let mut restored = self::host(None);
        restored.restore(tag::APP, &host.sections()[0].1).unwrap();
        assert_eq!(shop(&restored).floors, left.floors);
    }
}

#[test]
fn orders_and_keys_stay_for_a_day_and_numbers_are_not_given_again() {
    use crate::app::hosts::Hosts;
    use crate::app::keep::Keep;
    use crate::app::trimming::{Look, floors};
    const DAY_US: u64 = 86_400_000_000;
    let mut host = host(None);
    add(&mut host, HERE, 10, &["Kite", "Ball"]);
    let (id, _) = self::keyed(&mut host, HERE, 20, "Drum", 1);
    receive(&mut host, HERE, 30, &order(1, "Kite"), 1);
    add(&mut host, HERE, 40, &["Bear"]);
    let keep = Keep { count: Some(0), ..Keep::default() };
    let cut =
        |host: &Applied, now_us| floors(shop(host), &keep, &Look { now_us, hosts: Hosts::alone(HERE.node) });
    assert_eq!(cut(&host, 1_000), [(HERE, 2)], "a toy with a key holds what comes behind it");
    assert_eq!(cut(&host, DAY_US + 20), [(HERE, 3)]);
    let all = cut(&host, DAY_US + 30_000);
    assert_eq!(all, [(HERE, 5)]);
    let record = crate::app::floors::records(TOYS_CUT, &all).concat();
    receive(&mut host, HERE, 50, &record, 1);
    assert_eq!((ids(&host), shop(&host).count()), (vec![1, 2], 2));
    add(&mut host, HERE, 60, &["Boat"]);
    assert_eq!(ids(&host), [1, 2, id + 2], "the last one had the number before");
}
