//! A worker: one pinned thread with its own listeners, event loop, connections and lane.
//!
//! [`Worker::turn`] is the loop's whole story; each of its steps is a file beside this one. A worker never blocks but
//! in [`Worker::wait`], takes no lock that another thread holds for longer than a memory copy, and allocates nothing
//! for a usual pixel.

mod accept;
mod act;
mod awaiting;
mod commits;
pub mod connection;
pub mod deadlines;
mod expire;
mod file;
pub mod held;
mod overdue;
mod pass;
mod peer;
mod read;
pub mod receiving;
mod route;
mod stream;
mod submitted;
pub mod usual;
mod wait;
mod waits;
mod write;

#[cfg(test)]
mod deadline_tests;
#[cfg(test)]
mod ending_tests;
#[cfg(test)]
mod simulated;

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use self::awaiting::Awaiting;
use self::connection::Connection;
use self::deadlines::Wheel;
use self::held::{Held, HeldAnswers};
use self::route::Known;
use self::usual::UsualAnswer;
use super::jobs::JobQueue;
use super::shared::{Shared, WorkerSide};
use crate::apps::router::{Root, Router};
use crate::apps::upload::Hold;
use crate::apps::wait::Wake;
use crate::base::durability::Durability;
use crate::base::limits::{Limits, READ_BUFFER_BYTES};
use crate::engine::shared::mailbox::Mail;
use crate::engine::shared::metrics::WorkerMetrics;
use crate::engine::shared::space::Intake;
use crate::engine::shared::submission::Submissions;
use crate::engine::shared::table::{Key, Table};
use crate::http::date::DateCell;
use crate::http::headcache::HeadCache;
use crate::log::lane::Producer;
use crate::os::clock::{Clock, wall_us};
use crate::os::timer::Timer;

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;
/// The waker's token; the timer's and the listeners' follow it, all far above any place in the table.
pub const WAKER: Token = Token(usize::MAX >> 1);
const TIMER: Token = Token(WAKER.0 + 1);
const FIRST_LISTENER: usize = TIMER.0 + 1;

/// The row of requests that no route took.
const NO_ROUTE: usize = usize::MAX;

/// What a worker is made of.
pub struct WorkerParts {
    /// Its number, from 0.
    pub index: usize,
    /// Its event loop, with the waker registered.
    pub poll: Poll,
    /// A listener for each address.
    pub listeners: Vec<std::net::TcpListener>,
    /// What each of them shows at `/`.
    pub roots: Vec<Root>,
    /// What is shared.
    pub shared: Arc<Shared>,
    /// Which application answers what.
    pub router: Arc<Router>,
    /// Its lane.
    pub producer: Producer,
    /// Its mailbox.
    pub mail: Receiver<Mail>,
    /// Where jobs go.
    pub jobs: JobQueue,
    /// The server's clock.
    pub clock: Clock,
    /// Runs the commit step in this worker's turn; nothing where the disk thread does.
    pub inline_commit: Option<crate::engine::commit::memory::InlineCommit>,
}

