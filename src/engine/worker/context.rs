//! What the parts of a worker look at and none of them changes: who the worker is, the time, the limits, what is shared.

use std::sync::Arc;

use super::now::Now;
use crate::base::limits::Limits;
use crate::engine::shared::access::Rules;
use crate::engine::shared::metrics::{Reject, WorkerMetrics};
use crate::engine::shared::{Shared, WorkerSide};

/// The surroundings of one turn.
pub(super) struct Context {
    /// The worker's number, from 0.
    pub(super) index: usize,
    pub(super) shared: Arc<Shared>,
    /// Its side and its counters, which are among those of all workers in `shared` too.
    side: Arc<WorkerSide>,
    metrics: Arc<WorkerMetrics>,
    pub(super) limits: Arc<Limits>,
    pub(super) rules: Arc<Rules>,
    pub(super) now: Now,
    pub(super) ending: Ending,
}

/// Whether this worker is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is not.
    No,
    /// It finishes what is in flight.
    Draining,
    /// The same, and connections that are idle go to a successor; since when, milliseconds of the worker's clock.
    HandingOver { since_ms: u64 },
}

impl Context {
    pub(super) fn new(index: usize, shared: Arc<Shared>, now: Now) -> Self {
        let (limits, rules) = (shared.limits(), shared.rules.get());
        let (side, metrics) = (shared.workers[index].clone(), shared.metrics.workers[index].clone());
        Self { index, shared, side, metrics, limits, rules, now, ending: Ending::No }
    }

    #[inline]
    pub(super) fn metrics(&self) -> &WorkerMetrics {
        &self.metrics
    }

    #[inline]
    pub(super) fn side(&self) -> &WorkerSide {
        &self.side
    }

    /// Counts a request or a connection that is turned away.
    pub(super) fn reject(&self, reason: Reject) {
        self.metrics().rejects[reason as usize].add(1);
    }

    /// Returns whether nothing new is accepted.
    #[inline]
    pub(super) fn is_draining(&self) -> bool {
        self.ending != Ending::No
    }

    /// Returns whether idle connections go to a successor.
    pub(super) fn is_handing_over(&self) -> bool {
        matches!(self.ending, Ending::HandingOver { .. })
    }
}
