//! The bell: wakes the link out of its event loop, with one system call per sleep at most, and not at all for what can
//! wait until the link looks by itself.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use mio::Waker;

use crate::engine::shared::waking::Doze;

/// The link's waker and whether it sleeps. Without a waker it is a flag only, which is what a simulation needs.
#[derive(Default)]
pub struct Bell {
    waker: OnceLock<Waker>,
    doze: Doze,
    /// It has rung since the link last listened.
    has_rung: AtomicBool,
    /// There was a new batch since then.
    has_batch: AtomicBool,
    /// The link looks for new batches by itself in a moment.
    is_pausing: AtomicBool,
    /// Somebody has asked for `both` since the link last looked.
    hurries: AtomicBool,
}

impl Bell {
    /// Tells how to wake the link. Once, before it first sleeps.
    pub fn attach(&self, waker: Waker) {
        let first = self.waker.set(waker).is_ok();
        debug_assert!(first, "there is one link");
    }

    /// Says that the link looks now at everything that rings.
    pub fn listen(&self) {
        // Exchanges, not stores: they must not move behind the looks.
        self.has_rung.swap(false, Ordering::AcqRel);
        self.has_batch.swap(false, Ordering::AcqRel);
    }

    /// Returns whether there is something to look at since [`Bell::listen`]; new batches don't count in a pause.
    #[must_use]
    pub fn has_rung(&self, is_pausing: bool) -> bool {
        self.has_rung.load(Ordering::Acquire) || !is_pausing && self.has_batch.load(Ordering::Acquire)
    }

    /// Says that the link is about to sleep; it must ask once more whether the bell has rung, and only then poll. While it pauses
    /// it looks for new batches by itself soon, and is not woken for them.
    pub fn fall_asleep(&self, is_pausing: bool) {
        self.is_pausing.store(is_pausing, Ordering::Relaxed);
        self.doze.fall_asleep();
    }

    /// Says that the link is up.
    pub fn wake_up(&self) {
        self.doze.wake_up();
    }

    /// Says that somebody waits at `both` from now on: batches go as they come for [`PEER_HURRY_US`].
    ///
    /// [`PEER_HURRY_US`]: crate::base::limits::PEER_HURRY_US
    pub fn hurry(&self) {
        if !self.hurries.load(Ordering::Relaxed) {
            self.hurries.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether somebody has asked for `both` since the last call.
    #[must_use]
    pub fn take_hurry(&self) -> bool {
        self.hurries.load(Ordering::Relaxed) && self.hurries.swap(false, Ordering::Relaxed)
    }

    /// Rings for a new batch. The link is woken for it unless it pauses and nobody waits at `both`. What there is to see
    /// must have been stored before.
    pub fn ring_for_batch(&self) {
        self.has_batch.store(true, Ordering::Release);
        // Its other side is in `fall_asleep`: the link sees the batch, or this sees that the pause is over.
        fence(Ordering::SeqCst);
        if self.hurries.load(Ordering::Relaxed) || !self.is_pausing.load(Ordering::Relaxed) {
            self.ring();
        }
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
