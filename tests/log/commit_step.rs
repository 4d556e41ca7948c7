//! The commit step with a peer's batches beside this host's own, on simulated disks and without threads.

use crate::sim_disk;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use mio::{Poll, Token, Waker};
use pixeld::app::applied::Applied;
use pixeld::apps::registry;
use pixeld::base::batch::BatchHeader;
use pixeld::base::durability::Durability;
use pixeld::base::ids::{ClusterId, NodeId, Position};
use pixeld::base::limits::{BATCH_BODY_BYTES_MAX, SEGMENT_BYTES_MIN};
use pixeld::base::streams::{StreamFault, Streams};
use pixeld::engine::commit::committer::Committer;
use pixeld::engine::commit::disk::make_durable;
use pixeld::engine::commit::memory::{self, InlineCommit};
use pixeld::engine::lifecycle::rebuilding::{Replayed, replayed};
use pixeld::engine::shared::metrics::Metrics;
use pixeld::engine::shared::peering::Peering;
use pixeld::engine::shared::peering::inbox::Arrived;
use pixeld::engine::shared::peering::joining::Join;
use pixeld::engine::shared::peering::outbox::Next;
use pixeld::engine::shared::settings::{PeerSettings, Retention, Settings, Trust};
use pixeld::engine::shared::space::lane_bytes;
use pixeld::engine::shared::{Shared, WorkerSide};
use pixeld::log::blobs::Blobs;
use pixeld::log::blobs::files::FileStore;
use pixeld::log::inspect::compare::{self, Agreement};
use pixeld::log::lane::{Producer, lane};
use pixeld::log::recover::{OpenOptions, RecoverError, joining};
use pixeld::log::snapshot::{self, Snapshot};
use pixeld::log::write::spare::make_spare;
use pixeld::log::write::staged::Staged;
use pixeld::log::write::writer::Writer;
use pixeld::os::clock::Clock;
use sim_disk::{Fall, SimDisk};

const CLUSTER: ClusterId = ClusterId([7; 16]);
const PIXEL: [u8; 10] = [0x11, 9, 1, 0, 0, 0, 2, 0, 0, 0];

/// A host as far as commits go, with one lane.
struct Host {
    disk: SimDisk,
    shared: Arc<Shared>,
    token: Arc<Mutex<Committer>>,
    writer: Writer,
    producer: Producer,
    inline: InlineCommit,
    now_us: u64,
    _poll: Poll,
}

fn settings(durability: Durability) -> Settings {
    Settings {
        durability,
        apps: registry::all(),
        empty_states: registry::new_applied,
        segment_bytes: SEGMENT_BYTES_MIN,
        peer: Some(PeerSettings {
            listen: None,
            dial: None,
            trust: Trust::Nothing,
            retention: Retention::Usual,
        }),
        ..Settings::base("nowhere".into())
    }
}

impl Host {
    fn open(disk: SimDisk, node: u64, inc: u64, durability: Durability) -> Self {
        let (cluster, node, random) = (CLUSTER, NodeId(node), inc as u32);
        let segment_bytes = SEGMENT_BYTES_MIN;
        Self::open_with(
            disk,
            &OpenOptions { segment_bytes, accept_loss: false, cluster, node, random },
            durability,
        )
    }

    fn open_with(disk: SimDisk, options: &OpenOptions, durability: Durability) -> Self {
        let Replayed { opened, mut owed, mut rebuilding } =
            replayed(&disk.shared(), options, registry::new_applied).unwrap();
        owed.settle().unwrap();
        let applied = rebuilding.take_applied();
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        let side = WorkerSide::new(waker, crossbeam_channel::unbounded().0);
        let metrics = Metrics::new(1, 1, 1);
        let blobs = Arc::new(Blobs::new(Box::new(FileStore::new(disk.shared()))));
        let settings = settings(durability);
        let shared = Arc::new(Shared::new(&settings, applied, &opened, blobs, vec![side], metrics));
        let (producer, consumer) = lane(lane_bytes(SEGMENT_BYTES_MIN, 1).unwrap());
        let token = Arc::new(Mutex::new(Committer::new(vec![consumer], opened.appender)));
        let inline = InlineCommit::new(token.clone(), Clock::start());
        let mut host =
            Self { disk, shared, token, writer: opened.writer, producer, inline, now_us: 1_000, _poll: poll };
        host.make_spare();
        host
    }

