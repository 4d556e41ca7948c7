//! The process or the machine comes down at every call of a workload, and again at every call of the recovery.

use crate::journal;
use crate::sim_disk;

use std::io::ErrorKind;

use journal::{Batch, Host, SEGMENT_BYTES};
use sim_disk::{Failure, Fall, SimDisk};

const FALLS: [Fall; 4] = [Fall::Kill, Fall::Power(1), Fall::Power(2), Fall::Power(3)];

/// What a process did before it came down.
#[derive(Default)]
struct Done {
    /// Batches that were handed to the writer, the last one maybe in vain.
    tried: Vec<Batch>,
    /// How many of them are durable, as the journal said.
    synced: usize,
    /// How many of them at least the system has.
    written: usize,
}

/// Rolls over, takes snapshots, removes segments; syncs each batch.
fn work_on_disk(disk: &SimDisk, done: &mut Done) -> Result<(), String> {
    let mut host = Host::open(disk).map_err(|error| error.to_string())?;
    note(&host, done, true);
    for number in 0..28 {
        let outcome = host.try_append(700 + 611 * (number % 9), true);
        note_last(&host, done, outcome.is_ok());
        outcome?;
        if number % 9 == 8 {
            host.snapshot().map_err(|error| error.to_string())?;
            let segment = host.opened.writer.synced().0 / SEGMENT_BYTES;
            let last = u32::try_from(segment).unwrap();
            host.opened.reader.remove_before(last - 1).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Writes without syncing, and syncs now and then.
fn work_in_memory(disk: &SimDisk, done: &mut Done) -> Result<(), String> {
    let mut host = Host::open(disk).map_err(|error| error.to_string())?;
    note(&host, done, true);
    for number in 0..30 {
        host.now_us += 1;
        let outcome = host.try_append(500 + 577 * (number % 7), false);
        note_last(&host, done, false);
        outcome?;
        done.written = done.tried.len();
        if number % 8 == 7 {
            host.opened.writer.sync().map_err(|error| error.to_string())?;
            done.synced = done.tried.len();
        }
    }
    Ok(())
}

fn note(host: &Host, done: &mut Done, is_durable: bool) {
    done.tried.clone_from(&host.written);
    done.written = host.written.len();
    done.synced = if is_durable { host.written.len() } else { 0 };
}

/// Notes the batch that was tried last; a failed one is known by its absence only, so any suffix of it may appear.
fn note_last(host: &Host, done: &mut Done, is_durable: bool) {
    done.tried.clone_from(&host.written);
    if is_durable {
        done.synced = done.tried.len();
        done.written = done.tried.len();
    }
}

/// The number of changing calls a workload makes.
fn calls_of(work: fn(&SimDisk, &mut Done) -> Result<(), String>) -> u64 {
    let disk = SimDisk::new();
    work(&disk, &mut Done::default()).unwrap();
    disk.calls()
}

/// Opens what is left and checks it: what was durable is there, nothing is there that was not tried, in order.
fn check(disk: &SimDisk, done: &Done, fall: Fall, context: &str) -> Host {
    let host = Host::open(disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = &host.replayed;
    let least = if fall == Fall::Kill { done.written } else { done.synced };
    assert!(found.len() >= least, "{context}: {} of {least} batches are left", found.len());
    let known = found.len().min(done.tried.len());
    assert!(found[..known] == done.tried[..known], "{context}: other batches than were written");
    // The one batch whose write failed may have made it.
    assert!(found.len() <= done.tried.len() + 1, "{context}: batches nobody wrote");
    let scanned = host.scanned();
    assert!(found.ends_with(&scanned), "{context}: a scan sees what was replayed");
    assert_nothing_behind(disk, &host, context);
    host
}

/// All bytes behind the journal's end are zero.
fn assert_nothing_behind(disk: &SimDisk, host: &Host, context: &str) {
    let end = host.opened.appender.position().0;
    for number in (end / SEGMENT_BYTES).. {
        let name = pixeld::log::format::segment::name(u32::try_from(number).unwrap());
        if !host.disk.list().unwrap().contains(&name) {
            return;
        }
        let content = disk.content(&name);
        assert_eq!(content.len() as u64, SEGMENT_BYTES);
        let from = usize::try_from(end.saturating_sub(number * SEGMENT_BYTES)).unwrap();
        assert!(content[from..].iter().all(|&byte| byte == 0), "{context}: something is left in {name}");
    }
}

/// Goes on after a fall: recovery is cut off at each of its calls and run again; then the journal takes more.
fn check_nested(fallen: &SimDisk, done: &Done, fall: Fall, context: &str) {
    let probe = fallen.copy();
    let first = check(&probe, done, fall, context);
    let shown = first.replayed.clone();
    let calls = probe.calls();
    for call in 0..calls {
        let again = fallen.copy();
        again.fail_at(call, Failure::Crash, call);
        assert!(Host::open(&again).is_err(), "{context}, recovery call {call}");
        for second in [Fall::Kill, Fall::Power(call + 7)] {
            let context = format!("{context}, recovery cut off at {}, then {second:?}", again.last_call());
            let weaker = if fall == Fall::Kill { second } else { fall };
            let host = check(&again.fall(second), done, weaker, &context);
            // Nothing was shown yet; what only the system had may still go with the power.
            if fall != Fall::Kill || second == Fall::Kill {
                assert!(host.replayed == shown, "{context}: recovery comes to the same end");
            }
        }
    }
}

fn crash_everywhere(work: fn(&SimDisk, &mut Done) -> Result<(), String>) {
    for call in 0..calls_of(work) {
        let disk = SimDisk::new();
        disk.fail_at(call, Failure::Crash, call + 1);
        let mut done = Done::default();
        work(&disk, &mut done).unwrap_err();
        for fall in FALLS {
            let context = format!("down at call {call} ({}), {fall:?}", disk.last_call());
            check_nested(&disk.fall(fall), &done, fall, &context);
        }
    }
}

#[test]
fn every_call_of_a_workload_on_disk_may_be_the_last() {
    crash_everywhere(work_on_disk);
}

#[test]
fn every_call_of_a_workload_in_memory_may_be_the_last() {
    crash_everywhere(work_in_memory);
}

#[test]
fn a_journal_goes_on_after_each_crash() {
    for call in 0..calls_of(work_on_disk) {
        let disk = SimDisk::new();
        disk.fail_at(call, Failure::Crash, call + 1);
        let mut done = Done::default();
        work_on_disk(&disk, &mut done).unwrap_err();
        let mut disk = disk.fall(Fall::Power(call));
        for round in 0..3 {
            let context = format!("down at call {call}, round {round}");
            let mut host = check(&disk, &done, Fall::Power(0), &context);
            for number in 0..4 {
                host.append(90 + 1100 * number, true);
            }
            done = Done::default();
            note(&host, &mut done, true);
            // A tear right behind what was acknowledged: it must not hurt, this time or any later time.
            host.append_in_memory(3000);
            disk.fail_at(0, Failure::Crash, call);
            assert!(host.try_flush(true).is_err());
            disk = disk.fall(Fall::Power(call + round));
        }
    }
}

#[test]
fn torn_dropped_and_reordered_sectors_leave_an_exact_prefix() {
    let disk = SimDisk::new();
    let mut done = Done::default();
    let mut host = Host::open(&disk).unwrap();
    for number in 0..6 {
        host.append(1500 * number, true);
    }
    note(&host, &mut done, true);
    for number in 0..16 {
        host.append(40 + 313 * (number % 6), false);
    }
    done.tried.clone_from(&host.written);
    done.written = host.written.len();
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let fallen = disk.fall(Fall::Power(seed));
        let host = check(&fallen, &done, Fall::Power(seed), &format!("seed {seed}"));
        lengths.insert(host.replayed.len());
        if let Some(cut) = &host.opened.report.cut {
            assert!(!cut.copies.is_empty() && cut.loss.is_none(), "seed {seed}");
            assert!(cut.copies.iter().all(|name| name.ends_with(".torn")), "seed {seed}");
        }
    }
    assert!(lengths.len() > 2, "the seeds make a difference: {lengths:?}");
}

#[test]
fn an_error_of_any_call_ends_the_process_and_loses_nothing() {
    for work in [work_on_disk, work_in_memory] {
        for call in 0..calls_of(work) {
            let disk = SimDisk::new();
            disk.fail_at(call, Failure::Error(ErrorKind::Other), call + 1);
            let mut done = Done::default();
            if work(&disk, &mut done).is_ok() {
                continue;
            }
            let context = format!("error at call {call} ({})", disk.last_call());
            let killed = disk.fall(Fall::Kill);
            // A failed write may have left less than the writer was told, so only what was synced is sure.
            let host = check(&killed, &done, Fall::Power(0), &context);
            let shown = host.replayed;
            // What a start has shown must outlive the power, although an earlier sync of it has failed.
            let host = Host::open(&killed.fall(Fall::Power(call))).unwrap();
            assert!(host.replayed == shown, "{context}: what was shown is durable");
        }
    }
}

#[test]
fn a_failed_sync_or_write_is_final() {
    for failing in [0, 1, 2] {
        let disk = SimDisk::new();
        let mut host = Host::open(&disk).unwrap();
        // The next segment is ready with the second one.
        host.append(400, true);
        host.append(400, failing != 1);
        disk.fail_at(u64::from(failing == 2), Failure::Error(ErrorKind::Other), 1);
        let outcome = if failing == 1 {
            host.opened.writer.sync().map(|_| ()).map_err(|error| error.to_string())
        } else {
            host.try_append(400, failing == 0).and_then(|()| host.try_flush(true))
        };
        assert!(outcome.is_err());
        let calls = disk.calls();
        let refusal = host.try_append(400, true).unwrap_err();
        assert!(refusal.contains("final"), "{refusal}");
        assert!(host.opened.writer.sync().is_err());
        assert_eq!(disk.calls(), calls, "nothing is tried any more");
    }
}
