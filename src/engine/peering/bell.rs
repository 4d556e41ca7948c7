//! The bell: wakes the link out of its event loop, with one system call per sleep at most.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use mio::Waker;

/// The link's waker and whether it sleeps. Without a waker it is a flag only, which is what a simulation needs.
#[derive(Default)]
pub struct Bell {
    waker: OnceLock<Waker>,
    asleep: AtomicBool,
}

impl Bell {
    /// Tells how to wake the link. Once, before it first sleeps.
    pub fn attach(&self, waker: Waker) {
        let first = self.waker.set(waker).is_ok();
        debug_assert!(first, "there is one link");
    }

    /// The link is about to sleep; it must look once more at everything that rings, and only then poll.
    pub fn fall_asleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The link is up.
    pub fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Wakes the link if it sleeps or is about to. What there is to see must have been stored before.
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            // The eventfd's counter cannot overflow: one write per sleep.
            let _ = self.waker.get().map(Waker::wake);
        }
    }
}
