//! One host: what the engine's threads do, one step at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crossbeam_channel::Receiver;
use pixeld::app::members::{Seating, Ties};
use pixeld::app::naming;
use pixeld::apps::board::record::Post;
use pixeld::apps::pictures::kind::Kind;
use pixeld::apps::registry;
use pixeld::base::durability::Durability;
use pixeld::base::ids::{ClusterId, Inc, NodeId, Origin, Position, Seq};
use pixeld::base::limits::{CLOCK_AHEAD_US_MAX, Limits};
use pixeld::base::seat::Seat;
use pixeld::engine::commit::committer::{Committer, Prepared};
use pixeld::engine::commit::disk::make_durable;
use pixeld::engine::commit::memory::{InlineCommit, owes_sync, write_once};
use pixeld::engine::lifecycle::opening::ties_to_log;
use pixeld::engine::lifecycle::rebuilding::{Replayed, replayed};
use pixeld::engine::replication::arrivals::Arrivals;
use pixeld::engine::replication::{Greeting, Replica, history};
use pixeld::engine::shared::mailbox::Mail;
use pixeld::engine::shared::metrics::Metrics;
use pixeld::engine::shared::peering::Peering;
use pixeld::engine::shared::settings::{PeerSettings, Reserve, Retention, Settings, Trust};
use pixeld::engine::shared::submission::Submission;
use pixeld::engine::shared::{Shared, WorkerSide, seating};
use pixeld::engine::storage::keeper::Keeper;
use pixeld::engine::storage::retention::PeerRetention;
use pixeld::engine::storage::snapshots::SnapshotMaker;
use pixeld::log::blobs::files::FileStore;
use pixeld::log::blobs::store::BlobStore;
use pixeld::log::blobs::{Blobs, Pin};
use pixeld::log::files::known_peer::KnownPeer;
use pixeld::log::files::newcomer;
use pixeld::log::format::record;
use pixeld::log::lane::{Producer, lane};
use pixeld::log::recover::OpenOptions;
use pixeld::log::snapshot::Snapshot;
use pixeld::log::streams::Streams;
use pixeld::log::write::staged::Staged;
use pixeld::log::write::writer::Writer;
use pixeld::os::clock::Clock;
use pixeld::peer::relay::words::{Answer, Question};

use super::canvas::Following;
use super::sim_disk::SimDisk;

pub const CLUSTER: ClusterId = ClusterId(*b"simulated hosts!");
pub const SEGMENT_BYTES: u64 = 160 * 1024;
const LANE_BYTES: usize = 8 * 1024;
/// Batches that one call seals.
const STEPS_MAX: u64 = 64;

/// A running process.
pub struct Up {
    pub shared: Arc<Shared>,
    token: Arc<Mutex<Committer>>,
    inline: Option<InlineCommit>,
    arrivals: Arrivals,
    writer: Writer,
    producer: Producer,
    staged: Staged,
    prepared: Option<Prepared>,
    pub replica: Option<Box<Replica>>,
    pub canvas: Following,
    keeper: Option<Keeper>,
    disk: SimDisk,
    clock: Clock,
    /// Nobody looks at it: the worker's turns are the simulation's.
    _poll: mio::Poll,
    mail: Receiver<Mail>,
    /// What the keeper has logged, with its last record's number, until it is committed.
    submitted: VecDeque<(Seq, Submission)>,
    /// Batches that a sync will make durable: where they end, this process's last record there.
    unsynced: VecDeque<(Position, Seq)>,
    /// Records that were put into the lane.
    logged: Seq,
    /// Pictures of records that are not committed yet, with their numbers.
    pins: VecDeque<(Seq, Pin)>,
    pub committed: Seq,
    pub durable: Seq,
    /// The time of this start's last batch.
    own_us: u64,
    /// What the clock said when the step that is under way sealed its batch.
    step_us: u64,
}

/// What a process can't survive.
pub type Fatal = String;

/// Bytes of messages that half of the hosts have in memory: two or three messages.
const YOUNG_BYTES: usize = 2_000;

fn settings(durability: Durability, node: NodeId, segment_bytes: u64) -> Settings {
    let mut limits = Limits::default();
    if node.0.is_multiple_of(2) {
        limits.young_bytes = YOUNG_BYTES;
    }
    Settings {
        durability,
        empty_states: registry::new_applied,
        // Their handlers are for requests, of which there are none; their states are in the registry.
        reserve: Reserve::Bytes(0),
        segment_bytes,
        limits,
        peer: Some(PeerSettings {
            listen: None,
            dial: None,
            trust: Trust::Nothing,
            retention: Retention::Usual,
        }),
        ..Settings::base("/simulated".into())
    }
}

