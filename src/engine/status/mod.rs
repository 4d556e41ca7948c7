//! Shows how the server stands: metrics, health, and the state of the peer.

pub(crate) mod exposition;
pub(crate) mod peer;
pub(crate) mod service;