    fn peering(&self) -> &Peering {
        self.shared.peering.as_ref().unwrap()
    }

    /// The keeper's part.
    fn make_spare(&mut self) {
        if let Some(number) = self.shared.spare.missing() {
            make_spare(&*self.disk.shared(), number, SEGMENT_BYTES_MIN).unwrap();
            self.shared.spare.made();
        }
    }

    fn post(&mut self, pixels: usize) {
        assert!((0..pixels).all(|_| self.producer.push_short(&PIXEL)));
        self.producer.publish();
    }

    /// One step as the disk thread makes it; whether there was anything to do.
    fn step(&mut self) -> bool {
        self.now_us += 10;
        let mut staged = Staged::default();
        let mut committer = self.token.lock().unwrap();
        let Some(prepared) = committer.prepare(&self.shared, self.now_us, &mut staged) else {
            committer.stand_down(&self.shared);
            return false;
        };
        make_durable(&self.shared, &mut self.writer, &staged, Clock::start()).unwrap();
        committer.finish(&self.shared, &prepared, None);
        true
    }

    /// What the writer's thread of a server at `memory` does, once.
    fn write_behind(&mut self) {
        memory::write_once(&self.shared, &mut self.writer, &mut Staged::default(), true, Clock::start())
            .unwrap();
    }

    /// All batches of the journal.
    fn batches(&self) -> Vec<(BatchHeader, Vec<u8>)> {
        let to = self.applied(|applied| applied.position);
        let mut scan = self.shared.reader.scan(Position(0), to);
        let mut batches = Vec::new();
        while let Some(batch) = scan.next_batch().unwrap() {
            batches.push((batch.header, batch.body.to_vec()));
        }
        batches
    }

    fn applied<T>(&self, look: impl FnOnce(&Applied) -> T) -> T {
        look(&self.shared.applied.read())
    }

    /// Lets everything that is to be sent arrive at `to`.
    fn ship_to(&self, to: &Self) -> usize {
        let mut sent = to.peering().progress.begin().0.of(CLUSTER, self.peering().own).seq;
        let mut count = 0;
        while let Next::Batch(batch) = self.peering().outbox.take(sent) {
            sent = batch.header.last_seq();
            to.peering().inbox.push(Arrived { header: batch.header, body: batch.body }).unwrap();
            count += 1;
        }
        count
    }
}

fn of_node(batches: &[(BatchHeader, Vec<u8>)], node: u64) -> Vec<(BatchHeader, Vec<u8>)> {
    batches.iter().filter(|(header, _)| header.origin.node == NodeId(node)).cloned().collect()
}

#[test]
fn own_and_peer_batches_go_to_the_disk_with_one_sync_and_are_applied_in_journal_order() {
    let mut here = Host::open(SimDisk::new(), 1, 11, Durability::Disk);
    let mut there = Host::open(SimDisk::new(), 2, 22, Durability::Disk);
    there.peering().outbox.open();
    there.now_us = 5_000_000;
    for _ in 0..5 {
        there.post(3);
        assert!(there.step());
    }
    assert_eq!(there.ship_to(&here), 5);
    here.post(4);
    let calls = here.disk.calls();
    assert!(here.step());
    // The first write opens the segment's file; another one would cost a call more.
    assert!(here.disk.calls() - calls <= 2, "{} calls for six batches", here.disk.calls() - calls);
    let batches = here.batches();
    assert_eq!(of_node(&batches, 2), there.batches(), "byte for byte");
    assert_eq!((batches.len(), batches[0].0.origin), (6, here.peering().own), "its own goes first");
    here.post(1);
    assert!(here.step());
    let last = here.batches().last().unwrap().0.time_us;
    assert!(last > 5_000_050, "{last}: the clock is later than every time applied here");
    let (received, durable) = here.peering().progress.begin();
    assert_eq!(received, durable);
    assert_eq!(
        received.of(CLUSTER, there.peering().own),
        there.peering().progress.begin().0.iter().next().unwrap()
    );
    assert_eq!(here.applied(|applied| applied.vector.clone()), received.vector());
    assert!(!here.step(), "nothing is left");
}

