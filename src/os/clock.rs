//! The machine's clocks. Everything above takes the time as an argument; only threads' loops ask for it.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::ClockId;

/// A monotonic clock that counts from its making, so that times fit into small integers.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start_us: u64,
}

impl Clock {
    /// Returns a clock that stands at zero now.
    #[must_use]
    pub fn start() -> Self {
        Self { start_us: monotonic_us() }
    }

    /// Microseconds since the start.
    #[inline]
    #[must_use]
    pub fn now_us(&self) -> u64 {
        monotonic_us() - self.start_us
    }
}

/// Returns microseconds since the machine's start. Each turn of an event loop asks: the difference of two `Instant`s, which may lie
/// anywhere, takes five times the instructions.
#[inline]
fn monotonic_us() -> u64 {
    let now = ClockId::CLOCK_MONOTONIC.now().expect("Linux has this clock");
    // Neither is negative, and 2^64 microseconds are half a million years.
    now.tv_sec() as u64 * 1_000_000 + now.tv_nsec() as u64 / 1_000
}

/// Microseconds since 1970 by the wall clock; 0 for a clock that stands before it.
#[must_use]
pub fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn it_counts_the_microseconds_of_the_monotonic_clock() {
        let before = Instant::now();
        let clock = Clock::start();
        let started = Instant::now();
        std::thread::sleep(Duration::from_millis(3));
        let least_us = started.elapsed().as_micros() as u64;
        let now_us = clock.now_us();
        let most_us = before.elapsed().as_micros() as u64;
        // Both ends are cut to whole microseconds.
        assert!(least_us <= now_us + 1 && now_us <= most_us + 1, "{least_us} {now_us} {most_us}");
    }
}
