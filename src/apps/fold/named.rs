//! Toys with keys and orders on the disk: of those with one name the earliest stands, wherever they are and whenever they come.

use super::aged::{Host, Move};
use super::shown::toys;
use super::{Sealed, start};
use crate::app::floors;
use crate::app::returning;
use crate::app::shelving;
use crate::app::state::Entry;
use crate::app::trimming::Trimmed;
use crate::apps::toys::named::Look;
use crate::apps::toys::record::{self, KeyedProduct};
use crate::apps::toys::state::ToysState;
use crate::apps::toys::tag::TOYS_CUT;
use crate::base::ids::{Origin, Seq};
use crate::base::vector::VersionVector;

fn batch(origin: Origin, seq: Seq, time_us: u64, body: Vec<u8>) -> Sealed {
    let first = Entry { origin, seq, time_us };
    Sealed { first, count: 1, body, seen: VersionVector::new() }
}

/// Has a host take one record of a stream.
fn take(host: &mut Host, origin: Origin, seq: Seq, time_us: u64, body: Vec<u8>) {
    host.take(&batch(origin, seq, time_us, body));
}

fn keyed(id: u64, key: u8, body: u8) -> Vec<u8> {
    let (mut out, name) = (Vec::new(), format!("toy {id}"));
    let product = record::Product { id, name: &name };
    KeyedProduct { product, key: [key; 16], fingerprint: [body; 16] }.push(&mut out);
    out
}

fn order(id: u8, body: u8) -> Vec<u8> {
    let mut out = Vec::new();
    record::Order { id: [id; 16], takes_ms: 1, fingerprint: [body; 16], product: "Kite" }.push(&mut out);
    out
}

/// Returns the numbers of the toys that a host shows, how many it counts, and how many items are on the disk.
fn shown(host: &Host) -> (Vec<u64>, usize, u64) {
    let live = host.live.read();
    let shop = live.state::<ToysState>().unwrap();
    let ids = toys(shop, &live.heals).iter().map(|(_, product)| product.id).collect();
    let old = live.aging().map(|(_, aging)| aging.old().count()).sum();
    (ids, shop.count(), old)
}

fn of_key(host: &Host, key: u8) -> Look<u64> {
    let live = host.live.read();
    match live.state::<ToysState>().unwrap().look_at_key(&[key; 16]) {
        Look::Known(claim) => Look::Known(claim.id),
        Look::Doubt => Look::Doubt,
        Look::Old => Look::Old,
        Look::Free => Look::Free,
    }
}

const ALL: Move = Move::Age { behind: 0, young_bytes: 0 };

/// The earlier claim of a key comes when the later one is on the disk.
#[test]
fn an_earlier_claim_of_an_old_key_stands_once_the_old_one_is_read() {
    for body in [1, 2] {
        let (mut host, [here, there]) = (Host::new(), [start(0, 1), start(1, 1)]);
        take(&mut host, here, 1, 20, keyed(21, 7, 1));
        take(&mut host, here, 2, 21, order(7, 1));
        host.make(ALL);
        assert_eq!((shown(&host), of_key(&host, 7)), ((vec![1, 2, 21], 3, 2), Look::Old));
        take(&mut host, there, 1, 10, keyed(11, 7, body));
        take(&mut host, there, 2, 11, order(7, 2));
        // One is shown at any time: the old one until it is known that it gave way.
        assert_eq!((shown(&host), of_key(&host, 7)), ((vec![1, 2, 21], 3, 2), Look::Doubt));
        host.make(Move::GoOn);
        assert_eq!(
            (shown(&host), of_key(&host, 7)),
            ((vec![1, 2, 21], 3, 2), Look::Doubt),
            "it is in the snapshot"
        );
        host.make(Move::Tell);
        assert_eq!((shown(&host), of_key(&host, 7)), ((vec![1, 2, 11], 3, 0), Look::Known(11)));
        {
            let live = host.live.read();
            let shop = live.state::<ToysState>().unwrap();
            let stand_in = shop.product(21).map(|product| product.id);
            assert_eq!(stand_in, (body == 1).then_some(11), "its number leads to the one with the same body");
            let Look::Known(order) = shop.look_at_order(&[7; 16]) else { panic!("an order") };
            assert_eq!((order.place.time_us, order.fingerprint), (11, [2; 16]));
            assert_eq!(shop.extent().0, 4);
        }
        // Both stay in memory, whatever is to go.
        host.make(ALL);
        assert_eq!((shown(&host), host.live.read().young_bytes()), ((vec![1, 2, 11], 3, 0), 0));
        // When a cut takes the one that stood, the other one stands, and goes to the disk again.
        let cut = floors::records(TOYS_CUT, &[(there, 2)]).concat();
        take(&mut host, there, 3, 30, cut);
        assert_eq!((shown(&host), of_key(&host, 7)), ((vec![1, 2, 21], 3, 0), Look::Known(21)));
        host.make(ALL);
        assert_eq!((shown(&host), of_key(&host, 7)), ((vec![1, 2, 21], 3, 2), Look::Old));
        let cut = floors::records(TOYS_CUT, &[(here, 2)]).concat();
        take(&mut host, here, 3, 40, cut);
        assert_eq!(shown(&host), (vec![1, 2], 2, 0));
    }
}

