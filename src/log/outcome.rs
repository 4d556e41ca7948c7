//! What comes of a recovery: its report, or why there is no journal to go on with.

use std::io;

use super::damage::{Damage, Located};
use super::identity::IDENTITY_NAME;
use crate::base::ids::Position;
use crate::base::limits::ORIGINS_MAX;

/// What recovery found and did; worth a line in the log of a start.
#[derive(Debug, Default)]
pub struct Report {
    /// The directory was empty.
    pub is_new: bool,
    /// Where the snapshot stands that the state was started from.
    pub snapshot: Option<Position>,
    /// Snapshots that are damaged or unreadable and were put aside.
    pub bad_snapshots: Vec<Position>,
    /// Damage before the snapshot, for which the segments up to there were put aside, accepted by the operator.
    pub given_up: Option<Damage>,
    /// Batches replayed.
    pub batches: u64,
    /// Bytes of the journal replayed.
    pub bytes: u64,
    /// What was cut off.
    pub cut: Option<Cut>,
}

impl Report {
    /// Notes the files that a torn tail was copied to.
    pub fn note_copies(&mut self, copies: Vec<String>) {
        if let Some(cut) = &mut self.cut {
            cut.copies = copies;
        }
    }
}

/// Bytes that were cut off at the journal's end.
#[derive(Debug)]
pub struct Cut {
    /// Where the journal ends now.
    pub position: Position,
    /// What was not valid there, if it wasn't simply zero.
    pub fault: Option<Located>,
    /// Files that what was cut off was copied to.
    pub copies: Vec<String>,
    /// Acknowledged data that is lost with it, accepted by the operator. Nothing: a torn tail.
    pub loss: Option<Damage>,
}

/// Why the journal can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The disk failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No room for the first segment.
    #[error("no space for the first segment")]
    NoSpace,
    /// There is a journal, and no file that says whose.
    #[error("there is a journal, but the file {IDENTITY_NAME} is missing")]
    NoIdentity,
    /// What the options say can't be.
    #[error("a segment can't have {0} bytes")]
    SegmentSize(u64),
    /// Acknowledged data is damaged.
    #[error("acknowledged data is damaged: {0}")]
    Damaged(Box<Damage>),
    /// Neither a snapshot nor the journal's first segment is there to start from; no option helps.
    #[error("there is nothing to start from: no readable snapshot, and {}", .0)]
    NoBase(Box<Damage>),
    /// As many starts of the process have written as a journal may know.
    #[error("the journal knows {ORIGINS_MAX} origins and has no room for another one")]
    TooManyOrigins,
    /// The one who rebuilds the state refused something.
    #[error("replaying the journal: {0}")]
    Refused(String),
}

pub(super) fn io_error(what: &'static str) -> impl Fn(io::Error) -> RecoverError {
    move |source| RecoverError::Io { what, source }
}
