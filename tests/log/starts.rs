//! What a start does when something can't be read: which trouble is damage, what is refused, and that a refusal changes
//! nothing.

use crate::journal;
use crate::sim_disk;

use std::collections::BTreeMap;

use journal::{Batch, Host, SEGMENT_BYTES, options};
use pixeld::log::format::segment;
use pixeld::log::recover::{OpenOptions, RecoverError};
use pixeld::log::snapshot::{self, SnapshotFile};
use pixeld::os::disk::Disk;
use sim_disk::{Failure, Fall, SimDisk};

/// EIO, EMFILE, ENFILE, ENOMEM, EACCES, EINTR.
const EIO: i32 = 5;
const MACHINE: [i32; 5] = [24, 23, 12, 13, 4];

fn accepting(inc: u64) -> OpenOptions {
    OpenOptions { accept_loss: true, ..options(inc) }
}

/// A journal with two snapshots, of which the newer one stands in a segment with batches behind it; its first segments are
/// gone.
fn with_two_snapshots() -> (SimDisk, Vec<Batch>) {
    let disk = SimDisk::new();
    let mut host = Host::open(&disk).unwrap();
    for number in 0..70 {
        host.append(900 + 31 * number, true);
        if number == 30 || number == 50 {
            host.snapshot().unwrap();
        }
    }
    host.opened.reader.remove_before(2).unwrap();
    (disk.fall(Fall::Kill), host.written)
}

/// All files and what is in them.
fn contents(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    disk.list().unwrap().into_iter().map(|name| (name.clone(), disk.content(&name))).collect()
}

/// What counts of a batch: its place changes when a journal is settled anew.
fn reported(batches: &[Batch]) -> Vec<(u64, Vec<u8>)> {
    batches.iter().map(|batch| (batch.first_seq, batch.body.clone())).collect()
}

fn segment_of(file: SnapshotFile) -> u32 {
    u32::try_from(file.position.0 / SEGMENT_BYTES).unwrap()
}

#[test]
fn damage_in_the_snapshots_own_segment_costs_the_list_and_nothing_else() {
    let (disk, written) = with_two_snapshots();
    let newest = snapshot::files(&disk).unwrap()[0];
    let name = segment::name(segment_of(newest));
    let content = disk.content(&name);
    let within = usize::try_from(newest.position.0 % SEGMENT_BYTES).unwrap();
    let flipped = |at: usize| {
        let mut content = content.clone();
        content[at] ^= 1;
        Some(content)
    };
    // How it is damaged, and whether what stands behind the snapshot can be read all the same.
    let cases: [(&str, Option<Vec<u8>>, bool); 6] = [
        ("a bit of the header", flipped(50), true),
        ("a bit of the header's padding", flipped(4000), true),
        ("shorter than the snapshot's position", Some(content[..within - 1].to_vec()), false),
        ("cut within the header", Some(content[..100].to_vec()), false),
        ("empty", Some(Vec::new()), false),
        ("missing", None, false),
    ];
    for (what, damaged, has_the_rest) in cases {
        let disk = disk.copy();
        match damaged {
            Some(content) => disk.replace(&name, &content),
            None => disk.remove(&name).and_then(|()| disk.sync_directory()).unwrap(),
        }
        let before = contents(&disk);
        let refusal = Host::open(&disk).err().unwrap();
        assert!(
            matches!(refusal, RecoverError::Damaged(_)) && refusal.to_string().contains(&name),
            "{what}: {refusal}"
        );
        assert_eq!(contents(&disk), before, "{what}: a refusal changes nothing");

        let probe = disk.copy();
        let host = Host::open_with(&probe, &accepting(1)).unwrap();
        let found = reported(&host.replayed);
        let wanted = reported(&written);
        if has_the_rest {
            assert!(found == wanted, "{what}: {} of {} batches", found.len(), wanted.len());
        } else {
            let durable = written.iter().filter(|batch| batch.end <= newest.position).count();
            assert!(found == wanted[..durable], "{what}: {} of {durable} batches", found.len());
        }
        assert!(!host.opened.report.given_up.is_empty(), "{what}: it is told");
        let left = probe.list().unwrap();
        assert!(
            left.contains(&format!("{name}.lost")) || what == "missing",
            "{what}: what was damaged is kept: {left:?}"
        );
        assert!(
            !left.iter().any(|name| name.contains(".snap.")),
            "{what}: a sound snapshot is never put aside: {left:?}"
        );
        assert_eq!(snapshot::files(&probe).unwrap().len(), 2, "{what}");
        for call in 0..probe.calls() {
            let copy = disk.copy();
            copy.fail_at(call, Failure::Crash, call);
            if Host::open_with(&copy, &accepting(2)).is_ok() {
                continue;
            }
            let context = format!("{what}, cut off at {call}: {}", copy.last_call());
            for fall in [Fall::Kill, Fall::Power(call)] {
                let copy = copy.fall(fall);
                let mut host = Host::open_with(&copy, &accepting(3))
                    .unwrap_or_else(|error| panic!("{context}: {error}"));
                assert!(
                    reported(&host.replayed) == found,
                    "{context}, {fall:?}: {} batches",
                    host.replayed.len()
                );
                host.append(700, true);
                let again = Host::open(&copy.fall(Fall::Power(call))).unwrap();
                assert!(
                    reported(&again.replayed) == reported(&host.written),
                    "{context}: no second acceptance is needed"
                );
            }
        }
    }
}

