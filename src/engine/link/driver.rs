//! The link's thread: an event loop over the peer's connections, the listener, the bell and the clock.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::connections::{Connection, Connections};
use super::dialer::Dialer;
use super::greeting::{self, Greeting};
use super::tls::{Keys, Tls};
use super::trouble::{KnownKeys, Told, Trouble};
use super::wire::{Reading, Wire};
use crate::base::ids::NodeId;
use crate::base::limits::PEER_GREETING_MAX;
use crate::engine::peering::Peering;
use crate::engine::peering::arrivals::Arrivals;
use crate::engine::peering::replica::{self, Replica};
use crate::engine::shared::Shared;
use crate::os::clock::wall_us;
use crate::os::disk::Disk;
use crate::os::random;
use crate::peer::fault::{ByeCode, Close};
use crate::peer::session::{Effect, Session, Settings};

/// The bell's name in the event loop.
pub const BELL: Token = Token(0);
const LISTENER: Token = Token(1);
const FIRST_CONNECTION: usize = 2;
/// Bytes read from a socket at once.
const READ_BYTES: usize = 256 * 1024;
/// Reads from one connection before what arrived is committed and others get their turn.
const READS_MAX: usize = 8;
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
    pub dial: Option<SocketAddr>,
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
    buffer: Vec<u8>,
    plain: Vec<u8>,
}

