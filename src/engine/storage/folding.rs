//! Folding on a thread of its own: a large state takes seconds, for which the next segment must not wait.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::backoff::Backoff;
use super::snapshots::{FoldError, SnapshotMaker};
use crate::base::limits::{DISK_RETRY_MAX_US, FOLD_AGAIN_MIN_US, FOLD_RETRY_MAX_US};
use crate::engine::shared::Shared;
use crate::os::disk::{Disk, is_no_space};
use crate::os::{memory, thread};

type Outcome = Result<(), FoldError>;
/// A maker that comes back, and what it has folded.
type Done = (SnapshotMaker, Outcome);

/// The maker, here or on its thread.
pub(super) struct Folding {
    /// Nothing while it folds.
    maker: Option<SnapshotMaker>,
    thread: Option<(Sender<SnapshotMaker>, Receiver<Done>)>,
    backoff: Backoff,
    /// How far the journal was durable when it was tried last.
    tried_at: u64,
    /// When the last try ended.
    tried_us: u64,
    had_no_room: bool,
    reserve_bytes: u64,
}

impl Folding {
    /// Folds in the calling thread until there is another one.
    pub(super) fn new(maker: SnapshotMaker) -> Self {
        Self {
            maker: Some(maker),
            thread: None,
            backoff: Backoff::up_to(FOLD_RETRY_MAX_US),
            tried_at: 0,
            tried_us: 0,
            had_no_room: false,
            reserve_bytes: 0,
        }
    }

    /// Folds in a thread of its own from now on; the keeper is woken when it has folded. Without a thread it goes on as
    /// before.
    pub(super) fn leave_to_thread(&mut self, shared: &Arc<Shared>, disk: &Arc<dyn Disk>) {
        let (orders, incoming) = bounded::<SnapshotMaker>(1);
        let (done, outcomes) = bounded(1);
        let (shared, disk) = (shared.clone(), disk.clone());
        let started = thread::spawn("fold", move || {
            for mut maker in incoming {
                let outcome = maker.fold(&shared, &disk);
                // It had the whole state in memory once more, and items that were in memory may be on the disk now.
                memory::give_back();
                // A keeper that has ended wants to hear nothing more.
                let _ = done.send((maker, outcome));
                shared.keeper.wake();
            }
        });
        self.thread = started.ok().map(|_| (orders, outcomes));
    }

    /// Returns bytes that a clear's snapshots need; those of the last look while it folds.
    pub(super) fn reserve_bytes(&self) -> u64 {
        self.maker.as_ref().map_or(self.reserve_bytes, SnapshotMaker::reserve_bytes)
    }

    /// Returns the maker; nothing while it folds.
    pub(super) fn maker_mut(&mut self) -> Option<&mut SnapshotMaker> {
        self.maker.as_mut()
    }

    /// Goes on from another snapshot.
    pub(super) fn replace(&mut self, maker: SnapshotMaker) {
        self.maker = Some(maker);
    }

    /// Returns whether it may be tried while the journal is durable up to `synced`: not for a while after a failure, but a second
    /// later when there was no room and something was logged since: a clear, or a batch of the peer's, of which there may be many.
    pub(super) fn is_due(&mut self, synced: u64, now_us: u64) -> bool {
        let has_paused = now_us >= self.tried_us + FOLD_AGAIN_MIN_US;
        if self.had_no_room && self.tried_at != synced && has_paused {
            self.backoff.succeeded();
        }
        let is_due = self.backoff.is_due(now_us);
        if is_due {
            self.tried_at = synced;
        }
        is_due
    }

    /// Notes what came of a try.
    pub(super) fn tried(&mut self, outcome: &Outcome, now_us: u64) {
        let no_room = matches!(outcome, Err(FoldError::Disk(error)) if is_no_space(error));
        if self.had_no_room != no_room || outcome.is_ok() {
            // What is tried again for want of room is so more often.
            self.backoff = Backoff::up_to(if no_room { DISK_RETRY_MAX_US } else { FOLD_RETRY_MAX_US });
            self.had_no_room = no_room;
        }
        self.tried_us = now_us;
        if outcome.is_err() {
            self.backoff.failed(now_us);
        }
    }

    /// Folds a snapshot: gives what came of it, or has the thread do it.
    pub(super) fn fold(&mut self, shared: &Shared, disk: &Arc<dyn Disk>) -> Option<Outcome> {
        if let Some((orders, _)) = &self.thread {
            let maker = self.maker.take()?;
            self.reserve_bytes = maker.reserve_bytes();
            if let Err(refused) = orders.send(maker) {
                self.maker = Some(refused.0);
            }
            return None;
        }
        self.maker.as_mut().map(|maker| maker.fold(shared, disk))
    }

    /// Returns what the thread has done since.
    pub(super) fn collect(&mut self) -> Option<Outcome> {
        let (maker, outcome) = self.thread.as_ref()?.1.try_recv().ok()?;
        self.maker = Some(maker);
        Some(outcome)
    }

    /// Returns the maker, once it has folded what it is at.
    pub(super) fn into_maker(mut self) -> Option<SnapshotMaker> {
        match (self.maker.take(), self.thread) {
            (None, Some((_, outcomes))) => outcomes.recv().ok().map(|(maker, _)| maker),
            (maker, _) => maker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::applied::Applied;
    use crate::base::ids::{ClusterId, NodeId, Position};
    use crate::base::streams::Streams;
    use crate::log::snapshot::Snapshot;

    #[test]
    fn what_had_no_room_is_tried_again_a_second_after_something_was_logged() {
        let last = Snapshot {
            cluster: ClusterId([1; 16]),
            node: NodeId(2),
            position: Position(0),
            time_us: 0,
            streams: Streams::default(),
            sections: Vec::new(),
        };
        let mut folding = Folding::new(SnapshotMaker::new(last, None, false, Applied::default, None));
        let no_room = || Err(FoldError::Disk(std::io::ErrorKind::StorageFull.into()));
        let mut now_us = 0;
        // Until its pauses are the longest.
        for _ in 0..10 {
            now_us += DISK_RETRY_MAX_US;
            assert!(folding.is_due(1, now_us));
            folding.tried(&no_room(), now_us);
        }
        assert!(!folding.is_due(2, now_us + FOLD_AGAIN_MIN_US - 1), "the peer logs many times a second");
        assert!(!folding.is_due(1, now_us + FOLD_AGAIN_MIN_US), "nothing was logged");
        assert!(folding.is_due(2, now_us + FOLD_AGAIN_MIN_US));
    }
}
