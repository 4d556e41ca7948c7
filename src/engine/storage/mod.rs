//! Looks after the data directory: spare segments, snapshots, what may be removed, sound pictures, the start's debt.

mod backoff;
pub mod clockwatch;
mod folding;
pub mod keeper;
pub mod origins;
mod released;
pub mod retention;
pub mod scrub;
pub mod settling;
pub mod snapshots;