#[test]
fn what_a_step_has_committed_outlives_a_power_cut() {
    let mut here = Host::open(SimDisk::new(), 1, 11, Durability::Disk);
    for pixels in 1..=6 {
        here.post(pixels);
        assert!(here.step());
        let committed = here.batches();
        // Each seed keeps other sectors of what was not synced.
        for seed in 1..=6 {
            let again = Host::open(here.disk.fall(Fall::Power(seed)), 1, 12, Durability::Disk);
            assert_eq!(again.batches(), committed, "{pixels} pixels, seed {seed}");
        }
    }
}

#[test]
fn what_was_taken_is_there_after_a_restart_and_a_second_copy_is_passed_over() {
    let disk = SimDisk::new();
    let mut here = Host::open(disk.copy(), 1, 11, Durability::Disk);
    let mut there = Host::open(SimDisk::new(), 2, 22, Durability::Disk);
    there.peering().outbox.open();
    there.post(3);
    there.step();
    there.post(2);
    there.step();
    let copies: Vec<_> = there.batches().into_iter().map(|(header, body)| Arrived { header, body }).collect();
    for batch in copies.iter().chain(&copies[1..]).cloned() {
        here.peering().inbox.push(batch).unwrap();
    }
    assert!(here.step());
    assert_eq!(here.peering().inbox.take_refusal(), None);
    let (before, sections) = (here.batches(), here.applied(Applied::sections));
    let disk = here.disk.copy();
    drop(here);
    let again = Host::open(disk, 1, 12, Durability::Disk);
    assert_eq!((again.batches(), again.applied(Applied::sections)), (before, sections));
    assert_eq!(again.peering().progress.begin().1.of(CLUSTER, there.peering().own).seq, 5);
}

#[test]
fn a_batch_that_continues_nothing_ends_the_session_and_nothing_else() {
    let mut here = Host::open(SimDisk::new(), 1, 11, Durability::Disk);
    let mut there = Host::open(SimDisk::new(), 2, 22, Durability::Disk);
    for _ in 0..3 {
        there.post(1);
        there.step();
    }
    let mut batches = there.batches().into_iter().map(|(header, body)| Arrived { header, body });
    let (first, _, third) = (batches.next().unwrap(), batches.next(), batches.next().unwrap());
    for batch in [first, third] {
        here.peering().inbox.push(batch).unwrap();
    }
    here.post(1);
    assert!(here.step());
    let origin = there.peering().own;
    assert_eq!(here.peering().inbox.take_refusal(), Some(StreamFault::Sequence { origin, found: 3, due: 2 }));
    assert_eq!(
        (here.batches().len(), here.peering().inbox.waiting_bytes()),
        (2, 0),
        "the first, and its own"
    );
    here.post(1);
    assert!(here.step());
}

