//! The journal on real files: direct writes, page cache and all; and what the inspector says of it.

use crate::journal;

use std::path::Path;
use std::sync::Arc;

use crate::skip::skip;
use journal::{Batch, CLUSTER, NODE, body};
use pixeld::apps::pixel::raw::Pixel;
use pixeld::base::ids::Position;
use pixeld::base::limits::SEGMENT_BYTES_MIN;
use pixeld::log::inspect::{self, InspectError};
use pixeld::log::recover::{self, OpenOptions, Opened, Replay};
use pixeld::log::write::spare::make_spare;
use pixeld::log::write::staged::Staged;
use pixeld::os::datadir::DataDir;
use pixeld::os::disk::Disk;

fn open(disk: &Arc<dyn Disk>, inc: u64) -> (Opened, Vec<Batch>) {
    let mut replayed = Vec::new();
    let options = OpenOptions {
        segment_bytes: SEGMENT_BYTES_MIN,
        accept_loss: false,
        cluster: CLUSTER,
        node: NODE,
        random: inc as u32,
    };
    let opened = recover::open(disk, &options, &mut |replay| {
        if let Replay::Batch(view) = replay {
            replayed.push(Batch::of(view));
        }
        Ok(())
    });
    (opened.unwrap(), replayed)
}

fn scanned(opened: &Opened) -> Vec<Batch> {
    let mut scan = opened.reader.scan(Position(0), opened.appender.position());
    let mut batches = Vec::new();
    while let Some(view) = scan.next_batch().unwrap() {
        batches.push(Batch::of(&view));
    }
    batches
}

/// Three process starts that write with and without syncs, across segments.
fn work_in(path: &Path) {
    let directory = DataDir::open(path).unwrap();
    let disk = directory.disk();
    let mut written: Vec<Batch> = Vec::new();
    let mut staged = Staged::default();
    for inc in 1..=3 {
        let (mut opened, replayed) = open(&disk, inc);
        assert_eq!(replayed, written);
        assert!(opened.report.cut.is_none());
        make_spare(&*disk, opened.appender.spare_number(), SEGMENT_BYTES_MIN).unwrap();
        for number in 0..24 {
            let body = body([10, 400_000, 5_000, 90_000][number % 4], written.len());
            staged.clear();
            let synced = opened.writer.synced();
            let count = u32::try_from(body.len() / 10).unwrap();
            let sealed = opened.appender.stage(&body, count, 0, synced, &mut staged);
            if sealed.entered.is_some() {
                make_spare(&*disk, opened.appender.spare_number(), SEGMENT_BYTES_MIN).unwrap();
            }
            opened.writer.write(&staged, number % 3 != 1).unwrap();
            opened.reader.extend(&staged);
            opened.reader.written(opened.writer.position());
            written.push(Batch {
                origin: opened.appender.origin(),
                first_seq: sealed.header.first_seq,
                start: sealed.start,
                end: sealed.end,
                time_us: sealed.header.time_us,
                body,
            });
            if number % 8 == 0 {
                assert_eq!(scanned(&opened), written);
            }
        }
        opened.writer.sync().unwrap();
        inspect::verify(&*disk).unwrap();
    }
    check_inspection(&*disk, &written);
}

fn check_inspection(disk: &dyn Disk, written: &[Batch]) {
    let names = disk.list().unwrap();
    let summary = inspect::verify(disk).unwrap();
    assert_eq!(summary.batches, written.len() as u64);
    assert_eq!(summary.streams.len(), 3);
    let records: u64 = written.iter().map(|batch| batch.body.len() as u64 / 10).sum();
    assert_eq!(summary.records.get(&0x11), Some(&records));
    assert!(summary.torn.is_none() && summary.segments.is_some_and(|(first, last)| first == 1 && last > 2));
    for (origin, stream) in &summary.streams {
        let last = written.iter().rev().find(|batch| batch.origin == *origin).unwrap();
        assert_eq!(stream.last_seq, last.first_seq + last.body.len() as u64 / 10 - 1);
        assert_eq!(stream.first_seq, 1);
    }
    let mut text = Vec::new();
    inspect::dump(disk, &|record| Some(Pixel::decode(record)?.to_string()), &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count() as u64, records);
    let first = &written[0];
    let expected =
        format!("{} {} 1 {} pixel x=0 y=0 channel=R value=0", first.start, first.origin, first.time_us);
    assert_eq!(text.lines().next(), Some(&expected[..]));
    assert_eq!(disk.list().unwrap(), names, "looking changes nothing");
}

#[test]
fn a_file_system_with_direct_writes() {
    let directory = tempfile::tempdir().unwrap();
    work_in(&directory.path().join("data"));
}

#[test]
fn a_file_system_in_memory() {
    let Ok(directory) = tempfile::tempdir_in("/dev/shm") else {
        return skip("nothing can be made in /dev/shm");
    };
    work_in(directory.path());
}

#[test]
fn an_empty_directory_has_no_journal() {
    let directory = tempfile::tempdir().unwrap();
    let directory = DataDir::open(directory.path()).unwrap();
    assert!(matches!(inspect::verify(&*directory.disk()), Err(InspectError::NoJournal)));
}
