//! The table of errors: what fails, at what file, and what comes of it. Every cell is injected.

use crate::journal::{self, Host, SEGMENT_BYTES};
use crate::sim_disk::{Failure, Fall, SimDisk};

use std::io::ErrorKind;

use pixeld::base::ids::{NodeId, Position};
use pixeld::base::kinds::Kinds;
use pixeld::base::vector::VersionVector;
use pixeld::log::blobs::Blobs;
use pixeld::log::blobs::files::FileStore;
use pixeld::log::files::known_peer::KnownPeer;
use pixeld::log::recover;
use pixeld::log::snapshot;
use pixeld::log::write::spare::{SpareError, make_spare};
use pixeld::os::disk::Disk;
use std::sync::Arc;

/// Want of room, of a quota, of a larger file.
const FULL: [ErrorKind; 3] = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
/// EIO has no kind of its own.
const OTHER: [ErrorKind; 4] =
    [ErrorKind::PermissionDenied, ErrorKind::Other, ErrorKind::OutOfMemory, ErrorKind::NotFound];

fn all() -> impl Iterator<Item = ErrorKind> {
    FULL.into_iter().chain(OTHER)
}

fn host() -> (SimDisk, Host) {
    let disk = SimDisk::new();
    let mut host = Host::open(&disk).unwrap();
    host.append(400, true);
    host.append(400, true);
    (disk, host)
}

#[test]
fn the_write_call_of_a_sealed_batch_waits_for_room_and_ends_with_any_other_error() {
    for kind in all() {
        let (disk, mut host) = host();
        disk.fail_when("write durably", ".seg", kind, 3);
        let first = host.try_stage_and_write(700).unwrap_err();
        assert_eq!(first.is_full(), FULL.contains(&kind), "{kind:?}: {first}");
        if !first.is_full() {
            assert!(host.rewrite().unwrap_err().to_string().contains("final"), "{kind:?}");
            continue;
        }
        // The same bytes at the same place, as often as it takes.
        assert!(host.rewrite().unwrap_err().is_full() && host.rewrite().unwrap_err().is_full());
        host.rewrite().unwrap();
        host.take_written();
        host.append(500, true);
        let written = host.written.clone();
        assert_eq!(written.len(), 4);
        assert!(Host::open(&disk.fall(Fall::Power(1))).unwrap().replayed == written, "{kind:?}");
    }
}

#[test]
fn a_batch_that_has_no_room_over_two_segments_goes_on_where_it_stopped() {
    let (disk, mut host) = host();
    host.append(20_000, true);
    // The header of the next segment fits, what follows it does not.
    for skipped in 0..3 {
        disk.fail_after("write durably", ".seg", ErrorKind::StorageFull, skipped, 1);
        let outcome = host.try_stage_and_write(20_000);
        if outcome.is_err() {
            host.rewrite().unwrap();
        }
        host.take_written();
        disk.spare_failure();
    }
    let written = host.written.clone();
    assert!(Host::open(&disk.fall(Fall::Kill)).unwrap().replayed == written);
}

#[test]
fn a_kill_while_a_batch_waits_for_room_uses_none_of_its_numbers_again() {
    let (disk, mut host) = host();
    disk.fail_when("write durably", ".seg", ErrorKind::StorageFull, 1_000);
    assert!(host.try_stage_and_write(700).unwrap_err().is_full());
    let sealed = host.written.last().unwrap().clone();
    let killed = disk.fall(Fall::Kill);
    let mut again = Host::open(&killed).unwrap();
    assert_eq!(again.replayed.len(), 2, "it is not there, and nobody was told that it is");
    again.append(300, true);
    let next = again.written.last().unwrap();
    assert!(next.origin != sealed.origin, "its numbers stay its own, should the peer have it");
}

#[test]
fn a_failed_sync_is_final_for_whatever_reason() {
    for kind in all() {
        let (disk, mut host) = host();
        host.append(400, false);
        disk.fail_when("sync", ".seg", kind, 1);
        let error = host.opened.writer.sync().unwrap_err();
        assert!(!error.is_full(), "{kind:?}");
        assert!(host.opened.writer.sync().unwrap_err().to_string().contains("final"), "{kind:?}");
    }
}

#[test]
fn a_write_through_the_cache_that_fails_is_final_for_whatever_reason() {
    for kind in all() {
        let (disk, mut host) = host();
        disk.fail_when("write", ".seg", kind, 1);
        assert!(host.try_append(400, false).is_err());
        assert!(host.try_append(400, false).unwrap_err().contains("final"), "{kind:?}");
    }
}

