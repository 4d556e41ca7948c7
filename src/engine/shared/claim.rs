//! The claim: the seat that the log has given to this host and that is not logged yet.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::ids::NodeId;
use crate::base::seat::Seat;
use crate::peer::relay::Relay;

/// Knowledge of the log's thread, which writes it; the keeper reads it.
#[derive(Default)]
pub struct Claim {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    seat: Option<Seat>,
    waits_for: Option<NodeId>,
}

impl Claim {
    /// Notes which seat the log has given to this host, or for whom it waits.
    pub fn note(&self, relay: &Relay) {
        *self.state() = State { seat: relay.claimed(), waits_for: relay.waits_to_be_told_by() };
    }

    /// Returns the seat that the log has given to this host, until it is logged.
    #[must_use]
    pub fn seat(&self) -> Option<Seat> {
        self.state().seat
    }

    /// Returns the host that this one waits for: it has yet to tell its seat.
    pub(super) fn waits_for(&self) -> Option<NodeId> {
        self.state().waits_for
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
