//! What every layer may use: identities, limits, the vocabulary's small types. No I/O, no time.

pub mod aligned;
pub mod batch;
pub mod blob;
pub mod durability;
pub mod fingerprint;
pub mod ids;
pub mod kinds;
pub mod limits;
pub mod numbers;
pub mod setting;
pub mod sha256;
pub mod streams;
pub mod tag;
pub mod units;
pub mod vector;
pub mod version;
