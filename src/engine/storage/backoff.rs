//! Back-off: what has failed is tried again after a pause that grows.

use crate::base::limits::{DISK_RETRY_MAX_US, DISK_RETRY_MIN_US};

/// When something that failed is due again.
#[derive(Debug)]
pub struct Backoff {
    max_us: u64,
    pause_us: u64,
    due_us: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(DISK_RETRY_MAX_US)
    }
}

impl Backoff {
    /// Makes one whose pauses grow up to `max_us`.
    #[must_use]
    pub fn up_to(max_us: u64) -> Self {
        Self { max_us, pause_us: 0, due_us: 0 }
    }

    /// Returns whether it may be tried at `now_us`.
    #[must_use]
    pub fn is_due(&self, now_us: u64) -> bool {
        now_us >= self.due_us
    }

    /// Notes a failure: the next pause is twice as long as the one before.
    pub fn failed(&mut self, now_us: u64) {
        self.pause_us = (self.pause_us * 2).clamp(DISK_RETRY_MIN_US, self.max_us);
        self.due_us = now_us + self.pause_us;
    }

    /// Notes a success.
    pub fn succeeded(&mut self) {
        *self = Self::up_to(self.max_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        assert!(backoff.is_due(0));
        let (mut now_us, mut pauses) = (0, Vec::new());
        for _ in 0..8 {
            backoff.failed(now_us);
            assert!(!backoff.is_due(backoff.due_us - 1) && backoff.is_due(backoff.due_us));
            pauses.push(backoff.due_us - now_us);
            now_us = backoff.due_us;
        }
        assert_eq!((pauses[0], pauses[1]), (DISK_RETRY_MIN_US, 2 * DISK_RETRY_MIN_US));
        assert_eq!(pauses[7], DISK_RETRY_MAX_US);
        backoff.succeeded();
        assert!(backoff.is_due(0));
    }
}
