//! A server from start to stop: recovery, threads, draining.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, unbounded};
use mio::{Poll, Waker};

use super::committer::Committer;
use super::jobs::{self, JobQueue};
use super::keeper::Keeper;
use super::link::Link;
use super::link::key::HostKey;
use super::mailbox::Mail;
use super::memory::InlineCommit;
use super::metrics::Metrics;
use super::opening::{self, OpenError, Opening};
use super::peering::arrivals::Arrivals;
use super::retention::Patience;
use super::service::Service;
use super::settings::{Listen, Retention, Settings};
use super::shared::{Phase, Shared, WorkerSide};
use super::snapshots::Folder;
use super::worker::{WAKER, Worker, WorkerParts};
use super::{disk, memory, space};
use crate::apps::app::Apps;
use crate::apps::index::Index;
use crate::apps::router::{ANY_PATH, Router};
use crate::base::durability::Durability;
use crate::base::fingerprint::Fingerprint;
use crate::log::known_peer::KnownPeer;
use crate::log::lane::{Consumer, Producer, lane};
use crate::log::recover::Report;
use crate::log::writer::{WriteError, Writer};
use crate::os::clock::{Clock, wall_us};
use crate::os::datadir::DataDir;
use crate::os::{socket, thread};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An address cannot be listened on.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The key that the second host knows this one by.
    #[error("the key of this host: {0}")]
    Key(io::Error),
    /// Threads or event loops.
    #[error("starting: {0}")]
    Io(#[from] io::Error),
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything in flight was answered.
    Drained,
    /// The time was up before; so many connections were cut.
    Cut(usize),
}

/// A running server.
pub struct Server {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    report: Report,
    workers: Vec<JoinHandle<()>>,
    /// The disk thread and the keeper.
    behind: Vec<JoinHandle<()>>,
    link: Option<Link>,
    key: Fingerprint,
    token: Option<Arc<Mutex<Committer>>>,
    shutdown_timeout: Duration,
    /// Keeps the data directory locked.
    _directory: DataDir,
}

/// Each worker's parts before it is one.
struct Seat {
    poll: Poll,
    mail: Receiver<Mail>,
    producer: Producer,
    listeners: Vec<std::net::TcpListener>,
}

