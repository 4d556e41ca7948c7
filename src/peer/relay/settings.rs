//! Whose relay it is, and what it counts.

use crate::base::ids::{ClusterId, Origin};
use crate::base::kinds::Kinds;

/// Whose relay it is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The cluster.
    pub cluster: ClusterId,
    /// The host's directory, and this start of its process.
    pub host: Origin,
    /// The log as its hosts know it: [`log_node`](super::log_node), and a random number that stays for the life of the process.
    pub log: Origin,
    /// The line of descent that the host's records are of.
    pub lineage: u64,
    /// Which kinds of records the host understands.
    pub kinds: Kinds,
    /// The host's directory is joining: it has to be told what the others had when they met.
    pub is_joining: bool,
    /// The least time that the log's answer is waited for, microseconds: where answers vary, as those of a bucket, a message that is sent
    /// again costs more than waiting.
    pub late_us_min: u64,
}

/// What was counted since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records of this host that the log keeps.
    pub published_records: u64,
    /// Records of other hosts that this host has received.
    pub received_records: u64,
    /// Messages of other hosts that were read.
    pub messages: u64,
    /// Messages that were damaged.
    pub damaged: u64,
    /// Flights that ended with a message that was refused or late.
    pub flights_ended: u64,
    /// How often the log has forgotten what it had acknowledged.
    pub regressions: u64,
    /// Gaps in streams of the log.
    pub gaps: u64,
    /// Questions to other hosts.
    pub asked: u64,
    /// Pictures that neither the log nor a host gave, and that the host was told are gone.
    pub pictures_gone: u64,
}
