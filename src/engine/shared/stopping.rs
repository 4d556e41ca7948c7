//! The end of a server, step by step, as its threads see it.
//!
//! ```text
//! main                          disk thread                     link
//! the workers have ended
//! begin               ------->  has_begun: commits what is
//!                               left in the lanes
//!                               rest_is_committed    -------->  has_committed_rest: sends it,
//!                                                               waits for the peer to have it
//! link_has_ended      <---------------------------------------  ends
//!                     ------->  is_over: commits what has
//!                               arrived meanwhile, syncs, ends
//! ```
//!
//! In `memory` main commits the rest itself, before it stops the others. Each step is stored behind what it tells of, and whoever
//! sees it sees that too. Who is to see a step may be asleep: it is called afterwards ([`super::waking`] says why none is lost).
//!
//! `tests/loom` tries every interleaving of this very source.

#[cfg(loom)]
use loom::sync::atomic::AtomicBool;
#[cfg(not(loom))]
use std::sync::atomic::AtomicBool;

use std::sync::atomic::Ordering::SeqCst;

/// Tells how far a server's end is.
pub struct Stopping {
    begun: AtomicBool,
    rest_committed: AtomicBool,
    link_ended: AtomicBool,
}

impl Default for Stopping {
    fn default() -> Self {
        let not_yet = || AtomicBool::new(false);
        Self { begun: not_yet(), rest_committed: not_yet(), link_ended: not_yet() }
    }
}

impl Stopping {
    /// Says that the workers have ended: what is left is to be made durable.
    pub fn begin(&self) {
        self.begun.store(true, SeqCst);
    }

    /// Returns whether the workers have ended.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.load(SeqCst)
    }

    /// Says that what the workers have left is committed: this process makes no more records.
    pub fn rest_is_committed(&self) {
        self.rest_committed.store(true, SeqCst);
    }

    /// Returns whether this process makes no more records.
    #[must_use]
    pub fn has_committed_rest(&self) -> bool {
        self.rest_committed.load(SeqCst)
    }

    /// Says that the link has ended, or there is none: nothing more arrives.
    pub fn link_has_ended(&self) {
        self.link_ended.store(true, SeqCst);
    }

    /// Returns whether nothing more comes from anywhere.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.link_ended.load(SeqCst)
    }
}
