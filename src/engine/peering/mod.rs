//! Between the commit step and the link to the peer: what arrives, what leaves, and what each side is known to have.
//!
//! ```text
//! link -> inbox -> commit step -> journal        link <- outbox <- commit step
//! link <- progress <- commit step, disk thread   link -> standing -> workers, keeper, health
//! ```
//!
//! Everything here is bounded, and nothing waits: a slow peer costs the commit step a copy of each batch at most. A
//! server without a peer has none of it.

pub mod arrivals;
pub mod bell;
pub mod inbox;
pub mod outbox;
pub mod progress;
pub mod replica;
pub mod standing;

use std::sync::atomic::AtomicU64;

use self::bell::Bell;
use self::inbox::Inbox;
use self::outbox::Outbox;
use self::progress::Progress;
use self::standing::Standing;
use crate::base::ids::Origin;
use crate::base::streams::Streams;

/// What the threads of a server with a peer share because of it.
pub struct Peering {
    /// This start of the process: the one stream that this host adds to.
    pub own: Origin,
    /// Batches that arrived.
    pub inbox: Inbox,
    /// This host's new batches on their way out.
    pub outbox: Outbox,
    /// What this host has, for STATE and ACK.
    pub progress: Progress,
    /// What the peer has.
    pub standing: Standing,
    /// The last record of this process's stream that is committed here.
    pub own_committed: AtomicU64,
    /// Wakes the link.
    pub bell: Bell,
}

impl Peering {
    /// For a start `own` of the process whose journal holds `streams`, all of it durable.
    #[must_use]
    pub fn new(own: Origin, streams: Streams) -> Self {
        Self {
            own,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            progress: Progress::new(own, streams),
            standing: Standing::new(own),
            own_committed: AtomicU64::new(0),
            bell: Bell::default(),
        }
    }
}

#[cfg(test)]
mod tests;
