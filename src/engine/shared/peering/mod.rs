//! Between the commit step and the link to the peer: what arrives, what leaves, and what each side is known to have.
//!
//! ```text
//! link -> inbox -> commit step -> journal        link <- outbox <- commit step
//! link <- progress <- commit step, disk thread   link -> standing -> workers, keeper, health
//! ```
//!
//! Everything here is bounded, and nothing waits: a slow peer costs the commit step a copy of each batch at most. A
//! server without a peer has none of it.

pub(crate) mod bell;
pub(crate) mod counters;
pub(crate) mod delays;
pub mod inbox;
pub mod joining;
pub mod outbox;
pub(crate) mod progress;
mod seam;
pub mod stand;
pub(crate) mod standing;

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::bell::Bell;
use self::counters::Counters;
use self::delays::Delays;
use self::inbox::Inbox;
use self::joining::Joining;
use self::outbox::Outbox;
use self::progress::Progress;
use self::standing::Standing;
use crate::base::batch::BatchHeader;
use crate::base::ids::{Origin, Position, Seq};
use crate::base::streams::Streams;
use crate::log::blobs::Pin;

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
    /// An empty host takes the peer's snapshot.
    pub joining: Joining,
    /// Wakes the link.
    pub bell: Bell,
    /// What the link counts.
    pub counters: Counters,
    delays: Mutex<Delays>,
    /// Blobs of batches that are not applied yet. A batch outlives the connection that brought it.
    pinned: Mutex<Vec<(Origin, Seq, Vec<Pin>)>>,
    is_ending: AtomicBool,
}

impl Peering {
    /// Makes the parts for a start `own` of the process whose journal holds `streams`, all of it durable.
    #[must_use]
    pub fn new(own: Origin, streams: Streams) -> Self {
        Self {
            own,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            progress: Progress::new(own, streams),
            standing: Standing::new(own),
            own_committed: AtomicU64::new(0),
            joining: Joining::default(),
            bell: Bell::default(),
            counters: Counters::default(),
            delays: Mutex::default(),
            pinned: Mutex::default(),
            is_ending: AtomicBool::new(false),
        }
    }

    /// Notes that a batch was sent to the peer whose frame ends at `end`.
    pub fn time_sent(&self, header: &BatchHeader, end: Position) {
        self.delays().sent(header, self.own, end);
    }

    /// Notes that everything in the journal before `position` was sent to the peer, or need not be.
    pub fn reached(&self, position: Position) {
        self.delays().reach(position);
    }

    /// Measures how long the batches took that are durable at the peer by now, `wall_us` microseconds since 1970.
    pub fn time_durable(&self, wall_us: u64) {
        let seq = self.standing.own_durable();
        self.delays().acked(seq, wall_us, |us| self.counters.delay_us.record(us, 1));
    }

    /// Returns what is under way to the peer. Held for a look.
    pub fn delays(&self) -> MutexGuard<'_, Delays> {
        self.delays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the blobs of a batch, whose last record is `seq` of `origin`, until it is applied.
    pub fn pin(&self, origin: Origin, seq: Seq, pins: Vec<Pin>) {
        self.pinned().push((origin, seq, pins));
    }

    /// Lets go of blobs whose records are applied: the state holds them now.
    pub fn unpin(&self, is_applied: impl Fn(Origin, Seq) -> bool) {
        self.pinned().retain(|(origin, seq, _)| !is_applied(*origin, *seq));
    }

    fn pinned(&self) -> MutexGuard<'_, Vec<(Origin, Seq, Vec<Pin>)>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
