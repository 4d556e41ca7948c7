//! A server from start to stop: recovery, threads, draining.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::unbounded;

use super::disk_thread::{self, Token, Written};
use super::first;
use super::listening::{self, Listening};
use super::opening::{self, Opening};
use super::parting::Parted;
use super::patience::{HAND_OVER_PATIENCE, StopPatience};
use super::sharing::{Sharing, Ways};
pub use super::starting::StartError;
use super::workers;
use crate::app::application::Apps;
use crate::app::index::Index;
use crate::app::router::{ANY_PATH, Router};
use crate::base::fingerprint::Fingerprint;
use crate::engine::commit::committer::Committer;
use crate::engine::commit::fatal;
pub use crate::engine::commit::fatal::EXIT_DISK;
use crate::engine::commit::memory::{self, InlineCommit};
use crate::engine::jobs;
use crate::engine::jobs::background::Backgrounds;
use crate::engine::link::Link;
use crate::engine::replication::arrivals::Arrivals;
use crate::engine::shared::Shared;
use crate::engine::shared::entrance::Entrance;
use crate::engine::shared::key::HostKey;
use crate::engine::shared::life::Phase;
use crate::engine::shared::mailbox::Mail;
use crate::engine::shared::metrics::Metrics;
use crate::engine::shared::seating;
use crate::engine::shared::settings::{FirstRecord, ListenerKind, Settings};
use crate::engine::shared::space;
use crate::engine::status::service::Service;
use crate::engine::storage::keeper::Keeper;
use crate::engine::storage::retention::PeerRetention;
use crate::engine::storage::scrub::Scrub;
use crate::engine::storage::snapshots::SnapshotMaker;
use crate::engine::views::Views;
use crate::log::files::identity::Identity;
use crate::log::files::known_peer::KnownPeer;
use crate::log::recover::Report;
use crate::os::datadir::DataDir;
use crate::os::thread;

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
    /// What each address is.
    entrances: Vec<Entrance>,
    /// All workers' listeners once more, for a successor.
    listeners: Vec<TcpListener>,
    /// Connections of the predecessor so far, which go to the workers in turn.
    adopted: usize,
    report: Report,
    workers: Vec<JoinHandle<()>>,
    disk_thread: JoinHandle<Written>,
    keeper: JoinHandle<Keeper>,
    link: Option<Link>,
    log: Option<JoinHandle<()>>,
    backgrounds: Option<Backgrounds>,
    views: Views,
    key: Fingerprint,
    token: Token,
    shutdown_timeout: Duration,
    /// Keeps the data directory locked.
    directory: DataDir,
    /// Who that is, with the number of this start.
    identity: Identity,
}

