//! One stream as the Fibonacci service knows it.

use crate::base::ids::{Origin, Seq};

use super::record::Floor;

/// What is known of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Whose it is.
    pub origin: Origin,
    /// Its last record of this service.
    pub seq: Seq,
    /// Sum of all its steps.
    pub sum: i64,
    /// Hits counted in it.
    pub hits: u64,
    /// How far a reset took it away.
    pub floor: Floor,
}

impl Stream {
    /// Makes one without records.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self { origin, seq: 0, sum: 0, hits: 0, floor: Floor::default() }
    }

    /// Returns the sum of the steps above the floor. The floor may be known before the steps below it have arrived.
    #[must_use]
    pub fn above(&self) -> i64 {
        if self.seq > self.floor.seq { self.sum.wrapping_sub(self.floor.sum) } else { 0 }
    }

    /// Returns the floor of a reset that is made now.
    #[must_use]
    pub fn reached(&self) -> Option<(Origin, Floor)> {
        let floor = Floor { seq: self.seq, sum: self.sum };
        (self.seq > self.floor.seq).then_some((self.origin, floor))
    }
}

/// Returns the position at which the steps above the floors add up to `above`.
#[must_use]
pub fn position(above: i64) -> u64 {
    above.max(0).cast_unsigned()
}