#[test]
fn a_spare_is_made_anew_and_a_failed_sync_of_its_name_is_final() {
    let number = 7;
    for kind in all() {
        for call in ["create", "write durably", "sync", "rename"] {
            let disk = SimDisk::new();
            disk.fail_when(call, ".tmp", kind, 1);
            let error = make_spare(&disk, number, SEGMENT_BYTES).err().unwrap();
            let is_full = matches!(error, SpareError::NoSpace { .. });
            assert!(
                is_full == FULL.contains(&kind) && !matches!(error, SpareError::Name { .. }),
                "{call} {kind:?}"
            );
            assert!(disk.list().unwrap().is_empty(), "{call} {kind:?}: {:?}", disk.list());
            make_spare(&disk, number, SEGMENT_BYTES).unwrap();
        }
        let disk = SimDisk::new();
        disk.fail_when("sync directory", "", kind, 1);
        let error = make_spare(&disk, number, SEGMENT_BYTES).err().unwrap();
        assert!(matches!(error, SpareError::Name { .. }), "{kind:?}: {error}");
        // One that is found later is not taken for durable because it has its name.
        disk.fail_when("sync directory", "", kind, 1);
        assert!(make_spare(&disk, number, SEGMENT_BYTES).is_err(), "{kind:?}");
    }
}

#[test]
fn a_file_that_can_not_be_removed_is_not_used_again() {
    let disk = SimDisk::new();
    disk.fail_when("sync", ".tmp", ErrorKind::Other, 1);
    disk.fail_when("remove", ".tmp", ErrorKind::Other, 1);
    assert!(make_spare(&disk, 3, SEGMENT_BYTES).is_err());
    let left = disk.list().unwrap();
    assert_eq!(left.len(), 1);
    make_spare(&disk, 3, SEGMENT_BYTES).unwrap();
    assert!(disk.list().unwrap().contains(&left[0]), "another file was made");
}

#[test]
fn a_snapshot_and_the_known_peer_that_fail_leave_what_was_there() {
    for kind in all() {
        for (call, has_only_names) in in_both_ways(&["create", "write", "sync", "rename", "link"]) {
            let (disk, mut host) = host();
            disk.set_only_names(has_only_names);
            host.snapshot().unwrap();
            let known = |seq| {
                let mut durable = VersionVector::new();
                durable.raise(host.opened.appender.origin(), seq);
                KnownPeer { node: NodeId(3), kinds: Kinds::FIRST, durable }
            };
            let (former, next) = (known(1), known(2));
            former.store(&disk).unwrap();
            let names = disk.list().unwrap();
            disk.fail_when(call, ".tmp", kind, 1);
            assert!(next.store(&disk).is_err(), "{call} {kind:?}");
            assert_eq!((KnownPeer::load(&disk).unwrap(), disk.list().unwrap()), (Some(former), names));
            next.store(&disk).unwrap();
            host.append(400, true);
            let names = disk.list().unwrap();
            disk.fail_when(call, ".tmp", kind, 1);
            assert!(host.snapshot().is_err(), "{call} {kind:?}");
            assert_eq!(disk.list().unwrap(), names, "{call} {kind:?}");
            host.snapshot().unwrap();
            let newest = snapshot::load_newest(&disk).unwrap().unwrap().position;
            assert_eq!(newest, host.opened.writer.synced());
        }
    }
}

#[test]
fn what_a_start_owes_is_paid_once_it_can_be() {
    for kind in all() {
        let calls = in_both_ways(&["create", "write", "sync", "rename", "link"]);
        let of_files = calls.into_iter().flat_map(|call| [(call, "identity"), (call, ".torn")]);
        let of_segments = [(("write durably", false), ".seg"), (("sync", false), ".seg")];
        for ((call, has_only_names), name) in of_files.chain(of_segments) {
            let disk = torn();
            disk.set_only_names(has_only_names);
            let before = disk.list().unwrap();
            let shared = disk.shared();
            let (opened, mut owed) = recover::look(&shared, &journal::options(9), &mut |_| Ok(())).unwrap();
            assert_eq!((disk.list().unwrap(), disk.calls()), (before.clone(), 0), "a look changes nothing");
            disk.fail_when(call, name, kind, 1);
            let unsettled = owed.settle().unwrap_err();
            let of_segment = name == ".seg";
            let is_final = of_segment && (call == "sync" || kind == ErrorKind::Other);
            assert_eq!(unsettled.is_final, is_final, "{call} {name} {kind:?}");
            if !(of_segment || ["rename", "link"].contains(&call) && name == "identity") {
                assert_eq!(disk.list().unwrap(), before, "{call} {name} {kind:?}");
            }
            if !unsettled.is_final {
                assert_eq!(owed.settle().unwrap().len(), 1, "{call} {name} {kind:?}: a copy of the tail");
            }
            drop(opened);
            let again = Host::open(&disk.fall(Fall::Power(3))).unwrap();
            assert_eq!(again.replayed.len(), 2);
        }
    }
}

