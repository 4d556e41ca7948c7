//! What the threads of one server share besides the log: who sleeps, how far each lane is committed, what phase it is.

pub mod access;
pub(crate) mod buffered;
pub mod claim;
pub(crate) mod descriptors;
pub(crate) mod entrance;
pub(crate) mod key;
pub(crate) mod life;
pub(crate) mod log_throttle;
pub mod mailbox;
pub mod metrics;
pub(crate) mod outcomes;
pub mod peering;
pub(crate) mod prospect;
pub(crate) mod reach;
pub mod received;
pub(crate) mod redirect;
pub(crate) mod refused;
pub(crate) mod roll;
pub(crate) mod roster;
pub(crate) mod rounds;
pub mod seating;
pub mod settings;
pub mod shared_log;
pub mod space;
pub(crate) mod spare;
pub mod steering;
pub(crate) mod stopping;
pub mod submission;
pub(crate) mod table;
pub mod tls;
pub(crate) mod understanding;
pub(crate) mod waking;
pub(crate) mod wire;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock, RwLock};
use std::thread::Thread;

use crossbeam_channel::Sender;
use mio::Waker;

use self::access::crowd::Crowd;
use self::access::{Rules, RulesInForce};
use self::buffered::Buffered;
use self::claim::Claim;
use self::descriptors::Descriptors;
use self::life::Life;
use self::mailbox::Mail;
use self::metrics::Metrics;
use self::outcomes::Outcomes;
use self::peering::Peering;
use self::prospect::Outlook;
use self::reach::Reach;
use self::redirect::Redirect;
use self::roll::Roll;
use self::rounds::Rounds;
use self::settings::Settings;
use self::shared_log::SharedLog;
use self::space::Space;
use self::spare::Spare;
use self::stopping::Stopping;
use self::tls::Https;
use self::understanding::Understanding;
use self::waking::{Doze, Step};
use crate::app::applied::{Applied, EmptyStates};
use crate::app::applied_lock::AppliedLock;
use crate::app::wait::{Ticket, Wake};
use crate::base::durability::Durability;
use crate::base::ids::{ClusterId, NodeId, Origin, Seq};
use crate::base::limits::Limits;
use crate::base::vector::VersionVector;
use crate::log::blobs::Blobs;
use crate::log::files::newcomer::Mark;
use crate::log::read::reader::Reader;
use crate::log::recover::Opened;
use crate::log::runs::shelf::Shelf;
use crate::log::write::spare::ReadyFiles;
use crate::os::clock::{Clock, wall_us};
use crate::os::thread;

/// One worker as the committer and the job threads see it.
pub struct WorkerSide {
    committed: Padded<AtomicU64>,
    doze: Padded<Doze>,
    /// Something is in the mailbox: a look at this costs less than one into an empty mailbox.
    mail: Padded<AtomicBool>,
    /// An answer of this worker waits for the peer.
    awaits_peer: Padded<AtomicBool>,
    waker: Waker,
    mailbox: Sender<Mail>,
    /// What its committed commands came to.
    pub outcomes: Outcomes,
}

#[repr(align(128))]
struct Padded<T>(T);

impl WorkerSide {
    /// Returns the sides of a worker that can be reached through `waker` and `mailbox`.
    #[must_use]
    pub fn new(waker: Waker, mailbox: Sender<Mail>) -> Self {
        let flag = || Padded(AtomicBool::new(false));
        let committed = Padded(AtomicU64::new(0));
        let outcomes = Outcomes::default();
        let doze = Padded(Doze::default());
        Self { committed, doze, mail: flag(), awaits_peer: flag(), waker, mailbox, outcomes }
    }

    /// Returns the lane's position up to which everything is committed and applied.
    #[inline]
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed.0.load(Ordering::Acquire)
    }

    /// Publishes a commit. The token's holder calls this after the batch was applied (I-3).
    pub fn publish(&self, position: u64) {
        debug_assert!(position >= self.committed.0.load(Ordering::Relaxed), "commits never go back");
        self.committed.0.store(position, Ordering::Release);
    }

    /// Announces that the worker is about to sleep; it must look once more at everything that could wake it.
    pub fn fall_asleep(&self) {
        self.doze.0.fall_asleep();
    }

    /// Says that the worker is up.
    #[inline]
    pub fn wake_up(&self) {
        self.doze.0.wake_up();
    }

    /// Wakes the worker if it sleeps or is about to; at most one system call per sleep.
    pub fn wake(&self) {
        if self.doze.0.is_to_be_called() {
            // The eventfd's counter cannot overflow: one write per sleep, and mio resets it.
            let _ = self.waker.wake();
        }
    }

    /// Says whether an answer of this worker waits for the peer, so that it is to be woken when more is durable there.
    /// The worker says so before it looks once more and falls asleep.
    pub fn await_peer(&self, waits: bool) {
        self.awaits_peer.0.store(waits, Ordering::Relaxed);
    }

    /// Puts `mail` into the worker's mailbox and wakes it. A worker that has ended takes no mail any more.
    pub fn send(&self, mail: Mail) {
        if self.mailbox.send(mail).is_ok() {
            self.mail.0.store(true, Ordering::Release);
            self.wake();
        }
    }

    /// Returns whether something is in the mailbox.
    #[inline]
    #[must_use]
    pub fn has_mail(&self) -> bool {
        self.mail.0.load(Ordering::Relaxed)
    }

    /// Takes the mailbox's flag down, before the mailbox is emptied: what is sent from now on raises it again.
    pub fn mail_seen(&self) {
        // An exchange, not a store: it must not move behind the mailbox's reads.
        self.mail.0.swap(false, Ordering::AcqRel);
    }
}

