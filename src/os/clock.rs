//! The machine's clocks. Everything above takes the time as an argument; only threads' loops ask for it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A monotonic clock that counts from its making, so that times fit into small integers.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Returns a clock that stands at zero now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Microseconds since the start.
    #[inline]
    #[must_use]
    pub fn now_us(&self) -> u64 {
        // 2^64 microseconds are half a million years.
        self.start.elapsed().as_micros() as u64
    }
}

/// Microseconds since 1970 by the wall clock; 0 for a clock that stands before it.
#[must_use]
pub fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