#[test]
fn without_room_for_the_next_segment_the_peer_waits_and_the_lanes_do_not() {
    let mut here = Host::open(SimDisk::new(), 1, 11, Durability::Disk);
    let mut there = Host::open(SimDisk::new(), 2, 22, Durability::Disk);
    there.peering().outbox.open();
    let lane_pixels = lane_bytes(SEGMENT_BYTES_MIN, 1).unwrap() / 16;
    let mut waiting = false;
    while !waiting {
        there.post(lane_pixels);
        assert!(there.step());
        there.make_spare();
        there.ship_to(&here);
        waiting = !here.step();
        assert!(here.token.lock().unwrap().is_stuck() == waiting);
    }
    assert!(here.peering().inbox.waiting_bytes() > 0 && !here.shared.spare.is_ready());
    assert!(!here.shared.step.is_started(), "it is not tried again and again");
    // Whatever a lane may hold can be committed, and a clear of its own size behind it.
    for _ in 0..2 {
        here.post(lane_pixels);
        assert!(here.step());
    }
    here.make_spare();
    here.shared.commit_arrived();
    assert!(here.shared.step.is_started(), "the keeper has it tried again");
    while here.step() {
        here.make_spare();
    }
    assert_eq!(of_node(&here.batches(), 2), there.batches());
}

#[test]
fn a_step_that_leaves_something_behind_starts_the_next_one() {
    let mut here = Host::open(SimDisk::new(), 1, 11, Durability::Disk);
    let mut there = Host::open(SimDisk::new(), 2, 22, Durability::Disk);
    there.peering().outbox.open();
    for _ in 0..10 {
        there.post(30_000);
        there.step();
        there.make_spare();
    }
    there.ship_to(&here);
    let mut steps = 0;
    here.shared.commit_arrived();
    while here.shared.step.is_started() {
        assert!(here.step());
        here.make_spare();
        steps += 1;
    }
    assert!(steps > 1, "3 MB are more than one step takes");
    assert_eq!(of_node(&here.batches(), 2).len(), 10);
}

#[test]
fn in_memory_the_link_commits_and_the_peer_hears_of_the_disk_when_it_has_it() {
    let mut here = Host::open(SimDisk::new(), 1, 11, Durability::Memory);
    let mut there = Host::open(SimDisk::new(), 2, 22, Durability::Disk);
    there.peering().outbox.open();
    for _ in 0..40 {
        there.post(10_000);
        there.step();
        there.make_spare();
        there.ship_to(&here);
        here.post(10);
        here.inline.run_for_peer(&here.shared, 1_000);
        assert_eq!(here.peering().inbox.waiting_bytes(), 0);
        here.make_spare();
    }
    let origin = there.peering().own;
    let seq = 400_000;
    assert_eq!(here.applied(|applied| applied.vector.seq_of(origin)), seq, "visible");
    let (received, durable) = here.peering().progress.begin();
    assert_eq!((received.of(CLUSTER, origin).seq, durable.of(CLUSTER, origin).seq), (seq, 0));
    assert!(here.peering().progress.owes_sync());
    here.write_behind();
    let changes = here.peering().progress.take_changes();
    assert_eq!(
        changes.durable.iter().find(|stream| stream.origin == origin).map(|stream| stream.seq),
        Some(seq)
    );
    assert!(!here.peering().progress.owes_sync());
    assert_eq!(of_node(&here.batches(), 2), there.batches());
}

#[test]
fn in_memory_a_disk_that_is_behind_stops_the_peer_before_memory_runs_full() {
    let mut here = Host::open(SimDisk::new(), 1, 11, Durability::Memory);
    let mut there = Host::open(SimDisk::new(), 2, 22, Durability::Memory);
    there.peering().outbox.open();
    let mut rounds = 0;
    loop {
        rounds += 1;
        assert!(rounds < 1_000, "memory grows without a bound");
        there.post(30_000);
        assert!(there.inline_step());
        there.make_spare();
        there.ship_to(&here);
        here.inline.run_for_peer(&here.shared, 1_000);
        if here.token.lock().unwrap().is_stuck() {
            break;
        }
        here.make_spare();
    }
    let unwritten = here.shared.reader.unwritten_bytes();
    assert!((50 << 20..70 << 20).contains(&unwritten), "{unwritten} bytes are only in memory");
    here.write_behind();
    here.inline.run_for_peer(&here.shared, 1_000);
    assert_eq!(here.peering().inbox.waiting_bytes(), 0);
}

