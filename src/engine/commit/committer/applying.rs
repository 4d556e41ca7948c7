//! Applies a sealed batch to the applications' state.

use crate::app::applied::{Applied, Batch};
use crate::app::state::Entry;
use crate::base::batch::BatchHeader;
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
    let BatchHeader { origin, first_seq: seq, time_us, count, .. } = sealed.header;
    let batch = Batch { first: Entry { origin, seq, time_us }, count, body, end: sealed.end };
    let mut applied = shared.applied.write();
    fold(&mut applied, &batch);
    drop(applied);
    shared.metrics.commit.journal_bytes.add(sealed.end.0 - sealed.start.0);
}
