//! How many starts the journal knows: each that logged something costs room in every segment's header and every snapshot, for
//! ever, and there is a bound.

use std::sync::PoisonError;

use crate::base::limits::{ORIGINS_MAX, ORIGINS_WARN};
use crate::engine::shared::Shared;

/// What the keeper has said of it.
#[derive(Debug, Default)]
pub struct Origins {
    has_warned: bool,
}

impl Origins {
    /// Looks once; says once in a process that there are many.
    pub fn look_after(&mut self, shared: &Shared) {
        let origins = count(shared);
        if origins >= ORIGINS_WARN && !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(
                origins,
                most = ORIGINS_MAX,
                "the journal knows many starts of processes that logged something; with as many as it may know no further \
                 start is possible. Look why this host, or the other one, is started so often"
            );
        }
    }
}

/// Starts of both hosts that logged something.
#[must_use]
pub fn count(shared: &Shared) -> usize {
    shared.applied.read().unwrap_or_else(PoisonError::into_inner).vector.len()
}