/// A place where a thread parks, known to others once it runs.
#[derive(Default)]
pub struct Parked {
    thread: OnceLock<Thread>,
}

impl Parked {
    /// Makes the calling thread the one that parks here.
    pub fn settle(&self) {
        self.thread.get_or_init(std::thread::current);
    }

    /// Wakes it; a system call only if it is parked.
    pub fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// Bounds the connections by the descriptors there may be: a client is answered that there are too many of them, which it never
/// would be by a server that cannot accept.
fn within(descriptors: &Descriptors, mut limits: Limits) -> Limits {
    limits.connections = limits.connections.min(descriptors.most());
    limits
}

/// Shared by all threads of a server.
pub struct Shared {
    /// Makes the empty states of all applications.
    pub empty_states: EmptyStates,
    /// The level that every write waits for at least.
    pub durability: Durability,
    /// The level that a request may ask for at most: `disk` on a host that is alone.
    pub durability_max: Durability,
    /// How long an answer at `both` or `cluster` waits for others, microseconds.
    pub durability_timeout_us: u64,
    /// What there is because of a peer, or of a log in its place; nothing on a host that is alone.
    pub peering: Option<Peering>,
    /// What members have said that this host has no link to.
    pub roll: Roll,
    /// The seat that the log has given to this host.
    pub claim: Claim,
    /// The log that this host shares with others in the place of a peer; nothing on a host that has none.
    pub shared_log: Option<Arc<SharedLog>>,
    /// What HTTPS needs; nothing on a host that doesn't speak it.
    pub https: Option<Https>,
    /// What listeners that redirect to HTTPS answer.
    pub redirect: Option<Redirect>,
    /// Which kinds of records the peer understands.
    pub understanding: Understanding,
    /// This host's data directory.
    pub node: NodeId,
    /// This start of the process.
    pub origin: Origin,
    /// The hosts that share their data.
    pub cluster: ClusterId,
    /// The line of descent that their records are of.
    pub lineage: u64,
    /// This process's number.
    pub pid: u32,
    /// The applications' state with the position and the vector it stands at.
    pub applied: Arc<AppliedLock>,
    /// The journal as readers see it.
    pub reader: Arc<Reader>,
    /// What is expected of the disk.
    pub prospect: Outlook,
    /// What records name by its hash.
    pub blobs: Arc<Blobs>,
    /// Old items of applications.
    pub shelf: Option<Shelf>,
    /// A side per worker.
    pub workers: Vec<Arc<WorkerSide>>,
    /// Counters.
    pub metrics: Metrics,
    /// Connections of all workers, and the descriptors that they and their answers and bodies have.
    pub descriptors: Arc<Descriptors>,
    /// The memory that their bodies have.
    pub buffered: Buffered,
    /// The commit step that the disk thread makes.
    pub step: Step,
    /// Where the disk thread parks.
    pub disk: Parked,
    /// Where the keeper parks.
    pub keeper: Parked,
    /// Where the thread of the views parks.
    pub views: Parked,
    /// Whether what views have published has been sent.
    pub rounds: Rounds,
    /// How far the files have the journal.
    pub reach: Reach,
    /// How far the server's end is.
    pub stopping: Stopping,
    /// The segment after the one being written.
    pub spare: Spare,
    /// Segments that are open for the writer.
    pub files: Arc<ReadyFiles>,
    /// Asks for a new process that takes over from this one; nothing where nobody can start one.
    pub new_start: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Where it is in its life.
    pub life: Life,
    /// The server's clock.
    pub clock: Clock,
    /// When the process started, microseconds since 1970.
    pub started_us: u64,
    /// Room in the journal and on its disk.
    pub space: Space,
    limits: RwLock<Arc<Limits>>,
    /// Who may do what.
    pub rules: RulesInForce,
    /// Connections of each address, where their number is bounded.
    pub crowd: Crowd,
}

impl Shared {
    /// Returns the shared parts of a server that is starting.
    #[must_use]
    pub fn new(
        settings: &Settings,
        applied: Applied,
        opened: &Opened,
        blobs: Arc<Blobs>,
        workers: Vec<WorkerSide>,
        metrics: Metrics,
    ) -> Self {
        let (position, kinds) = (applied.position.0, applied.kinds());
        metrics.commit.end_position.set(position);
        metrics.commit.synced_position.set(position);
        metrics.snapshots_unreadable.set(opened.report.bad_snapshots.len() as u64);
        let descriptors =
            Descriptors::new(thread::descriptor_limit(), settings.workers, settings.job_threads);
        Self {
            empty_states: settings.empty_states,
            durability: settings.durability,
            durability_max: settings.durability_max(),
            durability_timeout_us: settings.durability_timeout.as_micros() as u64,
            peering: settings
                .is_shared()
                .then(|| Peering::new(opened.appender.origin(), opened.appender.streams().clone())),
            roll: Roll::default(),
            claim: Claim::default(),
            shared_log: settings.shared_log.as_ref().map(|_| Arc::default()),
            https: settings.https.clone(),
            redirect: Redirect::of(settings),
            understanding: Understanding::new(kinds),
            node: opened.identity.node,
            origin: opened.appender.origin(),
            cluster: opened.identity.cluster,
            lineage: opened.identity.lineage,
            pid: std::process::id(),
            shelf: applied.shelf.clone(),
            applied: Arc::new(AppliedLock::new(applied)),
            reader: opened.reader.clone(),
            prospect: Outlook::default(),
            blobs,
            workers: workers.into_iter().map(Arc::new).collect(),
            metrics,
            descriptors: descriptors.clone(),
            buffered: Buffered::default(),
            step: Step::default(),
            disk: Parked::default(),
            keeper: Parked::default(),
            views: Parked::default(),
            rounds: Rounds::default(),
            reach: Reach::new(position),
            stopping: Stopping::default(),
            spare: Spare::new(opened.appender.spare_number(), opened.spare_ready),
            files: opened.files.clone(),
            new_start: OnceLock::new(),
            life: Life::default(),
            clock: Clock::start(),
            started_us: wall_us(),
            space: Space::default(),
            limits: RwLock::new(Arc::new(within(&descriptors, settings.limits.clone()))),
            rules: RulesInForce::new(settings.rules.clone()),
            crowd: Crowd::default(),
        }
    }

