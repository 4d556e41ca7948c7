//! The clock of a run: every time in it counts from when all threads started together.

use std::time::Instant;

/// Nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    /// Returns the clock of a run that starts at `epoch`.
    pub(super) fn since(epoch: Instant) -> Self {
        Self(epoch)
    }

    /// Returns the time.
    #[inline]
    pub(super) fn now_ns(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}
