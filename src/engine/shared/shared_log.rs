//! How the log that many hosts share stands: its thread writes it, /health and /metrics read it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::metrics::Stage;
use crate::base::ids::{NodeId, Origin, Seq};
use crate::peer::relay::{Counters, Member, Relay};

/// Whether the servers of a log sync a message before they acknowledge it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synced {
    /// Each of them, as they say.
    Always,
    /// Not each of them, as they say.
    Lazily,
    /// They were not asked, or not all of them have said.
    #[default]
    Unknown,
}

impl Synced {
    /// Returns it as a word.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Lazily => "lazily",
            Self::Unknown => "unknown",
        }
    }
}

/// The log as of a moment ago.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogView {
    /// The server that this host is connected to, or was last; empty before the first.
    pub server: String,
    /// Whether it is connected.
    pub connected: bool,
    /// When that last changed, microseconds of the server's clock.
    pub since_us: u64,
    /// Whether the servers sync.
    pub synced: Synced,
    /// Connections that were made.
    pub connections: u64,
    /// The other hosts that were heard.
    pub hosts: Vec<(NodeId, Member)>,
    /// What the relay has counted.
    pub counters: Counters,
    /// Bytes of this host's batches on their way into the log, not acknowledged.
    pub unacked_bytes: u64,
    /// Streams that stand still here, with the record that nobody gives.
    pub stuck: Vec<(Origin, Seq)>,
}

/// Shared by the log's thread and those who want to know.
pub struct SharedLog {
    view: Mutex<LogView>,
    /// From sending a message to its acknowledgement by a quorum of the log's servers, microseconds; the log's thread writes it.
    pub ack_us: Stage,
}

impl Default for SharedLog {
    fn default() -> Self {
        Self { view: Mutex::default(), ack_us: Stage::new() }
    }
}

impl SharedLog {
    /// Notes that this host is connected to a server.
    pub fn here(&self, server: &str, synced: Synced, now_us: u64) {
        let mut view = self.view();
        server.clone_into(&mut view.server);
        (view.connected, view.since_us, view.synced) = (true, now_us, synced);
        view.connections += 1;
    }

    /// Notes that it is not, or that another try to be has failed.
    pub fn away(&self, now_us: u64) {
        let mut view = self.view();
        if std::mem::replace(&mut view.connected, false) {
            view.since_us = now_us;
        }
    }

    /// Notes what the relay knows.
    pub fn note(&self, relay: &Relay) {
        let hosts = relay.members().iter().map(|(node, member)| (node, member.clone())).collect();
        let (counters, unacked_bytes, stuck) = (relay.counters(), relay.unacked_bytes(), relay.stuck());
        let mut view = self.view();
        (view.hosts, view.counters, view.unacked_bytes, view.stuck) = (hosts, counters, unacked_bytes, stuck);
    }

    /// Returns a copy of all that is known.
    #[must_use]
    pub fn look(&self) -> LogView {
        self.view().clone()
    }

    fn view(&self) -> MutexGuard<'_, LogView> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn the_time_is_that_of_the_change_and_the_last_server_stays_known() {
        let log = SharedLog::default();
        log.away(5);
        assert_eq!((log.look().since_us, log.look().server.as_str()), (0, ""));
        log.here("nats://a:4222", Synced::Always, 7);
        assert!(log.look().connected && log.look().synced == Synced::Always);
        log.away(9);
        log.away(12);
        let view = log.look();
        assert_eq!((view.since_us, view.connections, view.server.as_str()), (9, 1, "nats://a:4222"));
    }
}