impl Host {
    /// A step as a worker of a server at `memory` makes it.
    fn inline_step(&mut self) -> bool {
        let before = self.applied(|applied| applied.position);
        self.inline.try_run(&self.shared, 0, self.now_us);
        // This side's disk is as fast as can be.
        self.write_behind();
        self.applied(|applied| applied.position) > before
    }
}

/// What a host that has removed its first three batches gives to one that is empty: 50 of `there`'s batches are in the
/// snapshot, two come behind it.
fn a_join(there: &mut Host) -> (Join, Vec<Arrived>) {
    let mut starts = Streams::default();
    for step in 0..50 {
        there.post(step + 1);
        there.step();
        if step == 2 {
            starts = there.peering().progress.begin().0;
        }
    }
    let snapshot = Snapshot {
        cluster: CLUSTER,
        node: NodeId(2),
        position: there.applied(|applied| applied.position),
        time_us: there.applied(|applied| applied.time_us),
        streams: there.peering().progress.begin().0,
        sections: there.applied(Applied::sections),
    };
    there.post(5);
    there.step();
    let batches = there.batches().into_iter().map(|(header, body)| Arrived { header, body });
    (Join { starts, snapshot, blobs: Vec::new(), runs: Vec::new() }, batches.skip(3).collect())
}

#[test]
fn an_empty_host_takes_a_snapshot_and_what_the_peer_still_keeps() {
    let mut here = Host::open(SimDisk::new(), 1, 11, Durability::Disk);
    let mut there = Host::open(SimDisk::new(), 2, 22, Durability::Disk);
    let (join, batches) = a_join(&mut there);
    here.post(7);
    here.peering().joining.offer(here.disk.shared(), join);
    assert!(here.step());
    assert_eq!(here.peering().joining.take_outcome(), Some(Ok(())));
    here.make_spare();
    assert_eq!(here.peering().progress.take_changes().received[0].seq, 6, "what follows is due");
    for (count, batch) in batches.iter().cloned().enumerate() {
        assert!(here.peering().joining.joined(Position(u64::MAX)).is_none(), "{count}");
        here.peering().inbox.push(batch).unwrap();
        if count % 20 == 19 {
            assert!(here.step());
        }
        // A crash until then leaves an empty directory, which can begin again.
        if count == 30 {
            let disk = here.disk.copy();
            let again = Host::open(disk, 1, 12, Durability::Disk);
            assert!(again.batches().is_empty() && again.applied(|applied| applied.vector.is_empty()));
            assert!(!joining::is_marked(&*again.disk.shared()).unwrap());
        }
    }
    assert!(here.step());
    let snapshot = here.peering().joining.joined(Position(u64::MAX)).expect("everything is there");
    assert!(here.peering().joining.joined(Position(0)).is_none(), "not before it is durable");
    assert_eq!(here.applied(Applied::sections), there.applied(Applied::sections));
    assert_eq!(here.batches(), there.batches().split_off(3), "byte for byte");
    // The keeper's part, and then what this host had of its own.
    snapshot::store(&*here.disk.shared(), &snapshot).unwrap();
    joining::finish(&*here.disk.shared()).unwrap();
    joining::finish(&*here.disk.shared()).expect("it may be called again");
    here.peering().joining.end();
    assert!(here.step());
    assert_eq!(here.batches().last().unwrap().0.count, 7);
    let (sections, batches) = (here.applied(Applied::sections), here.batches());
    // The three batches that the peer had removed are on its list: a start says so, and serves the rest where that is accepted.
    let options = |accept_loss| OpenOptions {
        segment_bytes: SEGMENT_BYTES_MIN,
        accept_loss,
        cluster: CLUSTER,
        node: NodeId(1),
        random: 13,
    };
    let refused = replayed(&here.disk.copy().shared(), &options(false), registry::new_applied).err();
    assert!(
        matches!(refused, Some(RecoverError::Damaged(_))),
        "{:?}",
        refused.map(|error| error.to_string())
    );
    let again = Host::open_with(here.disk.copy(), &options(true), Durability::Disk);
    assert_eq!((again.applied(Applied::sections), again.batches()), (sections, batches));
    let disks = [here.disk.shared(), there.disk.shared()];
    let compared = compare::compare([&*disks[0], &*disks[1]]).unwrap();
    assert_eq!(compared.agreement(), Agreement::Behind, "its own seven");
    let common = compared.streams.iter().find(|stream| stream.origin == there.peering().own).unwrap();
    assert_eq!((common.agreement(), common.common), (Agreement::Same, Some((7, 1280))));
}

