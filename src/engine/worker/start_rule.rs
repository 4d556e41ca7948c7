//! When a worker starts a commit step of the disk thread (decision 0017).
//!
//! At most one step is under way. While one is, records gather in the lane; once it has ended, a worker that finds nothing else
//! to do starts the next one at once. A worker that always finds more to do is saturated: its records lose nothing by waiting,
//! since the answers would wait behind other requests, and each further one makes the write cheaper. They wait for
//! [`COMMIT_HOLD_US`], never beyond [`COMMIT_HOLD_US_MAX`].

use crate::base::limits::{COMMIT_HOLD_US, COMMIT_HOLD_US_MAX};

/// What the rule has to know of a turn.
#[derive(Clone, Copy, Default)]
pub(super) struct Turn {
    /// When it began, behind its poll: microseconds of the worker's clock.
    pub(super) began_us: u64,
    /// The poll found nothing to do.
    pub(super) is_idle: bool,
    /// The worker has slept in the poll, so the time since the turn before says nothing.
    pub(super) has_slept: bool,
}

/// Decides for one worker when the records in its lane are committed. Time comes in with the turns.
#[derive(Default)]
pub(super) struct StartRule {
    /// When it first saw that records wait and no step is under way.
    since_us: Option<u64>,
    /// When the turn before began.
    before_us: u64,
}

impl StartRule {
    /// Returns whether a step is to be started now. To be asked once in each turn, with whether records wait and no step is under
    /// way.
    pub(super) fn is_time(&mut self, turn: Turn, is_wanted: bool) -> bool {
        let turn_us = if turn.has_slept { 0 } else { turn.began_us.saturating_sub(self.before_us) };
        self.before_us = turn.began_us;
        if !is_wanted {
            self.since_us = None;
            return false;
        }
        let held_us = turn.began_us.saturating_sub(*self.since_us.get_or_insert(turn.began_us));
        // The next time to ask is behind this turn and the next one.
        let is_last = held_us + 2 * turn_us > COMMIT_HOLD_US_MAX;
        let is_time = turn.is_idle || is_last || held_us >= COMMIT_HOLD_US;
        if is_time {
            self.since_us = None;
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn idle(began_us: u64) -> Turn {
        Turn { began_us, is_idle: true, has_slept: false }
    }

    fn busy(began_us: u64) -> Turn {
        Turn { began_us, is_idle: false, has_slept: false }
    }

    /// Asked so far for a worker without records.
    fn at_rest(until_us: u64) -> StartRule {
        let mut rule = StartRule::default();
        assert!(!rule.is_time(idle(until_us), false), "for nothing none is started");
        rule
    }

    #[test]
    fn a_worker_with_nothing_else_to_do_starts_at_once() {
        let mut rule = at_rest(5_000);
        assert!(rule.is_time(idle(5_040), true));
        assert!(rule.is_time(idle(5_080), true), "the same after each start");
    }

    #[test]
    fn a_saturated_worker_gathers_until_the_time_is_up() {
        let mut rule = at_rest(0);
        let asked = (1..).take_while(|turn| !rule.is_time(busy(turn * 100), true)).count() as u64;
        assert_eq!(asked * 100, COMMIT_HOLD_US);
        assert!(!rule.is_time(busy(COMMIT_HOLD_US + 200), true), "then it begins anew");
    }

    #[test]
    fn a_pause_ends_the_gathering() {
        let mut rule = at_rest(0);
        assert!(!rule.is_time(busy(20), true));
        assert!(!rule.is_time(busy(40), true));
        assert!(rule.is_time(idle(60), true));
    }

    #[test]
    fn time_counts_from_when_a_step_could_be_started() {
        let mut rule = at_rest(0);
        assert!(!rule.is_time(busy(20), true));
        // Another worker has started one.
        assert!(!rule.is_time(busy(COMMIT_HOLD_US_MAX - 20), false));
        assert!(!rule.is_time(busy(COMMIT_HOLD_US_MAX), true));
    }

    #[test]
    fn turns_that_are_too_long_to_ask_again_start_at_once_and_a_sleep_is_none() {
        assert!(at_rest(0).is_time(busy(COMMIT_HOLD_US_MAX), true));
        let woken = Turn { began_us: COMMIT_HOLD_US_MAX, is_idle: false, has_slept: true };
        assert!(!at_rest(0).is_time(woken, true));
    }

    /// Returns the longest time for which a worker in virtual time holds back a step that it could start, microseconds. `turns` are
    /// each turn's length and whether its poll finds nothing; every turn has records, and a step takes `step_us`.
    fn longest_hold(turns: &[(u64, bool)], step_us: u64) -> u64 {
        let mut rule = StartRule::default();
        let (mut began_us, mut ends_us, mut could_us, mut longest_us) = (0, 0, None, 0);
        for &(turn_us, is_idle) in turns {
            let turn = Turn { began_us, is_idle, has_slept: false };
            // The worker asks when it has served what the poll found.
            let asked_us = began_us + turn_us;
            let could_start = began_us >= ends_us;
            could_us = could_start.then(|| could_us.unwrap_or(asked_us));
            longest_us = longest_us.max(could_us.map_or(0, |since_us| asked_us - since_us));
            if rule.is_time(turn, could_start) {
                ends_us = asked_us + step_us;
                could_us = None;
            }
            began_us = asked_us;
        }
        longest_us
    }

    proptest! {
        #[test]
        fn a_write_is_never_held_back_for_more_than_a_millisecond(
            turns in prop::collection::vec((1_u64..=150, prop::bool::weighted(0.05)), 1..400),
            step_us in 1_u64..3_000,
        ) {
            prop_assert!(longest_hold(&turns, step_us) <= COMMIT_HOLD_US_MAX);
        }

        /// A worker with very many requests in a turn: it asks once a turn, so that is how long it may take.
        #[test]
        fn long_turns_of_a_like_length_hold_for_a_millisecond_or_one_turn(
            turn_us in 1_u64..20_000,
            count in 1_usize..100,
            step_us in 1_u64..3_000,
        ) {
            let turns = vec![(turn_us, false); count];
            prop_assert!(longest_hold(&turns, step_us) <= COMMIT_HOLD_US_MAX.max(turn_us));
        }
    }
}
