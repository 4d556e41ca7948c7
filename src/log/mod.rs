//! The journal: what this host keeps, as one sequence of batches.
//!
//! Formats are pure and each lives in one file that writer, reader, recovery and inspector share. Input and output go
//! through [`crate::os::disk::Disk`] only. The bytes are drawn in `docs/journal.md`.
//!
//! ```text
//! record    one change; many make a body            identity  who this directory is
//! batch     header, checksums, chain                snapshot  state at a position
//! frame     where a batch stands in the file        recover   from what a crash left to a journal that goes on
//! segment   one file of frames                      inspect   what is in a directory, changing nothing
//! blobs     contents that records name by their hash
//!
//! append -> staged -> writer -> file                what is committed
//!              |-> tail ----------> reader, scan    what is read back
//! ```

mod anchor;
pub mod append;
pub mod blobs;
mod cut;
pub mod damage;
pub mod frame;
pub mod identity;
pub mod inspect;
pub mod joining;
pub mod known_peer;
pub mod lane;
pub mod mend;
pub mod newcomer;
mod outcome;
pub mod owed;
pub mod reader;
mod reading;
pub mod record;
pub mod recover;
mod remains;
mod replay;
mod resettle;
pub mod scan;
pub mod segment;
pub mod snapshot;
mod source;
pub mod spare;
pub mod staged;
mod tail;
mod tear;
pub mod unfinished;
pub mod unreadable;
pub mod whole_file;
mod window;
pub mod writer;

// The link sends the same batches and names the same streams, so both stand below it and the journal.
pub use crate::base::{batch, streams};
