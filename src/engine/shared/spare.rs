//! The spare segment, between the keeper that makes it and the committer that enters it.
//!
//! ```text
//! committer                              keeper
//! Spare::enter(next)  -- is called -->   missing: the number of the segment to make
//!                                        makes the file
//! is_ready            <-- is called --   Spare::made
//! ```
//!
//! The number is stored before the flag falls, and the file is made before the flag rises: a keeper that finds none ready reads
//! the number of the one that is missing, and a committer that finds one ready finds its file.
//!
//! `tests/loom` tries every interleaving of this very source.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicU32};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, AtomicU32};

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// Tells whether the segment after the one being written is there.
pub struct Spare {
    is_ready: AtomicBool,
    number: AtomicU32,
}

impl Spare {
    /// Begins with what a start has found: the number of the segment, and whether it is there.
    #[must_use]
    pub fn new(number: u32, is_ready: bool) -> Self {
        Self { is_ready: AtomicBool::new(is_ready), number: AtomicU32::new(number) }
    }

    /// Returns whether the committer may enter it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(SeqCst)
    }

    /// Says that the committer has entered it; `next` is the number of the one to be made. The keeper is to be called.
    pub fn enter(&self, next: u32) {
        self.number.store(next, Relaxed);
        self.is_ready.store(false, SeqCst);
    }

    /// Returns the number of the segment that the keeper is to make, if none is ready.
    #[must_use]
    pub fn missing(&self) -> Option<u32> {
        (!self.is_ready()).then(|| self.number.load(Relaxed))
    }

    /// Says that the keeper has made it. The committer is to be called.
    pub fn made(&self) {
        self.is_ready.store(true, SeqCst);
    }
}
