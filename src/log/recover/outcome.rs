//! What comes of a recovery: its report, or why there is no journal to go on with.

use std::io;

use crate::base::ids::Position;
use crate::base::limits::ORIGINS_MAX;
use crate::log::files::identity::IDENTITY_NAME;
use crate::log::format::damage::{Damage, Located};
use crate::log::format::segment;
use crate::log::snapshot::SnapshotFile;

/// What recovery found and did; worth a line in the log of a start.
#[derive(Debug, Default)]
pub struct Report {
    /// The directory was empty.
    pub is_new: bool,
    /// The snapshot that the state was started from.
    pub snapshot: Option<SnapshotFile>,
    /// Snapshots newer than that one that can't be read. They keep their names until two stand that can.
    pub bad_snapshots: Vec<BadSnapshot>,
    /// Damage before the end of the journal, for which segments were put aside as they are, accepted by the operator.
    pub given_up: Vec<Damage>,
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

/// A snapshot that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadSnapshot {
    /// Its file.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
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
    /// A file can't be read, and not because of the medium.
    #[error(
        "{name} can't be read: {source}. That is no damage and nothing was changed: once it can be read, a start finds \
         everything"
    )]
    Machine {
        /// The file.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of a format that is not known here.
    #[error("{name}: {what}; nothing was changed: install that version again")]
    Later {
        /// The file.
        name: String,
        /// Which format.
        what: String,
    },
    /// No room for a segment that has to be made.
    #[error("no space for a segment")]
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

impl RecoverError {
    /// Makes the error of damage, unless a later program wrote what stands there: that is no damage, and nobody may accept its
    /// loss.
    pub(in crate::log) fn damaged(damage: Box<Damage>) -> Self {
        match damage.at.fault.later() {
            Some(what) => Self::Later { name: segment::name(damage.at.segment), what },
            None => Self::Damaged(damage),
        }
    }
}

impl RecoverError {
    /// Returns what the system said, for those who have words of their own for the rest.
    pub(in crate::log) fn into_io(self) -> io::Error {
        match self {
            Self::Machine { source, .. } | Self::Io { source, .. } => source,
            error => io::Error::other(error),
        }
    }
}

pub(in crate::log) fn io_error(what: &'static str) -> impl Fn(io::Error) -> RecoverError {
    move |source| RecoverError::Io { what, source }
}