/// Too many open files, no memory, a file that is not there for a moment.
#[test]
fn trouble_of_the_machine_while_a_debt_is_paid_is_never_final() {
    const MACHINE: [i32; 4] = [24, 23, 12, 2];
    let look = |disk: &SimDisk| recover::look(&disk.shared(), &journal::options(9), &mut |_| Ok(())).unwrap();
    let up_to_zeros = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
        assert!(!bytes.is_empty());
        bytes
    };
    let probe = torn();
    let (_opened, mut owed) = look(&probe);
    let first = probe.reads();
    owed.settle().unwrap();
    let reads = probe.reads() - first;
    assert!(reads > 5, "{reads} reads");
    for (read, code) in (0..reads).flat_map(|read| MACHINE.map(|code| (read, code))) {
        let disk = torn();
        let segment = up_to_zeros(disk.content("0000000001.seg"));
        let (opened, mut owed) = look(&disk);
        disk.read_fault_at(read, code, 1_000);
        if let Err(unsettled) = owed.settle() {
            assert!(!unsettled.is_final, "error {code} at read {read}: {unsettled}");
        }
        disk.read_fault_at(u64::MAX, 0, 0);
        owed.settle().unwrap();
        let copy = disk.list().unwrap().into_iter().find(|name| name.ends_with(".torn")).unwrap();
        assert!(segment.ends_with(&up_to_zeros(disk.content(&copy))), "error {code} at read {read}: {copy}");
        drop(opened);
        let again = Host::open(&disk.fall(Fall::Power(3))).unwrap();
        assert_eq!(again.replayed.len(), 2, "error {code} at read {read}");
    }
}

/// The calls of making a file, each with whether the disk has no files without a name.
fn in_both_ways(calls: &[&'static str]) -> Vec<(&'static str, bool)> {
    let both = calls.iter().flat_map(|&call| [(call, false), (call, true)]);
    both.filter(|call| *call != ("link", true)).collect()
}

/// A start that can't finish a file leaves none, also when it is killed while it tries.
#[test]
fn a_kill_while_a_start_can_write_nothing_whole_leaves_no_file() {
    let probe = torn();
    let settle = |disk: &SimDisk| {
        let opened = recover::look(&disk.shared(), &journal::options(9), &mut |_| Ok(()));
        let (_opened, mut owed) = opened.unwrap();
        owed.settle()
    };
    let before = probe.list().unwrap();
    // The copy of the tail is the first file that is whole.
    probe.fail_when("link", ".torn", ErrorKind::StorageFull, 1);
    settle(&probe).unwrap_err();
    let calls = probe.calls();
    assert!(calls > 6, "{calls}");
    for call in 0..calls {
        let disk = torn();
        disk.fail_at(call, Failure::Crash, call);
        settle(&disk).unwrap_err();
        let context = format!("killed at {}", disk.last_call());
        let left = disk.fall(Fall::Kill);
        let is_linked = left.list().unwrap().iter().any(|name| name.contains(".torn"));
        assert!(
            left.list().unwrap() == before || is_linked && call + 1 >= calls - 1,
            "{context}: {:?}",
            left.list()
        );
        assert_eq!(Host::open(&left).unwrap().replayed.len(), 2, "{context}");
    }
}

/// A disk with two batches and a torn third one.
fn torn() -> SimDisk {
    let (disk, mut host) = host();
    let end = usize::try_from(host.opened.appender.position().0 - SEGMENT_BYTES).unwrap();
    host.append(900, false);
    drop(host);
    let name = pixeld::log::format::segment::name(1);
    let mut bytes = disk.content(&name);
    bytes[end + 200] ^= 1;
    disk.replace(&name, &bytes);
    disk.copy()
}

#[test]
fn no_later_segment_is_removed_once_one_could_not_be() {
    for call in ["remove", "sync directory"] {
        let (disk, mut host) = host();
        for _ in 0..12 {
            host.append(9_000, true);
        }
        let name = if call == "remove" { ".seg" } else { "" };
        disk.fail_when(call, name, ErrorKind::Other, 1);
        assert!(host.opened.reader.remove_before(3).is_err());
        let left = disk.list().unwrap();
        assert_eq!(host.opened.reader.remove_before(4).unwrap(), 0);
        assert_eq!(disk.list().unwrap(), left, "{call}");
        assert!(host.opened.reader.scan(Position(0), Position(0)).next_batch().unwrap().is_none());
    }
}

#[test]
fn a_blob_that_fails_is_no_blob_and_the_next_one_is() {
    for kind in all() {
        for call in ["create", "write", "sync", "rename", "sync directory"] {
            let disk = SimDisk::new();
            let blobs = Arc::new(Blobs::new(Box::new(FileStore::new(disk.shared()))));
            disk.fail_when(call, "blobs", kind, 1);
            assert!(blobs.keep(b"a picture").is_err(), "{call} {kind:?}");
            blobs.clear_abandoned().unwrap();
            let pin = blobs.keep(b"a picture").unwrap();
            assert_eq!(blobs.read(&pin.id()).unwrap(), b"a picture");
        }
    }
}
