//! Looks after the data directory: spare segments, snapshots, what may be removed, sound pictures, the start's debt.

mod backoff;
pub(crate) mod clockwatch;
mod folding;
mod growth;
pub mod keeper;
pub(crate) mod membership;
mod released;
pub mod retention;
mod returned;
pub(crate) mod scrub;
pub(crate) mod settling;
pub mod snapshots;
pub mod starts;
