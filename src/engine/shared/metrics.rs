//! What the server counts: shards that each thread writes alone, added up when somebody asks.
//!
//! A counter has one writer, which stores old plus new without an atomic read-modify-write; readers may see it a moment
//! late, never torn. Times go into HDR histograms, a sample per group of requests that shared the time, not per request.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use hdrhistogram::Histogram;

use crate::http::status::STATUSES;

/// A number that one thread changes and any thread reads.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the counter's own thread may call this.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Replaces the value (a gauge). Only its own thread may call this.
    #[inline]
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// Returns the value as of a moment ago.
    #[inline]
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Requests by route and status.
pub struct RequestTable {
    rows: Vec<[Counter; STATUSES.len()]>,
}

impl RequestTable {
    fn new(routes: usize) -> Self {
        // One row more: requests that no route took.
        Self { rows: (0..=routes).map(|_| std::array::from_fn(|_| Counter::default())).collect() }
    }

    /// Counts `n` answers of `status` on `route`; a route beyond the table stands for "none".
    #[inline]
    pub fn count(&self, route: usize, status: u16, n: u64) {
        let of = |wanted: u16| STATUSES.iter().position(|(known, _)| *known == wanted);
        // Any other one would be a mistake of this server.
        let column = of(status).or_else(|| of(500)).expect("500 is known");
        self.rows[route.min(self.rows.len() - 1)][column].add(n);
    }

    /// Returns every cell that is not zero: route (the number of routes stands for none), status, count.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u16, u64)> + '_ {
        let rows = self.rows.iter().enumerate();
        let cells = rows.flat_map(|(route, row)| {
            row.iter().zip(STATUSES).map(move |(counter, (status, _))| (route, status, counter.value()))
        });
        cells.filter(|cell| cell.2 > 0)
    }
}

/// Why a request or a connection was turned away before any application saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Reject {
    /// Too many connections.
    Connections,
    /// A lane stayed full.
    LaneFull,
    /// No space left above the reserve.
    DiskFull,
    /// A malformed request, or one over a limit.
    BadRequest,
    /// The header or the body came too slowly.
    Slow,
    /// A client that does not read its answers.
    Stalled,
    /// Too many bodies in memory, or too many jobs waiting.
    Busy,
    /// A level of durability that this server does not have.
    Durability,
    /// A host that does not have everything of the first host of its cluster yet.
    Joining,
    /// The disk fails.
    DiskFault,
    /// A host that the peer can't bring forward any more.
    LeftBehind,
    /// A host that has no seat yet.
    Seatless,
    /// The data directory can't be written.
    ReadOnly,
    /// No token, or an unknown one.
    Token,
    /// A token without the scope.
    Scope,
    /// Too many handshakes of TLS are under way.
    Handshakes,
    /// Too many requests of an address or a token.
    Rate,
    /// Too many connections of an address.
    Address,
    /// A name that this server does not go by.
    Host,
    /// A page of another site.
    Site,
    /// A connection that a proxy did not announce.
    Proxy,
    /// A body with a coding.
    Coding,
}

/// Label values of [`Reject`], in its order.
pub const REJECTS: [&str; 22] = [
    "connections",
    "lane_full",
    "disk_full",
    "bad_request",
    "slow",
    "stalled",
    "busy",
    "durability",
    "joining",
    "disk_fault",
    "left_behind",
    "seatless",
    "read_only",
    "token",
    "scope",
    "handshakes",
    "rate",
    "address",
    "host",
    "site",
    "proxy",
    "coding",
];

/// One worker's shard.
pub struct WorkerMetrics {
    /// The thread's id, for its CPU time.
    pub thread: AtomicI32,
    /// Answers by route and status.
    pub requests: RequestTable,
    /// Connections taken from the listeners.
    pub accepted: Counter,
    /// Handshakes of TLS that made a new session.
    pub handshakes_full: Counter,
    /// Those that went on with an earlier one.
    pub handshakes_resumed: Counter,
    /// Those that failed.
    pub handshakes_failed: Counter,
    /// Connections now open (a gauge).
    pub connections: Counter,
    /// Connections with a request under way at the end of the last turn that changed it (a gauge).
    pub active: Counter,
    /// Writes that were answered 504 while the disk has no room for their batch.
    pub overdue: Counter,
    /// Bytes read from sockets.
    pub read_bytes: Counter,
    /// Bytes written to sockets.
    pub written_bytes: Counter,
    /// Turns of the loop.
    pub turns: Counter,
    /// Turns that began by waking from a sleep.
    pub wakeups: Counter,
    /// Calls of recv.
    pub recvs: Counter,
    /// Calls of send.
    pub sends: Counter,
    /// Rejections by [`Reject`].
    pub rejects: [Counter; REJECTS.len()],
    /// From reading a write to its commit, in microseconds.
    pub commit_wait_us: Stage,
    /// From reading a write at `both` to its answer, in microseconds.
    pub peer_wait_us: Stage,
    /// Writes at `both` or `cluster` that were answered 504, because the peer, or the log, did not have them in time.
    pub peer_late: Counter,
}

/// Times of one stage of a request, in whole units of the caller's choice (microseconds everywhere here).
pub struct Stage {
    histogram: Mutex<Histogram<u64>>,
}

impl Stage {
    /// Makes an empty histogram from 1 us to 100 s with two significant digits: 14 KiB.
    #[must_use]
    pub(super) fn new() -> Self {
        let histogram =
            Histogram::new_with_bounds(1, 100_000_000, 2).expect("bounds that hdrhistogram takes");
        Self { histogram: Mutex::new(histogram) }
    }

