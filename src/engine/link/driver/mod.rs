//! The link's thread: an event loop over the peer's connections, the listener, the bell and the clock.

mod ending;
mod making;
mod meeting;
mod reading;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::base::ids::NodeId;
use crate::base::limits::PEER_OUTPUT_BYTES;
use crate::engine::link::connections::Connections;
use crate::engine::link::dialer::{Dialer, LASTING_US};
use crate::engine::link::starts::Starts;
use crate::engine::link::tls::Keys;
use crate::engine::link::trouble::{KnownKeys, Trouble};
use crate::engine::replication::Replica;
use crate::engine::replication::arrivals::Arrivals;
use crate::engine::shared::Shared;
use crate::engine::shared::peering::Peering;
use crate::engine::shared::told::Told;
use crate::os::address::Address;
use crate::os::clock::wall_us;
use crate::os::disk::Disk;
use crate::peer::fault::Close;

/// The bell's name in the event loop.
pub const BELL: Token = Token(0);
const LISTENER: Token = Token(1);
const FIRST_CONNECTION: usize = 2;
/// Bytes read from a socket at once.
const READ_BYTES: usize = 256 * 1024;
/// Rounds of sending before what arrived gets its turn.
const SENDS_MAX: usize = 16;
/// The longest sleep, microseconds: what rings no bell is seen then.
const SLEEP_US_MAX: u64 = 1_000_000;
/// How long a stop waits until the peer has everything, microseconds.
const LINGER_US: u64 = 1_000_000;

/// What the link is made of.
pub struct Parts {
    /// The server, which has a peer.
    pub shared: Arc<Shared>,
    /// The data directory.
    pub disk: Arc<dyn Disk>,
    /// Has what arrives committed.
    pub arrivals: Arrivals,
    /// The event loop, whose waker the bell has.
    pub poll: Poll,
    /// Where the peer may dial.
    pub listener: Option<std::net::TcpListener>,
    /// Where the peer is dialed.
    pub dial: Option<Address>,
    /// For TLS; nothing for a test on one machine.
    pub keys: Option<Keys>,
    /// For the words.
    pub known: KnownKeys,
    /// Tells the link to end.
    pub stop: Arc<AtomicBool>,
}

/// The thread's own.
pub struct Driver {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    arrivals: Arrivals,
    poll: Poll,
    listener: Option<TcpListener>,
    dialer: Option<Dialer>,
    keys: Option<Keys>,
    known: KnownKeys,
    stop: Arc<AtomicBool>,
    connections: Connections,
    told: Told,
    next_token: usize,
    /// Who the peer was when there was a session last.
    last_peer: Option<NodeId>,
    starts: Starts,
    buffer: Vec<u8>,
    plain: Vec<u8>,
}

impl Driver {
    /// A link that has no connection yet.
    ///
    /// # Errors
    /// Returns the error of the event loop.
    pub fn new(parts: Parts) -> io::Result<Self> {
        let Parts { shared, disk, arrivals, poll, listener, dial, keys, known, stop } = parts;
        let mut listener = listener.map(TcpListener::from_std);
        if let Some(listener) = &mut listener {
            poll.registry().register(listener, LISTENER, Interest::READABLE)?;
        }
        let last_peer = peering_of(&shared).standing.look().node;
        Ok(Self {
            disk,
            arrivals,
            poll,
            listener,
            dialer: dial.map(Dialer::new),
            keys,
            known,
            stop,
            connections: Connections::default(),
            told: Told::default(),
            next_token: FIRST_CONNECTION,
            last_peer,
            starts: Starts::default(),
            buffer: vec![0; READ_BYTES],
            plain: Vec::new(),
            shared,
        })
    }

    /// Serves the peer until the server stops.
    ///
    /// # Errors
    /// Returns the error of the event loop; without it there is no link.
    pub fn run(mut self) -> io::Result<()> {
        let shared = self.shared.clone();
        let peering = peering_of(&shared);
        let mut events = Events::with_capacity(64);
        let mut stop_by_us = None;
        loop {
            peering.bell.listen();
            let mut is_busy = self.work(peering);
            if !is_busy {
                // Whoever rings from now on wakes the loop; whoever did since it listened is seen now.
                let is_pausing = self.connections.is_pausing(self.now_us());
                peering.bell.fall_asleep(is_pausing);
                is_busy = peering.bell.has_rung(is_pausing);
            }
            let timeout = if is_busy || self.connections.have_input() {
                Duration::ZERO
            } else {
                self.timeout(stop_by_us)
            };
            self.wait(&mut events, timeout)?;
            peering.bell.wake_up();
            self.read(peering);
            if self.stop.load(Ordering::Acquire) {
                let now_us = self.now_us();
                let by_us = *stop_by_us.get_or_insert(now_us + LINGER_US);
                if now_us >= by_us || self.is_even(peering) {
                    self.end();
                    return Ok(());
                }
            }
        }
    }

    fn now_us(&self) -> u64 {
        self.shared.clock.now_us()
    }

