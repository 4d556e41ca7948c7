//! The server's own sources of what its threads share, and of what they use, for loom, Miri and ThreadSanitizer. Nothing here
//! is copied.
#![allow(dead_code, missing_docs)]

#[path = "../../../src/base"]
pub mod base {
    pub mod tag;
}

#[path = "../../../src/log/lane.rs"]
pub mod lane;

#[path = "../../../src/engine/shared/reach.rs"]
pub mod reach;
#[path = "../../../src/engine/shared/spare.rs"]
pub mod spare;
#[path = "../../../src/engine/shared/stopping.rs"]
pub mod stopping;
#[path = "../../../src/engine/shared/waking.rs"]
pub mod waking;

#[cfg(all(test, loom))]
mod next_segment;
#[cfg(all(test, loom))]
mod start_rule;
#[cfg(all(test, loom))]
mod stopping_server;
#[cfg(all(test, loom))]
mod written_behind;
