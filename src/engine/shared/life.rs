//! Where a server is in its life, and how its last reload ended: what main says and everybody shows.
//!
//! A phase is stored behind what it tells of, and loaded before what is asked about it: whoever is told that the server is ready finds
//! all that the start has made. Nobody waits for a phase; workers are told to drain by mail. The reload's outcome is a single word
//! that says nothing about others, so it is relaxed.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// Where a server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Recovering; nothing is listening yet.
    Starting = 0,
    /// Taking requests.
    Ready = 1,
    /// Finishing what is in flight; nothing new is accepted.
    Draining = 2,
}

/// A server's life, which goes one way.
pub struct Life {
    phase: AtomicU8,
    reload_refused: AtomicBool,
}

impl Default for Life {
    fn default() -> Self {
        Self { phase: AtomicU8::new(Phase::Starting as u8), reload_refused: AtomicBool::new(false) }
    }
}

impl Life {
    /// Returns where the server is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// Moves on to `phase`.
    pub fn enter(&self, phase: Phase) {
        debug_assert!(phase >= self.phase(), "a server's life goes one way");
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Says whether what a SIGHUP or SIGUSR2 asked for was done.
    pub fn reloaded(&self, is_ok: bool) {
        self.reload_refused.store(!is_ok, Ordering::Relaxed);
    }

    /// Returns whether what the last SIGHUP or SIGUSR2 asked for was refused.
    #[must_use]
    pub fn was_reload_refused(&self) -> bool {
        self.reload_refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_goes_through_its_phases_and_the_last_reload_is_shown() {
        let life = Life::default();
        for phase in [Phase::Starting, Phase::Ready, Phase::Draining] {
            life.enter(phase);
            assert_eq!(life.phase(), phase);
        }
        assert!(!life.was_reload_refused());
        life.reloaded(false);
        assert!(life.was_reload_refused());
        life.reloaded(true);
        assert!(!life.was_reload_refused());
    }
}
