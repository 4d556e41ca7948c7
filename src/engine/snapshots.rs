//! Snapshots: the previous one and the journal behind it, folded again from the files. The live state is not touched,
//! so a snapshot holds what a start would find, and nothing else.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::shared::Shared;
use crate::apps::registry;
use crate::apps::state::{Applied, Batch, Entry};
use crate::base::ids::Position;
use crate::base::streams::StreamFault;
use crate::log::reader::SegmentInfo;
use crate::log::scan::ReadError;
use crate::log::snapshot::{self, Snapshot};
use crate::os::disk::Disk;

/// Bytes of journal after which the next snapshot is made: they bound the time of a start (about 1 GB/s).
const EVERY_BYTES: u64 = 128 * 1024 * 1024;

/// Why a snapshot could not be made; the next try starts over.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The journal could not be read back.
    #[error("reading the journal: {0}")]
    Read(#[from] ReadError),
    /// The journal does not continue itself.
    #[error("the journal: {0}")]
    Stream(#[from] StreamFault),
    /// The disk.
    #[error("{0}")]
    Disk(#[from] std::io::Error),
    /// The previous snapshot is none of these applications.
    #[error("the previous snapshot: {0}")]
    State(#[from] crate::apps::state::RestoreError),
}

/// Makes snapshots, and remembers where the last one stands.
pub struct Folder {
    /// The newest verified snapshot; one of nothing before the first.
    last: Snapshot,
}

/// A snapshot that was made, with the state it holds.
pub struct Folded {
    applied: Applied,
}

impl Folded {
    /// Whether a start needs no batch of this segment: the snapshot, which was read back when it was stored,
    /// stands behind it, and no record in it is read from the journal by its application.
    #[must_use]
    pub fn makes_unnecessary(&self, segment: &SegmentInfo) -> bool {
        let covered = segment.end.is_some_and(|end| end <= self.applied.position);
        covered && is_unlisted(&self.applied, segment)
    }
}

/// Whether no application lists a record of a finished segment.
fn is_unlisted(applied: &Applied, segment: &SegmentInfo) -> bool {
    segment.end_vector.as_ref().is_some_and(|end| !applied.lists(&segment.start_vector, end))
}

/// The states of all applications as a snapshot has them.
///
/// # Errors
/// A section that is no snapshot of its application's state.
pub fn restore(last: &Snapshot) -> Result<Applied, crate::apps::state::RestoreError> {
    let mut applied = registry::new_applied();
    for (id, bytes) in &last.sections {
        applied.restore(*id, bytes)?;
    }
    applied.position = last.position;
    applied.vector = last.streams.vector();
    applied.time_us = last.time_us;
    Ok(applied)
}

impl Folder {
    /// Goes on from `last`.
    #[must_use]
    pub fn new(last: Snapshot) -> Self {
        Self { last }
    }

    /// The newest snapshot.
    #[must_use]
    pub fn into_last(self) -> Snapshot {
        self.last
    }

    /// Whether a snapshot would shorten the next start, or let the oldest segment go. `may_go` tells of the oldest
    /// segments, which nobody on this host reads any more, whether one of them may be removed.
    #[must_use]
    pub fn is_due(
        &self,
        shared: &Shared,
        segments: &[SegmentInfo],
        may_go: impl FnOnce(&[SegmentInfo]) -> bool,
    ) -> bool {
        let synced = shared.synced.load(Ordering::Acquire);
        let behind = synced.saturating_sub(self.last.position.0);
        if behind == 0 || behind >= EVERY_BYTES {
            return behind > 0;
        }
        let unlisted = {
            let applied = shared.applied.read().unwrap_or_else(PoisonError::into_inner);
            let is_unread = |segment: &&SegmentInfo| !segment.is_pinned && is_unlisted(&applied, segment);
            segments.iter().take_while(is_unread).count()
        };
        // They may go once a snapshot holds the clear that emptied them.
        unlisted > 0 && may_go(&segments[..unlisted])
    }

    /// How many of the oldest segments nobody on this host needs any more by the snapshot there is, if that holds
    /// everything; 0 while something was written since, which is for the next one to say.
    #[must_use]
    pub fn unneeded(&self, shared: &Shared, segments: &[SegmentInfo]) -> usize {
        let applied = shared.applied.read().unwrap_or_else(PoisonError::into_inner);
        if applied.position > self.last.position {
            return 0;
        }
        let is_covered = |segment: &SegmentInfo| segment.end.is_some_and(|end| end <= self.last.position);
        let is_unneeded = |segment: &&SegmentInfo| is_covered(segment) && is_unlisted(&applied, segment);
        segments.iter().take_while(is_unneeded).count()
    }

    /// Folds everything that is durable into a new snapshot and stores it.
    ///
    /// # Errors
    /// See [`FoldError`]; the previous snapshot stays.
    pub fn fold(&mut self, shared: &Shared, disk: &Arc<dyn Disk>) -> Result<Folded, FoldError> {
        let to = Position(shared.synced.load(Ordering::Acquire));
        let mut next = self.last.clone();
        let mut applied = restore(&next)?;
        let mut scan = shared.reader.scan(next.position, to);
        while let Some(batch) = scan.next_batch()? {
            next.follow(&batch)?;
            let first = Entry { origin: batch.origin, seq: batch.first_seq, time_us: batch.time_us };
            applied.apply_batch(&Batch { first, count: batch.count, body: batch.body, end: batch.end });
        }
        drop(scan);
        next.sections = applied.sections();
        snapshot::store(&**disk, &next)?;
        self.last = next;
        Ok(Folded { applied })
    }
}
