//! Bounds of the pixel service.

/// Most details of rejected pixels in the answer to one batch.
pub const BATCH_REJECTS_MAX: usize = 1_000;
