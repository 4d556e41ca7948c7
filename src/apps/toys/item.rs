//! What a shop has: toys and orders.

use super::place::Place;
use super::record::Fingerprint;

/// A toy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its number.
    pub id: u64,
    /// Its name; any text.
    pub name: Box<str>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The place of its record.
    pub place: Place,
    /// When it is done by its own time, microseconds since 1970.
    pub done_us: u64,
    /// Since when it is known here, microseconds of this process's monotonic clock. No part of the state.
    pub here_us: u64,
    /// It was applied as it was committed; if not, it is one of before this start or of a snapshot. No part of the state.
    pub is_live: bool,
    /// Of the body that it was sent with; zeros if it came without a key.
    pub fingerprint: Fingerprint,
    /// Text of the order.
    pub product: Box<str>,
}

impl Order {
    /// Returns how long all of it takes, microseconds.
    #[must_use]
    pub fn takes_us(&self) -> u64 {
        self.done_us.saturating_sub(self.place.time_us)
    }

    /// Returns how long it still takes, microseconds; 0 once it is done. By duration since it was applied here, whatever the clock of
    /// the host that took it said; after a restart by its time `counts_us`, but no longer than all of its duration again.
    #[must_use]
    pub fn rest_us(&self, counts_us: u64, now: Now) -> u64 {
        let takes_us = self.takes_us();
        let rest_us = self.here_us.saturating_add(takes_us).saturating_sub(now.clock_us);
        if self.is_live {
            rest_us
        } else {
            rest_us.min(counts_us.saturating_add(takes_us).saturating_sub(now.wall_us))
        }
    }
}

/// The time by both clocks of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Microseconds since 1970; may be wrong, and jump.
    pub wall_us: u64,
    /// Microseconds since this process's start; never jumps.
    pub clock_us: u64,
}
