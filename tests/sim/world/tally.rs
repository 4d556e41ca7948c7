//! What happened in some seeds, added up: a simulation in which nothing happens proves nothing.

use std::collections::BTreeMap;
use std::fmt;

/// How often things happened.
#[derive(Clone, Default)]
pub struct Tally(BTreeMap<&'static str, u64>);

/// Everything that has to happen in a thousand seeds.
const LIVELY: [&str; 29] = [
    "batches sent",
    "blobs gone",
    "blobs sent",
    "blobs wanted",
    "clock jumps",
    "connections",
    "crashes in calls",
    "cut",
    "cut amid an offer",
    "disks lost",
    "doubled",
    "falsified",
    "joined by a snapshot",
    "joining broken off",
    "kept by both",
    "kills",
    "joined",
    "partitions",
    "pictures",
    "power cuts",
    "records",
    "reordered",
    "resyncs",
    "segments filled",
    "segments removed",
    "silent",
    "snapshots",
    "starts folded",
    "violations",
];

impl Tally {
    pub fn count(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }

    pub fn has(&self, what: &str) -> bool {
        self.times(what) > 0
    }

    pub fn times(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    pub fn add(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, times)| self.count(what, *times));
    }

    /// What should have happened and did not.
    pub fn missing(&self) -> Vec<&'static str> {
        LIVELY.into_iter().filter(|what| !self.has(what)).collect()
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
