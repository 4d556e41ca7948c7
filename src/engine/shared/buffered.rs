//! The memory that bodies of all connections have together.
//!
//! All loads and stores are relaxed: nothing is handed over by a sum. Each worker adds before it takes away, so the sum never goes
//! below what connections have, and looks at the sum that it then gets, so two that add at once can't both find room.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes of bodies kept in memory by all connections.
#[derive(Default)]
pub struct Buffered {
    bytes: AtomicUsize,
}

impl Buffered {
    /// Counts `now` bytes of a connection of which `before` were counted; returns the sum of all connections.
    pub fn replace(&self, before: usize, now: usize) -> usize {
        self.bytes.fetch_add(now, Relaxed);
        self.bytes.fetch_sub(before, Relaxed) - before
    }

    /// Counts `bytes` of a connection no more.
    pub fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_all_connections() {
        let buffered = Buffered::default();
        assert_eq!(buffered.replace(0, 100), 100);
        assert_eq!(buffered.replace(0, 50), 150);
        assert_eq!(buffered.replace(100, 20), 70);
        buffered.release(50);
        assert_eq!(buffered.replace(20, 0), 0);
    }

    #[test]
    fn threads_that_grow_and_shrink_at_once_lose_nothing() {
        let buffered = Buffered::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for size in 1..10_000 {
                        assert!(buffered.replace(size - 1, size) >= size);
                    }
                    buffered.release(9_999);
                });
            }
        });
        assert_eq!(buffered.replace(0, 0), 0);
    }
}
