//! The engine: where sockets, threads, the clock and the disk meet the pure layers below.
//!
//! ```text
//! worker: wait -> accept -> serve -> publish lane -> commit -> take commits -> write -> expire
//! commit: merge lanes -> stamp -> seal -> stage -> (write, sync) -> apply -> publish
//! ```
//!
//! Workers share nothing but the log: a lane each towards the commit step, a committed position each back from it.

pub mod awaiting;
pub mod background;
mod backoff;
#[cfg(feature = "s3")]
pub mod bucket;
pub mod clockwatch;
pub mod committer;
pub mod connection;
pub mod deadlines;
pub mod decoder;
pub mod descriptors;
pub mod disk;
pub mod exposition;
mod fatal;
pub mod first;
mod folding;
pub mod founding;
pub mod healing;
pub mod held;
pub mod inspection;
pub mod jobs;
pub mod keeper;
pub mod link;
mod listening;
pub mod mailbox;
pub mod memory;
pub mod metrics;
pub mod opening;
pub mod origins;
pub mod outcomes;
pub mod parting;
pub mod peering;
pub mod rebuilding;
pub mod receiving;
pub mod refused;
mod released;
pub mod retention;
pub mod scrub;
mod seats;
pub mod server;
pub mod service;
pub mod settings;
pub mod settling;
pub mod shared;
pub mod snapshots;
pub mod space;
mod starting;
pub mod steering;
pub mod submission;
mod syncer;
pub mod table;
mod told;
pub mod understanding;
pub mod usual;
pub mod vacancy;
pub mod waking;
pub mod worker;
