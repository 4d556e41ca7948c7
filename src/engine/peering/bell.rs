//! The bell: wakes the link out of its event loop, with one system call per sleep at most.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::Waker;

use crate::engine::waking::Doze;

/// The link's waker and whether it sleeps. Without a waker it is a flag only, which is what a simulation needs.
#[derive(Default)]
pub struct Bell {
    waker: OnceLock<Waker>,
    doze: Doze,
    /// It has rung since the link last listened.
    has_rung: AtomicBool,
}

impl Bell {
    /// Tells how to wake the link. Once, before it first sleeps.
    pub fn attach(&self, waker: Waker) {
        let first = self.waker.set(waker).is_ok();
        debug_assert!(first, "there is one link");
    }

    /// The link looks now at everything that rings.
    pub fn listen(&self) {
        // An exchange, not a store: it must not move behind the looks.
        self.has_rung.swap(false, Ordering::AcqRel);
    }

    /// Whether it has rung since [`Bell::listen`].
    #[must_use]
    pub fn has_rung(&self) -> bool {
        self.has_rung.load(Ordering::Acquire)
    }

    /// The link is about to sleep; it must ask once more whether the bell has rung, and only then poll.
    pub fn fall_asleep(&self) {
        self.doze.fall_asleep();
    }

    /// The link is up.
    pub fn wake_up(&self) {
        self.doze.wake_up();
    }

    /// Wakes the link if it sleeps or is about to. What there is to see must have been stored before.
    pub fn ring(&self) {
        self.has_rung.store(true, Ordering::Release);
        if self.doze.is_to_be_called() {
            // The eventfd's counter cannot overflow: one write per sleep.
            let _ = self.waker.get().map(Waker::wake);
        }
    }
}
