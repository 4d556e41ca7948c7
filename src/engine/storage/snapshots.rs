//! Snapshots: the previous one and the journal behind it, folded again from the files. The live state is not touched,
//! so a snapshot holds what a start would find, and nothing else.
//!
//! Two files of snapshots are kept that read well, and segments go by what the older one needs: each of the two is a whole
//! way to start. After a clear the second one is another file of the same state, so that the segments can go at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app::applied::{Applied, Batch, EmptyStates, SectionError};
use crate::app::state::Entry;
use crate::app::{old, shelving};
use crate::base::blob::BlobId;
use crate::base::ids::Position;
use crate::base::limits::{BLOCK_BYTES, SNAPSHOTS_KEPT};
use crate::base::streams::StreamFault;
use crate::base::tag::app;
use crate::engine::shared::Shared;
use crate::log::read::reader::SegmentInfo;
use crate::log::read::scan::ReadError;
use crate::log::runs::shelf::Shelf;
use crate::log::snapshot::{self, Snapshot, SnapshotFile};
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
    State(#[from] SectionError),
}

/// Makes snapshots, and remembers which files of them read well.
pub struct SnapshotMaker {
    /// The newest verified snapshot; one of nothing before the first.
    last: Snapshot,
    /// Files that read well, newest first. What was there at a start beside the one that it took counts once it was read.
    kept: Vec<Kept>,
    /// A file did not read well: another one is made as soon as there is anything to put into it.
    is_short: bool,
    empty: EmptyStates,
    shelf: Option<Shelf>,
    /// Which runs each file of a snapshot names that was looked at.
    named: BTreeMap<SnapshotFile, BTreeSet<BlobId>>,
}

/// A snapshot's file, and what a start from it needs.
#[derive(Clone, Copy)]
struct Kept {
    file: SnapshotFile,
    /// The first segment that is needed; nothing while it is not known.
    needs_from: Option<u32>,
}

/// Returns whether no application lists a record of a finished segment.
fn is_unlisted(applied: &Applied, segment: &SegmentInfo) -> bool {
    segment.end_vector.as_ref().is_some_and(|end| !applied.lists(&segment.start_vector, end))
}

/// Returns the states of all applications as a snapshot has them.
///
/// # Errors
/// Fails on a section that is not a snapshot of its application's state, and if a run on the shelf can't be opened.
pub fn restore(last: &Snapshot, empty: EmptyStates, shelf: Option<&Shelf>) -> Result<Applied, SectionError> {
    let mut applied = empty().with_shelf(shelf.cloned());
    for (id, bytes) in &last.sections {
        applied.restore(*id, bytes)?;
    }
    applied.stand_at(last.position, last.streams.vector(), last.time_us);
    Ok(applied)
}

/// Returns the first segment that a start needs from a snapshot of this state: for what stands behind its position, or because
/// records in it are listed.
pub fn needs_from(applied: &Applied, segments: &[SegmentInfo]) -> u32 {
    // A snapshot at the very end of a segment stands in it, and a start reads the header of the one it stands in.
    let is_unneeded = |segment: &&SegmentInfo| {
        segment.end.is_some_and(|end| end < applied.position) && is_unlisted(applied, segment)
    };
    let next = segments.get(segments.iter().take_while(is_unneeded).count());
    next.map_or(0, |segment| segment.number)
}

impl SnapshotMaker {
    /// Goes on from `last`, the snapshot that the start took. `is_short` says that a newer one could not be read.
    #[must_use]
    pub fn new(
        last: Snapshot,
        file: Option<SnapshotFile>,
        is_short: bool,
        empty: EmptyStates,
        shelf: Option<Shelf>,
    ) -> Self {
        let kept = file.map(|file| Kept { file, needs_from: None }).into_iter().collect();
        Self { last, kept, is_short, empty, shelf, named: BTreeMap::new() }
    }

    /// Returns the newest snapshot, and its file if there is one.
    #[must_use]
    pub fn into_last(self) -> (Snapshot, Option<SnapshotFile>) {
        (self.last, self.kept.first().map(|kept| kept.file))
    }

