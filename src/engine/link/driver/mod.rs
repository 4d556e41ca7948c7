//! The link's thread: an event loop over the peer's connections, the listener, the bell and the clock.

mod exchange;
mod meeting;
mod ways;
mod words;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Token};

use self::ways::{Plan, Ways};
use self::words::Words;
use crate::base::fingerprint::Fingerprint;
use crate::base::limits::PEER_GREETING_MAX;
use crate::engine::link::connections::Connections;
use crate::engine::link::pairing::Pairing;
use crate::engine::link::starts::Starts;
use crate::engine::link::target::Target;
use crate::engine::link::tls::Keys;
use crate::engine::replication::arrivals::Arrivals;
use crate::engine::shared::Shared;
use crate::engine::shared::peering::Peering;
use crate::os::clock::wall_us;
use crate::os::disk::Disk;

/// The bell's name in the event loop.
pub const BELL: Token = Token(0);
const LISTENER: Token = Token(1);
const FIRST_CONNECTION: usize = 2;
/// Bytes read from a socket at once.
const READ_BYTES: usize = 256 * 1024;
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
    pub dial: Option<Target>,
    /// For TLS; nothing for a test on one machine.
    pub keys: Option<Keys>,
    /// By which key the peer is known.
    pub pairing: Arc<Pairing>,
    /// This host's key.
    pub own: Fingerprint,
}

/// The link's event loop. Its files call downward only: this one (the turn), `exchange` (what is said), `meeting` (which
/// connection is the one, how two hosts come to know each other, and how connections end). `ways` and `words` are parts that know
/// nothing of it.
pub struct Driver {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    arrivals: Arrivals,
    poll: Poll,
    connections: Connections,
    ways: Ways,
    words: Words,
    pairing: Arc<Pairing>,
    starts: Starts,
    /// Bytes as they came, and without their TLS.
    buffer: Vec<u8>,
    plain: Vec<u8>,
}

impl Driver {
    /// Returns a link that has no connection yet.
    ///
    /// # Errors
    /// Returns the error of the event loop.
    pub fn new(parts: Parts) -> io::Result<Self> {
        let Parts { shared, disk, arrivals, poll, listener, dial, keys, pairing, own } = parts;
        let last_peer = peering_of(&shared).standing.look().node;
        let words = Words::of(matches!(dial, Some(Target::Inside(_))));
        let plan = Plan {
            listener,
            dial,
            keys,
            pairing: pairing.clone(),
            own_key: own,
            own: shared.node,
            last_peer,
        };
        Ok(Self {
            ways: Ways::open(plan, poll.registry(), LISTENER, FIRST_CONNECTION)?,
            disk,
            arrivals,
            poll,
            connections: Connections::default(),
            words,
            pairing,
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
            if peering.is_ending() {
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

    /// Returns how long there is nothing to do.
    fn timeout(&self, stop_by_us: Option<u64>) -> Duration {
        let dial = self.ways.next_dial_us().filter(|_| self.may_dial());
        let due_us = self.connections.deadline_us().into_iter().chain(dial).chain(stop_by_us).min();
        let now_us = self.now_us();
        let sleep_us = due_us.map_or(SLEEP_US_MAX, |due_us| due_us.saturating_sub(now_us));
        Duration::from_micros(sleep_us.min(SLEEP_US_MAX))
    }

    /// Does everything but reading; returns true if there is more to do at once.
    fn work(&mut self, peering: &Peering) -> bool {
        let now_us = self.now_us();
        self.arrivals.commit(wall_us());
        let mut is_busy = false;
        for token in self.connections.tokens() {
            is_busy |= self.serve(token, peering, now_us);
        }
        if self.may_dial() && self.ways.next_dial_us().is_some_and(|next_us| next_us <= now_us) {
            match self.ways.dial(self.poll.registry(), now_us) {
                Some(Ok(connection)) => self.connections.add(connection),
                Some(Err(trouble)) => self.not_reached(&trouble, peering, now_us),
                None => {}
            }
        }
        is_busy
    }

    fn may_dial(&self) -> bool {
        let is_ending = peering_of(&self.shared).is_ending();
        !is_ending
            && self.ways.knows_peer()
            && !self.connections.has_active()
            && !self.connections.is_dialing()
    }

    /// Takes the connections that others have made.
    fn accept(&mut self) {
        let now_us = self.now_us();
        while let Some(accepted) = self.ways.accept(self.poll.registry(), now_us) {
            match accepted {
                Ok(connection) => self.connections.add(connection),
                Err(error) => return self.words.not_taken(&error, now_us),
            }
            if let Some(surplus) = self.connections.surplus(PEER_GREETING_MAX) {
                drop(self.connections.remove(surplus));
            }
        }
    }
}

fn peering_of(shared: &Shared) -> &Peering {
    shared.peering.as_ref().expect("a server with a link has a peer")
}
