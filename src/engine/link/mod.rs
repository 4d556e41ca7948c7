//! The link to the second host: keys, TLS.

pub mod key;
pub mod tls;