#[test]
fn trouble_of_the_machine_is_no_damage() {
    let (disk, written) = with_two_snapshots();
    let probe = disk.copy();
    probe.read_fault_at(u64::MAX, EIO, 1);
    Host::open(&probe).unwrap();
    let reads = probe.reads();
    assert!(reads > 20, "{reads}");
    for code in MACHINE {
        for (read, options) in (0..reads).flat_map(|read| [(read, options(1)), (read, accepting(1))]) {
            let copy = disk.copy();
            let before = contents(&copy);
            copy.read_fault_at(read, code, 1);
            let context = format!("error {code} at read {read}, {}", options.accept_loss);
            match Host::open_with(&copy, &options) {
                Ok(host) => assert!(host.replayed == written, "{context}"),
                Err(error) => {
                    assert!(
                        !matches!(error, RecoverError::Damaged(_) | RecoverError::NoBase(_)),
                        "{context}: {error}"
                    );
                    let is_reported = error.to_string().contains(&format!("os error {code}"));
                    assert!(is_reported, "{context}: {error}");
                }
            }
            if copy.changes_before_fault() == 0 {
                assert_eq!(contents(&copy), before, "{context}: a refusal changes nothing");
            }
            copy.read_fault_at(u64::MAX, 0, 0);
            assert!(Host::open(&copy).unwrap().replayed == written, "{context}: and then it starts");
        }
    }
}

#[test]
fn a_place_that_reads_at_the_third_try_is_no_damage() {
    let (disk, written) = with_two_snapshots();
    disk.read_fault_at(u64::MAX, EIO, 1);
    Host::open(&disk.copy()).unwrap();
    let probe = disk.copy();
    Host::open(&probe).unwrap();
    for read in 0..probe.reads() {
        let copy = disk.copy();
        copy.read_fault_at(read, EIO, 2);
        if let Ok(host) = Host::open_with(&copy, &accepting(1)) {
            assert!(host.replayed == written, "read {read}");
            assert!(
                host.opened.report.bad_snapshots.is_empty() && host.opened.report.cut.is_none(),
                "read {read}"
            );
        }
    }
}

#[test]
fn a_snapshot_that_cant_be_read_is_passed_over_and_keeps_its_name() {
    let (disk, written) = with_two_snapshots();
    let [newest, older] = snapshot::files(&disk).unwrap()[..] else { panic!("two") };
    let size = disk.content(&newest.name()).len() as u64;
    for at in [0, 5, 70, size - 1] {
        let copy = disk.copy();
        copy.spoil(&newest.name(), at..at + 1);
        let host = Host::open(&copy).unwrap();
        assert!(host.replayed == written, "byte {at}");
        let report = &host.opened.report;
        assert_eq!(report.snapshot, Some(older));
        assert_eq!(report.bad_snapshots[0].name, newest.name());
        assert_eq!(snapshot::files(&copy).unwrap(), [newest, older], "it keeps its name");
    }
}

#[test]
fn a_later_format_is_refused_by_name_and_nothing_is_renamed() {
    let (disk, _) = with_two_snapshots();
    let newest = snapshot::files(&disk).unwrap()[0];
    let mut later = disk.content(&newest.name());
    later[4] = 5;
    let end = later.len() - 4;
    let crc = crc32c::crc32c(&later[..end]);
    later[end..].copy_from_slice(&crc.to_le_bytes());
    disk.replace(&newest.name(), &later);
    let name = segment::name(segment_of(newest));
    let with_later_segment = disk.copy();
    let mut header = with_later_segment.content(&name);
    header[72] = 3;
    let crc = crc32c::crc32c(&header[8..4096]);
    header[4..8].copy_from_slice(&crc.to_le_bytes());
    with_later_segment.replace(&name, &header);
    with_later_segment.remove(&newest.name()).unwrap();
    for (disk, name, version) in [(&disk, newest.name(), 5), (&with_later_segment, name, 3)] {
        let before = contents(disk);
        for options in [options(1), accepting(1)] {
            let refusal = Host::open_with(disk, &options).err().unwrap();
            assert!(matches!(refusal, RecoverError::Later { .. }), "{refusal}");
            let text = refusal.to_string();
            assert!(text.contains(&name) && text.contains(&format!("version {version}")), "{text}");
            assert_eq!(contents(disk), before);
        }
    }
}
