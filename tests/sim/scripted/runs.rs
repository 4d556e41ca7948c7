//! Runs of old items: a host comes down at every call of a snapshot that merges them, or starts from the older of two snapshots, and
//! has every message that its peer has, which keeps all of them in memory.

use std::collections::BTreeSet;

use pixeld::app::old::named_in;
use pixeld::apps::board::record::delete_record;
use pixeld::base::blob::BlobId;
use pixeld::base::ids::{Origin, Seq};
use pixeld::base::limits::RUNS_MERGED;
use pixeld::base::tag::app;
use pixeld::log::snapshot;

use super::super::host::Up;
use super::super::oracle::{self, Oracle};
use super::super::pictures;
use super::super::sim_disk::{Failure, Fall, SimDisk};
use super::pair::Pair;

/// Who has runs: of the two, hosts of even numbers do.
const AGED: usize = 1;
const FALLS: [Fall; 3] = [Fall::Kill, Fall::Power(1), Fall::Power(2)];
/// Messages after which a merge must have come.
const MESSAGES_MAX: usize = 200;

fn merged(up: &Up) -> u64 {
    up.shared.metrics.runs_merged.value()
}

/// Names of the runs on the disk.
fn stored(up: &Up) -> BTreeSet<BlobId> {
    let runs = up.shared.shelf.as_ref().expect("a shelf").blobs().list().expect("a sound disk");
    runs.into_iter().collect()
}

fn post(up: &mut Up, number: u64, wall_us: u64) -> (Origin, Seq) {
    let (_, content) = &pictures::all()[number as usize % 3];
    let uuid = u128::from(number).to_le_bytes();
    let seq = up.post_picture(content, uuid, wall_us).expect("a sound disk").expect("room");
    (up.origin(), seq)
}

/// Names of the runs that each snapshot on a disk has, the newest first.
fn named(disk: &SimDisk) -> Vec<BTreeSet<BlobId>> {
    let files = snapshot::files(disk).expect("a sound disk");
    let of = |file| {
        let snapshot = snapshot::load(disk, file).expect("a snapshot");
        snapshot
            .section(app::RUNS)
            .map_or_else(BTreeSet::new, |section| named_in(section).expect("a section"))
    };
    files.into_iter().map(of).collect()
}

/// Two hosts with messages, and which.
struct Filled {
    pair: Pair,
    places: Vec<(Origin, Seq)>,
}

impl Filled {
    /// Posts some messages, which are too many for the memory, and deletes one that is old or new; false if somebody came down.
    fn go_on(&mut self, hosts: &mut [Up; 2]) -> bool {
        for _ in 0..4 {
            let place = post(&mut hosts[0], self.places.len() as u64, self.pair.wall_us());
            self.places.push(place);
            if !self.pair.settle(hosts) {
                return false;
            }
        }
        let newest = self.places.len();
        let deleted = if newest.is_multiple_of(3) {
            vec![newest - 1]
        } else {
            newest.checked_sub(7).into_iter().collect()
        };
        for at in deleted {
            let (origin, seq) = self.places[at];
            assert!(hosts[0].log(&delete_record(origin, seq), self.pair.wall_us()));
        }
        self.pair.settle(hosts)
    }

    fn copy(&self) -> Self {
        Self { pair: self.pair.copy(), places: self.places.clone() }
    }
}

/// Returns hosts whose next snapshot merges runs.
fn before_a_merge() -> Filled {
    let mut filled = Filled { pair: Pair::new(), places: Vec::new() };
    let mut hosts = filled.pair.meet();
    while filled.places.len() < MESSAGES_MAX {
        let (before, had) = (filled.copy(), merged(&hosts[AGED]));
        assert!(filled.go_on(&mut hosts));
        if merged(&hosts[AGED]) >= had + RUNS_MERGED as u64 {
            return before;
        }
    }
    panic!("no runs are merged");
}

/// Holds one host to the other one, which reads none of it from a run.
fn assert_same(hosts: &[Up; 2]) {
    oracle::check_equal(&hosts[0], &hosts[1]);
    hosts.iter().for_each(|host| oracle::check_pictures(host, |_| false));
}

/// Has the host with runs come down at its `call`-th call on the way to a snapshot that merges them. Returns whether there was one.
fn interrupt(filled: &Filled, call: u64, fall: Fall) -> bool {
    let mut filled = filled.copy();
    let mut hosts = filled.pair.meet();
    assert!(filled.pair.settle(&mut hosts));
    filled.pair.disks[AGED].fail_at(call, Failure::Crash, call + 1);
    let has_fallen = !filled.go_on(&mut hosts);
    let context = format!("{} at {call}, {fall:?}", filled.pair.disks[AGED].last_call());
    if has_fallen {
        let mut oracle = Oracle::default();
        oracle.note_claims(&hosts[1 - AGED]);
        filled.pair.restart(&mut hosts, AGED, fall);
        oracle.check_claims(&hosts[AGED]);
        filled.pair.connect(&mut hosts);
        assert!(filled.pair.settle(&mut hosts), "{context}");
    }
    filled.pair.disks[AGED].spare_failure();
    assert_same(&hosts);
    // Some snapshots later nothing is left of what a crash left.
    for _ in 0..4 {
        assert!(filled.go_on(&mut hosts), "{context}");
    }
    assert!(merged(&hosts[AGED]) > 0, "{context}");
    let needed: BTreeSet<BlobId> = named(&filled.pair.disks[AGED]).into_iter().flatten().collect();
    assert_eq!(stored(&hosts[AGED]), needed, "{context}");
    assert_same(&hosts);
    has_fallen
}

#[test]
fn a_merge_of_runs_may_end_at_any_call() {
    let filled = before_a_merge();
    for fall in FALLS {
        let at = |call| match fall {
            Fall::Kill => fall,
            Fall::Power(seed) => Fall::Power(1_000 * seed + call),
        };
        let calls = (0..).take_while(|call| interrupt(&filled, *call, at(*call))).count();
        println!("a merge: the host came down at each of {calls} calls, {fall:?}");
        assert!(calls >= 40, "{calls} calls are not all of it");
    }
}

/// The newest snapshot is damaged, and the one before it names runs that were merged since.
#[test]
fn a_start_from_the_older_snapshot_finds_the_runs_that_were_merged_since() {
    let mut filled = before_a_merge();
    let mut hosts = filled.pair.meet();
    assert!(filled.go_on(&mut hosts));
    let disk = &filled.pair.disks[AGED];
    let [newest, older] = &named(disk)[..] else { panic!("two snapshots") };
    assert!(!older.is_subset(newest), "the older one names runs of its own");
    let file = snapshot::files(disk).expect("a sound disk")[0];
    filled.pair.fall(hosts);
    let disk = &filled.pair.disks[AGED];
    let mut content = disk.content(&file.name());
    *content.last_mut().expect("some bytes") ^= 1;
    disk.replace(&file.name(), &content);
    let mut hosts = filled.pair.meet();
    assert!(filled.pair.settle(&mut hosts));
    assert_same(&hosts);
}
