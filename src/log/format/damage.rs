//! What is wrong with a journal, in words that an operator can act on.

use std::fmt;
use std::io;

use super::frame::FrameFault;
use super::segment::{self, SegmentError};
use crate::base::ids::{Origin, Position, Seq};
use crate::base::vector::VersionVector;
use crate::log::batch::BatchError;
use crate::log::streams::StreamFault;

/// What is wrong at a place.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No frame where one is due.
    #[error("{0}")]
    Frame(#[from] FrameFault),
    /// A frame that doesn't continue its stream.
    #[error("{0}")]
    Stream(#[from] StreamFault),
    /// No header where one is due.
    #[error("{0}")]
    Header(#[from] SegmentError),
    /// A segment that doesn't continue the one before.
    #[error("the segment does not continue the one before")]
    Break,
    /// Zeros where later bytes say that something was written.
    #[error("the journal ends here, although more was written")]
    Lost,
    /// The file is missing.
    #[error("the file is missing")]
    Missing,
    /// The disk can't read it.
    #[error("it can't be read: {0}")]
    Unreadable(io::Error),
}

/// A fault and where it is.
#[derive(Debug)]
pub struct Located {
    /// Number of the segment.
    pub segment: u32,
    /// Offset in its file, bytes.
    pub offset: u64,
    /// What is wrong there.
    pub fault: Fault,
}

impl Fault {
    /// Returns whether no crash can leave this behind, whatever was synced: the disk fails, a file is gone, or a later program
    /// or another history wrote what stands there.
    pub(in crate::log) fn is_never_a_tear(&self) -> bool {
        match self {
            Self::Missing | Self::Unreadable(_) | Self::Stream(_) | Self::Break => true,
            Self::Frame(fault) => matches!(fault, FrameFault::Batch(BatchError::Version(_))),
            Self::Header(fault) => matches!(fault, SegmentError::Version(_) | SegmentError::Foreign),
            Self::Lost => false,
        }
    }
}

impl Fault {
    /// Returns what a later program wrote there, if one did.
    pub(in crate::log) fn later(&self) -> Option<String> {
        let is_later = match self {
            Self::Frame(fault) => matches!(fault, FrameFault::Batch(BatchError::Version(_))),
            Self::Header(fault) => matches!(fault, SegmentError::Version(_)),
            _ => false,
        };
        is_later.then(|| self.to_string())
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}: {}", segment::name(self.segment), self.offset, self.fault)
    }
}

/// Records that were acknowledged and are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingRecords {
    /// Their stream.
    pub origin: Origin,
    /// The first one's number.
    pub first: Seq,
    /// The last one's number, as far as anything still tells.
    pub last: Seq,
}

/// Returns the records above `from` up to `to`, stream by stream.
pub(in crate::log) fn missing_between(from: &VersionVector, to: &VersionVector) -> Vec<MissingRecords> {
    to.iter()
        .map(|(origin, last)| MissingRecords { origin, first: from.seq_of(origin).saturating_add(1), last })
        .filter(|part| part.first <= part.last)
        .collect()
}

/// Acknowledged data is damaged.
#[derive(Debug)]
pub struct Damage {
    /// The first fault.
    pub at: Located,
    /// Up to here the journal can be read.
    pub readable_to: Position,
    /// Up to here something says that it was durable; `readable_to` if only the fault itself tells.
    pub synced_to: Position,
    /// What is missing, as far as the bytes behind the fault and the snapshots tell.
    pub missing: Vec<MissingRecords>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)?;
        if self.synced_to > self.readable_to {
            let bytes = self.synced_to.0 - self.readable_to.0;
            write!(f, "; {bytes} bytes from position {} on were durable", self.readable_to)?;
        }
        if self.missing.is_empty() {
            return f.write_str("; which records are missing can't be told");
        }
        f.write_str("; missing:")?;
        for part in &self.missing {
            write!(f, " {} records {} to {}", part.origin, part.first, part.last)?;
        }
        Ok(())
    }
}