    /// Waits for a socket, the bell or the time.
    fn wait(&mut self, events: &mut Events, timeout: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => outcome?,
        }
        for event in events.iter() {
            match event.token() {
                BELL => {}
                LISTENER => self.accept(),
                token => {
                    let is_ending = event.is_read_closed() || event.is_error();
                    let readable = event.is_readable() || is_ending;
                    let writable = event.is_writable() || event.is_write_closed() || event.is_error();
                    if let Some(connection) = self.connections.get(token) {
                        connection.wire.ready(readable, writable, is_ending);
                    }
                }
            }
        }
        Ok(())
    }

    /// How long there is nothing to do.
    fn timeout(&self, stop_by_us: Option<u64>) -> Duration {
        let dial = self.dialer.as_ref().filter(|_| self.may_dial()).map(Dialer::next_us);
        let due_us = self.connections.deadline_us().into_iter().chain(dial).chain(stop_by_us).min();
        let now_us = self.now_us();
        let sleep_us = due_us.map_or(SLEEP_US_MAX, |due_us| due_us.saturating_sub(now_us));
        Duration::from_micros(sleep_us.min(SLEEP_US_MAX))
    }

    /// Everything but reading. True if there is more to do at once.
    fn work(&mut self, peering: &Peering) -> bool {
        let now_us = self.now_us();
        self.arrivals.commit(wall_us());
        let mut is_busy = false;
        for token in self.connections.tokens() {
            is_busy |= self.serve(token, peering, now_us);
        }
        if self.may_dial() && self.dialer.as_ref().is_some_and(|dialer| dialer.next_us() <= now_us) {
            self.dial(peering, now_us);
        }
        is_busy
    }

    /// Sends, and does what is due on one connection. True if there is more to do at once.
    fn serve(&mut self, token: Token, peering: &Peering, now_us: u64) -> bool {
        let mut is_busy = false;
        for _ in 0..SENDS_MAX {
            let Some(connection) = self.connections.get(token) else { return false };
            let waited = connection.replica.as_mut().map(|replica| {
                replica.turn(now_us);
                replica.output().len()
            });
            let output = connection.replica.as_ref().map_or(&[][..], Replica::output);
            let taken = match connection.wire.write(output) {
                Ok(taken) => taken,
                Err(error) => {
                    self.lose_to_error(token, &error, peering, now_us);
                    return false;
                }
            };
            if let Some(replica) = &mut connection.replica {
                replica.sent(taken);
            }
            peering.counters.sent_bytes.add(taken as u64);
            // Less than there is room for was all that there is to send.
            is_busy = taken >= PEER_OUTPUT_BYTES && waited == Some(taken);
            if !is_busy {
                break;
            }
        }
        let waiting = self.waiting_bytes(token);
        let is_there = self.look_after(token, peering, now_us);
        // Looking after it may have made it say something.
        is_there && (is_busy || self.waiting_bytes(token) > waiting)
    }

    fn waiting_bytes(&mut self, token: Token) -> usize {
        let replica = self.connections.get(token).and_then(|connection| connection.replica.as_ref());
        replica.map_or(0, |replica| replica.output().len())
    }

    /// Looks what became of a connection. False if it is no more.
    fn look_after(&mut self, token: Token, peering: &Peering, now_us: u64) -> bool {
        let Some(connection) = self.connections.get(token) else { return false };
        let Some(replica) = &mut connection.replica else {
            if now_us >= connection.greeted_by_us() {
                let is_secured = connection.wire.is_secured();
                let trouble = Trouble::of_close(&Close::NoHello, connection.remote(), is_secured);
                self.lose(token, trouble, peering, now_us);
                return false;
            }
            return true;
        };
        if replica.look_after_join(now_us) {
            self.arrivals.commit(wall_us());
            replica.look_after_join(now_us);
        }
        peering.time_durable(wall_us());
        peering.counters.rtt_us.set(replica.rtt_us().unwrap_or(0));
        if let (Some(peer), None) = (replica.peer().copied(), connection.met_us) {
            connection.met_us = Some(now_us);
            let (remote, dialed, ahead_us) = (connection.remote, connection.dialed, peer.clock_ahead_us);
            // Where sessions end as soon as they have begun, it is not told each time.
            if self.told.is_news(&format!("connected to {}", peer.node), now_us) {
                tracing::info!(node = %peer.node, %remote, dialed, clock_ahead_us = ahead_us, "connected to the peer");
            }
            peering.counters.sessions.add(1);
            self.last_peer = Some(peer.node);
            if self.starts.is_former(peer.node, peer.inc, now_us) {
                replica.refuse_copy(now_us);
            } else {
                self.starts.meet(peer.node, peer.inc, now_us);
            }
        }
        if connection.met_us.is_some_and(|met_us| now_us >= met_us + LASTING_US) {
            self.dialer.iter_mut().for_each(Dialer::succeeded);
        }
        let closed = self.connections.get(token).and_then(|connection| connection.replica.as_ref()?.closed());
        match closed.cloned() {
            Some(close) => {
                self.close(token, &close, peering, now_us);
                false
            }
            None => true,
        }
    }
}

fn peering_of(shared: &Shared) -> &Peering {
    shared.peering.as_ref().expect("a server with a link has a peer")
}