impl Server {
    /// Recovers the data directory, starts every thread and listens. Requests are taken when this returns.
    ///
    /// # Errors
    /// Fails as [`StartError`] says.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        Self::start_with(settings, Vec::new(), None)
    }

    /// Starts a server with listeners that somebody opened for us, which are used where they are on a configured address, and
    /// with a record that is logged before anybody is served.
    ///
    /// # Errors
    /// Fails as [`StartError`] says.
    pub fn start_with(
        settings: Settings,
        inherited: Vec<TcpListener>,
        first: Option<FirstRecord>,
    ) -> Result<Self, StartError> {
        thread::raise_descriptor_limit();
        let opening = opening::open(&settings)?;
        Self::serve(settings, opening, inherited, first)
    }

    /// Goes on where a server has stopped whose successor came to nothing, with its listeners.
    ///
    /// # Errors
    /// Fails as [`StartError`] says.
    pub fn resume(
        settings: Settings,
        parted: Parted,
        listeners: Vec<TcpListener>,
    ) -> Result<Self, StartError> {
        let opening = parted.reopen(&settings)?;
        Self::serve(settings, opening, listeners, None)
    }

    fn serve(
        mut settings: Settings,
        mut opening: Opening,
        inherited: Vec<TcpListener>,
        first: Option<FirstRecord>,
    ) -> Result<Self, StartError> {
        let service = Arc::new(Service::default());
        let apps = with_own(&settings.apps, service.clone());
        let key = key_of(&settings, &opening)?;
        let Listening { addresses, of_workers: listeners } = listening::listen(&settings, inherited)?;
        // A redirect names the port that port 0 became.
        settings.listen.iter_mut().zip(&addresses).for_each(|(listen, address)| listen.address = *address);
        let sharing = Sharing::prepare(&settings)?;
        if let Some(first) = &first {
            first::log(first, &mut opening)?;
        }
        let router = Arc::new(Router::new(apps));
        let lane_bytes = lane_bytes(&settings, &opening)?;
        let entrances: Vec<Entrance> = settings
            .listen
            .iter()
            .map(|listen| {
                let root = router.root(listen.root).unwrap_or(router.usual_root());
                let root = root.public(listen.is_public).announced(listen.is_announced);
                Entrance { root, kind: listen.kind }
            })
            .collect();
        let (unstarted, sides, consumers) = workers::prepare(&listeners, &entrances, lane_bytes)?;
        let metrics = Metrics::new(settings.workers, settings.job_threads, router.routes().len());
        let Opening { directory, applied, opened, last, last_file, blobs, known_peer, newcomer, settling } =
            opening;
        let disk = directory.disk();
        let segment_bytes = opened.identity.segment_bytes;
        let shared = Arc::new(Shared::new(&settings, applied, &opened, blobs, sides, metrics));
        let peer = peer_retention(&settings, &shared, known_peer);
        seating::look(&shared);
        if let Some(mark) = newcomer {
            shared.begin_joining(mark);
            tracing::warn!(
                "this directory was made by `pixeld init --join`: requests are answered 503 until it has everything that the first host \
                 had when they met; if that takes long, look at /health, --peer and --peer-key"
            );
        }
        let clock = shared.clock;
        service.attach(shared.clone(), router.clone());
        let (queue, _) = jobs::start(settings.job_threads, &shared)?;
        let committer = Committer::new(consumers, opened.appender);
        let (token, disk_thread) = disk_thread::start(&shared, committer, opened.writer, clock)?;
        let maker = SnapshotMaker::new(
            last,
            last_file,
            !opened.report.bad_snapshots.is_empty(),
            settings.empty_states,
            shared.shelf.clone(),
        );
        let keeper = Keeper::new(shared.clone(), disk, segment_bytes, settings.reserve, maker, peer)
            .owing(settling)
            .watching(directory.watch()?);
        let keeper = thread::spawn("keeper", move || fatal::or_end(keeper.run()))?;
        let (link, log) = match sharing.begin(&settings, &shared, directory.disk())? {
            Some(Ways { approach, log }) => {
                let inline = token.as_ref().map(|token| InlineCommit::new(token.clone(), clock));
                let arrivals = Arrivals::new(shared.clone(), inline);
                (Some(Link::start(&shared, arrivals, directory.disk(), approach, &key)?), log)
            }
            None => (None, None),
        };
        Scrub::start(shared.clone(), directory.disk())?;
        shared.life.enter(Phase::Ready);
        let workers = workers::start(&settings, unstarted, &shared, &router, &queue, token.as_ref(), clock)?;
        let backgrounds = Some(Backgrounds::start(&settings, &shared)?);
        let views = Views::start(&settings.apps, &shared, directory.disk())?;
        Ok(Self {
            shared,
            addresses,
            entrances,
            listeners: listeners.into_iter().flatten().map(|(_, listener)| listener).collect(),
            adopted: 0,
            report: opened.report,
            workers,
            disk_thread,
            keeper,
            link,
            log,
            backgrounds,
            views,
            key: key.fingerprint(),
            token,
            shutdown_timeout: settings.shutdown_timeout,
            directory,
            identity: opened.identity,
        })
    }

    /// Returns where it listens, with the ports that port 0 became.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns the same as URLs, but for those that only redirect.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let served = self.addresses.iter().zip(&self.entrances);
        let url = |(address, entrance): (&SocketAddr, &Entrance)| match entrance.kind {
            ListenerKind::Http => Some(format!("http://{address}")),
            ListenerKind::Https => Some(format!("https://{address}")),
            ListenerKind::Redirect => None,
        };
        served.filter_map(url).collect()
    }

    /// Returns the fingerprint of this host's key, which its peer has to know.
    #[must_use]
    pub fn key(&self) -> Fingerprint {
        self.key
    }

    /// Returns what recovery found.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Returns what threads share, for new limits and for counters.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Returns the listeners, for a successor that is to have the same ones.
    #[must_use]
    pub fn listeners(&self) -> &[TcpListener] {
        &self.listeners
    }

    /// Serves a connection that the predecessor gave us.
    pub fn adopt(&mut self, stream: TcpStream) {
        // Non-blocking as it was: that belongs to the socket, not to the process.
        let place = stream.local_addr().ok().and_then(|local| {
            let is_its = |address: &SocketAddr| *address == local;
            let same_port = |address: &SocketAddr| address.port() == local.port();
            let addresses = || self.addresses.iter();
            addresses().position(is_its).or_else(|| addresses().position(same_port))
        });
        self.adopted += 1;
        let worker = &self.shared.workers[self.adopted % self.shared.workers.len()];
        worker.send(Mail::Adopt(stream, self.entrances[place.unwrap_or(0)]));
    }

    /// Stops: not ready, no new connections, what is in flight is finished, everything is synced.
    #[must_use]
    pub fn stop(mut self) -> Ending {
        self.listeners.clear();
        self.shared.life.enter(Phase::Draining);
        self.stop_backgrounds(self.shutdown_timeout / 2);
        for worker in &self.shared.workers {
            worker.send(Mail::Drain);
        }
        let mut patience = StopPatience::new(self.shutdown_timeout);
        while !self.has_drained() && !patience.is_over(&self.shared) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.finish().0
    }

    /// Stops in favour of a successor that has the listeners: what is in flight is finished, every other connection is
    /// given to `pass`, everything is synced and the data directory released. Clients notice nothing. What comes back
    /// with it is the way back, should the successor come to nothing ([`Server::resume`]).
    #[must_use]
    pub fn hand_over(mut self, pass: &mut dyn FnMut(OwnedFd)) -> (Ending, Parted) {
        self.listeners.clear();
        self.stop_backgrounds(self.shutdown_timeout.min(HAND_OVER_PATIENCE) / 2);
        let (sender, idle) = unbounded();
        for worker in &self.shared.workers {
            worker.send(Mail::HandOver(sender.clone()));
        }
        drop(sender);
        let mut patience = StopPatience::new(self.shutdown_timeout.min(HAND_OVER_PATIENCE));
        while !self.has_drained() && !patience.is_over(&self.shared) {
            if let Ok(connection) = idle.recv_timeout(Duration::from_millis(5)) {
                pass(connection);
            }
        }
        idle.try_iter().for_each(&mut *pass);
        self.finish()
    }

    /// Stops the applications' own threads, which need workers that still log.
    fn stop_backgrounds(&mut self, patience: Duration) {
        if let Some(backgrounds) = self.backgrounds.take() {
            backgrounds.stop(&self.shared, patience);
        }
    }

    fn has_drained(&self) -> bool {
        self.workers.iter().all(JoinHandle::is_finished)
    }

    /// Ends every thread; what is committed is synced, and the directory released.
    fn finish(self) -> (Ending, Parted) {
        let left = self.shared.descriptors.connections();
        let ending = if left == 0 { Ending::Drained } else { Ending::Cut(left) };
        for worker in &self.shared.workers {
            worker.send(Mail::Quit);
        }
        self.workers.into_iter().for_each(|worker| {
            join(worker);
        });
        if let Some(token) = &self.token {
            memory::commit_rest(token, &self.shared);
            self.shared.stopping.rest_is_committed();
        }
        self.shared.reach.want_sync();
        self.shared.stopping.begin();
        self.shared.disk.wake();
        self.shared.keeper.wake();
        if let Some(peering) = &self.shared.peering {
            peering.end();
        }
        // Before the disk thread: a peer that stops too waits until its last records are durable here.
        if let Some(link) = self.link {
            link.join();
        }
        // It ends with the link.
        self.log.and_then(join);
        self.shared.stopping.link_has_ended();
        self.shared.disk.wake();
        let (written, keeper) = (join(self.disk_thread), join(self.keeper));
        self.views.stop();
        let token = self.token.and_then(Arc::into_inner);
        let token = token.map(|token| token.into_inner().unwrap_or_else(PoisonError::into_inner));
        let parts = written.zip(keeper).and_then(|((committer, writer), keeper)| {
            Some((committer.or(token)?.into_appender(), writer, keeper))
        });
        (ending, Parted::new(self.directory, self.identity, self.shared, parts))
    }
}

