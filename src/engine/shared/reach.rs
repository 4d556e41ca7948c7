//! How far the journal is in its files: what is written, what is synced, and who asks for more.
//!
//! The disk thread tells, everybody else looks. At `disk` and `both` a commit is written and synced in one, and only
//! [`Reach::synced`] is of interest. In `memory` the disk thread writes behind the commits and sleeps when all is written:
//!
//! ```text
//! worker                                   disk thread
//! puts bytes into the tail                 raises its flag        Reach::doze
//! takes the flag down, if it is up:        looks at the tail once more, sleeps
//!   Reach::is_to_be_called; and calls it
//! ```
//!
//! What is told is stored behind what it tells of: whoever sees a position finds the bytes before it in the file.
//!
//! `tests/loom` tries every interleaving of this very source.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicU64, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, AtomicU64, fence};

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

/// Tells how far the files have the journal. Positions are bytes of it, times are microseconds of the server's clock.
pub struct Reach {
    synced: AtomicU64,
    written: AtomicU64,
    written_us: AtomicU64,
    sync_wanted: AtomicBool,
    writer_dozes: AtomicBool,
}

impl Reach {
    /// Begins with what a start has found: everything before `position` is durable.
    #[must_use]
    pub fn new(position: u64) -> Self {
        Self {
            synced: AtomicU64::new(position),
            written: AtomicU64::new(position),
            written_us: AtomicU64::new(0),
            sync_wanted: AtomicBool::new(false),
            writer_dozes: AtomicBool::new(false),
        }
    }

    /// Returns the position up to which the disk has everything.
    #[inline]
    #[must_use]
    pub fn synced(&self) -> u64 {
        self.synced.load(Acquire)
    }

    /// Tells that the disk has everything before `position`; returns whether that is news.
    pub fn set_synced(&self, position: u64) -> bool {
        self.synced.swap(position, Release) != position
    }

    /// Returns the position up to which, in `memory`, the file has everything.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Acquire)
    }

    /// Tells that the file has everything before `position`.
    pub fn set_written(&self, position: u64) {
        self.written.store(position, Release);
    }

    /// Returns the time after which, in `memory`, everything was acknowledged that is in no file.
    #[must_use]
    pub fn written_us(&self) -> u64 {
        self.written_us.load(Acquire)
    }

    /// Tells that everything acknowledged before `now_us` is in the file.
    pub fn set_written_us(&self, now_us: u64) {
        self.written_us.store(now_us, Release);
    }

    /// Asks the disk thread of a server at `memory` for a sync; it is to be called.
    pub fn want_sync(&self) {
        // An exchange, so that it has its place among those of `take_sync`.
        self.sync_wanted.swap(true, SeqCst);
    }

    /// Returns whether somebody asks for a sync.
    #[must_use]
    pub fn wants_sync(&self) -> bool {
        self.sync_wanted.load(SeqCst)
    }

    /// Returns whether somebody has asked for a sync, which then begins after this.
    #[must_use]
    pub fn take_sync(&self) -> bool {
        self.sync_wanted.swap(false, SeqCst)
    }

    /// Announces that the disk thread, which has written all, is about to sleep; it must look once more.
    pub fn doze(&self) {
        self.writer_dozes.store(true, SeqCst);
        fence(SeqCst);
    }

    /// Says that the disk thread is up; returns whether nobody has called it.
    #[must_use]
    pub fn wake_up(&self) -> bool {
        self.writer_dozes.swap(false, SeqCst)
    }

    /// Returns whether the disk thread is to be called for what was put into the tail: true for one of those who ask.
    #[inline]
    #[must_use]
    pub fn is_to_be_called(&self) -> bool {
        self.writer_dozes.load(Relaxed)
            && self.writer_dozes.compare_exchange(true, false, AcqRel, Relaxed).is_ok()
    }
}
