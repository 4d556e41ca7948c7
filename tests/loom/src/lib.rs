//! The server's own source of the lane, and of what it uses, for loom. Nothing here is copied.
#![cfg(loom)]
#![allow(dead_code, missing_docs)]

#[path = "../../../src/base"]
pub mod base {
    pub mod tag;
}

#[path = "../../../src/log/lane.rs"]
pub mod lane;