    /// Returns the room for two more files such as the newest, bytes: what a clear needs before it gives room back.
    #[must_use]
    pub fn reserve_bytes(&self) -> u64 {
        2 * (self.last.encoded_bytes() as u64).next_multiple_of(BLOCK_BYTES as u64)
    }

    /// Returns whether a snapshot would shorten the next start, or let the oldest segment go, or be the second one that reads
    /// well. `may_go` tells of the oldest segments, which nobody on this host reads any more, whether one of them may be
    /// removed.
    #[must_use]
    pub fn is_due(
        &mut self,
        shared: &Shared,
        segments: &[SegmentInfo],
        may_go: impl FnOnce(&[SegmentInfo]) -> bool,
    ) -> bool {
        let has_many_young = self.has_many_young(shared);
        if has_many_young {
            // In `memory` nobody else asks for a sync, and only what is durable leaves the memory.
            shared.reach.want_sync();
            shared.disk.wake();
        }
        let synced = shared.reach.synced();
        let behind = synced.saturating_sub(self.last.position.0);
        if behind == 0 || behind >= EVERY_BYTES || self.lacks_one() || has_many_young {
            return behind > 0;
        }
        let unlisted = {
            let applied = shared.applied.read();
            let is_unread = |segment: &&SegmentInfo| !segment.is_pinned && is_unlisted(&applied, segment);
            segments.iter().take_while(is_unread).count()
        };
        // They may go once a snapshot holds the clear that emptied them.
        let Some(last) = unlisted.checked_sub(1).and_then(|last| segments.get(last)) else { return false };
        last.number >= self.newest_needs_from(segments) && may_go(&segments[..unlisted])
    }

    /// Returns whether another file of the newest snapshot would let segments go that the file before it keeps, or is lacking.
    #[must_use]
    pub fn is_copy_due(
        &mut self,
        segments: &[SegmentInfo],
        may_go: impl FnOnce(&[SegmentInfo]) -> bool,
    ) -> bool {
        if self.kept.is_empty() || self.lacks_one() {
            return !self.kept.is_empty();
        }
        let by_newest = count_before(segments, self.newest_needs_from(segments));
        by_newest > self.unneeded(segments) && may_go(&segments[..by_newest])
    }

    /// Stores the newest snapshot once more, in a file of its own.
    ///
    /// # Errors
    /// Returns the error of the disk; what was there stays.
    pub fn copy(&mut self, disk: &dyn Disk) -> std::io::Result<()> {
        let needs_from = self.kept.first().and_then(|newest| newest.needs_from);
        let files = snapshot::store(disk, &self.last)?;
        self.keep(&files, needs_from);
        Ok(())
    }

    fn has_two(&self) -> bool {
        self.kept.len() >= SNAPSHOTS_KEPT
    }

    /// Returns how many of the oldest segments no start needs, whichever of the two snapshots it takes.
    #[must_use]
    pub fn unneeded(&self, segments: &[SegmentInfo]) -> usize {
        if !self.has_two() {
            return 0;
        }
        let needed = self.kept.iter().map(|kept| kept.needs_from.unwrap_or(0)).min();
        count_before(segments, needed.unwrap_or(0))
    }

    /// Folds everything that is durable into a new snapshot and stores it.
    ///
    /// # Errors
    /// Fails as [`FoldError`] says; the previous snapshot stays.
    pub fn fold(&mut self, shared: &Shared, disk: &Arc<dyn Disk>) -> Result<(), FoldError> {
        let to = Position(shared.reach.synced());
        let mut next = self.last.clone();
        let mut applied = restore(&next, self.empty, self.shelf.as_ref())?;
        self.learn(&applied, &shared.reader.segments());
        let mut scan = shared.reader.scan(next.position, to);
        while let Some(batch) = scan.next_batch()? {
            next.follow(&batch)?;
            let first = Entry { origin: batch.origin, seq: batch.first_seq, time_us: batch.time_us };
            applied.apply_batch(&Batch { first, count: batch.count, body: batch.body, end: batch.end });
        }
        drop(scan);
        let ageing = applied.age(self.young_bytes(shared))?;
        next.sections = applied.sections();
        let files = snapshot::store(&**disk, &next)?;
        self.last = next;
        self.keep(&files, Some(needs_from(&applied, &shared.reader.segments())));
        drop(applied);
        shelving::adopt(&shared.applied, &ageing);
        shared.metrics.runs_merged.add(ageing.merged);
        if let Err(error) = self.sweep(&**disk) {
            tracing::warn!(%error, "can't remove a run that no snapshot names; the next snapshot's fold tries again");
        }
        Ok(())
    }

