//! Where a record of the shop stands among all of them.

use crate::app::old_times::TimePlace;
use crate::app::state::Entry;
use crate::base::ids::{Inc, NodeId, Origin, Seq};

/// The place of a record among all of them: what came earlier is less, on every host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Hybrid time of its batch, microseconds.
    pub time_us: u64,
    /// Whose stream.
    pub origin: Origin,
    /// Its number there.
    pub seq: Seq,
}

impl Place {
    /// No record stands before it.
    pub const FIRST: Self = Self { time_us: 0, origin: Origin { node: NodeId(0), inc: Inc(0) }, seq: 0 };
}

impl Place {
    /// Returns whether what stands there is none of the toys that every shop begins with.
    #[must_use]
    pub fn is_added(&self) -> bool {
        self.origin != Self::FIRST.origin
    }

    /// Returns the place with the time in front, as old items have it.
    #[must_use]
    pub fn in_time(self) -> TimePlace {
        (self.time_us, (self.origin, self.seq))
    }

    /// Returns the place that stands there in the order of times.
    #[must_use]
    pub fn at((time_us, (origin, seq)): TimePlace) -> Self {
        Self { time_us, origin, seq }
    }
}

impl From<&Entry> for Place {
    fn from(entry: &Entry) -> Self {
        Self { time_us: entry.time_us, origin: entry.origin, seq: entry.seq }
    }
}
