//! Hosts that share a log: three processes, three real servers of NATS, kill -9 of either; the port to NATS by itself.
//!
//! ```text
//! pip install --require-hashes -r tests/support/nats/requirements.txt
//! cargo test --features nats --test shared_log
//! ```

#![cfg(feature = "nats")]

#[path = "../documents/blocks.rs"]
mod blocks;
#[path = "../support/board/mod.rs"]
mod board;
#[path = "../support/nats/mod.rs"]
mod nats;
#[path = "../support/process/mod.rs"]
mod process;
#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/thumbs/mod.rs"]
mod thumbs;
#[path = "../support/told/mod.rs"]
mod told;

mod apart;
mod cluster;
mod deployed;
mod faults;
mod growing;
mod hosts;
mod many;
mod missing;
mod newcomer;
mod quick_start;
mod refusals;
mod rights;
mod seats;