/// A worker, on its own thread.
pub struct Worker {
    index: usize,
    poll: Poll,
    events: Events,
    listeners: Vec<TcpListener>,
    roots: Vec<Root>,
    shared: Arc<Shared>,
    /// The same, as applications know it.
    waker: Arc<dyn Wake>,
    router: Arc<Router>,
    producer: Producer,
    mail: Receiver<Mail>,
    jobs: JobQueue,
    inline_commit: Option<crate::engine::commit::memory::InlineCommit>,
    table: Table<Connection>,
    held: HeldAnswers,
    /// What records need that were answered before they were committed, with the lane's position behind each.
    overdue: Vec<(u64, Hold)>,
    /// The server ends soon: a body is stopped where it would have been received further.
    bodies_stopped: bool,
    heads: HeadCache<Known>,
    /// The routes with an express lane: place and answer. Their number here is that of the usual answer.
    express: Vec<(usize, &'static str)>,
    usual: Vec<UsualAnswer>,
    /// Memory of outputs that were sent.
    spare_buffers: Vec<Vec<u8>>,
    /// Memory of pieces that job threads made, for the next ones.
    piece_buffers: Vec<Vec<u8>>,
    wheel: Wheel,
    timer: Timer,
    /// When the timer fires, milliseconds of the worker's clock; it is only ever set earlier, or after it fired.
    timer_ms: u64,
    limits: Arc<Limits>,
    /// Read from the clock once per turn.
    clock: Clock,
    now_us: u64,
    /// The second that the Date field names, since 1970, and when the next one begins by `clock`.
    second: u64,
    next_second_us: u64,
    /// What to add to `now_us` for the wall clock's time.
    wall_offset_us: u64,
    date: DateCell,
    /// Shared by all connections: what is read stays here unless it is incomplete.
    buffer: Vec<u8>,
    /// Connections with something to do in the next turn although the kernel has no news of them.
    again: Vec<Key>,
    serving: Vec<Key>,
    /// Connections with something to send.
    dirty: Vec<Key>,
    /// Connections whose records wait for room in the lane.
    stalled: Vec<Key>,
    /// What other threads have it log.
    submissions: Submissions,
    /// The level that is reached when a write is committed: `memory`, or `disk` at both of the others.
    reached: Durability,
    /// Writes that wait for a sync on a server at `memory`: the journal position they need on the disk.
    unsynced: VecDeque<(u64, Held)>,
    /// Writes that wait for the peer.
    awaiting: Awaiting,
    /// Usual writes may take their short cut, as far as that depends on this worker.
    express_open: bool,
    fired: Vec<deadlines::Entry>,
    accepting: Vec<bool>,
    /// When to accept again after there were no descriptors, milliseconds of the worker's clock; the largest number for
    /// when the kernel tells.
    accept_again_ms: u64,
    /// Until when no more is said about that.
    accept_told_ms: u64,
    /// The last poll found nothing to do.
    quiet: bool,
    /// Turns since the lane holds something that no commit has been started for.
    waited_turns: u32,
    committed: u64,
    commits_taken: u32,
    /// More than 80 % of the server's connections are used: idle ones are closed sooner.
    crowded: bool,
    /// When idle connections were last looked at because of that.
    swept_ms: u64,
    draining: bool,
    /// Where idle connections go while the server hands over to its successor.
    passing: Option<Sender<OwnedFd>>,
    /// Since when.
    passing_since_ms: Option<u64>,
    quitting: bool,
}

impl Worker {
    /// Takes the parts over.
    ///
    /// # Errors
    /// When a listener cannot be registered.
    pub fn new(parts: WorkerParts) -> std::io::Result<Self> {
        let mut listeners = Vec::with_capacity(parts.listeners.len());
        for (index, listener) in parts.listeners.into_iter().enumerate() {
            let mut listener = TcpListener::from_std(listener);
            parts.poll.registry().register(
                &mut listener,
                Token(FIRST_LISTENER + index),
                Interest::READABLE,
            )?;
            listeners.push(listener);
        }
        let timer = Timer::new()?;
        let mut source = SourceFd(&timer.as_raw_fd());
        parts.poll.registry().register(&mut source, TIMER, Interest::READABLE)?;
        let limits = parts.shared.limits();
        let routes = parts.router.routes().enumerate();
        let express = routes.filter_map(|(place, route)| Some((place, route.express?.body))).collect();
        let mut worker = Self {
            index: parts.index,
            poll: parts.poll,
            events: Events::with_capacity(EVENTS_MAX),
            accepting: vec![true; listeners.len()],
            listeners,
            roots: parts.roots,
            router: parts.router,
            producer: parts.producer,
            mail: parts.mail,
            jobs: parts.jobs,
            inline_commit: parts.inline_commit,
            table: Table::new(),
            held: HeldAnswers::default(),
            overdue: Vec::new(),
            bodies_stopped: false,
            heads: HeadCache::new(),
            usual: Vec::new(),
            express,
            wheel: Wheel::new(parts.clock.now_us() / 1_000),
            timer,
            timer_ms: u64::MAX,
            limits,
            clock: parts.clock,
            now_us: parts.clock.now_us(),
            second: 0,
            next_second_us: 0,
            wall_offset_us: 0,
            date: DateCell::new(0),
            buffer: vec![0; READ_BUFFER_BYTES],
            again: Vec::new(),
            serving: Vec::new(),
            dirty: Vec::new(),
            stalled: Vec::new(),
            submissions: Submissions::default(),
            reached: parts.shared.durability.min(Durability::Disk),
            unsynced: VecDeque::new(),
            awaiting: Awaiting::default(),
            express_open: true,
            spare_buffers: Vec::new(),
            piece_buffers: Vec::new(),
            crowded: false,
            swept_ms: 0,
            fired: Vec::new(),
            accept_again_ms: u64::MAX,
            accept_told_ms: 0,
            quiet: false,
            waited_turns: 0,
            committed: 0,
            commits_taken: 0,
            draining: false,
            passing: None,
            passing_since_ms: None,
            quitting: false,
            waker: parts.shared.clone(),
            shared: parts.shared,
        };
        worker.heads.bound_lengths(worker.router.express_body_bytes(&worker.limits) as u64);
        worker.render_usual();
        Ok(worker)
    }

