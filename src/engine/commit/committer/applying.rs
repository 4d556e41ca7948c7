//! Applies a sealed batch to the applications' state.

use std::sync::PoisonError;

use crate::app::applied::{Applied, Batch};
use crate::app::state::Entry;
use crate::engine::shared::Shared;
use crate::log::write::append::Sealed;

/// Applies one batch by `fold`, and counts its bytes.
#[inline]
pub(super) fn apply(
    shared: &Shared,
    sealed: &Sealed,
    body: &[u8],
    fold: impl FnOnce(&mut Applied, &Batch<'_>),
) {
    let entry = Entry { origin: sealed.header.origin, seq: sealed.first_seq, time_us: sealed.time_us };
    let batch = Batch { first: entry, count: sealed.count, body, end: sealed.end };
    let mut applied = shared.applied.write().unwrap_or_else(PoisonError::into_inner);
    fold(&mut applied, &batch);
    drop(applied);
    shared.metrics.commit.journal_bytes.add(sealed.end.0 - sealed.start.0);
}
