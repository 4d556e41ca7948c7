//! Rebuilding the state from what a data directory holds: the snapshot, the batches behind it, and a look whether the
//! journal still begins where the state's list does.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::applied::{Applied, Batch, EmptyStates};
use crate::app::pieces::shorts_of;
use crate::app::state::Entry;
use crate::base::ids::{Origin, Position};
use crate::base::kinds::Kinds;
use crate::base::vector::VersionVector;
use crate::engine::shared::understanding;
use crate::engine::storage::snapshots;
use crate::log::read::reader::Reader;
use crate::log::read::scan::ReadError;
use crate::log::recover::owed::Owed;
use crate::log::recover::{self, OpenOptions, Opened, RecoverError, Replay};
use crate::log::runs::shelf::Shelf;
use crate::log::snapshot::Snapshot;
use crate::os::disk::Disk;

/// A data directory that was recovered: its journal, what is owed to the disk, and its state.
pub struct Replayed {
    /// The journal.
    pub opened: Opened,
    /// What has to be written before the first record.
    pub owed: Owed,
    /// The state, and the snapshot that it began with.
    pub rebuilding: Rebuilding,
}

/// Recovers a directory's journal, and rebuilds the state from its snapshot and the batches behind that. What a start of the
/// server, the simulator and the tests of the commit step begin with.
///
/// # Errors
/// Fails as [`recover::look`] does, and if a snapshot or a batch is of a program that knows more.
pub fn replayed(
    disk: &Arc<dyn Disk>,
    options: &OpenOptions,
    empty: EmptyStates,
) -> Result<Replayed, RecoverError> {
    let mut rebuilding = Rebuilding::new(options.accept_loss, empty, Shelf::new(disk.clone()));
    let (opened, owed) = recover::look(disk, options, &mut |replay| rebuilding.take(replay))?;
    rebuilding.applied().position = opened.appender.position();
    Ok(Replayed { opened, owed, rebuilding })
}

/// The state as far as it was replayed.
pub struct Rebuilding {
    applied: Option<Applied>,
    /// The snapshot that it began with.
    pub last: Option<Snapshot>,
    /// A list is to begin with the journal, whatever the state says.
    accept_loss: bool,
    /// Records before the journal's beginning are listed and lost: how far each stream had come there.
    lost_before: Option<VersionVector>,
    empty: EmptyStates,
    shelf: Shelf,
    /// What those applications understand.
    kinds: Kinds,
}

impl Rebuilding {
    /// Returns the empty states of the applications that `empty` makes, whose old items are on `shelf`. With `accept_loss` a list may begin before the journal
    /// does.
    #[must_use]
    pub fn new(accept_loss: bool, empty: EmptyStates, shelf: Shelf) -> Self {
        let kinds = empty().kinds();
        Self { applied: None, last: None, accept_loss, lost_before: None, empty, shelf, kinds }
    }

    /// Takes the next thing that is replayed.
    ///
    /// # Errors
    /// Fails on a snapshot of other applications, and on segments that are missing although records in them are listed.
    pub fn take(&mut self, replay: Replay<'_>) -> Result<(), String> {
        match replay {
            Replay::Snapshot(snapshot) => {
                self.applied = Some(
                    snapshots::restore(snapshot, self.empty, Some(&self.shelf))
                        .map_err(|error| error.to_string())?,
                );
                self.last = Some(snapshot.clone());
            }
            Replay::Batch(batch) => {
                understanding::of_journal(batch, &self.kinds)?;
                let first = Entry { origin: batch.origin, seq: batch.first_seq, time_us: batch.time_us };
                let batch = Batch { first, count: batch.count, body: batch.body, end: batch.end };
                self.applied().apply_batch(&batch);
            }
            Replay::Oldest(oldest) => {
                let start = oldest.streams.vector();
                if self.applied().lists(&VersionVector::new(), &start) {
                    if !self.accept_loss {
                        return Err("records before the oldest segment are listed".to_owned());
                    }
                    self.lost_before = Some(start);
                }
            }
        }
        Ok(())
    }

    /// Returns the state, and leaves an empty one.
    #[must_use]
    pub fn take_applied(&mut self) -> Applied {
        let empty = (self.empty)();
        std::mem::replace(self.applied(), empty)
    }

    /// Returns the state.
    pub fn applied(&mut self) -> &mut Applied {
        let blank = || (self.empty)().with_shelf(Some(self.shelf.clone()));
        self.applied.get_or_insert_with(blank)
    }

    /// Takes lost records off the list, so that the count is that of the rows there are; gives whether there were any.
    ///
    /// # Errors
    /// Fails if the journal can't be read.
    pub fn lose(&mut self, reader: &Reader, end: Position) -> Result<bool, ReadError> {
        let Some(start) = self.lost_before.take() else { return Ok(false) };
        let mut shorts: BTreeMap<Origin, u64> = BTreeMap::new();
        let mut scan = reader.scan(Position(0), end);
        while let Some(batch) = scan.next_batch()? {
            *shorts.entry(batch.origin).or_default() += shorts_of(batch.body);
        }
        self.applied().lose_before(&start, &shorts);
        Ok(true)
    }
}
