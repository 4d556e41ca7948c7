//! Any one byte of any one file of a directory is flipped, cut or gone: the outcome is the exact state, an exact earlier state
//! that is named, or a refusal that names the file and leaves everything as it was.
//!
//! `PIXELD_TRIALS=10000` tries as many; otherwise as many as take a second.

use crate::journal;
use crate::sim_disk;

use std::collections::BTreeMap;

use journal::{Batch, Host, SEGMENT_BYTES};
use pixeld::log::files::known_peer::KnownPeer;
use pixeld::log::format::segment;
use pixeld::log::inspect;
use pixeld::log::recover::{self, RecoverError};
use pixeld::log::snapshot;
use pixeld::os::disk::Disk;
use sim_disk::{Fall, SimDisk, next};

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Flip(usize, u8),
    Cut(usize),
    Missing,
}

/// A kind of file, and what happened to it.
#[derive(Default)]
struct Tally {
    trials: u64,
    refused: u64,
}

/// Two snapshots, a torn tail's copy, a peer, a spare, segments that only the list needs and that both snapshots need.
fn directory() -> (SimDisk, Vec<Batch>) {
    let disk = SimDisk::new();
    let mut host = Host::open(&disk).unwrap();
    for number in 0..40 {
        host.append(900 + 31 * (number % 9), true);
        if number == 12 || number == 25 {
            host.snapshot().unwrap();
        }
    }
    let end = host.opened.appender.position().0;
    let name = segment::name(u32::try_from(end / SEGMENT_BYTES).unwrap());
    let mut content = disk.content(&name);
    let at = usize::try_from(end % SEGMENT_BYTES).unwrap();
    content[at..at + 30].fill(9);
    disk.replace(&name, &content);
    let mut host = Host::open(&disk).unwrap();
    host.append(500, true);
    host.append(700, true);
    let peer = KnownPeer {
        node: pixeld::base::ids::NodeId(7),
        kinds: pixeld::base::kinds::Kinds::FIRST,
        durable: pixeld::base::vector::VersionVector::new(),
    };
    peer.store(&disk).unwrap();
    (disk.fall(Fall::Kill), host.written)
}

fn contents(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    disk.list().unwrap().into_iter().map(|name| (name.clone(), disk.content(&name))).collect()
}

fn kind_of(name: &str) -> &'static str {
    let kinds = [".seg", ".snap", ".torn", "peer", "identity"];
    kinds.into_iter().find(|kind| name.ends_with(kind)).unwrap_or("other")
}

fn harm(disk: &SimDisk, name: &str, harm: Harm) {
    let mut content = disk.content(name);
    match harm {
        Harm::Flip(at, bit) => content[at] ^= 1 << bit,
        Harm::Cut(length) => content.truncate(length),
        Harm::Missing => return disk.remove(name).and_then(|()| disk.sync_directory()).unwrap(),
    }
    disk.replace(name, &content);
}

/// Tries one; gives whether the start was refused.
fn trial(disk: &SimDisk, written: &[Batch], name: &str, done: Harm) -> bool {
    let context = format!("{name}: {done:?}");
    let copy = disk.copy();
    harm(&copy, name, done);
    let before = contents(&copy);
    let would_start = recover::examine(&copy, &mut |_| Ok(())).is_ok();
    let is_sound = would_start && inspect::verify(&copy).is_ok();
    assert_eq!(contents(&copy), before, "{context}: looking changes nothing");
    match Host::open(&copy) {
        Ok(host) => {
            assert!(would_start, "{context}: it starts, and inspect says no");
            let found = &host.replayed;
            assert!(
                written.starts_with(found),
                "{context}: {} of {} batches, not a beginning",
                found.len(),
                written.len()
            );
            if found.len() < written.len() {
                let cut = host.opened.report.cut.as_ref();
                let is_named = cut.is_some_and(|cut| cut.fault.is_some() && !cut.copies.is_empty());
                assert!(
                    is_named,
                    "{context}: {} of {} batches, and nothing is said",
                    found.len(),
                    written.len()
                );
                assert!(
                    found.len() + 1 == written.len(),
                    "{context}: only what nothing says was durable may go"
                );
            }
            false
        }
        Err(error) => {
            assert!(!is_sound, "{context}: inspect says that it is sound, and: {error}");
            assert_eq!(contents(&copy), before, "{context}: a refusal changes nothing");
            let told = error.to_string();
            let is_named =
                told.contains(name) || matches!(error, RecoverError::NoBase(_)) && told.contains(".seg");
            // The first segment missing makes the second one's predecessor the one that is named.
            assert!(is_named, "{context}: {told}");
            true
        }
    }
}

#[test]
fn any_one_byte_of_any_one_file() {
    let (disk, written) = directory();
    let trials: u64 = std::env::var("PIXELD_TRIALS").map_or(600, |trials| trials.parse().expect("a number"));
    let names: Vec<_> = disk.list().unwrap().into_iter().filter(|name| name != "lock").collect();
    let mut random = 0x9E37_79B9_7F4A_7C15;
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for turn in 0..trials {
        let name = &names[next(&mut random) as usize % names.len()];
        let length = disk.content(name).len().max(1);
        let at = next(&mut random) as usize % length;
        let done = match next(&mut random) % 8 {
            0 => Harm::Cut(at),
            1 if turn % 3 == 0 => Harm::Missing,
            _ if disk.content(name).is_empty() => Harm::Missing,
            _ => Harm::Flip(at, (next(&mut random) % 8) as u8),
        };
        let refused = trial(&disk, &written, name, done);
        let kind = kind_of(name);
        let tally = tallies.entry(kind).or_default();
        tally.trials += 1;
        tally.refused += u64::from(refused);
        let is_needless = [".snap", ".torn", "peer"].contains(&kind);
        assert!(!refused || !is_needless, "{name}: {done:?} refuses, and there is another snapshot");
    }
    for (kind, Tally { trials, refused }) in &tallies {
        println!("{kind:10} {trials:6} trials, {refused:6} refused");
    }
    let share = |kind: &str| tallies.get(kind).map_or(0.0, |t| t.refused as f64 / t.trials as f64);
    assert!(
        share(".seg") < 0.6,
        "padding, zeros and what the snapshots cover do not refuse: {}",
        share(".seg")
    );
}

#[test]
fn damage_in_one_of_two_snapshots_never_refuses() {
    let (disk, written) = directory();
    for file in snapshot::files(&disk).unwrap() {
        let name = file.name();
        let length = disk.content(&name).len();
        for at in 0..length.min(400) {
            for harm in [Harm::Flip(at, (at % 8) as u8), Harm::Cut(at)] {
                assert!(!trial(&disk, &written, &name, harm), "{name}: {harm:?}");
            }
        }
        assert!(!trial(&disk, &written, &name, Harm::Flip(length - 1, 0)));
        assert!(!trial(&disk, &written, &name, Harm::Missing));
    }
}
