//! Views: folds of the committed batches that run beside the commit step, never in it.
//!
//! One thread follows the journal for all of them and hands each its batches in order. No answer to a write waits for a
//! view, so one may be late, be thrown away, and be made again from the journal. A read of a view notes what is applied when
//! it arrives and waits a moment until the view has that ([`Standing::await_position`]), so that it sees what was answered
//! before it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::applied::Batch;
use super::background::Figure;
use super::wait::Ticket;
use crate::app::applied_lock::AppliedLock;
use crate::base::ids::{NodeId, Position};
use crate::base::vector::VersionVector;
use crate::log::read::reader::Reader;
use crate::log::read::scan::ReadError;
use crate::os::disk::Disk;

/// A view. Its calls come from one thread; they may read files, and take their time.
pub trait LogView: Send + Sync {
    /// Returns the word for it in /metrics, which is also the start of the names of its files.
    fn name(&self) -> &'static str;

    /// Returns how far it has come.
    fn standing(&self) -> &Standing;

    /// Makes it from what it has stored, or from the journal, and gives where it follows on. Called first, and again
    /// whenever it can't follow.
    ///
    /// # Errors
    /// Fails if the journal can't be read; it is called again later.
    fn begin(&self, desk: &dyn ViewDesk) -> Result<Start, ReadError>;

    /// Takes the next batch.
    ///
    /// # Errors
    /// Fails if it needs more of the journal than the batch, and that can't be read; the view is begun again then.
    fn follow(&self, batch: &Batch<'_>, desk: &dyn ViewDesk) -> Result<Followed, ReadError>;

    /// Returns whether what it has folded does not stand any more, as it may find out between two batches: it is begun again then.
    fn is_lost(&self) -> bool {
        false
    }

    /// Takes note that there is nothing more to follow at the moment. What it tells those who watch it is published here, if
    /// `may_publish`: what was published before has been sent. Gives whether it has published something.
    fn settle(&self, desk: &dyn ViewDesk, may_publish: bool) -> bool;

    /// Takes note that the server ends: stores what spares the next start the journal.
    fn end(&self, desk: &dyn ViewDesk);

    /// Returns what it counts, beside how far it lags behind.
    fn figures(&self) -> Vec<Figure>;
}

/// Where a view follows on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Where the first batch starts that it has not taken.
    pub position: Position,
    /// For each stream, the last record that it has taken.
    pub vector: VersionVector,
}

/// What a view says to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// It has taken it.
    Taken,
    /// What it has folded does not stand any more: it must be begun again.
    Stale,
}

/// What the thread of the views has at hand for one of them.
pub trait ViewDesk {
    /// Returns the applied state: lock it for a few copies only, the committer waits for it.
    fn applied(&self) -> &AppliedLock;

    /// Returns the journal.
    fn reader(&self) -> &Arc<Reader>;

    /// Returns the data directory, for files in [`VIEWS_DIRECTORY`]: they may be removed at any time, and nothing is lost.
    fn disk(&self) -> &Arc<dyn Disk>;

    /// Returns whether the disk has room for such files.
    fn has_room(&self) -> bool;

    /// Returns the id of the data directory.
    fn node(&self) -> NodeId;

    /// Returns microseconds of the process's clock, which never goes back.
    fn clock_us(&self) -> u64;

    /// Returns the wall clock, microseconds since 1970.
    fn wall_us(&self) -> u64;

    /// Lets a request go on that waits.
    fn wake(&self, ticket: Ticket);

    /// Returns whether the server is stopping: what takes long is given up.
    fn is_over(&self) -> bool;

    /// Writes an event for the operator.
    fn warn(&self, sentence: &str);
}

/// The directory below the data directory that views keep files in.
pub const VIEWS_DIRECTORY: &str = "views";

/// How far a view has come, and who waits for it.
#[derive(Default)]
pub struct Standing {
    position: AtomicU64,
    /// Records in all streams up to there.
    records: AtomicU64,
    /// When it last had everything, microseconds of the process's clock.
    whole_us: AtomicU64,
    /// One for each place of a connection: its latest.
    waiting: Mutex<BTreeMap<(u32, u32), (Position, Ticket)>>,
}

impl Standing {
    /// Returns up to where the view has everything.
    #[must_use]
    pub fn position(&self) -> Position {
        Position(self.position.load(Ordering::Acquire))
    }

    /// Returns how many records of all streams it has taken.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Returns how many of the records that `applied` says are applied it has not.
    #[must_use]
    pub fn behind(&self, applied: &VersionVector) -> u64 {
        applied.records().saturating_sub(self.records())
    }

    /// Returns when it last had everything, microseconds of the process's clock.
    #[must_use]
    pub fn whole_us(&self) -> u64 {
        self.whole_us.load(Ordering::Relaxed)
    }

    /// Notes how far it has come. For the thread of the views.
    pub fn reach(&self, position: Position, records: u64) {
        self.records.store(records, Ordering::Relaxed);
        self.position.store(position.0, Ordering::Release);
    }

    /// Notes that it has all that is applied. For the thread of the views.
    pub fn note_whole(&self, now_us: u64) {
        self.whole_us.store(now_us, Ordering::Relaxed);
    }

    /// Has a request woken once the view has everything up to `position`.
    pub fn await_position(&self, position: Position, ticket: Ticket) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert((ticket.worker, ticket.place), (position, ticket));
    }

    /// Returns whether somebody waits for it.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        !self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes those who have waited for what the view has by now.
    #[must_use]
    pub fn take_served(&self) -> Vec<Ticket> {
        let reached = self.position();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut served = Vec::new();
        waiting.retain(|_, (position, ticket)| {
            let waits = *position > reached;
            if !waits {
                served.push(*ticket);
            }
            waits
        });
        served
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, Origin};

    #[test]
    fn whoever_waits_is_served_once_and_not_before_the_view_is_there() {
        let standing = Standing::default();
        let ticket = |wait| Ticket { worker: 0, place: wait, generation: 0, wait };
        standing.await_position(Position(10), ticket(1));
        standing.await_position(Position(20), ticket(2));
        standing.reach(Position(9), 3);
        assert_eq!(standing.take_served(), []);
        standing.reach(Position(10), 4);
        assert_eq!(standing.take_served(), [ticket(1)]);
        assert!(standing.is_awaited());
        standing.reach(Position(30), 9);
        assert_eq!((standing.take_served(), standing.is_awaited()), (vec![ticket(2)], false));
        let mut applied = VersionVector::new();
        applied.raise(Origin { node: NodeId(1), inc: Inc(1) }, 7);
        applied.raise(Origin { node: NodeId(2), inc: Inc(1) }, 5);
        assert_eq!(standing.behind(&applied), 3);
    }
}