/// Returns the key of this host. One that has no peer needs none, and does without where none can be stored.
fn key_of(settings: &Settings, opening: &Opening) -> Result<HostKey, StartError> {
    let stored = HostKey::load_or_make(&*opening.directory.disk());
    match stored {
        Err(_) if !settings.is_shared() && opening.settling.is_some() => HostKey::make(),
        Err(error) if !settings.is_shared() && error.kind() == std::io::ErrorKind::InvalidData => {
            tracing::error!(%error, "without a peer nothing needs the key");
            HostKey::make()
        }
        stored => stored,
    }
    .map_err(StartError::Key)
}

fn lane_bytes(settings: &Settings, opening: &Opening) -> Result<usize, StartError> {
    let (segment_bytes, workers) = (opening.opened.identity.segment_bytes, settings.workers);
    space::lane_bytes(segment_bytes, workers).map_err(|most| StartError::Workers {
        workers,
        most,
        segment_bytes,
    })
}

/// Returns how long segments wait for the peer that is configured, or that was known when the process ended last.
fn peer_retention(settings: &Settings, shared: &Shared, known: Option<KnownPeer>) -> PeerRetention {
    if let Some(known) = &known {
        shared.understanding.learn(known.node, known.kinds);
    }
    match (&shared.peering, &known) {
        (Some(peering), Some(known)) => peering.remember(known.node, known.durable.clone()),
        (None, Some(known)) => tracing::warn!(
            node = %known.node,
            "no peer is configured, but segments are kept for a former one; `pixeld forget-peer` releases them"
        ),
        _ => {}
    }
    PeerRetention::new(settings.retention(), known)
}

/// Returns the applications with the engine's endpoints, and the index page where no application claims every path.
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

/// Returns what a thread gave. A panic has been printed by the thread itself; in a release build it has ended the process.
fn join<T>(thread: JoinHandle<T>) -> Option<T> {
    thread.join().ok()
}
