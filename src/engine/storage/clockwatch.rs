//! The watch on the wall clock. A clock that was ahead while this start logged something leaves it with times that lie ahead:
//! they only rise, so all that follows would bear them too. Once the clock is right, a new start gets its times back.

use crate::base::limits::{CLOCK_AHEAD_US_MAX, CLOCK_ASK_EVERY_US, CLOCK_SETTLED_US};
use crate::engine::shared::Shared;
use crate::os::clock::wall_us;

/// What the keeper knows of the clocks.
#[derive(Debug, Default)]
pub struct ClockWatch {
    /// Since when the wall clock stands behind this start's times, microseconds of the monotonic clock.
    since_us: Option<u64>,
    /// When a new start may be asked for again.
    silent_until_us: u64,
}

impl ClockWatch {
    /// Looks once; asks for a new start when it is time.
    pub fn look_after(&mut self, shared: &Shared) {
        let own_us = shared.metrics.commit.own_time_us.value();
        let wall_us = wall_us();
        if !self.wants_start(own_us, wall_us, shared.clock.now_us()) {
            return;
        }
        let ahead_s = own_us.saturating_sub(wall_us) / 1_000_000;
        match shared.new_start.get() {
            Some(ask) => {
                tracing::warn!(
                    ahead_s,
                    "the clock was ahead while records were logged and has been set back: a new process takes over, so that \
                     new records have right times again"
                );
                ask();
            }
            None => tracing::warn!(
                ahead_s,
                "the clock was ahead while records were logged and has been set back: until a restart, new records have \
                 times in the future"
            ),
        }
    }

    /// Returns whether it is time for a new start: this start's last batch bears the time `own_us`, the clocks say `wall_us` and
    /// `clock_us`.
    fn wants_start(&mut self, own_us: u64, wall_us: u64, clock_us: u64) -> bool {
        if own_us <= wall_us.saturating_add(CLOCK_AHEAD_US_MAX) {
            self.since_us = None;
            return false;
        }
        let since_us = *self.since_us.get_or_insert(clock_us);
        if clock_us < (since_us + CLOCK_SETTLED_US).max(self.silent_until_us) {
            return false;
        }
        self.silent_until_us = clock_us + CLOCK_ASK_EVERY_US;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL_US: u64 = 1_795_234_432_000_000;

    #[test]
    fn a_new_start_is_asked_for_once_the_clock_has_settled_behind_this_ones_times() {
        let mut watch = ClockWatch::default();
        let far_us = WALL_US + CLOCK_AHEAD_US_MAX + 1;
        assert!(!watch.wants_start(0, WALL_US, 0), "nothing was logged");
        assert!(!watch.wants_start(far_us, far_us, 1), "the clock is ahead still");
        assert!(!watch.wants_start(far_us - 1, WALL_US, 1 << 40), "within the bound");
        assert!(!watch.wants_start(far_us, WALL_US, 5));
        assert!(!watch.wants_start(far_us, WALL_US, 4 + CLOCK_SETTLED_US));
        assert!(!watch.wants_start(far_us, far_us, 5 + CLOCK_SETTLED_US), "it was set ahead again");
        assert!(!watch.wants_start(far_us, WALL_US, 6 + CLOCK_SETTLED_US));
        let asked_us = 6 + 2 * CLOCK_SETTLED_US;
        assert!(watch.wants_start(far_us, WALL_US, asked_us));
        assert!(
            !watch.wants_start(far_us, WALL_US, asked_us + CLOCK_ASK_EVERY_US - 1),
            "no new start came of it"
        );
        assert!(watch.wants_start(far_us, WALL_US, asked_us + CLOCK_ASK_EVERY_US));
    }
}
