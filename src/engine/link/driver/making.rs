//! Making: new connections, dialed and accepted.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Token};

use super::Driver;
use crate::base::limits::PEER_GREETING_MAX;
use crate::engine::link::connections::Connection;
use crate::engine::link::target::Found;
use crate::engine::link::tls::{Keys, Tls};
use crate::engine::link::trouble::{Remote, Trouble};
use crate::engine::link::wire::Wire;
use crate::engine::shared::peering::Peering;
use crate::os::random;

impl Driver {
    pub(super) fn may_dial(&self) -> bool {
        let is_stopping = self.stop.load(Ordering::Relaxed);
        !is_stopping && !self.connections.has_active() && !self.connections.is_dialing()
    }

    pub(super) fn pause(&mut self, now_us: u64) {
        let peer_dials =
            self.listener.is_some() && self.last_peer.is_some_and(|peer| peer < self.shared.node);
        if let Some(dialer) = &mut self.dialer {
            // Without randomness the pauses are all of the same length, which is bearable.
            dialer.failed(now_us, random::number().unwrap_or_default(), peer_dials);
        }
    }

    pub(super) fn dial(&mut self, peering: &Peering, now_us: u64) {
        let address = match self.dialer.as_mut().map(|dialer| dialer.address(now_us)) {
            Some(Found::Address(address)) => address,
            Some(Found::No(unresolved)) => {
                return self.not_reached(Trouble::of_name(&unresolved), peering, now_us);
            }
            Some(Found::NotYet) | None => return,
        };
        let connected = TcpStream::connect(address).and_then(|stream| {
            let tls = self.keys.as_ref().map(Keys::dial).transpose().map_err(io::Error::other)?;
            self.add(stream, tls, address, true, now_us)
        });
        if let Err(error) = connected {
            let remote = Remote { address, dialed: true };
            self.not_reached(Trouble::of_socket(&error, remote, false, self.known), peering, now_us);
        }
    }

    /// A try came to nothing before there was a connection.
    fn not_reached(&mut self, trouble: Trouble, peering: &Peering, now_us: u64) {
        self.pause(now_us);
        let Trouble { failure, why } = trouble;
        peering.counters.failed(failure);
        self.note_away(failure, &why, peering, now_us);
        if self.told.is_news(&why, now_us) {
            tracing::warn!(why, "no connection to the peer; trying again");
        }
    }

    pub(super) fn accept(&mut self) {
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
                    tracing::warn!(%error, "can't take a connection of the peer");
                }
                return;
            }
            if let Some(surplus) = self.connections.surplus(PEER_GREETING_MAX) {
                drop(self.connections.remove(surplus));
            }
        }
    }

    pub(super) fn add(
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
}
