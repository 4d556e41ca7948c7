//! Backups: a data directory is copied to another place beside its server, and put back from there.
//!
//! ```text
//! round:   contents -> runs -> segments, oldest first -> tail -> snapshots -> small files, the identity last
//! restore: mark -> runs -> contents -> segments up to the instant -> snapshot -> identity -> mark goes
//! ```
//!
//! A target is a data directory itself, in the formats of one: whatever is copied first is named by nothing before what comes
//! later is there, so a round may be killed anywhere. It keeps segments and snapshots that the source has removed.

#[cfg(feature = "s3")]
mod bucket;
mod choice;
mod error;
mod folder;
mod place;
mod reached;
pub mod restore;
pub mod round;
mod target;

pub use error::BackupError;
pub use place::Place;
