//! The journal: what this host keeps, as one sequence of batches.
//!
//! Formats are pure and each lives in one file that writer, reader, recovery and inspector share. Input and output go
//! through [`crate::os::disk::Disk`] only. The bytes are drawn in `docs/journal.md`.
//!
//! ```text
//! append -> staged -> writer -> file                what is committed
//!              |-> tail ----------> reader, scan    what is read back
//! ```
//!
//! # Rooms
//!
//! A room uses those below it only; `tests/architecture/main.rs` holds that. The lane is used by workers and by the commit
//! step, and by nothing in here.
//!
//! ```text
//! 5  inspect | copy
//! 4  recover
//! 3  snapshot
//! 2  read
//! 1  write | runs
//! 0  format | files | blobs | lane
//! ```

// Keeps contents that records name by their hash, and what is known to be wrong with them.
pub mod blobs;
// Follows a journal from beside its server, and copies its files.
pub mod copy;
// Replaces the small files of the directory as a whole: who it is, who its peer is, whether it is a newcomer.
pub mod files;
// Draws the bytes: a record, the frame of a batch, a segment, and how damage in them is described.
pub mod format;
// Says what is in a directory, and changes nothing.
pub mod inspect;
// Takes the records of one worker to the commit step, without a lock.
pub mod lane;
// Reads the journal while it grows.
pub mod read;
// Makes of what a crash left a journal that goes on.
pub mod recover;
// Holds old items of applications in files that are never changed.
pub mod runs;
// Holds the state at a position of the journal.
pub mod snapshot;
// Appends batches: seals, stages, writes and syncs them, into segments made ahead.
pub mod write;

// The link sends the same batches and names the same streams, so both stand below it and the journal.
pub use crate::base::{batch, streams};