    /// Says that this host's directory is joining: until it has the goal, of which the mark tells, it answers no application's
    /// requests and calls nothing durable.
    pub fn begin_joining(&self, mark: Mark) {
        if let Some(peering) = &self.peering {
            peering.begin_joining(mark.goal);
        }
        self.space.set_joining(true);
    }

    /// Starts a commit by the disk thread unless one is under way.
    pub fn start_commit(&self) {
        if self.step.start() {
            self.disk.wake();
        }
    }

    /// Wakes every worker that sleeps.
    pub fn wake_workers(&self) {
        self.workers.iter().for_each(|worker| worker.wake());
    }

    /// Has what arrived from the peer committed: by the disk thread, or in `memory` by the link, whose bell rings.
    pub fn commit_arrived(&self) {
        let Some(peering) = &self.peering else { return };
        if self.durability == Durability::Memory {
            peering.call();
            return;
        }
        // What arrived is in the inbox; the committer looks there when a step has ended.
        if self.step.start_for(|| peering.has_work()) {
            self.disk.wake();
        }
    }

    /// Takes how far the peer has come in a stream; wakes the workers whose answers wait for that. For the link.
    pub fn peer_has(&self, origin: Origin, received: Seq, durable: Seq, now_us: u64) {
        let Some(peering) = &self.peering else { return };
        if peering.acked(origin, received, durable, now_us) {
            self.wake_awaiting_peer();
        }
    }

    /// Takes it that a session with `node` is established, and what that has; wakes the workers whose answers waited for it through
    /// the end of the last session. For the link.
    pub fn peer_is_met(&self, node: NodeId, received: VersionVector, durable: VersionVector, now_us: u64) {
        let Some(peering) = &self.peering else { return };
        if peering.met(node, received, durable, now_us) {
            self.wake_awaiting_peer();
        }
    }

    fn wake_awaiting_peer(&self) {
        // A worker raises its flag, then looks how far the peer is; this tells how far, and then looks at the flags.
        fence(Ordering::SeqCst);
        for worker in &self.workers {
            if worker.awaits_peer.0.load(Ordering::Relaxed) {
                worker.wake();
            }
        }
    }

    /// Returns the limits in force.
    #[must_use]
    pub fn limits(&self) -> Arc<Limits> {
        self.limits.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Replaces the limits and tells every worker.
    pub fn set_limits(&self, limits: Limits) {
        let limits = Arc::new(within(&self.descriptors, limits));
        *self.limits.write().unwrap_or_else(std::sync::PoisonError::into_inner) = limits.clone();
        for worker in &self.workers {
            worker.send(Mail::Limits(limits.clone()));
        }
    }

    /// Replaces the rules of who may do what, and tells every worker.
    pub fn set_rules(&self, rules: &Arc<Rules>) {
        self.rules.set(rules.clone());
        self.workers.iter().for_each(|worker| worker.send(Mail::Rules(rules.clone())));
    }
}

impl Wake for Shared {
    fn wake(&self, ticket: Ticket) {
        self.workers[ticket.worker as usize].send(Mail::Wake(ticket));
    }

    fn call_views(&self) {
        self.views.wake();
    }
}
