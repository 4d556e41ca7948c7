//! The server's own sources of the lane and of waking, and of what they use, for loom. Nothing here is copied.
#![cfg(loom)]
#![allow(dead_code, missing_docs)]

#[path = "../../../src/base"]
pub mod base {
    pub mod tag;
}

#[path = "../../../src/log/lane.rs"]
pub mod lane;

#[path = "../../../src/engine/shared/waking.rs"]
pub mod waking;

#[cfg(test)]
mod start_rule;
