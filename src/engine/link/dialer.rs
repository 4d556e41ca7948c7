//! The dialer: when this host tries to reach the peer.

use super::target::{Found, Target};

/// The first pause after a failure, microseconds; it doubles.
const PAUSE_US: u64 = 50_000;
/// The longest pause, microseconds.
const PAUSE_US_MAX: u64 = 2_000_000;
/// How much longer the host waits whose peer is to dial.
const PATIENCE_US: u64 = 1_000_000;
/// Failures after which the pause is the longest.
const FAILURES_MAX: u32 = 6;
/// A session that lasted so long was none that fails each time, microseconds.
pub const LASTING_US: u64 = PAUSE_US_MAX;

/// Where to dial, and when next.
pub struct Dialer {
    target: Target,
    next_us: u64,
    failures: u32,
}

impl Dialer {
    /// Dials at once.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self { target, next_us: 0, failures: 0 }
    }

    /// Returns where the peer is now. While its address is looked up the next try comes soon.
    pub fn find(&mut self, now_us: u64) -> Found {
        let found = self.target.find();
        if matches!(found, Found::NotYet) {
            self.next_us = now_us + PAUSE_US;
        }
        found
    }

    /// Returns when to dial next, microseconds.
    #[must_use]
    pub fn next_us(&self) -> u64 {
        self.next_us
    }

    /// Notes that a session has lasted for [`LASTING_US`]: the next failure is the first.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Notes that the next try comes to the same end until somebody has changed something: the pause is the longest.
    pub fn despaired(&mut self) {
        self.failures = FAILURES_MAX;
    }

    /// Notes that there is no connection, or none any more: waits for a while, half of it by chance. `random` is a random number;
    /// `peer_dials` when the peer has the lower node id and so is the one to dial.
    pub fn failed(&mut self, now_us: u64, random: u64, peer_dials: bool) {
        let pause = (PAUSE_US << self.failures).min(PAUSE_US_MAX);
        self.failures = (self.failures + 1).min(FAILURES_MAX);
        let patience = if peer_dials { PATIENCE_US } else { 0 };
        let pause = (pause / 2 + random % (pause / 2 + 1) + patience).min(PAUSE_US_MAX);
        self.next_us = now_us + pause;
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn pauses_grow_to_two_seconds_and_start_again_after_a_success() {
        let mut dialer = Dialer::new(Target::host(SocketAddr::from(([127, 0, 0, 1], 1)).into()));
        assert_eq!(dialer.next_us(), 0);
        let mut longest = 0;
        for round in 0..40_u64 {
            let now = 1_000_000 * round;
            dialer.failed(now, u64::MAX - round, round % 2 == 1);
            let pause = dialer.next_us() - now;
            assert!((PAUSE_US / 2..=PAUSE_US_MAX).contains(&pause), "{pause}");
            longest = longest.max(pause);
        }
        assert!(longest > PAUSE_US_MAX / 2);
        dialer.succeeded();
        dialer.failed(0, 0, false);
        assert_eq!(dialer.next_us(), PAUSE_US / 2);
        dialer.succeeded();
        dialer.failed(0, 0, true);
        assert!(dialer.next_us() >= PATIENCE_US, "the other one goes first");
        dialer.succeeded();
        dialer.despaired();
        dialer.failed(0, 0, false);
        assert_eq!(dialer.next_us(), PAUSE_US_MAX / 2, "who needs an operator is asked rarely");
    }
}
