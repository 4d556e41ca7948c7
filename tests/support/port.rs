//! Ports for servers that a test starts a moment later.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;

/// Ports below those that the kernel gives to whoever asks for any (ip_local_port_range): none of the connections that other tests make
/// meanwhile takes one.
const FIRST: u64 = 12_000;
const COUNT: u64 = 20_000;

/// Returns a port that nobody listens on at the moment, by chance, so that two tests hardly ever get the same one.
pub fn free_port() -> u16 {
    let ports = std::iter::repeat_with(|| (FIRST + RandomState::new().hash_one(0) % COUNT) as u16);
    ports.take(1_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}
