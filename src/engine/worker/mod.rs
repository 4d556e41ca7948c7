//! A worker: one pinned thread with its own listeners, event loop, connections and lane.
//!
//! `Worker::turn` is the whole loop. The worker is made of parts that own their state and don't know each other; they return
//! what happened, and the turn's steps act on it.
//!
//! ```text
//! mod, steps, serving   the worker: its turn, the steps of it, and what is done for one lent connection
//! service               requests become records and answers
//!
//! context, now          who the worker is, the limits, the time: looked at by all, changed by the turn only
//! doors                 listeners, and the way to a successor
//! rota                  whose turn it is
//! handshakes            of TLS, one a turn
//! deadlines, wheel      when to look at whom
//! express               the short cut of usual writes
//! verdict               whether a request may be made
//! lane                  the lane, and when a commit of it starts
//! answers               those that wait: for the commit, a sync, the peer
//! output, buffers       answers on their way into the socket
//! orders                work for job threads
//! watching              connections that watch a feed
//! ```
//!
//! A client's socket is touched by [`crate::engine::shared::wire::Wire`] only. A worker never blocks but in
//! `Worker::wait`, takes no lock that another thread holds for longer than a memory copy, and allocates nothing for a
//! usual write.

mod admission;
mod answers;
mod awaiting;
mod buffers;
pub(crate) mod connection;
mod context;
mod deadlines;
mod doors;
mod express;
mod handshakes;
pub(crate) mod held;
mod lane;
mod now;
mod orders;
mod output;
pub(crate) mod receiving;
mod rota;
mod route;
mod service;
mod serving;
mod start_rule;
mod steps;
pub(crate) mod usual;
pub(crate) mod verdict;
pub(crate) mod watching;
pub(crate) mod wheel;

#[cfg(test)]
mod deadline_tests;
#[cfg(test)]
mod ending_tests;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod turn_tests;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crossbeam_channel::Receiver;
use mio::{Events, Poll, Token};

use self::connection::Connection;
use self::context::Context;
use self::deadlines::Deadlines;
use self::doors::Doors;
use self::handshakes::Handshakes;
use self::lane::Lane;
use self::now::Now;
use self::orders::Orders;
use self::rota::Rota;
use self::service::Service;
use super::jobs::JobQueue;
use super::shared::Shared;
use crate::app::router::Router;
use crate::base::limits::READ_BUFFER_BYTES;
use crate::engine::commit::memory::InlineCommit;
use crate::engine::shared::entrance::Entrance;
use crate::engine::shared::mailbox::Mail;
use crate::engine::shared::table::Table;
use crate::log::lane::Producer;
use crate::os::clock::Clock;
use crate::os::thread;

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 1024;
/// The waker's token; the timer's and the listeners' follow it, all far above any place in the table.
pub const WAKER: Token = Token(usize::MAX >> 1);
const TIMER: Token = Token(WAKER.0 + 1);
const FIRST_LISTENER: usize = TIMER.0 + 1;

/// What a worker is made of.
pub struct WorkerParts {
    /// Its number, from 0.
    pub index: usize,
    /// Its event loop, with the waker registered.
    pub poll: Poll,
    /// A listener for each address.
    pub listeners: Vec<std::net::TcpListener>,
    /// What each of them is.
    pub entrances: Vec<Entrance>,
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
    pub inline_commit: Option<InlineCommit>,
}

/// What a turn has found, and is looking at while it changes the worker.
struct Found {
    /// What the kernel has news of.
    events: Events,
    /// Shared by all connections: what is read stays here unless it is incomplete.
    buffer: Vec<u8>,
}

impl Default for Found {
    fn default() -> Self {
        Self { events: Events::with_capacity(EVENTS_MAX), buffer: vec![0; READ_BUFFER_BYTES] }
    }
}

/// A worker, on its own thread.
pub struct Worker {
    poll: Poll,
    mail: Receiver<Mail>,
    context: Context,
    table: Table<Connection>,
    doors: Doors,
    rota: Rota,
    handshakes: Handshakes,
    deadlines: Deadlines,
    service: Service,
    quitting: bool,
}

impl Worker {
    /// Takes the parts over.
    ///
    /// # Errors
    /// Fails when a listener cannot be registered.
    pub fn new(parts: WorkerParts) -> std::io::Result<Self> {
        let registry = parts.poll.registry();
        let context = Context::new(parts.index, parts.shared, Now::new(parts.clock));
        let lane = Lane::new(parts.producer, parts.inline_commit);
        Ok(Self {
            doors: Doors::open(parts.listeners, parts.entrances, registry, FIRST_LISTENER)?,
            deadlines: Deadlines::new(context.now.ms(), registry, TIMER)?,
            service: Service::new(parts.router, lane, Orders::new(parts.jobs), &context),
            poll: parts.poll,
            mail: parts.mail,
            context,
            table: Table::new(),
            rota: Rota::default(),
            handshakes: Handshakes::default(),
            quitting: false,
        })
    }

    /// Serves until the server has been told to stop and everything in flight is done.
    ///
    /// # Errors
    /// Fails when the event loop itself fails; that ends the server.
    pub fn run(mut self) -> std::io::Result<()> {
        self.context.metrics().thread.store(thread::id(), Relaxed);
        let mut found = Found::default();
        while !self.has_ended() {
            self.turn(&mut found)?;
        }
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.quitting || (self.context.is_draining() && self.table.is_empty())
    }

    /// Makes one turn: everything that is ready is read, handed to one commit, and answered. `docs/architecture.md` draws the
    /// order, and a test compares.
    fn turn(&mut self, found: &mut Found) -> std::io::Result<()> {
        self.wait(found)?;
        self.accept();
        self.serve(found);
        self.publish();
        self.start_commit();
        self.take_mail();
        self.take_commits();
        self.take_confirmations();
        self.write();
        self.expire();
        self.notice_crowd();
        self.count_turn();
        Ok(())
    }

    /// Shows the commit step what this turn's requests have logged.
    fn publish(&mut self) {
        self.service.lane.publish();
    }

    fn start_commit(&mut self) {
        self.service.lane.start_commit(&self.context);
    }

    fn count_turn(&self) {
        let metrics = self.context.metrics();
        metrics.turns.add(1);
        metrics.connections.set(self.table.len() as u64);
    }
}