impl Up {
    /// Starts a process: recovery, replay, and the parts that its threads share.
    pub fn start(disk: &SimDisk, node: NodeId, inc: Inc, durability: Durability) -> Result<Self, Fatal> {
        Self::start_with(disk, node, inc, durability, Box::new(FileStore::new(disk.shared())))
    }

    /// The same of a host of a log, with segments of another size.
    pub fn start_in(
        disk: &SimDisk,
        node: NodeId,
        inc: Inc,
        durability: Durability,
        segment_bytes: u64,
    ) -> Result<Self, Fatal> {
        // Whether it is the first one shows when it is open.
        let ties = Ties::Log { is_first: false };
        Self::start_by(
            disk,
            node,
            inc,
            durability,
            Box::new(FileStore::new(disk.shared())),
            (segment_bytes, ties),
        )
    }

    /// The same with another store of its blobs.
    pub fn start_with(
        disk: &SimDisk,
        node: NodeId,
        inc: Inc,
        durability: Durability,
        store: Box<dyn BlobStore>,
    ) -> Result<Self, Fatal> {
        // Both hosts take themselves for the first: they have to find out that they are not.
        let ties = Ties::Pair(Seat::of_pair(true));
        Self::start_by(disk, node, inc, durability, store, (SEGMENT_BYTES, ties))
    }

