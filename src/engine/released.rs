//! Blobs that no record names any more: removed once that is on the disk.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::shared::Shared;
use crate::base::blob::BlobId;

/// Blobs that may go, each with the journal position that the disk must have first: a crash must not bring a record
/// back whose blob is gone.
#[derive(Default)]
pub struct Released {
    waiting: Vec<(u64, Vec<BlobId>)>,
    complained: bool,
}

impl Released {
    /// Takes what the applications have released, and removes what may go by now.
    pub fn look_after(&mut self, shared: &Shared) {
        let has_released = shared.applied.read().unwrap_or_else(PoisonError::into_inner).has_released();
        if has_released {
            let mut applied = shared.applied.write().unwrap_or_else(PoisonError::into_inner);
            self.waiting.push((applied.position.0, applied.take_released()));
        }
        let synced = shared.synced.load(Ordering::Acquire);
        let (due, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|(at, _)| *at <= synced);
        self.waiting = waiting;
        if !self.waiting.is_empty() {
            // In `memory` nobody else asks for a sync.
            shared.sync_wanted.store(true, Ordering::SeqCst);
            shared.disk.wake();
        }
        let due: Vec<(u64, Vec<BlobId>)> = due;
        if let Err(error) = self.remove(shared, due)
            && !std::mem::replace(&mut self.complained, true)
        {
            tracing::warn!(%error, "can't remove a blob that no record names; the next start tries again");
        }
    }

    fn remove(&mut self, shared: &Shared, due: Vec<(u64, Vec<BlobId>)>) -> std::io::Result<()> {
        shared.blobs.clear_abandoned()?;
        for (position, candidates) in due {
            let is_named =
                |id: &BlobId| shared.applied.read().unwrap_or_else(PoisonError::into_inner).names_blob(id);
            let (_, pinned) = shared.blobs.remove(candidates, is_named)?;
            if !pinned.is_empty() {
                self.waiting.push((position, pinned));
            }
        }
        Ok(())
    }
}
