//! Rounds: frames are published, and every worker sends them to its watchers. The next ones are published when all workers are
//! through, so what changes faster than it can be sent is gathered for longer instead of being queued.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The round under way.
#[derive(Default)]
pub struct Rounds {
    /// Workers that are not through.
    pending: AtomicUsize,
}

impl Rounds {
    /// Begins a round for so many workers. The thread of the views calls this when the last round is over.
    pub fn begin(&self, workers: usize) {
        debug_assert!(self.is_over());
        self.pending.store(workers, Ordering::Release);
    }

    /// Notes that a worker has gone through its watchers.
    pub fn done(&self) {
        let before = self.pending.fetch_sub(1, Ordering::AcqRel);
        debug_assert!(before > 0, "each worker is through once");
    }

    /// Returns whether every worker is through.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.pending.load(Ordering::Acquire) == 0
    }
}