    fn start_by(
        disk: &SimDisk,
        node: NodeId,
        inc: Inc,
        durability: Durability,
        store: Box<dyn BlobStore>,
        (segment_bytes, ties): (u64, Ties),
    ) -> Result<Self, Fatal> {
        let random = inc.0 as u32;
        let options = OpenOptions { segment_bytes, accept_loss: false, cluster: CLUSTER, node, random };
        let Replayed { opened, mut owed, mut rebuilding } =
            replayed(&disk.shared(), &options, registry::new_applied).map_err(|error| error.to_string())?;
        owed.settle().map_err(|error| error.to_string())?;
        let (mut applied, last) = (rebuilding.take_applied(), rebuilding.last.take());
        applied.seating = Seating { own: Some(node), ties };
        let io = |error: std::io::Error| error.to_string();
        let (vector, is_blank) = (opened.appender.vector(), opened.appender.is_blank());
        let mark = newcomer::look(disk, &vector, is_blank).map_err(io)?;
        if let Ties::Log { .. } = ties {
            applied.seating.ties = ties_to_log(node, &vector, mark.is_some());
        }
        if mark.is_none() {
            newcomer::clear(disk).map_err(io)?;
        }
        let nothing = Snapshot {
            cluster: CLUSTER,
            node,
            position: Position(0),
            time_us: 0,
            streams: Streams::default(),
            sections: Vec::new(),
        };
        let blobs = Arc::new(Blobs::new(store));
        applied.take_released();
        blobs.remove_unfinished().map_err(io)?;
        let known = KnownPeer::load(disk).map_err(io)?;
        let metrics = Metrics::new(0, 0, 0);
        let poll = mio::Poll::new().map_err(io)?;
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).map_err(io)?;
        let (mailbox, mail) = crossbeam_channel::unbounded();
        let side = WorkerSide::new(waker, mailbox);
        let shared = Arc::new(Shared::new(
            &settings(durability, node, segment_bytes),
            applied,
            &opened,
            blobs,
            vec![side],
            metrics,
        ));
        seating::look(&shared);
        mark.into_iter().for_each(|mark| shared.begin_joining(mark));
        if !shared.space.is_joining() {
            // As the scrub does once it runs; the keeper removes them.
            shared.blobs.find_leftovers(|all| naming::unnamed(&shared.applied, all)).map_err(io)?;
        }
        let peering = shared.peering.as_ref().expect("a host with a peer");
        if let Some(known) = &known {
            peering.standing.remember(known.node, known.durable.clone());
            shared.understanding.learn(known.node, known.kinds);
        }
        let maker = SnapshotMaker::new(
            last.unwrap_or(nothing),
            opened.report.snapshot,
            false,
            registry::new_applied,
            shared.shelf.clone(),
        );
        let patience = PeerRetention::new(Retention::Usual, known);
        let (all, reserve) = (Arc::clone(&shared), Reserve::Bytes(0));
        let keeper = Keeper::new(all, disk.shared(), segment_bytes, reserve, maker, patience);
        let (producer, consumer) = lane(LANE_BYTES);
        let token = Arc::new(Mutex::new(Committer::new(vec![consumer], opened.appender)));
        let clock = Clock::start();
        let inline =
            || (durability == Durability::Memory).then(|| InlineCommit::new(Arc::clone(&token), clock));
        Ok(Self {
            canvas: Following::new(&shared),
            arrivals: Arrivals::new(Arc::clone(&shared), inline()),
            inline: inline(),
            shared,
            token,
            writer: opened.writer,
            producer,
            staged: Staged::default(),
            prepared: None,
            replica: None,
            keeper: Some(keeper),
            disk: disk.clone(),
            clock,
            _poll: poll,
            mail,
            submitted: VecDeque::new(),
            unsynced: VecDeque::new(),
            logged: 0,
            pins: VecDeque::new(),
            committed: 0,
            durable: 0,
            own_us: 0,
            step_us: 0,
        })
    }

    pub fn peering(&self) -> &Peering {
        self.shared.peering.as_ref().expect("a host with a peer")
    }

    pub fn origin(&self) -> Origin {
        self.peering().own
    }

    /// Whether requests are refused because this host does not have everything of the other one yet.
    pub fn is_joining(&self) -> bool {
        self.shared.space.is_joining()
    }

    /// Whether requests that write are taken: this host has what the others had, and a seat.
    pub fn is_open(&self) -> bool {
        let applied = self.shared.applied.read();
        !self.is_joining() && applied.seating.is_seated(&applied.members)
    }

    /// Whether the peer's snapshot was adopted, and the journal behind it is not all there.
    pub fn is_amid_joining(&self) -> bool {
        self.peering().joining.is_under_way()
    }

    /// Number of the oldest segment.
    pub fn oldest_segment(&self) -> u32 {
        self.shared.reader.segments().first().map_or(1, |segment| segment.number)
    }

    /// Posts a picture, as a job and then a worker do; gives the post's number, or nothing if the lane has no room.
    pub fn post_picture(
        &mut self,
        content: &[u8],
        uuid: [u8; 16],
        wall_us: u64,
    ) -> Result<Option<Seq>, Fatal> {
        let pin = self.shared.blobs.keep(content).map_err(|error| error.to_string())?;
        let size_bytes = content.len() as u64;
        let (name, message) = ("a.png".to_owned(), "a picture".to_owned());
        let post = Post { id: 0, uuid, blob: pin.id(), kind: Kind::Png, size_bytes, name, message };
        // The pin stays until the record is applied.
        self.pins.push_back((self.logged + 1, pin));
        let is_logged = self.log(&post.record(), wall_us);
        if !is_logged {
            self.pins.pop_back();
        }
        Ok(is_logged.then_some(self.logged))
    }

    /// Logs records, as a worker does; false if the lane has no room.
    pub fn log(&mut self, records: &[u8], wall_us: u64) -> bool {
        if !self.producer.push(records) {
            return false;
        }
        let mut rest = records;
        while let Ok(Some(length)) = record::length_of(rest) {
            rest = &rest[length..];
            self.logged += 1;
        }
        self.producer.publish();
        self.start_commit(wall_us);
        true
    }

    /// The end of a worker's turn.
    fn start_commit(&mut self, wall_us: u64) {
        if let Some(inline) = &mut self.inline {
            inline.try_run(&self.shared, 0, wall_us);
            self.check_times(wall_us);
        } else {
            self.shared.start_commit();
        }
        self.note_commit();
    }

    /// No time of another host's enters those of this start's batches if it lies far ahead of this host's clock, which says
    /// `wall_us`: a time ahead of it can only have been said by the same clock, before it was set back.
    fn check_times(&mut self, wall_us: u64) {
        let own_us = self.shared.metrics.commit.own_time_us.value();
        if own_us != self.own_us {
            // A step seals a batch, and a turn makes a few steps.
            let rising_us = self.own_us + STEPS_MAX;
            assert!(
                own_us <= wall_us.saturating_add(CLOCK_AHEAD_US_MAX).max(rising_us),
                "{}: a batch of {own_us} while the clock says {wall_us}, after one of {}",
                self.origin(),
                self.own_us
            );
            self.own_us = own_us;
        }
    }

    /// Whether the disk thread has a step to begin.
    pub fn has_step(&self) -> bool {
        self.prepared.is_none() && self.shared.step.is_started()
    }

    /// The first half of the disk thread's step; whether there was anything.
    pub fn prepare(&mut self, wall_us: u64) -> bool {
        self.staged.clear();
        let mut committer = self.token.lock().unwrap();
        self.prepared = committer.prepare(&self.shared, wall_us, &mut self.staged);
        if self.prepared.is_none() {
            committer.stand_down(&self.shared);
        }
        self.step_us = wall_us;
        self.prepared.is_some()
    }

    /// The second half: the disk has answered.
    pub fn finish(&mut self) -> Result<(), Fatal> {
        let Some(prepared) = self.prepared.take() else { return Ok(()) };
        make_durable(&self.shared, &mut self.writer, &self.staged, self.clock)
            .map_err(|error| error.to_string())?;
        let mut committer = self.token.lock().unwrap();
        committer.finish(&self.shared, &prepared, None);
        drop(committer);
        self.check_times(self.step_us);
        self.note_commit();
        // What the step left behind: a worker starts the next one.
        self.shared.start_commit();
        Ok(())
    }

    /// Whether the disk thread of a server at `memory` has something to do.
    pub fn is_behind(&self) -> bool {
        // Somebody waits for a sync of this host's own records, sooner or later.
        let is_wanted = self.durable < self.committed;
        self.inline.is_some()
            && (is_wanted || self.shared.reader.unwritten_bytes() > 0 || owes_sync(&self.shared))
    }

    /// Its turn.
    pub fn write_behind(&mut self, sync: bool) -> Result<(), Fatal> {
        let sync = sync || owes_sync(&self.shared);
        write_once(&self.shared, &mut self.writer, &mut self.staged, sync, self.clock)
            .map_err(|error| error.to_string())?;
        self.note_commit();
        Ok(())
    }

    pub fn lacks_spare(&self) -> bool {
        !self.shared.spare.is_ready()
    }

    /// The keeper's turn.
    pub fn keep_files(&mut self, wall_us: u64) -> Result<(), Fatal> {
        // The thread of the views comes as it likes, too.
        self.canvas.look();
        let (lacked_spare, was_amid_joining) = (self.lacks_spare(), self.is_amid_joining());
        if let Some(keeper) = &mut self.keeper {
            keeper.turn().map_err(|error| error.to_string())?;
        }
        self.take_mail(wall_us);
        // Both wake the workers, and they start a step for what waits in their lanes.
        if (lacked_spare && !self.lacks_spare()) || (was_amid_joining && !self.is_amid_joining()) {
            self.start_commit(wall_us);
        }
        Ok(())
    }

    /// Logs what the keeper has a worker log; without room in the lane the next turn tries again.
    fn take_mail(&mut self, wall_us: u64) {
        let new = std::iter::from_fn(|| self.mail.try_recv().ok());
        for mail in new.collect::<Vec<_>>() {
            if let Mail::Log(submission) = mail {
                self.submitted.push_back((Seq::MAX, submission));
            }
        }
        for at in 0..self.submitted.len() {
            let records = std::mem::take(&mut self.submitted[at].1.records);
            if self.submitted[at].0 < Seq::MAX {
                continue;
            }
            match self.log(&records, wall_us) {
                true => self.submitted[at].0 = self.logged,
                false => self.submitted[at].1.records = records,
            }
        }
    }

    /// The keeper, to take its turn on a thread of its own; this host has none any more.
    pub fn take_keeper(&mut self) -> Keeper {
        self.keeper.take().expect("taken once")
    }

    /// The keeper makes a snapshot.
    pub fn fold(&mut self) {
        self.keeper.iter_mut().for_each(Keeper::fold);
    }

    fn note_commit(&mut self) {
        let applied = self.shared.applied.read();
        let (seq, end) = (applied.vector.seq_of(self.peering().own), applied.position);
        drop(applied);
        if seq > self.committed {
            self.committed = seq;
            self.unsynced.push_back((end, seq));
        }
        let synced = Position(self.shared.reach.synced());
        while self.submitted.front().is_some_and(|(seq, _)| *seq <= self.committed) {
            let (_, submission) = self.submitted.pop_front().unwrap();
            let _ = submission.reply.send(Ok(()));
        }
        while self.pins.front().is_some_and(|(seq, _)| *seq <= self.committed) {
            self.pins.pop_front();
        }
        while self.unsynced.front().is_some_and(|(end, _)| *end <= synced) {
            self.durable = self.unsynced.pop_front().unwrap().1;
        }
    }

    /// The last own record that a write at `both` was told to be kept.
    pub fn kept_by_both(&self) -> Seq {
        self.durable.min(self.peering().standing.own_durable())
    }

    /// Answers a question of another host of a log.
    pub fn answer(&self, question: &Question) -> Answer {
        history::answer(&self.shared, &self.disk, question)
    }

    /// A connection was made.
    pub fn connect(&mut self, nonce: u64, clock_us: u64, now_us: u64) {
        self.replica = None;
        let greeting = Greeting { nonce, clock_us };
        let replica = Replica::begin(&self.shared, &self.disk.shared(), greeting, now_us);
        self.replica = Some(Box::new(replica));
    }

    /// What arrived is committed.
    pub fn commit_arrived(&mut self, wall_us: u64) {
        self.arrivals.commit(wall_us);
        if self.inline.is_some() {
            self.check_times(wall_us);
        }
        self.note_commit();
    }
}
