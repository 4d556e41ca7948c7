//! The ways by which connections come about: the listener, and the dialer with its pauses.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::{TcpListener, TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

use crate::base::fingerprint::Fingerprint;
use crate::base::ids::NodeId;
use crate::engine::link::connections::Connection;
use crate::engine::link::dialer::Dialer;
use crate::engine::link::pairing::Pairing;
use crate::engine::link::target::{Found, Target};
use crate::engine::link::tls::{Keys, Tls};
use crate::engine::link::trouble::{KnownKeys, Remote, Trouble};
use crate::engine::link::wire::Wire;
use crate::os::clock::wall_us;
use crate::os::random;

/// Makes connections.
pub(super) struct Ways {
    listener: Option<TcpListener>,
    dialer: Option<Dialer>,
    /// For TLS; nothing for a test on one machine.
    keys: Option<Keys>,
    pairing: Arc<Pairing>,
    own_key: Fingerprint,
    /// The peer's place is taken by a thread of this process.
    is_inside: bool,
    /// The name of the next connection in the event loop.
    next_token: usize,
    /// This host.
    own: NodeId,
    /// Who the peer was when there was a session last.
    last_peer: Option<NodeId>,
}

/// What [`Ways::open`] needs.
pub(super) struct Plan {
    pub(super) listener: Option<std::net::TcpListener>,
    pub(super) dial: Option<Target>,
    pub(super) keys: Option<Keys>,
    pub(super) pairing: Arc<Pairing>,
    pub(super) own_key: Fingerprint,
    pub(super) own: NodeId,
    pub(super) last_peer: Option<NodeId>,
}

impl Ways {
    /// Listens as `listener`; names connections from `first` on.
    ///
    /// # Errors
    /// Returns the error of the event loop.
    pub(super) fn open(plan: Plan, registry: &Registry, listener: Token, first: usize) -> io::Result<Self> {
        let Plan { listener: bound, dial, keys, pairing, own_key, own, last_peer } = plan;
        let mut bound = bound.map(TcpListener::from_std);
        if let Some(bound) = &mut bound {
            registry.register(bound, listener, Interest::READABLE)?;
        }
        let is_inside = matches!(dial, Some(Target::Inside(_)));
        let dialer = dial.map(Dialer::new);
        Ok(Self {
            listener: bound,
            dialer,
            keys,
            pairing,
            own_key,
            is_inside,
            next_token: first,
            own,
            last_peer,
        })
    }

    /// Returns whether connections to other hosts are without TLS.
    pub(super) fn is_plain(&self) -> bool {
        self.keys.is_none() && !self.is_inside
    }

    /// Returns which keys are known, for the words.
    pub(super) fn known(&self) -> KnownKeys {
        let own = self.keys.as_ref().map(|_| self.own_key);
        KnownKeys { own, pinned: self.pairing.key() }
    }

    /// Returns whether there is a peer that may be dialed.
    pub(super) fn knows_peer(&self) -> bool {
        self.keys.is_none() || self.pairing.key().is_some()
    }

    /// Returns when to dial next, microseconds; nothing for a host that doesn't dial.
    pub(super) fn next_dial_us(&self) -> Option<u64> {
        self.dialer.as_ref().map(Dialer::next_us)
    }

    /// Notes who the peer is.
    pub(super) fn met(&mut self, peer: NodeId) {
        self.last_peer = Some(peer);
    }

    /// Notes that a session has lasted: the next failure is the first.
    pub(super) fn lasted(&mut self) {
        self.dialer.iter_mut().for_each(Dialer::succeeded);
    }

    /// Waits before the next try, the longest if it comes to the same end until somebody has changed something.
    pub(super) fn pause(&mut self, needs_operator: bool, now_us: u64) {
        let peer_dials = self.listener.is_some() && self.last_peer.is_some_and(|peer| peer < self.own);
        if let Some(dialer) = &mut self.dialer {
            if needs_operator {
                dialer.despaired();
            }
            // Without randomness the pauses are all of the same length, which is bearable.
            dialer.failed(now_us, random::number().unwrap_or_default(), peer_dials);
        }
    }

    /// Dials the peer; gives nothing while its name is looked up.
    pub(super) fn dial(&mut self, registry: &Registry, now_us: u64) -> Option<Result<Connection, Trouble>> {
        let address = match self.dialer.as_mut().map(|dialer| dialer.find(now_us)) {
            Some(Found::Address(address)) => address,
            Some(Found::Connection(stream)) => {
                let made = self.inside(stream, registry, now_us);
                return Some(made.map_err(|error| Trouble::of_log(&error)));
            }
            Some(Found::No(unresolved)) => return Some(Err(Trouble::of_name(&unresolved))),
            Some(Found::Away(error)) => return Some(Err(Trouble::of_log(&error))),
            Some(Found::NotYet) | None => return None,
        };
        let made = TcpStream::connect(address).and_then(|stream| {
            let is_pairing = self.pairing.secret().is_some();
            let tls = self.keys.as_ref().map(|keys| keys.dial(is_pairing));
            let tls = tls.transpose().map_err(io::Error::other)?;
            self.made(stream, tls, address, true, registry, now_us)
        });
        let remote = Remote { address: Some(address), dialed: true };
        Some(made.map_err(|error| Trouble::of_socket(&error, remote, false, self.known())))
    }

    /// Accepts a connection; gives nothing once there is no other.
    pub(super) fn accept(&mut self, registry: &Registry, now_us: u64) -> Option<io::Result<Connection>> {
        match self.listener.as_ref()?.accept() {
            Ok((stream, remote)) => {
                let is_inviting = self.pairing.is_inviting(wall_us());
                let tls = self.keys.as_ref().map(|keys| keys.accept(is_inviting));
                let tls = tls.transpose().map_err(io::Error::other);
                Some(tls.and_then(|tls| self.made(stream, tls, remote, false, registry, now_us)))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => Some(Err(error)),
        }
    }

    fn made(
        &mut self,
        stream: TcpStream,
        tls: Option<Tls>,
        remote: SocketAddr,
        dialed: bool,
        registry: &Registry,
        now_us: u64,
    ) -> io::Result<Connection> {
        let mut wire = Wire::new(stream, tls, dialed);
        let token = self.watched(&mut wire, registry)?;
        Ok(Connection::new(token, wire, dialed, Some(remote), now_us))
    }

    /// Makes the connection to who sits in the peer's place.
    fn inside(
        &mut self,
        stream: std::os::unix::net::UnixStream,
        registry: &Registry,
        now_us: u64,
    ) -> io::Result<Connection> {
        stream.set_nonblocking(true)?;
        let mut wire = Wire::inside(UnixStream::from_std(stream));
        let token = self.watched(&mut wire, registry)?;
        Ok(Connection::new(token, wire, true, None, now_us))
    }

    /// Has the event loop watch a wire; gives its name there.
    fn watched(&mut self, wire: &mut Wire, registry: &Registry) -> io::Result<Token> {
        let token = Token(self.next_token);
        self.next_token += 1;
        registry.register(wire.source(), token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(token)
    }
}