    /// Returns how many bytes the items of an application may take in memory. A snapshot is written as a whole, so none is made
    /// for less than an eighth of it.
    fn young_bytes(&self, shared: &Shared) -> u64 {
        (shared.limits().young_bytes as u64).max(self.last.encoded_bytes() as u64 / 8)
    }

    fn has_many_young(&self, shared: &Shared) -> bool {
        let young_bytes = shared.applied.read().young_bytes();
        self.shelf.is_some() && young_bytes > self.young_bytes(shared)
    }

    /// Removes the runs that no snapshot names. While one of these can't be read, all stay.
    fn sweep(&mut self, disk: &dyn Disk) -> std::io::Result<()> {
        let Some(shelf) = &self.shelf else { return Ok(()) };
        let files = snapshot::files(disk)?;
        self.named.retain(|file, _| files.contains(file));
        for file in files {
            if self.named.contains_key(&file) {
                continue;
            }
            let Ok(snapshot) = snapshot::load(disk, file) else { return Ok(()) };
            let Some(named) = snapshot.section(app::RUNS).map_or(Some(BTreeSet::new()), old::named_in) else {
                return Ok(());
            };
            self.named.insert(file, named);
        }
        let all = self.named.values().flatten().copied().collect();
        shelf.sweep(&all).map(drop)
    }

    /// Takes over which files read well. The first of them was just made; the others are known or need everything.
    fn keep(&mut self, files: &[SnapshotFile], needs_from_of_made: Option<u32>) {
        let known = std::mem::take(&mut self.kept);
        let needs_from_of = |file: &SnapshotFile| {
            known.iter().find(|kept| kept.file == *file).and_then(|kept| kept.needs_from)
        };
        let made = files.iter().take(1).map(|&file| Kept { file, needs_from: needs_from_of_made });
        let others = files.iter().skip(1).map(|&file| Kept { file, needs_from: needs_from_of(&file) });
        self.kept = made.chain(others).collect();
        self.is_short |= self.kept.len() < SNAPSHOTS_KEPT.min(known.len() + 1);
    }

    fn lacks_one(&self) -> bool {
        self.is_short && !self.has_two()
    }

    /// Returns the first segment that the newest snapshot needs; for the one that a start took, it is found out when it matters.
    fn newest_needs_from(&mut self, segments: &[SegmentInfo]) -> u32 {
        if self.kept.first().is_some_and(|newest| newest.needs_from.is_none())
            && let Ok(applied) = restore(&self.last, self.empty, self.shelf.as_ref())
        {
            self.learn(&applied, segments);
        }
        self.kept.first().and_then(|newest| newest.needs_from).unwrap_or(0)
    }

    /// Notes what the newest snapshot needs, whose state `applied` is.
    fn learn(&mut self, applied: &Applied, segments: &[SegmentInfo]) {
        if let Some(newest) = self.kept.first_mut() {
            newest.needs_from.get_or_insert_with(|| needs_from(applied, segments));
        }
    }
}

/// Returns how many segments stand before the one with this number.
fn count_before(segments: &[SegmentInfo], number: u32) -> usize {
    segments.iter().take_while(|segment| segment.number < number).count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::ids::Position;
    use crate::base::vector::VersionVector;

    #[test]
    fn the_segment_that_a_snapshot_stands_at_the_end_of_is_needed() {
        let segment = |number: u32| SegmentInfo {
            number,
            start_vector: Arc::new(VersionVector::new()),
            end_vector: Some(Arc::new(VersionVector::new())),
            end: Some(Position(100 * u64::from(number))),
            is_pinned: false,
        };
        let segments = [1, 2, 3].map(segment);
        let needed = |position| {
            let mut applied = Applied::default();
            applied.position = Position(position);
            needs_from(&applied, &segments)
        };
        assert_eq!(needed(199), 2);
        assert_eq!(needed(200), 2, "a start reads the header of the segment that its snapshot stands in");
        assert_eq!(needed(201), 3);
    }
}
