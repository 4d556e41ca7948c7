//! Handshakes of TLS: one a turn, in the order in which they came, because each costs as much as dozens of requests, and not more
//! than a part of the connections at once.

use std::collections::VecDeque;
use std::io;

use mio::net::TcpStream;

use super::connection::Connection;
use super::context::Context;
use super::{doors, route};
use crate::base::limits::TLS_HANDSHAKES_PART;
use crate::engine::shared::metrics::Reject;
use crate::engine::shared::received::Received;
use crate::engine::shared::settings::ListenerKind;
use crate::engine::shared::table::Key;
use crate::engine::shared::wire::Wire;
use crate::http::refusal::Refusal;

/// The handshakes of one worker.
#[derive(Default)]
pub(super) struct Handshakes {
    /// Those that can go on.
    waiting: VecDeque<Key>,
    /// How many are under way.
    open: usize,
}

impl Handshakes {
    /// Returns the socket of a new connection, with what its listener speaks on it.
    ///
    /// # Errors
    /// Returns the reason for which it is closed; `open` is the number of connections with this one.
    pub(super) fn receive(
        &self,
        stream: TcpStream,
        kind: ListenerKind,
        open: usize,
        context: &Context,
    ) -> Result<Wire, Reject> {
        let connections = context.limits.connections.min(context.shared.descriptors.connections_max());
        let (served, taken) = doors::bounds(connections);
        let (wire, taken) = match (kind, &context.shared.https) {
            (ListenerKind::Https, Some(https)) => {
                // Those that are over keep their connections, however many begin.
                if self.open > connections / TLS_HANDSHAKES_PART / context.shared.workers.len() {
                    return Err(Reject::Handshakes);
                }
                // That there are too many could only be said behind a handshake, which costs more than a request.
                (https.tls.begin().and_then(|session| Wire::secure(stream, session)), served)
            }
            _ => (Wire::new(stream), taken),
        };
        wire.ok().filter(|_| open <= taken).ok_or(Reject::Connections)
    }

    /// Notes that one has begun.
    pub(super) fn begin(&mut self) {
        self.open += 1;
    }

    /// Notes that one has come to nothing.
    pub(super) fn end(&mut self) {
        self.open -= 1;
    }

    /// Takes what a look at one came to; gives what its client is told, without TLS, if that isn't spoken.
    #[cold]
    pub(super) fn take(
        &mut self,
        connection: &mut Connection,
        found: Received,
        context: &Context,
    ) -> Option<Refusal> {
        match found {
            Received::WantsTurn => {
                connection.readable = false;
                self.waiting.push_back(connection.key);
                if self.waiting.len() == 1 {
                    connection.serve_again();
                }
            }
            Received::Full => (connection.readable, connection.blocked) = (false, true),
            Received::NotTls => {
                self.open -= 1;
                connection.wire.give_up_tls();
                context.reject(Reject::BadRequest);
                return Some(route::NOT_TLS);
            }
            _ => {
                self.open -= 1;
                let (metrics, is_resumed) = (context.metrics(), connection.wire.is_resumed());
                let counter = if is_resumed { &metrics.handshakes_resumed } else { &metrics.handshakes_full };
                counter.add(1);
            }
        }
        None
    }

    /// Returns the one whose turn it is.
    pub(super) fn next(&mut self) -> Option<Key> {
        self.waiting.pop_front()
    }

    /// Returns the one whose turn it is after that.
    pub(super) fn first(&self) -> Option<Key> {
        self.waiting.front().copied()
    }
}

/// Counts a handshake that has failed, if it was one.
#[cold]
pub(super) fn note_broken(connection: &Connection, error: &io::Error, context: &Context) {
    if connection.wire.is_shaking() {
        context.metrics().handshakes_failed.add(1);
        tracing::debug!(%error, "a handshake failed");
    }
}
