//! A host comes down at every call of a cut, and of a fold of starts: its own, or one that it hears of. It starts, nothing that
//! was acknowledged is lost, and both hosts come to what an oracle knows, with the room back.

use pixeld::apps::pixel::raw::Pixel;
use pixeld::apps::pixel::state::{PixelState, clear_record};
use pixeld::base::limits::FOLD_STARTS_MIN;
use pixeld::engine::storage::starts::folded;

use super::super::canvas::{Place, listed};
use super::super::cuts;
use super::super::host::Up;
use super::super::oracle::{self, Oracle};
use super::super::pictures;
use super::super::sim_disk::{Failure, Fall, SimDisk};
use super::pair::{NODES, Pair};

/// How it comes down: with what the system was given, or without.
const FALLS: [Fall; 3] = [Fall::Kill, Fall::Power(1), Fall::Power(2)];
/// Pixels of a batch, about half of what a lane takes.
const BATCH: i32 = 450;
/// So many batches of each host fill two segments, and begin a third.
const BATCHES: i32 = 40;

/// What is taken off.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// All but the newest of this number, as `--keep` does.
    Oldest(u64),
    /// What was kept before this time, as `DELETE /pixels?before=` does.
    Before(u64),
    /// All, as `DELETE /pixels` does.
    All,
}

impl Cut {
    fn records(self, up: &Up) -> Vec<u8> {
        match self {
            Self::Oldest(newest) => cuts::leaving(up, |_| newest, true).expect("a sound disk"),
            Self::Before(time_us) => cuts::before(up, time_us).expect("a sound disk"),
            Self::All => clear_record(),
        }
    }

    /// What it leaves of a list.
    fn leaves(self, all: &[Place]) -> Vec<Place> {
        match self {
            Self::Oldest(newest) => all[all.len() - newest as usize..].to_vec(),
            Self::Before(time_us) => all.iter().filter(|(at_us, ..)| *at_us >= time_us).copied().collect(),
            Self::All => Vec::new(),
        }
    }
}

fn pixels(count: i32, y: i32) -> Vec<u8> {
    (0..count).flat_map(|x| Pixel { tag: 0x11, value: 9, x, y }.encode()).collect()
}

fn places(up: &Up) -> Vec<Place> {
    listed(&up.shared).into_iter().map(|(place, _)| place).collect()
}

/// Two hosts with some segments of pixels, a message with a picture, and a snapshot of that.
fn filled() -> Pair {
    let mut pair = Pair::new();
    let mut hosts = pair.live(&pixels(1, 0));
    for y in 0..BATCHES {
        for host in &mut hosts {
            assert!(host.log(&pixels(BATCH, y), pair.wall_us()));
        }
        assert!(pair.settle(&mut hosts));
    }
    let (_, content) = &pictures::all()[0];
    hosts[0].post_picture(content, [7; 16], pair.wall_us()).expect("a sound disk");
    assert!(pair.settle(&mut hosts));
    hosts.iter_mut().for_each(Up::fold);
    assert!(hosts.iter().all(|host| host.oldest_segment() == 1 && host.shared.reader.segments().len() >= 3));
    pair.fall(hosts);
    pair
}

/// Whether nothing is left of the journal before the first segment with a pixel that is listed. All segments but the one that is
/// written hold pixels of both hosts.
fn has_room_back(up: &Up) -> bool {
    let segments = up.shared.reader.segments();
    let floors = up.shared.applied.read().state::<PixelState>().expect("a state").floors();
    let Some((start, Some(end))) = segments.first().map(|first| (&first.start_vector, &first.end_vector))
    else {
        return true;
    };
    let is_listed = end.iter().any(|(origin, seq)| seq > floors.of(origin).max(start.seq_of(origin)));
    is_listed || segments.len() <= 2
}

/// Has host 0 cut while both exchange, and `falling` come down at its `call`-th call of that. Returns whether there was one.
fn interrupt(filled: &Pair, cut: Cut, falling: usize, call: u64, fall: Fall) -> bool {
    let mut pair = filled.copy();
    let mut hosts = pair.meet();
    assert!(pair.settle(&mut hosts));
    let all = places(&hosts[0]);
    let left = cut.leaves(&all);
    let mut oracle = Oracle::default();
    pair.disks[falling].fail_at(call, Failure::Crash, call + 1);
    let records = cut.records(&hosts[0]);
    assert!(hosts[0].log(&records, pair.wall_us()));
    let has_fallen = !settle_to(&mut pair, &mut hosts, &mut oracle, has_room_back);
    if has_fallen {
        let context = format!("{cut:?}, host {falling} at {}, {fall:?}", pair.disks[falling].last_call());
        oracle.note_claims(&hosts[1 - falling]);
        oracle.fell(NODES[falling]);
        pair.restart(&mut hosts, falling, fall);
        let found = places(&hosts[falling]);
        assert!(found == all || found == left, "{context}: {} pixels are half a cut", found.len());
        oracle.check_claims(&hosts[falling]);
        oracle::check_pictures(&hosts[falling], |_| false);
        pair.connect(&mut hosts);
        assert!(pair.settle(&mut hosts), "{context}");
        // Who keeps pixels looks again, and who was not answered asks again.
        let records = cut.records(&hosts[0]);
        assert!(records.is_empty() || hosts[0].log(&records, pair.wall_us()), "{context}");
        assert!(settle_to(&mut pair, &mut hosts, &mut oracle, has_room_back), "{context}");
    }
    assert_same(&mut hosts, &oracle);
    assert!(hosts.iter().all(|host| places(host) == left));
    has_fallen
}

