//! What must hold for any input. Each of these is a target of `fuzz/` too.

pub mod batches;
pub mod configuration;
pub mod framing;
pub mod journal_recovery;
pub mod pixel_json;
pub mod proxy_header;
pub mod request_head;
pub mod tls_front;
