//! Waking: how one thread leaves something for another that may be about to sleep, and no call is lost.
//!
//! Either side stores what it has to say, and then looks at what the other one says, with a fence between the two:
//!
//! ```text
//! who leaves something               who sleeps
//! stores it                          raises its flag            Doze::fall_asleep
//! fence                              fence
//! looks at the flag, calls           looks once more, sleeps
//!   Doze::is_to_be_called
//! ```
//!
//! So at least one of them sees the other. The same holds of a commit step that ends while a worker, which found it
//! under way, falls asleep: [`Step::end`], and then the committer looks at the lanes and at the inbox.
//!
//! `tests/loom` tries every interleaving of this very source, with the orders that the memory model allows.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, fence};

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// A thread that sleeps now and then, as those see it who call it.
#[derive(Default)]
pub struct Doze {
    asleep: AtomicBool,
}

impl Doze {
    /// Says that the thread is about to sleep; it must look once more at everything that it is called for.
    #[inline]
    pub fn fall_asleep(&self) {
        self.asleep.store(true, Relaxed);
        fence(SeqCst);
    }

    /// Says that the thread is up.
    #[inline]
    pub fn wake_up(&self) {
        self.asleep.store(false, Relaxed);
    }

    /// Returns whether whoever asks has to call it, because it sleeps or is about to: true for one of them per sleep. What it
    /// is called for must have been stored before.
    #[inline]
    #[must_use]
    pub fn is_to_be_called(&self) -> bool {
        fence(SeqCst);
        self.asleep.load(Relaxed) && self.asleep.compare_exchange(true, false, Relaxed, Relaxed).is_ok()
    }
}

/// The commit step that the disk thread makes: at most one is under way.
#[derive(Default)]
pub struct Step {
    under_way: AtomicBool,
}

impl Step {
    /// Returns whether one is under way, for the workers: while it is, none is started.
    #[inline]
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.under_way.load(Relaxed)
    }

    /// Starts one unless one is under way; true if the disk thread is to be called for it. What it shall commit must
    /// have been published before.
    #[inline]
    #[must_use]
    pub fn start(&self) -> bool {
        !self.under_way.load(Relaxed) && self.under_way.compare_exchange(false, true, AcqRel, Relaxed).is_ok()
    }

    /// Starts one for what arrived from the peer, if `is_waiting` says that there is some: no worker looks after that
    /// when a step ends, so there is a fence on this side too.
    #[must_use]
    pub fn start_for(&self, is_waiting: impl FnOnce() -> bool) -> bool {
        fence(SeqCst);
        is_waiting() && self.start()
    }

    /// Returns whether one was started, for the disk thread: it sees then what was published before.
    #[inline]
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.under_way.load(Acquire)
    }

    /// Says that it has ended; the committer looks now for what was left behind, because nobody has started a step for it.
    pub fn end(&self) {
        self.under_way.store(false, Release);
        fence(SeqCst);
    }
}
