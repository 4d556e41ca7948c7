//! What the link tells an operator, and not the same again and again.

use std::io;

use crate::engine::link::pairing::Refused;
use crate::engine::link::trouble::{Remote, Trouble};
use crate::engine::shared::log_throttle::LogThrottle;
use crate::peer::fault::Close;
use crate::peer::session::Peer;

/// The link's lines in the log.
pub(super) struct Words {
    throttle: LogThrottle,
    /// Who is at the other end.
    other: &'static str,
}

impl Words {
    /// Speaks of the peer, or of the log in its place.
    pub(super) fn of(is_log: bool) -> Self {
        Self { throttle: LogThrottle::default(), other: if is_log { "the log" } else { "the peer" } }
    }

    /// Logs that there is a session; where sessions end as soon as they have begun, not each time.
    pub(super) fn connected(&mut self, peer: &Peer, remote: Remote, now_us: u64) {
        if self.throttle.is_news(&format!("connected to {}", peer.node), now_us) {
            let (Remote { address, dialed }, ahead_us) = (remote, peer.clock_ahead_us);
            match address {
                Some(address) => {
                    tracing::info!(node = %peer.node, remote = %address, dialed, clock_ahead_us = ahead_us, "connected to the peer");
                }
                None => tracing::info!(node = %peer.node, "connected to the log"),
            }
        }
    }

    /// Logs that the other side has said goodbye.
    pub(super) fn left(&self, close: &Close) {
        tracing::info!(why = %close, "{} has left", self.other);
    }

    /// Logs that somebody connected who is not the peer.
    pub(super) fn stranger(trouble: &Trouble) {
        tracing::debug!(why = trouble.why, "a stranger connected to the peer port");
    }

    /// Logs that a session is over because of `trouble`, or came to nothing.
    pub(super) fn lost(&mut self, trouble: &Trouble, was_there: bool, now_us: u64) {
        let why = &trouble.why;
        if !self.throttle.is_news(why, now_us) {
            return;
        }
        let event = format!("{} {}", if was_there { "lost" } else { "no connection to" }, self.other);
        if trouble.needs_operator() {
            tracing::error!(why, "{event}; trying again, which helps once something is done about it");
        } else {
            tracing::warn!(why, "{event}; trying again");
        }
    }

    /// Logs that a try came to nothing before there was a connection.
    pub(super) fn not_reached(&mut self, trouble: &Trouble, now_us: u64) {
        let why = &trouble.why;
        if self.throttle.is_news(why, now_us) {
            tracing::warn!(why, "no connection to {}; trying again", self.other);
        }
    }

    /// Logs that a connection of the peer can't be taken.
    pub(super) fn not_taken(&mut self, error: &io::Error, now_us: u64) {
        if self.throttle.is_news(&error.to_string(), now_us) {
            tracing::warn!(%error, "can't take a connection of the peer");
        }
    }

    /// Logs that a host was refused that had an invitation, or said so.
    pub(super) fn not_admitted(&mut self, refused: &Refused, remote: Remote, now_us: u64) {
        let why = refused.to_string();
        if self.throttle.is_news(&why, now_us) {
            tracing::warn!(why, %remote, "a host that says it is invited was refused");
        }
    }

    /// Notes that a session has lasted: what went wrong before is over.
    pub(super) fn forget(&mut self) {
        self.throttle.forget();
    }
}