/// Has them exchange until both have it all and are `done`, and notes what they answer; false if one comes down.
fn settle_to(pair: &mut Pair, hosts: &mut [Up; 2], oracle: &mut Oracle, done: fn(&Up) -> bool) -> bool {
    let disks = pair.disks.clone();
    let is_down = || disks.iter().any(SimDisk::is_down);
    pair.await_that("an end", hosts, |hosts| {
        hosts.iter().for_each(|host| oracle.note(host));
        is_down() || (oracle::agree(&hosts[0], &hosts[1]) && hosts.iter().all(done))
    });
    !is_down()
}

fn assert_same(hosts: &mut [Up; 2], oracle: &Oracle) {
    for host in hosts.iter_mut() {
        oracle::check_canvas(host);
        oracle.check_kept(host);
        oracle::check_pictures(host, |_| false);
    }
    oracle::check_equal(&hosts[0], &hosts[1]);
}

/// Has either host come down at each of its calls of something; `interrupt` does one of them and says whether there was such a call.
fn at_each_call(what: &str, least: u64, interrupt: impl Fn(usize, u64, Fall) -> bool) {
    for falling in 0..2 {
        for fall in FALLS {
            // Each call with a chance of its own.
            let at = |call| match fall {
                Fall::Kill => fall,
                Fall::Power(seed) => Fall::Power(1_000 * seed + call),
            };
            let calls = (0..).take_while(|call| interrupt(falling, *call, at(*call))).count() as u64;
            println!("{what}: host {falling} came down at each of {calls} calls, {fall:?}");
            assert!(calls >= least, "{calls} calls are not all of it");
        }
    }
}

#[test]
fn a_cut_of_the_oldest_may_end_at_any_call() {
    let (filled, cut) = (filled(), Cut::Oldest(BATCHES as u64 * BATCH as u64));
    at_each_call("a cut", 15, |falling, call, fall| interrupt(&filled, cut, falling, call, fall));
}

#[test]
fn a_clearing_before_a_moment_may_end_at_any_call() {
    let filled = filled();
    let cut = {
        let hosts = filled.start();
        let all = places(&hosts[0]);
        Cut::Before(all[all.len() / 4 * 3].0)
    };
    at_each_call("before", 15, |falling, call, fall| interrupt(&filled, cut, falling, call, fall));
}

#[test]
fn a_clear_may_end_at_any_call() {
    let filled = filled();
    at_each_call("a clear", 15, |falling, call, fall| interrupt(&filled, Cut::All, falling, call, fall));
}

/// Two hosts whose next life folds starts of both.
fn before_a_fold() -> Pair {
    let mut pair = Pair::new();
    for _ in 0..4 * FOLD_STARTS_MIN {
        let before = pair.copy();
        let hosts = pair.live(&pixels(3, 0));
        if hosts.iter().any(|host| folded(&host.shared) > 0) {
            return before;
        }
        pair.fall(hosts);
    }
    panic!("no start is folded");
}

fn has_folded(up: &Up) -> bool {
    // Some of each host, and few are left.
    folded(&up.shared) >= 2 * FOLD_STARTS_MIN as u64 && oracle::starts_named(up, NODES) <= 4 * FOLD_STARTS_MIN
}

/// Has both live the life in which they fold, and `falling` come down at its `call`-th call of that or of the snapshot that holds the
/// folds. Returns whether there was one.
fn interrupt_a_fold(before: &Pair, falling: usize, call: u64, fall: Fall) -> bool {
    let mut pair = before.copy();
    let mut hosts = pair.meet();
    let listed = places(&hosts[0]).len();
    let mut oracle = Oracle::default();
    pair.disks[falling].fail_at(call, Failure::Crash, call + 1);
    for host in &mut hosts {
        assert!(host.log(&pixels(3, 1), pair.wall_us()));
    }
    let mut has_fallen = !settle_to(&mut pair, &mut hosts, &mut oracle, has_folded);
    if !has_fallen {
        hosts[falling].fold();
        has_fallen = pair.disks[falling].is_down();
    }
    if has_fallen {
        oracle.note_claims(&hosts[1 - falling]);
        oracle.fell(NODES[falling]);
        pair.restart(&mut hosts, falling, fall);
        oracle.check_claims(&hosts[falling]);
        pair.connect(&mut hosts);
        assert!(settle_to(&mut pair, &mut hosts, &mut oracle, has_folded));
    }
    pair.disks[falling].spare_failure();
    assert_same(&mut hosts, &oracle);
    let found = places(&hosts[0]).len();
    let least = if has_fallen { listed + 3 } else { listed + 6 };
    assert!(
        found >= least && found <= listed + 6 && (found - listed).is_multiple_of(3),
        "{found} of {listed} and six"
    );
    // All of them go with a clear that can't name them any more.
    assert!(hosts[falling].log(&clear_record(), pair.wall_us()));
    assert!(settle_to(&mut pair, &mut hosts, &mut oracle, |up| places(up).is_empty()));
    assert_same(&mut hosts, &oracle);
    has_fallen
}

#[test]
fn a_fold_may_end_at_any_call() {
    let before = before_a_fold();
    at_each_call("a fold", 10, |falling, call, fall| interrupt_a_fold(&before, falling, call, fall));
}
