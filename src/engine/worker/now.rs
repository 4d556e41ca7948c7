//! The time of a turn: taken once, and used for everything in it.

use crate::http::date::DateCell;
use crate::os::clock::{Clock, wall_us};

/// What a worker knows of the time.
pub(super) struct Now {
    clock: Clock,
    us: u64,
    /// The second that the Date field names, since 1970, and when the next one begins by `clock`.
    second: u64,
    next_second_us: u64,
    /// What to add to `us` for the wall clock's time.
    wall_offset_us: u64,
    date: DateCell,
}

impl Now {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            us: clock.now_us(),
            second: 0,
            next_second_us: 0,
            wall_offset_us: 0,
            date: DateCell::new(0),
        }
    }

    /// Takes the time for the whole turn; the wall clock only once a second, for the Date field.
    pub(super) fn tick(&mut self) {
        self.us = self.clock.now_us();
        if self.us >= self.next_second_us {
            let wall_us = wall_us();
            self.wall_offset_us = wall_us.saturating_sub(self.us);
            self.second = wall_us / 1_000_000;
            self.next_second_us = self.us + 1_000_000 - wall_us % 1_000_000;
            self.date.refresh(self.second);
        }
    }

    /// Returns when this turn began, microseconds of the worker's clock.
    #[inline]
    pub(super) fn us(&self) -> u64 {
        self.us
    }

    /// Returns when this turn began, milliseconds of the worker's clock.
    #[inline]
    pub(super) fn ms(&self) -> u64 {
        self.us / 1_000
    }

    /// Returns when this turn began by the wall clock, microseconds since 1970.
    pub(super) fn wall_us(&self) -> u64 {
        self.us + self.wall_offset_us
    }

    /// Returns the clock at this very moment, microseconds: a look at it costs as much as a record.
    pub(super) fn exact_us(&self) -> u64 {
        self.clock.now_us()
    }

    /// Returns the second that [`Now::date`] names, since 1970.
    #[inline]
    pub(super) fn second(&self) -> u64 {
        self.second
    }

    /// Returns the value of the Date field.
    #[inline]
    pub(super) fn date(&self) -> &[u8; 29] {
        self.date.bytes()
    }

    /// Sets the time of a simulation.
    #[cfg(test)]
    pub(super) fn set_ms(&mut self, ms: u64) {
        self.us = ms * 1_000;
    }
}
