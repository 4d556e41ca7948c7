//! Shows how the server stands: metrics, health, and the state of the peer.

pub(crate) mod exposition;
mod health;
mod https;
mod members;
mod page;
pub(crate) mod peer;
mod replication;
mod runs;
pub(crate) mod service;
mod shared_log;