    /// Serves until the server has been told to stop and everything in flight is done.
    ///
    /// # Errors
    /// When the event loop itself fails; that ends the server.
    pub fn run(mut self) -> std::io::Result<()> {
        self.metrics().thread.store(crate::os::thread::id(), std::sync::atomic::Ordering::Relaxed);
        while !self.has_ended() {
            self.turn()?;
        }
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.quitting || (self.draining && self.table.is_empty())
    }

    /// One turn: everything that is ready is read, handed to one commit, and answered.
    fn turn(&mut self) -> std::io::Result<()> {
        self.wait()?;
        self.accept();
        self.serve();
        self.producer.publish();
        self.start_commit();
        self.take_mail();
        self.take_commits();
        self.take_shipped();
        self.write();
        self.expire();
        self.notice_crowd();
        self.count_turn();
        Ok(())
    }

    /// Takes the time for the whole turn; the wall clock only once a second, for the Date field.
    fn tick(&mut self) {
        self.now_us = self.clock.now_us();
        if self.now_us >= self.next_second_us {
            let wall_us = wall_us();
            self.wall_offset_us = wall_us.saturating_sub(self.now_us);
            self.second = wall_us / 1_000_000;
            self.next_second_us = self.now_us + 1_000_000 - wall_us % 1_000_000;
            self.date.refresh(self.second);
        }
    }

    fn now_ms(&self) -> u64 {
        self.now_us / 1_000
    }

    fn metrics(&self) -> &WorkerMetrics {
        &self.shared.metrics.workers[self.index]
    }

    fn side(&self) -> &WorkerSide {
        &self.shared.workers[self.index]
    }

    /// Whether usual writes may take their short cut.
    fn takes_writes(&self) -> bool {
        self.shared.space.intake() == Intake::Open && self.express_open
    }

    /// To be called when what it depends on has changed.
    fn reconsider_express(&mut self) {
        let peer_behind = self.shared.durability == Durability::Both && self.is_peer_behind();
        self.express_open = !self.draining && !peer_behind;
    }

    /// Which usual answer belongs to the route at `place`.
    fn express_of(&self, place: usize) -> Option<u8> {
        self.express.iter().position(|(of, _)| *of == place).map(|index| index as u8)
    }

    fn render_usual(&mut self) {
        let usual =
            |(_, body): &(usize, &'static str)| UsualAnswer::new(body, self.shared.durability, &self.limits);
        self.usual = self.express.iter().map(usual).collect();
    }

    fn count_turn(&self) {
        let metrics = self.metrics();
        metrics.turns.add(1);
        metrics.connections.set(self.table.len() as u64);
    }

    /// Has `key` served in the next turn.
    fn serve_again(&mut self, key: Key, connection: &mut Connection) {
        if !connection.listed {
            connection.listed = true;
            self.again.push(key);
        }
    }
}
