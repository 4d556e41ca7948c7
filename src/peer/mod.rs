//! The peer protocol: what two hosts say to each other, as bytes and as rules. Pure: bytes and time come in, bytes and
//! effects go out. Drawn byte for byte in `docs/peer-protocol.md`.
//!
//! ```text
//! frame    16 bytes of head, a payload, a checksum of each       message  what stands in the payloads
//! ledger   what this host and its peer have of each stream       flight   what was sent and is not acknowledged yet
//! folding  streams that are counted in place of named            transfer what comes in pieces
//! session  one connection: who may say what when                 pieces   of what is longer than a frame
//! fault    what ends it, in words                                relay    a log in the peer's place
//! ```

pub mod fault;
pub(crate) mod flight;
mod folding;
pub mod frame;
mod ledger;
pub mod message;
pub mod pieces;
pub mod relay;
pub mod session;
mod transfer;
