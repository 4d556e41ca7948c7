//! Appends batches: seals and stages them, writes and syncs them, into segments made ahead.

pub mod append;
pub mod spare;
pub mod staged;
pub(crate) mod tail;
pub mod writer;
