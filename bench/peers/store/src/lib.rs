//! What every Rust peer does with a pixel: check it, keep it in memory.

use serde::Deserialize;
use std::sync::Mutex;

#[derive(Deserialize)]
#[allow(dead_code, reason = "kept, as a real service would")]
struct Pixel {
    x: i32,
    y: i32,
    channel: Channel,
    value: u8,
}

#[derive(Deserialize)]
enum Channel {
    R,
    G,
    B,
}

static PIXELS: Mutex<Vec<Pixel>> = Mutex::new(Vec::new());

/// The answer to a pixel that was kept.
pub const OK: &str = "{\"status\":\"ok\"}";

/// Keeps a pixel; false when it is none.
pub fn keep(body: &[u8]) -> bool {
    let Ok(pixel) = serde_json::from_slice(body) else { return false };
    PIXELS.lock().expect("no thread panics while it holds the list").push(pixel);
    true
}

/// Where to listen: the first argument.
pub fn address() -> std::net::SocketAddr {
    std::env::args().nth(1).expect("an address to listen on").parse().expect("an address")
}
