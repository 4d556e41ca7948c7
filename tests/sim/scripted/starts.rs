//! Two hosts that start again and again: what starts cost is the same after the first hundred and after thousands.
//!
//! ```text
//! cargo test --test sim restarts                    1,000 restarts of both
//! STARTS=10000 cargo test --test sim restarts       as many as that
//! ```

use std::time::Instant;

use pixeld::app::applied::Applied;
use pixeld::app::state::Entry;
use pixeld::apps::pixel::raw::Pixel;
use pixeld::apps::pixel::state::{PixelState, clear_record};
use pixeld::base::ids::{Position, Seq};
use pixeld::base::limits::FOLD_STARTS_MIN;
use pixeld::log::format::record;
use pixeld::log::snapshot;

use super::super::host::Up;
use super::super::sim_disk::SimDisk;
use super::pair::{NODES, Pair};

const PIXELS: usize = 3;
/// A restart in so many clears the list.
const CLEAR_EVERY: u64 = 25;

/// What starts cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    named: usize,
    snapshot_bytes: usize,
    clear_bytes: usize,
}

fn cost(host: &mut Up, disk: &SimDisk) -> Cost {
    host.fold();
    let snapshot = snapshot::load_newest(disk).unwrap().expect("it was made");
    let applied = host.shared.applied.read();
    let origin = host.origin();
    let mut clear = Vec::new();
    let first = Entry { origin, seq: applied.vector.seq_of(origin) + 1, time_us: 0 };
    applied.stamp_batch(&first, &clear_record(), &mut clear);
    Cost { named: applied.vector.len(), snapshot_bytes: snapshot.encoded_bytes(), clear_bytes: clear.len() }
}

/// Returns whether the newest clear of a host's journal stands in a batch that says that it takes all that is folded.
fn clear_touches_folds(host: &Up) -> Option<bool> {
    let end = host.shared.applied.read().position;
    let mut scan = host.shared.reader.scan(Position(0), end);
    let mut newest = None;
    while let Some(batch) = scan.next_batch().expect("a sound journal") {
        let mut records = record::records(batch.body);
        if records.any(|bytes| bytes.is_ok_and(|bytes| bytes[0] == clear_record()[0])) {
            newest = Some(batch.header.touches_folds);
        }
    }
    newest
}

fn pixels(applied: &Applied) -> u64 {
    applied.state::<PixelState>().map_or(0, PixelState::total)
}

#[test]
fn restarts_cost_nothing_once_they_are_folded() {
    let restarts = std::env::var("STARTS").map_or(1_000, |text| text.parse().expect("a number"));
    let mut pair = Pair::new();
    let pixel = Pixel { tag: 0x11, value: 9, x: 1, y: 2 }.encode().repeat(PIXELS);
    let (mut listed, mut early, mut took) = (0, None, [0, 0]);
    for restart in 1..=restarts {
        let is_clear = restart % CLEAR_EVERY == 0;
        let records = if is_clear { [&clear_record()[..], &pixel].concat() } else { pixel.clone() };
        let before = Instant::now();
        let mut hosts = pair.live(&records);
        took[usize::from(restart > restarts / 2)] += before.elapsed().as_micros();
        // The two clears of a turn don't know each other's pixels.
        listed = if is_clear { 2 * PIXELS as u64 } else { listed + 2 * PIXELS as u64 };
        let vectors = hosts.each_ref().map(|host| host.shared.applied.read().vector.clone());
        assert_eq!(vectors[0], vectors[1], "restart {restart}");
        for host in &hosts {
            let applied = host.shared.applied.read();
            assert_eq!(pixels(&applied), listed, "restart {restart}");
            let of_node = |node| applied.vector.iter().filter(|(origin, _)| origin.node == node).count();
            assert!(NODES.map(of_node).iter().all(|named| *named <= 2 * FOLD_STARTS_MIN + 2), "{vectors:?}");
        }
        if is_clear {
            let touch = hosts.each_ref().map(clear_touches_folds);
            assert_eq!(touch, [Some(true); 2], "restart {restart}: what it does not name is folded by then");
        }
        if restart % CLEAR_EVERY == 1 {
            hosts.iter_mut().for_each(Up::fold);
        }
        if restart == 100 || restart == restarts {
            let costs = [0, 1].map(|host| cost(&mut hosts[host], &pair.disks[host]));
            let early = *early.get_or_insert(costs);
            for (early, late) in early.iter().zip(&costs) {
                // A name more or less is no growth.
                let spread = 2 * FOLD_STARTS_MIN;
                assert!(late.named <= early.named + spread, "{early:?} {late:?}");
                assert!(late.snapshot_bytes <= early.snapshot_bytes + 200 * spread, "{early:?} {late:?}");
                assert!(late.clear_bytes <= early.clear_bytes + 32 * spread, "{early:?} {late:?}");
            }
            println!("after {restart} restarts: {costs:?}");
        }
        pair.fall(hosts);
    }
    let folded: Vec<Seq> = {
        let hosts = pair.start();
        hosts.each_ref().map(|host| pixeld::engine::storage::starts::folded(&host.shared)).to_vec()
    };
    assert!(folded.iter().all(|folded| *folded >= 2 * restarts - 40), "{folded:?}");
    println!(
        "{restarts} restarts: {folded:?} folded, {} ms of the first half, {} ms of the second",
        took[0] / 1_000,
        took[1] / 1_000
    );
}