#[test]
fn a_host_that_has_written_takes_no_snapshot_and_keeps_what_it_has() {
    let mut here = Host::open(SimDisk::new(), 1, 11, Durability::Disk);
    let mut there = Host::open(SimDisk::new(), 2, 22, Durability::Disk);
    let (join, _) = a_join(&mut there);
    here.post(1);
    here.step();
    here.peering().joining.offer(here.disk.shared(), join);
    assert!(!here.step());
    assert!(matches!(here.peering().joining.take_outcome(), Some(Err(_))));
    assert!(!here.peering().joining.is_under_way() && !joining::is_marked(&*here.disk.shared()).unwrap());
    here.post(1);
    assert!(here.step());
    assert_eq!(here.batches().len(), 2);
}

#[test]
fn two_directories_are_compared_stream_by_stream() {
    let mut here = Host::open(SimDisk::new(), 1, 11, Durability::Disk);
    let mut there = Host::open(SimDisk::new(), 2, 22, Durability::Disk);
    there.peering().outbox.open();
    for _ in 0..3 {
        there.post(4);
        there.step();
    }
    there.ship_to(&here);
    here.step();
    let verdict = |a: &Host, b: &Host| {
        let disks = [a.disk.shared(), b.disk.shared()];
        let compared = compare::compare([&*disks[0], &*disks[1]]).unwrap();
        (compared.agreement(), compared.streams[0])
    };
    let (same, stream) = verdict(&here, &there);
    assert_eq!((same, stream.last, stream.common), (Agreement::Same, [12, 12], Some((1, 12))));
    there.post(1);
    there.step();
    assert_eq!((verdict(&here, &there).0, verdict(&there, &here).0), (Agreement::Behind, Agreement::Behind));
    // The same start of the same host with another history: a copied directory that was served from.
    let mut copy = Host::open(SimDisk::new(), 2, 22, Durability::Disk);
    copy.post(4);
    copy.step();
    copy.now_us += 5;
    copy.post(4);
    copy.step();
    let (different, stream) = verdict(&there, &copy);
    assert_eq!((different, stream.differs_at), (Agreement::Different, Some(5)));
}

#[test]
fn a_batch_leaves_when_it_is_sealed_and_not_when_it_is_synced() {
    let mut here = Host::open(SimDisk::new(), 1, 11, Durability::Disk);
    here.post(1);
    here.step();
    assert_eq!(here.peering().outbox.take(0), Next::Journal, "nobody was there to take it");
    here.peering().outbox.open();
    here.post(2);
    let mut staged = Staged::default();
    let mut committer = here.token.lock().unwrap();
    let prepared = committer.prepare(&here.shared, 5, &mut staged).unwrap();
    let Next::Batch(batch) = here.peering().outbox.take(1) else { panic!("it may leave before the write") };
    assert_eq!((batch.header.first_seq, &batch.body[..]), (2, &PIXEL.repeat(2)[..]));
    assert_eq!(here.peering().own_committed.load(Ordering::Acquire), 1, "but it is not committed");
    committer.finish(&here.shared, &prepared, None);
    assert_eq!(here.peering().own_committed.load(Ordering::Acquire), 3);
    assert!(BATCH_BODY_BYTES_MAX > batch.body.len());
}
