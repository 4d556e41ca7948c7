//! The wall clock as far as it is believed where it decides what goes for ever. A clock that is ahead for some minutes, as of a machine that
//! boots before it was told the time, would take everything that an age limits.

use super::background::Desk;
use crate::base::limits::{CLOCK_AHEAD_US_MAX, CLOCK_BELIEVED_US};

/// A lead of the clock from which on an operator is told, microseconds: a host that was off for less is nothing unusual.
const TOLD_US: u64 = 24 * 3_600 * 1_000_000;

/// A thread's view of the wall clock.
#[derive(Debug, Default)]
pub struct BelievedClock {
    /// Time that was believed at the last look, and the monotonic clock then.
    last: Option<(u64, u64)>,
    /// Since when the wall clock is ahead of that.
    ahead_since_us: Option<u64>,
}

impl BelievedClock {
    /// Returns the wall clock, microseconds since 1970. Where it is more than ten minutes ahead of what was expected, by the newest record at
    /// the first look and by the last look later, it returns what was expected, until the clock has stood so for ten minutes.
    pub fn look(&mut self, desk: &dyn Desk) -> u64 {
        let newest_us = desk.applied().read().time_us;
        let (wall_us, was_sound) = (desk.wall_us(), self.ahead_since_us.is_none());
        let believed_us = self.believe(wall_us, desk.now_us(), newest_us);
        let ahead_us = wall_us.saturating_sub(believed_us);
        if was_sound && ahead_us >= TOLD_US {
            let hours = ahead_us / 3_600_000_000;
            desk.warn(&format!(
                "the clock is {hours} hours ahead of the newest record or of what it was: ages of --keep go by it in ten minutes. If it \
                 is wrong, correct it before then"
            ));
        }
        believed_us
    }

    fn believe(&mut self, wall_us: u64, now_us: u64, newest_us: u64) -> u64 {
        let expected_us = match self.last {
            Some((believed_us, then_us)) => believed_us.saturating_add(now_us.saturating_sub(then_us)),
            None if newest_us > 0 => newest_us,
            None => wall_us,
        };
        let is_ahead = wall_us > expected_us.saturating_add(CLOCK_AHEAD_US_MAX);
        let since_us = is_ahead.then(|| self.ahead_since_us.unwrap_or(now_us));
        self.ahead_since_us = since_us.filter(|since_us| now_us < since_us.saturating_add(CLOCK_BELIEVED_US));
        let believed_us = if self.ahead_since_us.is_some() { expected_us } else { wall_us };
        self.last = Some((believed_us, now_us));
        believed_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL_US: u64 = 1_795_234_432_000_000;
    const MINUTE_US: u64 = 60_000_000;
    const MONTH_US: u64 = 30 * 24 * 60 * MINUTE_US;

    #[test]
    fn a_start_with_a_clock_far_ahead_is_believed_after_ten_minutes() {
        let mut clock = BelievedClock::default();
        let mut at = |minutes: u64| {
            let now_us = 77 + minutes * MINUTE_US;
            clock.believe(WALL_US + MONTH_US + minutes * MINUTE_US, now_us, WALL_US) - minutes * MINUTE_US
        };
        assert_eq!([0, 5, 9].map(&mut at), [WALL_US; 3]);
        assert_eq!([10, 11, 2_000].map(&mut at), [WALL_US + MONTH_US; 3]);
    }

    #[test]
    fn a_clock_that_jumps_ahead_and_back_was_never_believed() {
        let mut clock = BelievedClock::default();
        assert_eq!(clock.believe(WALL_US, 0, WALL_US), WALL_US);
        for minute in 1..9 {
            let jumped_us = WALL_US + MONTH_US;
            assert_eq!(clock.believe(jumped_us, minute * MINUTE_US, jumped_us), WALL_US + minute * MINUTE_US);
        }
        let right_us = WALL_US + 9 * MINUTE_US;
        assert_eq!(clock.believe(right_us, 9 * MINUTE_US, 0), right_us);
        assert_eq!(
            clock.believe(right_us + MONTH_US, 10 * MINUTE_US, 0),
            right_us + MINUTE_US,
            "it begins anew"
        );
    }

    #[test]
    fn a_clock_within_ten_minutes_or_behind_is_believed_at_once() {
        for (wall_us, newest_us) in
            [(WALL_US, 0), (WALL_US, WALL_US - 10 * MINUTE_US), (WALL_US, WALL_US + MONTH_US)]
        {
            assert_eq!(BelievedClock::default().believe(wall_us, 5, newest_us), wall_us);
        }
    }
}
