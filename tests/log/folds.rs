//! Starts that fold: the process or the machine comes down at every call before, during and behind a fold.

use crate::journal;
use crate::sim_disk;

use journal::{Host, NODE, SEGMENT_BYTES};
use pixeld::base::ids::{Inc, Origin, Seq};
use pixeld::base::tag::STREAMS_FOLDED;
use pixeld::log::files::identity::{IDENTITY_NAME, Identity};
use pixeld::log::format::record;
use pixeld::log::recover::mend;
use pixeld::log::streams::{StreamFault, Streams};
use sim_disk::{Failure, Fall, SimDisk};

const FALLS: [Fall; 3] = [Fall::Kill, Fall::Power(1), Fall::Power(2)];
/// Starts that log one batch each.
const STARTS: u32 = 5;

/// What was durable before everything came down.
#[derive(Clone, Copy, Default)]
struct Done {
    records: Seq,
    is_folded: bool,
}

/// Folds all earlier starts.
fn try_fold(host: &mut Host) -> Result<(), String> {
    let appender = &mut host.opened.appender;
    let earlier: Vec<Inc> = appender.streams().iter().map(|stream| stream.origin.inc).collect();
    let fold = appender.fill(Vec::new(), &earlier);
    let mut body = Vec::new();
    record::push(&mut body, STREAMS_FOLDED, &fold.payload());
    host.now_us += 3;
    appender.stage_touching_folds(&body, 1, host.now_us, host.opened.writer.synced(), &mut host.staged);
    let written = host.opened.writer.write(&host.staged, true).map_err(|error| error.to_string());
    host.opened.reader.extend(&host.staged);
    host.opened.reader.written(host.opened.writer.position());
    host.staged.clear();
    written
}

/// Some starts, a fold of them, and batches behind it: over a segment's end, with a snapshot between.
fn work(disk: &SimDisk, done: &mut Done) -> Result<(), String> {
    let append = |host: &mut Host, bytes: usize, done: &mut Done| {
        host.try_append(bytes, true)?;
        done.records = records(host.opened.appender.streams());
        Ok::<_, String>(())
    };
    for _ in 0..STARTS {
        let mut host = Host::open(disk).map_err(|error| error.to_string())?;
        append(&mut host, 700, done)?;
    }
    let mut host = Host::open(disk).map_err(|error| error.to_string())?;
    // The batch before makes the next segment ready.
    append(&mut host, 10, done)?;
    try_fold(&mut host)?;
    *done = Done { records: done.records + 1, is_folded: true };
    for number in 0..9 {
        append(&mut host, 5_000, done)?;
        if number == 4 {
            host.snapshot().map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// Records of all streams, folded or not.
fn records(streams: &Streams) -> Seq {
    let folded: Seq = streams.folds().iter().map(|folds| folds.records).sum();
    streams.iter().map(|stream| stream.seq).sum::<Seq>() + folded
}

fn check(disk: &SimDisk, done: Done, context: &str) {
    let mut host = Host::open(disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    let streams = host.opened.appender.streams();
    assert!(records(streams) >= done.records, "{context}: {} of {}", records(streams), done.records);
    let folded = streams.folds().starts_of(NODE);
    assert!(folded == STARTS || (folded == 0 && !done.is_folded), "{context}: {folded} are folded");
    // It goes on, and a start finds the same once more.
    host.append(20_000, true);
    host.append(20_000, true);
    let streams = host.opened.appender.streams().clone();
    assert!(host.opened.appender.position().0 > SEGMENT_BYTES);
    drop(host);
    let again = Host::open(disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(*again.opened.appender.streams(), streams, "{context}");
}

#[test]
fn a_fold_is_whole_or_not_there_wherever_it_is_cut_off() {
    let whole = SimDisk::new();
    work(&whole, &mut Done::default()).unwrap();
    let calls = whole.calls();
    assert!(whole.copy().calls() == 0 && calls > 60, "{calls} calls");
    for call in 0..calls {
        for fall in FALLS {
            let (disk, mut done) = (SimDisk::new(), Done::default());
            disk.fail_at(call, Failure::Crash, call + 1);
            work(&disk, &mut done).expect_err("it fails at this call");
            check(&disk.fall(fall), done, &format!("call {call}, {fall:?}"));
        }
    }
}

#[test]
fn a_folded_stream_takes_no_batch_and_is_not_named() {
    let (disk, mut done) = (SimDisk::new(), Done::default());
    let mut host = Host::open(&disk).unwrap();
    host.append(700, true);
    let first = host.opened.appender.origin();
    drop(host);
    work(&disk, &mut done).unwrap();
    let host = Host::open(&disk).unwrap();
    let streams = host.opened.appender.streams();
    assert!(streams.is_folded(first) && streams.iter().all(|stream| stream.origin != first));
    let mut scan = host.opened.reader.scan(pixeld::base::ids::Position(0), host.opened.appender.position());
    let batch = scan.next_batch().unwrap().unwrap();
    assert_eq!(batch.origin, first);
    let again = streams.behind(journal::CLUSTER, &batch.header);
    assert!(matches!(again, Err(StreamFault::Sequence { due: Seq::MAX, .. })), "{again:?}");
    let vector = host.opened.appender.vector();
    assert_eq!((vector.seq_of(first), vector.len()), (Seq::MAX, streams.len()));
}

#[test]
fn an_identity_that_is_made_again_numbers_its_start_by_what_is_folded_too() {
    let disk = SimDisk::new();
    work(&disk, &mut Done::default()).unwrap();
    let number = |disk: &SimDisk| Identity::load(&*disk.shared()).unwrap().unwrap().start;
    let before = number(&disk);
    assert_eq!(before, STARTS + 1);
    // Only the folds tell of the later starts then.
    let lone = SimDisk::new();
    for _ in 0..STARTS {
        Host::open(&lone).unwrap().append(700, true);
    }
    let mut host = Host::open(&lone).unwrap();
    host.append(10, true);
    try_fold(&mut host).unwrap();
    drop(host);
    lone.replace(IDENTITY_NAME, b"no identity");
    mend::mend(&*lone.shared()).unwrap();
    assert_eq!(number(&lone), STARTS + 1);
    let streams = Host::open(&lone).unwrap().opened.appender.streams().clone();
    let highest = streams.folds().of(NODE).unwrap().highest;
    let named = streams.iter().map(|stream| stream.origin);
    assert!(named.map(|Origin { inc, .. }| inc.number()).all(|number| number > highest));
}
