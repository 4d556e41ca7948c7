//! HTTP's client side: where a target is, its sockets, and what they answer.

pub mod addresses;
pub mod connection;
pub mod encrypted;
pub mod excerpt;
pub mod fetch;
pub mod link;
pub mod response;
pub mod socket;
pub mod spoken;
pub mod stream;
pub mod target;
pub mod tls;
pub mod token;