    /// Records `count` samples of `us`. The lock is only ever contended by a scrape, for the length of a copy.
    pub fn record(&self, us: u64, count: u64) {
        let mut histogram = self.histogram.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        histogram.saturating_record_n(us, count);
    }

    /// Returns a copy of what was recorded so far.
    #[must_use]
    pub fn copy(&self) -> Histogram<u64> {
        self.histogram.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// The commit step's shard, written by whoever holds the token, and the disk thread's.
pub struct CommitMetrics {
    /// The disk thread's id, for its CPU time.
    pub disk_thread: AtomicI32,
    /// Batches of this host's own records committed.
    pub batches: Counter,
    /// Its own records committed.
    pub records: Counter,
    /// Those of them that are short.
    pub short_records: Counter,
    /// Batches that arrived from the peer and are committed.
    pub peer_batches: Counter,
    /// Their records.
    pub peer_records: Counter,
    /// Bytes of frames written to the journal.
    pub journal_bytes: Counter,
    /// Syncs (durable writes) done.
    pub syncs: Counter,
    /// The time of this process's last batch, microseconds since 1970 (a gauge).
    pub own_time_us: Counter,
    /// Where the journal ends in memory (a gauge).
    pub end_position: Counter,
    /// Up to where the disk has it (a gauge; changed by the disk thread only).
    pub synced_position: Counter,
    /// A durable write or a sync, in microseconds.
    pub sync_us: Stage,
    /// Merging, sealing and staging a batch, in microseconds.
    pub merge_us: Stage,
    /// Applying a batch, in microseconds.
    pub apply_us: Stage,
}

/// Everything the server counts.
pub struct Metrics {
    /// Runs that were merged into others.
    pub runs_merged: Counter,
    /// The scrub's; what was mended is the link's.
    pub scrub: ScrubMetrics,
    /// A shard per worker, which has a way of its own to it.
    pub workers: Vec<Arc<WorkerMetrics>>,
    /// The commit step's and the disk thread's.
    pub commit: CommitMetrics,
    /// Pieces of streamed answers made by job threads; each job thread has its own counter.
    pub job_pieces: Vec<Counter>,
    /// Snapshots that the start could not read (a gauge; set once).
    pub snapshots_unreadable: Counter,
}

/// What the scrub has looked at.
#[derive(Default)]
pub struct ScrubMetrics {
    /// Blobs that were read.
    pub blobs: Counter,
    /// Bytes of them.
    pub bytes: Counter,
    /// Rounds through all of them.
    pub passes: Counter,
    /// Blobs that were fetched from the peer; the link's thread counts them.
    pub mended: Counter,
}

impl Metrics {
    /// Shards for `workers` and `jobs` threads and `routes` routes.
    #[must_use]
    pub fn new(workers: usize, jobs: usize, routes: usize) -> Self {
        Self {
            runs_merged: Counter::default(),
            scrub: ScrubMetrics::default(),
            workers: (0..workers).map(|_| Arc::new(WorkerMetrics::new(routes))).collect(),
            commit: CommitMetrics::new(),
            job_pieces: (0..jobs).map(|_| Counter::default()).collect(),
            snapshots_unreadable: Counter::default(),
        }
    }
}

impl WorkerMetrics {
    fn new(routes: usize) -> Self {
        Self {
            thread: AtomicI32::new(0),
            requests: RequestTable::new(routes),
            accepted: Counter::default(),
            handshakes_full: Counter::default(),
            handshakes_resumed: Counter::default(),
            handshakes_failed: Counter::default(),
            connections: Counter::default(),
            active: Counter::default(),
            read_bytes: Counter::default(),
            written_bytes: Counter::default(),
            turns: Counter::default(),
            wakeups: Counter::default(),
            recvs: Counter::default(),
            sends: Counter::default(),
            rejects: Default::default(),
            overdue: Counter::default(),
            commit_wait_us: Stage::new(),
            peer_wait_us: Stage::new(),
            peer_late: Counter::default(),
        }
    }
}

impl CommitMetrics {
    fn new() -> Self {
        Self {
            disk_thread: AtomicI32::new(0),
            batches: Counter::default(),
            records: Counter::default(),
            short_records: Counter::default(),
            peer_batches: Counter::default(),
            peer_records: Counter::default(),
            journal_bytes: Counter::default(),
            syncs: Counter::default(),
            own_time_us: Counter::default(),
            end_position: Counter::default(),
            synced_position: Counter::default(),
            sync_us: Stage::new(),
            merge_us: Stage::new(),
            apply_us: Stage::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let table = RequestTable::new(2);
        table.count(0, 200, 3);
        table.count(1, 422, 1);
        table.count(7, 404, 1);
        table.count(1, 299, 1);
        assert_eq!(table.iter().collect::<Vec<_>>(), [(0, 200, 3), (1, 422, 1), (1, 500, 1), (2, 404, 1)]);
        let each = RequestTable::new(1);
        STATUSES.iter().for_each(|(status, _)| each.count(0, *status, 1));
        assert!(each.iter().map(|(_, status, _)| status).eq(STATUSES.map(|(status, _)| status)));
    }

    #[test]
    fn a_stage_keeps_count_and_size() {
        let stage = Stage::new();
        stage.record(0, 1);
        stage.record(1_000, 9);
        stage.record(u64::MAX, 1);
        let copy = stage.copy();
        assert_eq!(copy.len(), 11);
        assert!((copy.value_at_quantile(0.5) as f64 - 1_000.0).abs() < 10.0);
    }
}
