//! What the link counts, for /metrics. The link's thread alone writes them.

use crate::engine::shared::metrics::{Counter, Stage};

/// Why a connection came to nothing, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Failure {
    /// Nobody is there: refused, unreachable, timed out, cut.
    Network,
    /// One of the two does not know the other's key.
    Key,
    /// Another cluster, the own or a copied directory, another history, another version.
    Identity,
    /// The peer broke the protocol, or said that this host did.
    Protocol,
    /// Nothing was heard for too long.
    Silence,
    /// This host could not go on.
    Own,
}

/// Label values of [`Failure`], in its order.
pub const FAILURES: [&str; 6] = ["network", "key", "identity", "protocol", "silence", "own"];

/// The link's shard of the counters.
pub struct Counters {
    /// Sessions established since the start.
    pub sessions: Counter,
    /// Connections that failed, by [`Failure`].
    pub failures: [Counter; FAILURES.len()],
    /// Connections that somebody else than the peer made to the peer port.
    pub strangers: Counter,
    /// Bytes written to the peer's connections, as encrypted.
    pub sent_bytes: Counter,
    /// Bytes read from them.
    pub received_bytes: Counter,
    /// From a batch's commit here to its being durable at the peer, microseconds.
    pub delay_us: Stage,
    /// Time of the last heartbeat's way there and back, microseconds; 0 before the first.
    pub rtt_us: Counter,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            sessions: Counter::default(),
            failures: std::array::from_fn(|_| Counter::default()),
            strangers: Counter::default(),
            sent_bytes: Counter::default(),
            received_bytes: Counter::default(),
            delay_us: Stage::new(),
            rtt_us: Counter::default(),
        }
    }
}

impl Counters {
    /// Counts a connection that failed.
    pub fn failed(&self, failure: Failure) {
        self.failures[failure as usize].add(1);
    }
}
