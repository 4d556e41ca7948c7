//! Connections to the peer: those that are being made, and the one by which the two hosts exchange.
//!
//! Either host may dial, and both do while they do not know better. When both have reached the other, both keep the
//! connection that the host with the lower node id dialed, so exactly one survives without another word.

use std::net::SocketAddr;

use mio::Token;

use super::trouble::Remote;
use super::wire::Wire;
use crate::base::ids::NodeId;
use crate::base::limits::PEER_HELLO_US;
use crate::engine::replication::Replica;
use crate::peer::message::Hello;
use crate::peer::session::Presence;

/// One connection.
pub struct Connection {
    /// Its name in the event loop.
    pub token: Token,
    /// The socket.
    pub wire: Wire,
    /// What is exchanged over it, on one connection at a time.
    pub replica: Option<Replica>,
    /// What the other side said before there was a replica.
    pub heard: Vec<u8>,
    /// The secret of an invitation was said.
    pub has_asked: bool,
    /// The words of this side without a replica.
    pub words: Vec<u8>,
    /// The other side has said something.
    pub has_spoken: bool,
    /// This host dialed.
    pub dialed: bool,
    /// The other end; nothing for one in this process.
    pub remote: Option<SocketAddr>,
    /// When it was made, microseconds of the server's clock.
    pub since_us: u64,
    /// When the session was established, microseconds of the server's clock.
    pub met_us: Option<u64>,
}

impl Connection {
    /// Makes the entry of a connection that was just made.
    #[must_use]
    pub fn new(token: Token, wire: Wire, dialed: bool, remote: Option<SocketAddr>, since_us: u64) -> Self {
        Self {
            token,
            wire,
            replica: None,
            heard: Vec::new(),
            has_asked: false,
            words: Vec::new(),
            has_spoken: false,
            dialed,
            remote,
            since_us,
            met_us: None,
        }
    }

    /// Returns the other end, in words.
    #[must_use]
    pub fn remote(&self) -> Remote {
        Remote { address: self.remote, dialed: self.dialed }
    }

    /// Returns whether there may be something to read that is welcome.
    #[must_use]
    pub fn has_input(&self) -> bool {
        self.wire.is_readable() && self.replica.as_ref().is_none_or(Replica::wants_input)
    }

    /// Returns whether this host, which dialed, may speak now. Without keys nothing is read before that.
    #[must_use]
    pub fn may_begin(&self) -> bool {
        self.dialed && self.replica.is_none() && self.wire.is_secured()
    }

    /// Returns when something has to be done about it at the latest, microseconds.
    #[must_use]
    pub fn deadline_us(&self) -> Option<u64> {
        match &self.replica {
            Some(replica) => replica.deadline(),
            None => Some(self.greeted_by_us()),
        }
    }

    /// Returns when the other side has to have shown who it is.
    #[must_use]
    pub fn greeted_by_us(&self) -> u64 {
        self.since_us + PEER_HELLO_US
    }

    /// Returns whether the peer was not heard lately.
    #[must_use]
    pub fn is_suspect(&self, now_us: u64) -> bool {
        let presence = self.replica.as_ref().map(|replica| replica.presence(now_us));
        matches!(presence, Some(Presence::Suspect | Presence::Gone))
    }

    /// Returns whether a connection on which the peer has just said `hello`, having dialed it, is to be kept rather than this
    /// one, which has the replica. `own` is this host.
    #[must_use]
    pub fn gives_way_to(&self, hello: &Hello, own: NodeId, now_us: u64) -> bool {
        let Some(replica) = &self.replica else { return true };
        let is_other = replica.peer().is_some_and(|peer| (peer.node, peer.inc) != (hello.node, hello.inc));
        // A host dials again only when it has given up the connection that it dialed before.
        is_other || self.is_suspect(now_us) || !self.dialed || hello.node < own
    }
}

/// All of them.
#[derive(Default)]
pub struct Connections {
    list: Vec<Connection>,
}

impl Connections {
    /// Adds one that was just made.
    pub fn add(&mut self, connection: Connection) {
        self.list.push(connection);
    }

    /// Takes one out.
    pub fn remove(&mut self, token: Token) -> Option<Connection> {
        let at = self.list.iter().position(|connection| connection.token == token)?;
        Some(self.list.remove(at))
    }

    /// Returns the oldest one that somebody else has made and who has not shown who it is, if there are more than `most` of these.
    #[must_use]
    pub fn surplus(&self, most: usize) -> Option<Token> {
        let is_greeting = |connection: &&Connection| connection.replica.is_none() && !connection.dialed;
        let mut greeting = self.list.iter().filter(is_greeting);
        let oldest = greeting.next()?.token;
        (greeting.count() >= most).then_some(oldest)
    }

    /// Returns the connection of this name.
    pub fn get(&mut self, token: Token) -> Option<&mut Connection> {
        self.list.iter_mut().find(|connection| connection.token == token)
    }

    /// Returns the connection that has the replica.
    pub fn active(&mut self) -> Option<&mut Connection> {
        self.list.iter_mut().find(|connection| connection.replica.is_some())
    }

    /// Returns whether one has the replica.
    #[must_use]
    pub fn has_active(&self) -> bool {
        self.list.iter().any(|connection| connection.replica.is_some())
    }

    /// Returns whether this host is trying to reach the peer right now.
    #[must_use]
    pub fn is_dialing(&self) -> bool {
        self.list.iter().any(|connection| connection.dialed)
    }

    /// Returns the names of all connections.
    #[must_use]
    pub fn tokens(&self) -> Vec<Token> {
        self.list.iter().map(|connection| connection.token).collect()
    }

    /// Returns whether any of them is to be read at once.
    #[must_use]
    pub fn have_input(&self) -> bool {
        self.list.iter().any(Connection::has_input)
    }

    /// Returns whether new batches wait for the time when the link looks by itself.
    #[must_use]
    pub fn is_pausing(&self, now_us: u64) -> bool {
        let replica = self.list.iter().find_map(|connection| connection.replica.as_ref());
        replica.is_some_and(|replica| replica.is_pausing(now_us))
    }

    /// Returns when something has to be done about any of them at the latest, microseconds.
    #[must_use]
    pub fn deadline_us(&self) -> Option<u64> {
        self.list.iter().filter_map(Connection::deadline_us).min()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A flood of strangers must not cost this host the connection that it is making itself.
    #[test]
    fn the_oldest_stranger_goes_and_no_connection_of_our_own() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let mut connections = Connections::default();
        let mut add = |number: usize, dialed: bool| {
            let stream = mio::net::TcpStream::connect(address).expect("a socket");
            let wire = Wire::new(stream, None, dialed);
            connections.add(Connection::new(Token(number), wire, dialed, Some(address), 0));
            connections.surplus(2)
        };
        assert_eq!([add(1, true), add(2, false), add(3, false)], [None; 3]);
        assert_eq!(add(4, false), Some(Token(2)));
    }
}
