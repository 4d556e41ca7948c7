//! New connections.

use std::io;
use std::sync::atomic::Ordering::Relaxed;

use mio::Interest;
use mio::net::TcpStream;

use super::connection::Connection;
use super::{Worker, route};
use crate::apps::router::Root;
use crate::base::limits::{ACCEPT_RETRY_MS, ACCEPT_TOLD_MS};
use crate::engine::shared::metrics::Reject;
use crate::engine::shared::table::Key;
use crate::os::socket;

/// Connections taken from one listener before those that are open get their turn.
const ACCEPTS_PER_TURN: usize = 128;

impl Worker {
    /// Takes new connections from the listeners that have some.
    pub(super) fn accept(&mut self) {
        for index in 0..self.listeners.len() {
            if self.accepting[index] {
                self.accepting[index] = self.accept_from(index);
            }
        }
    }

    /// Gives whether the listener may have more.
    fn accept_from(&mut self, index: usize) -> bool {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.listeners[index].accept() {
                Ok((stream, _)) => self.admit(stream, self.roots[index]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // The client went away while it waited; the next one may not have.
                Err(error) if is_about_one_client(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: the kernel keeps the connection, and tells again with the next one
                    // only, which may never come.
                    self.accept_later(&error);
                    return false;
                }
            }
        }
        true
    }

    fn accept_later(&mut self, error: &io::Error) {
        let now_ms = self.now_ms();
        self.accept_again_ms = now_ms + ACCEPT_RETRY_MS;
        self.set_timer(self.accept_again_ms);
        if now_ms >= self.accept_told_ms {
            self.accept_told_ms = now_ms + ACCEPT_TOLD_MS;
            tracing::warn!(%error, worker = self.index, "can't accept connections; close some or raise the limit of open files");
        }
    }

    /// Accepts once more after a pause for want of descriptors.
    pub(super) fn retry_accept(&mut self) {
        if self.now_ms() >= self.accept_again_ms {
            self.accept_again_ms = u64::MAX;
            self.accepting.fill(true);
        } else if self.accept_again_ms != u64::MAX {
            self.set_timer(self.accept_again_ms);
        }
    }

    pub(super) fn admit(&mut self, mut stream: TcpStream, root: Root) {
        let open = self.shared.connections.fetch_add(1, Relaxed) + 1;
        self.metrics().accepted.add(1);
        let key = self.table.next_key();
        let registered =
            self.poll.registry().register(&mut stream, key.token(), Interest::READABLE | Interest::WRITABLE);
        let (served, taken) = bounds(self.limits.connections.min(self.shared.descriptors.connections()));
        if open > taken || registered.is_err() || socket::send_at_once(&stream).is_err() {
            self.shared.connections.fetch_sub(1, Relaxed);
            self.reject(Reject::Connections);
            return;
        }
        let mut connection = Connection::new(stream, root, self.now_ms());
        if open > served {
            self.reject(Reject::Connections);
            self.refuse(key, &mut connection, route::CROWDED);
        }
        let inserted = self.table.insert(connection);
        debug_assert_eq!(inserted, key);
        self.greet(key);
    }

    /// Looks at a new connection in this very turn: its first request has often come with it.
    fn greet(&mut self, key: Key) {
        if let Some(mut connection) = self.table.lend(key) {
            self.serve_again(key, &mut connection);
            self.arm(key, &mut connection);
            self.table.give_back(key, connection);
        }
    }

    pub(super) fn reject(&self, reason: Reject) {
        self.metrics().rejects[reason as usize].add(1);
    }
}

/// How many connections are served of so many that are allowed, and how many are taken at all: the last 5 % are there to
/// be told that there are too many, or one more where that is less than one.
fn bounds(allowed: usize) -> (usize, usize) {
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
    fn somebody_is_served_and_somebody_told_however_few_are_allowed() {
        assert_eq!([1, 2, 19].map(bounds), [(1, 2), (2, 3), (19, 20)]);
        assert_eq!([20, 100, 20_000].map(bounds), [(19, 20), (95, 100), (19_000, 20_000)]);
    }
}