impl Driver {
    /// A link that has no connection yet.
    ///
    /// # Errors
    /// Those of the event loop.
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
            buffer: vec![0; READ_BYTES],
            plain: Vec::new(),
            shared,
        })
    }

    /// Serves the peer until the server stops.
    ///
    /// # Errors
    /// Those of the event loop; without it there is no link.
    pub fn run(mut self) -> io::Result<()> {
        let shared = self.shared.clone();
        let peering = peering_of(&shared);
        let mut events = Events::with_capacity(64);
        let mut stop_by_us = None;
        loop {
            let mut is_busy = self.work(peering);
            if !is_busy {
                // Whoever rings from now on wakes the loop; what was there before that is seen now.
                peering.bell.fall_asleep();
                is_busy = self.work(peering);
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
                    let readable = event.is_readable() || event.is_read_closed() || event.is_error();
                    let writable = event.is_writable() || event.is_write_closed() || event.is_error();
                    if let Some(connection) = self.connections.get(token) {
                        connection.wire.ready(readable, writable);
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
            // When all was taken there may be more to send.
            is_busy = taken > 0 && waited == Some(taken);
            if !is_busy {
                break;
            }
        }
        self.look_after(token, peering, now_us) && is_busy
    }

    /// Looks what became of a connection. False if it is no more.
    fn look_after(&mut self, token: Token, peering: &Peering, now_us: u64) -> bool {
        let Some(connection) = self.connections.get(token) else { return false };
        let Some(replica) = &mut connection.replica else {
            if now_us >= connection.greeted_by_us() {
                let is_secured = connection.wire.is_secured();
                let trouble = Trouble::of_close(&Close::NoHello, connection.remote, is_secured);
                self.lose(token, trouble, peering, now_us);
                return false;
            }
            return true;
        };
        if let Some(join) = replica.take_join() {
            peering.joining.offer(Arc::clone(&self.disk), join);
            self.arrivals.commit(wall_us());
        }
        match peering.joining.take_outcome() {
            Some(Ok(())) => replica.adopted(now_us),
            Some(Err(why)) => replica.fail(format!("this host can't take the snapshot: {why}"), now_us),
            None => {}
        }
        peering.time_durable(wall_us());
        peering.counters.rtt_us.set(replica.rtt_us().unwrap_or(0));
        if let Some(peer) = replica.peer().copied()
            && !std::mem::replace(&mut connection.is_announced, true)
        {
            let (remote, dialed, ahead_us) = (connection.remote, connection.dialed, peer.clock_ahead_us);
            tracing::info!(node = %peer.node, %remote, dialed, clock_ahead_us = ahead_us, "connected to the second host");
            peering.counters.sessions.add(1);
            self.last_peer = Some(peer.node);
            self.told.forget();
            if let Some(dialer) = &mut self.dialer {
                dialer.succeeded();
            }
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

    /// Reads what the connections have.
    fn read(&mut self, peering: &Peering) {
        for token in self.connections.tokens() {
            for _ in 0..READS_MAX {
                if !self.read_once(token, peering) {
                    break;
                }
            }
        }
    }

    /// One read. False if there is no more to be read from this connection for now.
    fn read_once(&mut self, token: Token, peering: &Peering) -> bool {
        let now_us = self.now_us();
        let Some(connection) = self.connections.get(token) else { return false };
        let reading = match connection.wire.is_connected() {
            Ok(true) if !connection.has_input() => return false,
            Ok(true) => connection.wire.read(&mut self.buffer, &mut self.plain),
            Ok(false) => return false,
            Err(error) => Err(error),
        };
        if let Ok(Reading::Bytes(count)) = reading {
            peering.counters.received_bytes.add(count as u64);
        }
        // What came before an end or an error is still good.
        let plain = std::mem::take(&mut self.plain);
        let is_there = self.hear(token, &plain, peering, now_us);
        self.plain = plain;
        self.plain.clear();
        match reading {
            _ if !is_there => false,
            Ok(Reading::Bytes(_)) => true,
            Ok(Reading::Nothing) => false,
            Ok(Reading::End) => {
                let trouble =
                    self.connections.get(token).map(|connection| Trouble::of_end(connection.remote));
                self.lose(token, trouble, peering, now_us);
                false
            }
            Err(error) => {
                self.lose_to_error(token, &error, peering, now_us);
                false
            }
        }
    }

    /// Passes on what a connection said. False if the connection is no more.
    fn hear(&mut self, token: Token, plain: &[u8], peering: &Peering, now_us: u64) -> bool {
        let Some(connection) = self.connections.get(token) else { return false };
        if let Some(replica) = &mut connection.replica {
            if !plain.is_empty() {
                replica.receive(plain, now_us);
                replica.turn(now_us);
                self.arrivals.commit(wall_us());
            }
        } else if connection.dialed {
            // The host that dials speaks first.
            connection.heard.extend_from_slice(plain);
            if connection.wire.is_secured() {
                // The peer may have reached this host meanwhile.
                if self.connections.active().is_some_and(|active| !active.is_suspect(now_us)) {
                    self.lose(token, None, peering, now_us);
                    return false;
                }
                self.begin(token, now_us);
            }
        } else {
            connection.heard.extend_from_slice(plain);
            self.greet(token, peering, now_us);
        }
        self.look_after(token, peering, now_us)
    }

    /// The peer may have said who it is, on a connection that it dialed.
    fn greet(&mut self, token: Token, peering: &Peering, now_us: u64) {
        let (cluster, own) = (self.shared.cluster, self.shared.node);
        let Some(connection) = self.connections.get(token) else { return };
        match greeting::look(&connection.heard, cluster, own) {
            Greeting::More => {}
            Greeting::Stranger => self.turn_away(token, None, peering, now_us),
            Greeting::Host(hello) => {
                let gives_way = |active: &mut Connection| active.gives_way_to(&hello, own, now_us);
                if self.connections.active().is_none_or(gives_way) {
                    self.begin(token, now_us);
                } else {
                    self.turn_away(token, Some(ByeCode::Replaced), peering, now_us);
                }
            }
        }
    }

    /// This is the connection by which the two hosts exchange from now on; there is no other one.
    fn begin(&mut self, token: Token, now_us: u64) {
        if let Some(old) = self.connections.active().map(|active| active.token)
            && let Some(mut old) = self.connections.remove(old)
            && let Some(mut replica) = old.replica.take()
        {
            replica.leave(ByeCode::Replaced, now_us);
            old.wire.part(replica.output());
        }
        peering_of(&self.shared).delays().clear();
        let greeting = replica::Greeting {
            nonce: random::number().unwrap_or_default(),
            clock_us: wall_us(),
            is_joining: true,
        };
        let mut replica = Replica::begin(&self.shared, &self.disk, greeting, now_us);
        if let Some(connection) = self.connections.get(token) {
            replica.receive(&std::mem::take(&mut connection.heard), now_us);
            replica.turn(now_us);
            connection.replica = Some(replica);
        }
    }

    /// Tells the other side why it is not listened to: what a session finds wrong with what it said, or `code`.
    fn turn_away(&mut self, token: Token, code: Option<ByeCode>, peering: &Peering, now_us: u64) {
        let Some(connection) = self.connections.get(token) else { return };
        let settings = Settings {
            cluster: self.shared.cluster,
            node: self.shared.node,
            inc: peering.own.inc,
            nonce: 0,
            clock_us: wall_us(),
            made: 0,
            is_empty: false,
        };
        let mut session = Session::new(settings, &[], now_us);
        match code {
            Some(code) => session.leave(code),
            None => session.receive(&connection.heard, now_us),
        }
        let mut trouble = None;
        while let Some(effect) = session.next_effect(now_us) {
            if let Effect::Closed(close) = effect {
                trouble = Trouble::of_close(&close, connection.remote, true);
            }
        }
        connection.wire.part(session.output());
        self.lose(token, trouble, peering, now_us);
    }

    /// A session has ended.
    fn close(&mut self, token: Token, close: &Close, peering: &Peering, now_us: u64) {
        let Some(connection) = self.connections.get(token) else { return };
        let trouble = Trouble::of_close(close, connection.remote, true);
        if trouble.is_none() && connection.is_announced {
            tracing::info!(why = %close, "the second host has left");
        }
        self.lose(token, trouble, peering, now_us);
    }

    fn lose_to_error(&mut self, token: Token, error: &io::Error, peering: &Peering, now_us: u64) {
        let Some(connection) = self.connections.get(token) else { return };
        let is_connected = matches!(connection.wire.is_connected(), Ok(true));
        let trouble = Trouble::of_socket(error, connection.remote, is_connected, self.known);
        self.lose(token, Some(trouble), peering, now_us);
    }

    /// A connection is over, or came to nothing.
    fn lose(&mut self, token: Token, trouble: Option<Trouble>, peering: &Peering, now_us: u64) {
        let Some(mut connection) = self.connections.remove(token) else { return };
        let was_there = connection.is_announced;
        connection.wire.part(connection.replica.as_ref().map_or(&[], Replica::output));
        if connection.replica.is_some() {
            peering.delays().clear();
        }
        let was_ours = connection.dialed || connection.replica.is_some();
        drop(connection);
        if was_ours {
            self.pause(now_us);
        }
        let Some(Trouble { failure, why }) = trouble else { return };
        peering.counters.failed(failure);
        if !self.connections.has_active() {
            peering.standing.away(&why, now_us);
        }
        if self.told.is_news(&why, now_us) {
            let event = if was_there { "lost the second host" } else { "no connection to the second host" };
            tracing::warn!(why, "{event}; trying again");
        }
    }

    fn may_dial(&self) -> bool {
        let is_stopping = self.stop.load(Ordering::Relaxed);
        !is_stopping && !self.connections.has_active() && !self.connections.is_dialing()
    }

    fn pause(&mut self, now_us: u64) {
        let peer_dials =
            self.listener.is_some() && self.last_peer.is_some_and(|peer| peer < self.shared.node);
        if let Some(dialer) = &mut self.dialer {
            // Without randomness the pauses are all of the same length, which is bearable.
            dialer.failed(now_us, random::number().unwrap_or_default(), peer_dials);
        }
    }

    fn dial(&mut self, peering: &Peering, now_us: u64) {
        let Some(address) = self.dialer.as_ref().map(Dialer::address) else { return };
        let connected = TcpStream::connect(address).and_then(|stream| {
            let tls = self.keys.as_ref().map(Keys::dial).transpose().map_err(io::Error::other)?;
            self.add(stream, tls, address, true, now_us)
        });
        if let Err(error) = connected {
            self.pause(now_us);
            let Trouble { failure, why } = Trouble::of_socket(&error, address, false, self.known);
            peering.counters.failed(failure);
            peering.standing.away(&why, now_us);
            if self.told.is_news(&why, now_us) {
                tracing::warn!(why, "no connection to the second host; trying again");
            }
        }
    }

    fn accept(&mut self) {
        loop {
            let now_us = self.now_us();
            let accepted = match self.listener.as_ref().map(TcpListener::accept) {
                Some(Ok((stream, remote))) => {
                    let tls = self.keys.as_ref().map(Keys::accept).transpose().map_err(io::Error::other);
                    tls.and_then(|tls| self.add(stream, tls, remote, false, now_us))
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => return,
                Some(Err(error)) => Err(error),
                None => return,
            };
            if let Err(error) = accepted {
                if self.told.is_news(&error.to_string(), now_us) {
                    tracing::warn!(%error, "can't take a connection of the second host");
                }
                return;
            }
            if let Some(surplus) = self.connections.surplus(PEER_GREETING_MAX) {
                drop(self.connections.remove(surplus));
            }
        }
    }

    fn add(
        &mut self,
        mut stream: TcpStream,
        tls: Option<Tls>,
        remote: SocketAddr,
        dialed: bool,
        now_us: u64,
    ) -> io::Result<()> {
        let token = Token(self.next_token);
        self.next_token += 1;
        self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        self.connections.add(Connection::new(token, Wire::new(stream, tls, dialed), dialed, remote, now_us));
        Ok(())
    }

    /// Whether nobody waits for anything: there is no peer, or it has all that this process made.
    fn is_even(&self, peering: &Peering) -> bool {
        !self.connections.has_active()
            || peering.standing.own_durable() >= peering.own_committed.load(Ordering::Acquire)
    }

    /// Says goodbye.
    fn end(&mut self) {
        let now_us = self.now_us();
        if let Some(active) = self.connections.active()
            && let Some(replica) = &mut active.replica
        {
            replica.leave(ByeCode::Stopping, now_us);
            active.wire.part(replica.output());
        }
    }
}

fn peering_of(shared: &Shared) -> &Peering {
    shared.peering.as_ref().expect("a server with a link has a peer")
}
