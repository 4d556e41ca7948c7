//! pixeld: an HTTP server for one or two bare Linux hosts that keeps every write it acknowledged.
//!
//! # The path of one request
//!
//! ```text
//! socket -> connection -> request -> app.handle -> lane -> committer -> log (disk, peer) -> apply -> response -> socket
//! ```
//!
//! A request that changes something becomes a *record* in this host's log. The record is *committed* once the host
//! has it at the configured durability, then *applied* in log order to the applications' state; then, and only then,
//! is the change visible and answered. Recovery, the peer's copy and an audit are the same `apply` over the
//! same bytes.
//!
//! # Layers
//!
//! Imports go down only, folders of one level do not see each other, and there are no cycles;
//! `tests/architecture/main.rs` reads the sources and fails where that is broken. The load generator is a crate of its own,
//! in `bench/`, with the same rule; only `cli` uses it.
//!
//! ```text
//! 6  main, cli, config
//! 5  decoder
//! 4  engine | apps | doctor
//! 3  app
//! 2  http | log | peer
//! 1  os
//! 0  base
//! ```

pub mod app;
pub mod apps;
pub mod base;
pub mod cli;
pub mod config;
pub mod decoder;
pub(crate) mod doctor;
pub mod engine;
pub mod http;
pub mod log;
pub mod os;
pub mod peer;
