//! The engine: where sockets, threads, the clock and the disk meet the pure layers below.
//!
//! ```text
//! worker: wait -> accept -> serve -> publish -> start_commit -> take_commits -> write -> expire
//! commit: merge lanes -> stamp -> seal -> stage -> (write, sync) -> apply -> publish
//! ```
//!
//! Workers share nothing but the log: a lane each towards the commit step, a committed position each back from it.
//!
//! # Rooms
//!
//! A room uses those below it only; `tests/architecture` holds that.
//!
//! ```text
//! 5  backup
//! 4  lifecycle
//! 3  link | shared_log
//! 2  worker | replication | status
//! 1  commit | storage | jobs | views | bucket
//! 0  shared
//! ```

// Copies a data directory to another place and back.
pub mod backup;
// Lets other servers and tools copy pictures to and from a bucket.
#[cfg(feature = "s3")]
pub mod bucket;
// Makes records durable and visible: the commit step, run by the disk thread or by a worker.
pub mod commit;
// Does what would keep a worker from its sockets: job threads, work in the background, the decoder's process.
pub(crate) mod jobs;
// Starts and ends a server: whose directory this is, recovery, threads, hand-over, the end.
pub mod lifecycle;
// Keeps the connections to the peer: dialing, TLS, greeting, and the thread that drives them.
pub(crate) mod link;
// Does what the peer's session asks for: ships batches, takes what arrives, joins, notices that two hosts parted.
pub mod replication;
// Holds what threads share: flags, mailboxes, counters, settings, free space, the queues to and from the link.
pub mod shared;
// Puts the log that many hosts share in the peer's place: the relay's thread, and its port to NATS or to a bucket.
#[cfg(any(feature = "nats", feature = "s3"))]
pub mod shared_log;
// Shows how the server stands: /metrics, /status, /readyz.
pub(crate) mod status;
// Looks after the data directory: spare segments, snapshots, what may go, sound pictures, the start's debt.
pub mod storage;
// Follows the journal beside the commit step, for the applications' views.
pub mod views;
// Serves clients: one event loop a core, from the socket to the lane and back.
pub(crate) mod worker;
