//! What every layer may use: identities, limits, the vocabulary's small types. No I/O, no time.

pub(crate) mod aligned;
pub mod batch;
pub mod blob;
pub mod durability;
pub(crate) mod fingerprint;
pub mod folds;
pub mod ids;
pub mod kinds;
pub mod limits;
pub(crate) mod network;
pub(crate) mod numbers;
pub mod places;
pub(crate) mod rate;
pub mod seat;
pub(crate) mod secret;
pub mod setting;
pub(crate) mod sha256;
pub mod streams;
pub mod tag;
pub(crate) mod units;
pub mod vector;
pub(crate) mod version;
