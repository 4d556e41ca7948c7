//! Shows how the server stands: metrics, health, and the state of the peer.

pub mod exposition;
pub mod peer;
pub mod service;
