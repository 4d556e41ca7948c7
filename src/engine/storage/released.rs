//! Blobs that no record names any more: removed once that is on the disk.

use crate::app::{naming, shelving};
use crate::base::blob::BlobId;
use crate::engine::shared::Shared;

/// Blobs that may go, each with the journal position that the disk must have first: a crash must not bring a record
/// back whose blob is gone.
#[derive(Default)]
pub struct Released {
    waiting: Waiting,
    complained: bool,
}

impl Released {
    /// Takes what the applications have released, and removes what may go by now.
    pub fn look_after(&mut self, shared: &Shared) {
        if let Err(error) = shelving::tell_gone(&shared.applied)
            && !std::mem::replace(&mut self.complained, true)
        {
            tracing::error!(%error, "can't read an old item that was removed; what it named stays on the disk");
        }
        let has_released = shared.applied.read().has_released();
        if has_released {
            let mut applied = shared.applied.write();
            let (position, released) = (applied.position.0, applied.take_released());
            drop(applied);
            self.waiting.add(position, released);
        }
        let leftovers = shared.blobs.take_leftovers();
        if !leftovers.is_empty() {
            // That nothing names them has to be on the disk, too.
            let position = shared.applied.read().position.0;
            self.waiting.add(position, leftovers);
        }
        let due = self.waiting.take_due(shared.reach.synced());
        if !self.waiting.0.is_empty() {
            // In `memory` nobody else asks for a sync.
            shared.reach.want_sync();
            shared.disk.wake();
        }
        if let Err(error) = self.remove(shared, due)
            && !std::mem::replace(&mut self.complained, true)
        {
            tracing::warn!(%error, "can't remove a blob that no record names; the next start tries again");
        }
    }

    fn remove(&mut self, shared: &Shared, due: Vec<(u64, Vec<BlobId>)>) -> std::io::Result<()> {
        shared.blobs.clear_abandoned()?;
        for (position, candidates) in due {
            // What was named again and released since is for the next look, which knows where that was.
            let is_needed = |id: &BlobId| naming::is_needed(&shared.applied, id).unwrap_or(true);
            let (_, pinned) = shared.blobs.remove(candidates, is_needed)?;
            if !pinned.is_empty() {
                self.waiting.0.push((position, pinned));
            }
        }
        Ok(())
    }
}

/// Positions, and the blobs that may go when the disk has all before them.
#[derive(Default)]
struct Waiting(Vec<(u64, Vec<BlobId>)>);

impl Waiting {
    /// Adds those that were released before `position`; whatever was said of them earlier does not count any more.
    fn add(&mut self, position: u64, released: Vec<BlobId>) {
        for (_, earlier) in &mut self.0 {
            earlier.retain(|id| !released.contains(id));
        }
        self.0.retain(|(_, earlier)| !earlier.is_empty());
        self.0.push((position, released));
    }

    /// Takes those whose release is on the disk, which has all before `synced`.
    fn take_due(&mut self, synced: u64) -> Vec<(u64, Vec<BlobId>)> {
        let (due, waiting) = std::mem::take(&mut self.0).into_iter().partition(|(at, _)| *at <= synced);
        self.0 = waiting;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_waits_for_its_last_release() {
        let [one, other] = [1, 2].map(|byte| BlobId([byte; 32]));
        let mut waiting = Waiting::default();
        waiting.add(10, vec![one, other]);
        // Pinned at the first look, it was named again, and released again in a record that is not on the disk.
        waiting.add(20, vec![one]);
        assert_eq!(waiting.take_due(15), [(10, vec![other])]);
        assert!(waiting.take_due(19).is_empty());
        assert_eq!(waiting.take_due(20), [(20, vec![one])]);
        waiting.add(30, vec![one]);
        waiting.add(40, vec![one]);
        assert_eq!(waiting.0.len(), 1, "no empty entries are left");
    }
}