impl Server {
    /// Recovers the data directory, starts every thread and listens. Requests are taken when this returns.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        thread::raise_descriptor_limit();
        let service = Arc::new(Service::default());
        let apps = with_own(&settings.apps, service.clone());
        let opening = opening::open(&settings)?;
        let key = HostKey::load_or_make(&*opening.directory.disk()).map_err(StartError::Key)?;
        let addresses = bind_first(&settings.listen)?;
        let peer_listener = bind_peer(&settings)?;
        let router = Arc::new(Router::new(apps));
        let lane_bytes = space::lane_bytes(opening.opened.identity.segment_bytes, settings.workers);
        let (seats, sides, consumers) = seats(&settings, &addresses, lane_bytes)?;
        let metrics = Metrics::new(settings.workers, settings.job_threads, router.routes().len());
        let Opening { directory, applied, opened, last, blobs, known_peer } = opening;
        let disk = directory.disk();
        let segment_bytes = opened.identity.segment_bytes;
        let shared = Arc::new(Shared::new(&settings, applied, &opened, blobs, sides, metrics));
        let patience = patience(&settings, &shared, known_peer);
        let clock = shared.clock;
        service.attach(shared.clone(), router.clone());
        let (queue, _) = jobs::start(settings.job_threads, &shared)?;
        let committer = Committer::new(consumers, opened.appender);
        let (token, disk_thread) = start_disk_thread(&shared, committer, opened.writer, clock)?;
        let folder = Folder::new(last);
        let keeper = Keeper::new(shared.clone(), disk, segment_bytes, settings.reserve, folder, patience);
        let behind = vec![disk_thread, thread::spawn("keeper", move || keeper.run())?];
        let link = match &settings.peer {
            Some(peer) => {
                let inline = token.as_ref().map(|token| InlineCommit::new(token.clone(), clock));
                let arrivals = Arrivals::new(shared.clone(), inline);
                Some(Link::start(&shared, arrivals, directory.disk(), peer, &key, peer_listener)?)
            }
            None => None,
        };
        shared.enter(Phase::Ready);
        let workers = start_workers(&settings, seats, &shared, &router, &queue, token.as_ref(), clock)?;
        Ok(Self {
            shared,
            addresses,
            report: opened.report,
            workers,
            behind,
            link,
            key: key.fingerprint(),
            token,
            shutdown_timeout: settings.shutdown_timeout,
            _directory: directory,
        })
    }

    /// Where it listens, with the ports that port 0 became.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The fingerprint of this host's key, which its peer has to know.
    #[must_use]
    pub fn key(&self) -> Fingerprint {
        self.key
    }

    /// What recovery found.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// For new limits and for counters.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Stops: not ready, no new connections, what is in flight is finished, everything is synced.
    #[must_use]
    pub fn stop(self) -> Ending {
        self.shared.enter(Phase::Draining);
        for worker in &self.shared.workers {
            worker.send(Mail::Drain);
        }
        let deadline_us = wall_us() + self.shutdown_timeout.as_micros() as u64;
        while self.workers.iter().any(|worker| !worker.is_finished()) && wall_us() < deadline_us {
            std::thread::sleep(Duration::from_millis(5));
        }
        let left = self.shared.connections.load(Ordering::Relaxed);
        let ending = if left == 0 { Ending::Drained } else { Ending::Cut(left) };
        for worker in &self.shared.workers {
            worker.send(Mail::Quit);
        }
        self.workers.into_iter().for_each(join);
        if let Some(token) = &self.token {
            memory::commit_rest(token, &self.shared);
        }
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.disk.wake();
        self.shared.keeper.wake();
        self.behind.into_iter().for_each(join);
        if let Some(link) = self.link {
            link.stop();
        }
        ending
    }
}

/// How long segments wait for the peer that is configured, or that was known when the process ended last.
fn patience(settings: &Settings, shared: &Shared, known: Option<KnownPeer>) -> Patience {
    match (&shared.peering, &known) {
        (Some(peering), Some(known)) => peering.standing.remember(known.node, known.durable.clone()),
        (None, Some(known)) => tracing::warn!(
            node = %known.node,
            "no peer is configured, but segments are kept for one that was; `pixeld forget-peer` lets them go"
        ),
        _ => {}
    }
    Patience::new(settings.peer.as_ref().map_or(Retention::Usual, |peer| peer.retention), known)
}

/// The applications with the engine's endpoints, and the index page where no application claims every path.
fn with_own(apps: &Apps, service: Arc<Service>) -> Apps {
    let mut all = apps.clone();
    all.push(service);
    let claimed = apps.iter().any(|app| app.routes().iter().any(|route| route.path == ANY_PATH));
    if !claimed {
        let index = Index::new(&all);
        all.push(Arc::new(index));
    }
    all
}

fn join(thread: JoinHandle<()>) {
    // A panic has been printed by the thread itself; in a release build it has ended the process.
    let _ = thread.join();
}

/// Takes each address alone first, so that one that another server has is refused instead of shared with it, and a
/// port 0 becomes the same port for all workers.
fn bind_first(listen: &[Listen]) -> Result<Vec<SocketAddr>, StartError> {
    let probe = |listen: &Listen| {
        let address = listen.address;
        socket::probe_free(address).map_err(|source| StartError::Listen { address, source })
    };
    listen.iter().map(probe).collect()
}

/// Listens where the peer may dial.
fn bind_peer(settings: &Settings) -> Result<Option<std::net::TcpListener>, StartError> {
    let address = settings.peer.as_ref().and_then(|peer| peer.listen);
    let listen =
        |address| socket::listen_alone(address).map_err(|source| StartError::Listen { address, source });
    address.map(listen).transpose()
}