#[test]
fn a_later_claim_of_an_old_key_gives_way_and_ends_when_it_is_cut() {
    let (mut host, [here, there]) = (Host::new(), [start(0, 1), start(1, 1)]);
    take(&mut host, here, 1, 10, keyed(11, 7, 1));
    host.make(ALL);
    take(&mut host, there, 1, 20, keyed(21, 7, 1));
    take(&mut host, there, 2, 21, floors::records(TOYS_CUT, &[(there, 1)]).concat());
    assert_eq!((shown(&host), of_key(&host, 7)), ((vec![1, 2, 11], 3, 1), Look::Old), "nothing is in doubt");
    take(&mut host, there, 3, 30, keyed(31, 7, 1));
    // The fold hears of it, and the state in force is behind with reading.
    host.make(ALL);
    assert_eq!((shown(&host), of_key(&host, 7)), ((vec![1, 2, 11], 3, 0), Look::Known(11)));
    assert_eq!(
        host.live.read().state::<ToysState>().unwrap().product(31).map(|product| product.id),
        Some(11)
    );
}

/// Eight names fill their filter by half, so it takes some others for one of them.
#[test]
fn a_toy_that_is_taken_for_an_old_one_is_seen_once_that_was_looked_up() {
    let (mut host, here) = (Host::new(), start(0, 1));
    for seq in 1..=8_u8 {
        take(&mut host, here, u64::from(seq), 10, keyed(10 + u64::from(seq), seq, 1));
    }
    host.make(ALL);
    let taken_for_one = (9..=255).find(|key| of_key(&host, *key) == Look::Old).expect("one in a hundred");
    let free = (9..=255).find(|key| of_key(&host, *key) == Look::Free).expect("most are");
    take(&mut host, here, 9, 20, keyed(19, taken_for_one, 1));
    take(&mut host, here, 10, 21, keyed(20, free, 1));
    let without: Vec<u64> = [1, 2].into_iter().chain(11..=18).chain([20]).collect();
    assert_eq!((shown(&host), of_key(&host, taken_for_one)), ((without, 11, 8), Look::Doubt));
    host.make(Move::Tell);
    let with: Vec<u64> = [1, 2].into_iter().chain(11..=20).collect();
    assert_eq!((shown(&host), of_key(&host, taken_for_one)), ((with.clone(), 12, 8), Look::Known(19)));
    host.make(ALL);
    assert_eq!((shown(&host), of_key(&host, taken_for_one)), ((with, 12, 10), Look::Old));
}

/// Takes toys with eight keys, and one that is taken for one of them; gives its key.
fn with_one_in_doubt(host: &mut Host, origin: Origin) -> u8 {
    for seq in 1..=8_u8 {
        take(host, origin, u64::from(seq), 10, keyed(10 + u64::from(seq), seq, 1));
    }
    host.make(ALL);
    let key = (9..=255).find(|key| of_key(host, *key) == Look::Old).expect("one in a hundred");
    take(host, origin, 9, 20, keyed(19, key, 1));
    key
}

/// The run with the old toy of a key is merged into another one between the reading and the putting back, and whoever takes that one
/// over can't read what is in doubt.
#[test]
fn a_doubt_stays_open_when_what_was_read_is_in_another_run_by_now() {
    let (mut host, [here, there]) = (Host::new(), [start(0, 1), start(1, 1)]);
    for seq in 1..=4_u8 {
        take(&mut host, here, u64::from(seq), 10, keyed(10 + u64::from(seq), seq, 1));
    }
    host.make(ALL);
    take(&mut host, here, 5, 20, floors::records(TOYS_CUT, &[(here, 2)]).concat());
    take(&mut host, there, 1, 30, keyed(31, 4, 1));
    assert_eq!(of_key(&host, 4), Look::Doubt);
    let other = batch(there, 2, 31, keyed(32, 40, 1));
    let live = host.live.clone();
    returning::take_back_amid(&live, || {
        host.take(&other);
        // It knows the cut, for which it merges, and neither of the later toys.
        let ageing = host.fold(2, 0);
        host.memory.fail(true);
        shelving::adopt(&host.live, &ageing);
        host.memory.fail(false);
    })
    .unwrap();
    assert_eq!((shown(&host), of_key(&host, 4)), ((vec![1, 2, 13, 14, 32], 5, 2), Look::Doubt));
    host.make(Move::Tell);
    assert_eq!((shown(&host), of_key(&host, 4)), ((vec![1, 2, 13, 14, 32], 5, 1), Look::Known(14)));
}

/// A toy is in a run of a fold, and whether another one has its key can't be read where it is served from.
#[test]
fn a_toy_in_doubt_stays_in_memory_until_the_doubt_is_settled() {
    let (mut host, here) = (Host::new(), start(0, 1));
    let key = with_one_in_doubt(&mut host, here);
    let ageing = host.fold(0, 0);
    host.memory.fail(true);
    shelving::adopt(&host.live, &ageing);
    host.memory.fail(false);
    assert_eq!((shown(&host).2, of_key(&host, key)), (8, Look::Doubt));
    host.make(Move::Tell);
    let all: Vec<u64> = [1, 2].into_iter().chain(11..=19).collect();
    assert_eq!((shown(&host), of_key(&host, key)), ((all, 11, 8), Look::Known(19)));
}

/// The state in force has a doubt about what a fold has written: it reads before it takes the run over, so nothing stays behind.
#[test]
fn what_a_fold_has_written_leaves_the_memory_although_it_was_in_doubt() {
    let (mut host, here) = (Host::new(), start(0, 1));
    with_one_in_doubt(&mut host, here);
    host.make(ALL);
    assert_eq!((shown(&host).2, host.live.read().young_bytes()), (9, 0));
}
