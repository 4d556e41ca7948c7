//! Where connections come from, and where they go when the server hands over to its successor.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use crossbeam_channel::Sender;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use super::connection::Connection;
use super::context::Context;
use crate::base::limits::{ACCEPT_LOGGED_MS, ACCEPT_RETRY_MS};
use crate::engine::shared::entrance::Entrance;

/// Connections taken from one listener before those that are open get their turn.
const ACCEPTS_PER_TURN: usize = 128;

/// The listeners of one worker.
pub(super) struct Doors {
    listeners: Vec<Door>,
    /// The token of the first one; those of the others follow it.
    first: usize,
    /// When to accept again after there were no descriptors, milliseconds of the worker's clock; the largest number for
    /// when the kernel tells.
    again_ms: u64,
    /// Until when no more is said about that.
    quiet_until_ms: u64,
    /// Where idle connections go while the server hands over.
    successor: Option<Sender<OwnedFd>>,
}

struct Door {
    listener: TcpListener,
    /// What it is to its connections.
    entrance: Entrance,
    /// It may have connections for us.
    is_ready: bool,
    /// How many were taken from it in this turn.
    taken: usize,
}

impl Doors {
    /// Registers `listeners`, the first as `first` and the others behind it.
    ///
    /// # Errors
    /// Fails when the event loop takes no more.
    pub(super) fn open(
        listeners: Vec<std::net::TcpListener>,
        entrances: Vec<Entrance>,
        registry: &Registry,
        first: usize,
    ) -> io::Result<Self> {
        let mut doors = Vec::with_capacity(listeners.len());
        for (index, (listener, entrance)) in listeners.into_iter().zip(entrances).enumerate() {
            let mut listener = TcpListener::from_std(listener);
            registry.register(&mut listener, Token(first + index), Interest::READABLE)?;
            doors.push(Door { listener, entrance, is_ready: true, taken: 0 });
        }
        Ok(Self { listeners: doors, first, again_ms: u64::MAX, quiet_until_ms: 0, successor: None })
    }

    /// Notes that the event loop reported `token`, which may be that of a listener.
    #[inline]
    pub(super) fn notice(&mut self, token: Token) {
        if let Some(door) = token.0.checked_sub(self.first).and_then(|index| self.listeners.get_mut(index)) {
            door.is_ready = true;
        }
    }

    /// Returns whether a listener may have connections for us.
    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        self.listeners.iter().any(|door| door.is_ready)
    }

    /// Begins a turn's accepting.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.listeners.iter_mut().for_each(|door| door.taken = 0);
    }

    /// Takes the next connection; nothing once the listeners have none, or have given their share of this turn.
    pub(super) fn next(&mut self, context: &Context) -> Option<(TcpStream, Entrance, IpAddr)> {
        let mut trouble = None;
        let ready = self.listeners.iter_mut().filter(|door| door.is_ready && door.taken < ACCEPTS_PER_TURN);
        let next = ready.into_iter().find_map(|door| {
            let stream = door.accept().unwrap_or_else(|error| {
                trouble = Some(error);
                None
            });
            stream.map(|(stream, from)| (stream, door.entrance, from.ip()))
        });
        if let Some(error) = trouble {
            // The kernel keeps the connection, and tells again with the next one only, which may never come.
            self.accept_later(&error, context);
        }
        next
    }

    fn accept_later(&mut self, error: &io::Error, context: &Context) {
        let now_ms = context.now.ms();
        self.again_ms = if cfg!(seeded_bug = "accept_spins") { now_ms } else { now_ms + ACCEPT_RETRY_MS };
        if now_ms >= self.quiet_until_ms {
            self.quiet_until_ms = now_ms + ACCEPT_LOGGED_MS;
            tracing::warn!(%error, worker = context.index, "can't accept connections; close some or raise the limit of open files");
        }
    }

    /// Returns when to accept once more after a pause for want of descriptors; the largest number for when the kernel tells.
    #[inline]
    pub(super) fn again_ms(&self) -> u64 {
        self.again_ms
    }

    /// Ends such a pause when its time is up.
    pub(super) fn look_again(&mut self, now_ms: u64) {
        if now_ms >= self.again_ms {
            self.again_ms = u64::MAX;
            self.listen_to_all();
        }
    }

    /// Looks at every listener in the next turn.
    pub(super) fn listen_to_all(&mut self) {
        self.listeners.iter_mut().for_each(|door| door.is_ready = true);
    }

    /// Closes the listeners.
    pub(super) fn close(&mut self, registry: &Registry) {
        for mut door in self.listeners.drain(..) {
            // Closing it is what counts; a failure to deregister is the end of it as well.
            let _ = registry.deregister(&mut door.listener);
        }
    }

    /// Has connections go to a successor from now on.
    pub(super) fn lead_to(&mut self, successor: Sender<OwnedFd>) {
        self.successor = Some(successor);
    }

    /// Gives an idle connection to the successor; it ends here only.
    pub(super) fn pass_on(&self, connection: &mut Connection, registry: &Registry) {
        // Without this the event loop would hear of it as long as the successor has it open.
        connection.wire.deregister(registry);
        if let (Some(successor), Some(descriptor)) = (&self.successor, connection.wire.pass_on()) {
            // The server listens until all workers have ended.
            let _ = successor.send(descriptor);
        }
    }
}

impl Door {
    /// Accepts one connection; nothing if there is none for the moment.
    ///
    /// # Errors
    /// Fails when the process is out of descriptors or memory.
    fn accept(&mut self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        while self.taken < ACCEPTS_PER_TURN {
            self.taken += 1;
            match self.listener.accept() {
                Ok(accepted) => return Ok(Some(accepted)),
                // The client went away while it waited; the next one may not have.
                Err(error) if is_about_one_client(&error) => {}
                Err(error) => {
                    self.is_ready = false;
                    let is_empty = error.kind() == io::ErrorKind::WouldBlock;
                    return if is_empty { Ok(None) } else { Err(error) };
                }
            }
        }
        Ok(None)
    }
}

/// Returns how many connections are served of so many that are allowed, and how many are taken at all: the last 5 % are there to
/// be answered that there are too many, or one more where that is less than one.
pub(super) fn bounds(allowed: usize) -> (usize, usize) {
    let served = allowed - allowed / 20;
    (served, allowed.max(served + 1))
}

fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_served_and_somebody_refused_however_few_are_allowed() {
        assert_eq!([1, 2, 19].map(bounds), [(1, 2), (2, 3), (19, 20)]);
        assert_eq!([20, 100, 20_000].map(bounds), [(19, 20), (95, 100), (19_000, 20_000)]);
    }
}