type Seats = (Vec<Seat>, Vec<WorkerSide>, Vec<Consumer>);

/// Event loops, mailboxes, lanes and listeners, in the order of the workers.
fn seats(settings: &Settings, addresses: &[SocketAddr], lane_bytes: usize) -> Result<Seats, StartError> {
    let (mut seats, mut sides, mut consumers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.workers {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (sender, mail) = unbounded();
        let (producer, consumer) = lane(lane_bytes);
        let listen = |&address| {
            socket::listen_shared(address).map_err(|source| StartError::Listen { address, source })
        };
        let listeners = addresses.iter().map(listen).collect::<Result<_, _>>()?;
        seats.push(Seat { poll, mail, producer, listeners });
        sides.push(WorkerSide::new(waker, sender));
        consumers.push(consumer);
    }
    Ok((seats, sides, consumers))
}

type Token = Option<Arc<Mutex<Committer>>>;

/// The disk thread, and in `memory` the token that the workers take.
fn start_disk_thread(
    shared: &Arc<Shared>,
    mut committer: Committer,
    mut writer: Writer,
    clock: Clock,
) -> io::Result<(Token, JoinHandle<()>)> {
    let shared = shared.clone();
    if shared.durability == Durability::Memory {
        let body = move || give_up_on(memory::write_behind(&shared, &mut writer, clock));
        let token = Arc::new(Mutex::new(committer));
        return Ok((Some(token), thread::spawn("disk", body)?));
    }
    let body = move || give_up_on(disk::commit_on_request(&shared, &mut committer, &mut writer, clock));
    Ok((None, thread::spawn("disk", body)?))
}

/// A failed write or sync is final: what the kernel has dropped would look written at the next try.
fn give_up_on(outcome: Result<(), WriteError>) {
    if let Err(error) = outcome {
        tracing::error!(
            %error,
            "the journal can't be written; nothing is acknowledged any more. Check the disk (dmesg), then start again: \
             everything that was acknowledged is kept"
        );
        crate::os::signal::exit_now(EXIT_DISK);
    }
}

/// Exit code after a failed write or sync.
pub const EXIT_DISK: i32 = 74;

fn start_workers(
    settings: &Settings,
    seats: Vec<Seat>,
    shared: &Arc<Shared>,
    router: &Arc<Router>,
    jobs: &JobQueue,
    token: Option<&Arc<Mutex<Committer>>>,
    clock: Clock,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let root = |listen: &Listen| router.root(listen.root).unwrap_or(router.usual_root());
    let roots: Vec<_> = settings.listen.iter().map(root).collect();
    let mut handles = Vec::with_capacity(seats.len());
    for (index, seat) in seats.into_iter().enumerate() {
        let worker = Worker::new(WorkerParts {
            index,
            poll: seat.poll,
            listeners: seat.listeners,
            roots: roots.clone(),
            shared: shared.clone(),
            router: router.clone(),
            producer: seat.producer,
            mail: seat.mail,
            jobs: jobs.clone(),
            clock,
            inline_commit: token.map(|token| InlineCommit::new(token.clone(), clock)),
        })?;
        let core = (!settings.cores.is_empty()).then(|| settings.cores[index % settings.cores.len()]);
        handles.push(thread::spawn(&format!("worker-{index}"), move || run_pinned(worker, index, core))?);
    }
    Ok(handles)
}

fn run_pinned(worker: Worker, index: usize, core: Option<usize>) {
    if let Some(core) = core
        && !thread::pin_to(core)
    {
        tracing::warn!(worker = index, core, "can't pin the worker to its core");
    }
    if let Err(error) = worker.run() {
        tracing::error!(%error, worker = index, "the event loop failed");
        crate::os::signal::exit_now(1);
    }
}
