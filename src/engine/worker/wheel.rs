//! A coarse timer wheel: many deadlines, few of which are ever reached.
//!
//! An entry is a (key, generation) pair in the slot of its tick. Moving a deadline later costs nothing: the owner keeps
//! the true time, lets the old entry fire, and schedules again what is not due. Moving one earlier adds an entry; the
//! stale one is recognised by its owner. An entry for a deadline beyond the wheel's turn fires at the end of the turn, so
//! whoever gets an entry that fired asks whether the time has come, and schedules again if not.
//!
//! Nobody has to turn the wheel while it is empty: a turn begins with the first entry that is put into it.

/// Milliseconds of one slot: no deadline of the server is finer.
pub const TICK_MS: u64 = 50;
/// Slots of the wheel, a power of two: 25.6 s, longer than most deadlines are.
const SLOTS: usize = 512;
const WORD_BITS: usize = 64;

/// A deadline's owner: its place in a table and the generation that it had there.
pub type Entry = (u32, u32);

/// Deadlines of one worker.
pub struct Wheel {
    slots: Vec<Vec<Entry>>,
    /// One bit per slot that holds anything, so that an idle worker finds its next wake-up without looking at all.
    occupied: [u64; SLOTS / WORD_BITS],
    /// The tick up to which everything has fired.
    tick: u64,
}

impl Wheel {
    /// Returns an empty wheel that stands at `now_ms`.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self { slots: vec![Vec::new(); SLOTS], occupied: [0; SLOTS / WORD_BITS], tick: now_ms / TICK_MS }
    }

    /// Lets `entry` fire at `at_ms` or less than a tick later, or at the end of the wheel's turn if that comes first,
    /// unless it fires at `scheduled_ms` anyway and that is no later. Returns when it fires first.
    pub fn schedule(&mut self, now_ms: u64, at_ms: u64, scheduled_ms: u64, entry: Entry) -> u64 {
        if at_ms >= scheduled_ms {
            return scheduled_ms;
        }
        self.skip_empty(now_ms / TICK_MS);
        let last = self.tick + SLOTS as u64 - 1;
        let tick = at_ms.div_ceil(TICK_MS).clamp(self.tick + 1, last);
        if tick * TICK_MS >= scheduled_ms {
            return scheduled_ms;
        }
        let slot = tick as usize % SLOTS;
        self.slots[slot].push(entry);
        self.occupied[slot / WORD_BITS] |= 1 << (slot % WORD_BITS);
        tick * TICK_MS
    }

    /// Moves every entry whose time has come into `fired`.
    pub fn expire(&mut self, now_ms: u64, fired: &mut Vec<Entry>) {
        let now = now_ms / TICK_MS;
        // After a pause longer than the wheel's turn every slot has come up; none needs to be looked at twice.
        let from = self.tick.max(now.saturating_sub(SLOTS as u64)) + 1;
        for tick in from..=now {
            let slot = tick as usize % SLOTS;
            fired.append(&mut self.slots[slot]);
            self.occupied[slot / WORD_BITS] &= !(1 << (slot % WORD_BITS));
        }
        self.tick = self.tick.max(now);
    }

    /// Returns when the next entry fires, in milliseconds of the same clock; nothing when there is none.
    #[must_use]
    pub fn next_ms(&self) -> Option<u64> {
        self.next_tick().map(|tick| tick * TICK_MS)
    }

    /// Turns on to `now` without passing an entry: a turn is counted from now, not from when something fired last.
    fn skip_empty(&mut self, now: u64) {
        if self.tick < now {
            let free = self.next_tick().map_or(now, |next| next - 1);
            self.tick = self.tick.max(free.min(now));
        }
    }

    fn next_tick(&self) -> Option<u64> {
        let is_empty = self.occupied.iter().all(|word| *word == 0);
        if is_empty {
            None
        } else {
            (1..SLOTS as u64).map(|ahead| self.tick + ahead).find(|tick| self.holds(*tick))
        }
    }

    fn holds(&self, tick: u64) -> bool {
        let slot = tick as usize % SLOTS;
        self.occupied[slot / WORD_BITS] & (1 << (slot % WORD_BITS)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turn of the wheel.
    const TURN_MS: u64 = TICK_MS * SLOTS as u64;
    const NEVER: u64 = u64::MAX;

    fn expired(wheel: &mut Wheel, now_ms: u64) -> Vec<u32> {
        let mut fired = Vec::new();
        wheel.expire(now_ms, &mut fired);
        fired.into_iter().map(|entry| entry.0).collect()
    }

    #[test]
    fn entries_fire_at_their_time_and_never_before() {
        let mut wheel = Wheel::new(1_000);
        assert_eq!(wheel.schedule(1_000, 1_100, NEVER, (1, 0)), 1_100);
        assert_eq!(wheel.schedule(1_000, 1_101, NEVER, (2, 0)), 1_150);
        assert_eq!(
            wheel.schedule(1_000, 900, NEVER, (3, 0)),
            1_050,
            "one in the past is due at the next tick"
        );
        assert_eq!(wheel.next_ms(), Some(1_050));
        assert_eq!(expired(&mut wheel, 1_049), [0; 0]);
        assert_eq!(expired(&mut wheel, 1_099), [3]);
        assert_eq!(expired(&mut wheel, 1_100), [1]);
        assert_eq!(wheel.next_ms(), Some(1_150));
        assert_eq!(expired(&mut wheel, 1_150), [2]);
        assert_eq!(wheel.next_ms(), None);
    }

    #[test]
    fn an_entry_is_added_only_if_it_fires_before_the_one_that_is_there() {
        let mut wheel = Wheel::new(0);
        assert_eq!(wheel.schedule(0, 101, NEVER, (1, 0)), 150);
        assert_eq!(wheel.schedule(20, 120, 150, (1, 0)), 150, "in the same tick");
        assert_eq!(wheel.schedule(20, NEVER, 150, (1, 0)), 150);
        assert_eq!(wheel.schedule(20, 60, 150, (1, 0)), 100);
        assert_eq!(expired(&mut wheel, 1_000), [1, 1]);
        assert_eq!(wheel.schedule(1_000, NEVER, NEVER, (1, 0)), NEVER, "what has no deadline has no entry");
        assert_eq!(wheel.next_ms(), None);
    }

    #[test]
    fn a_deadline_beyond_the_turn_fires_early_and_the_caller_learns_when() {
        let mut wheel = Wheel::new(0);
        let early = wheel.schedule(0, 10_000_000, NEVER, (1, 0));
        assert_eq!((early, wheel.next_ms()), (TURN_MS - TICK_MS, Some(early)));
        wheel.schedule(0, 60, NEVER, (2, 0));
        assert_eq!(expired(&mut wheel, TURN_MS * 9), [2, 1]);
        wheel.schedule(TURN_MS * 9, 0, NEVER, (3, 0));
        assert_eq!(expired(&mut wheel, TURN_MS * 9 + TICK_MS), [3]);
    }

    #[test]
    fn a_turn_is_counted_from_now_after_a_silence() {
        let mut wheel = Wheel::new(0);
        let now_ms = 3 * TURN_MS + 7;
        assert_eq!(wheel.schedule(now_ms, now_ms + 10_000, NEVER, (1, 0)), 3 * TURN_MS + 10_050);
        // The next silence ends before that: what is put in then may go beyond the turn that began with the first.
        let later_ms = now_ms + 9_000;
        assert_eq!(wheel.schedule(later_ms, later_ms + 25_000, NEVER, (2, 0)), 3 * TURN_MS + 34_050);
        assert_eq!(expired(&mut wheel, now_ms + 9_990), [0; 0]);
        assert_eq!(expired(&mut wheel, now_ms + 33_000), [1]);
        assert_eq!(expired(&mut wheel, now_ms + 34_043), [2]);
    }

    #[test]
    fn an_entry_that_is_overdue_is_not_passed() {
        let mut wheel = Wheel::new(0);
        wheel.schedule(0, 100, NEVER, (1, 0));
        // The turn's order may have it that something is put in before what is due is looked at.
        let fires_ms = wheel.schedule(90_000, 91_000, NEVER, (2, 0));
        assert!(fires_ms < 91_000, "early, so that the slot of the first one stays its own");
        let mut both = expired(&mut wheel, 90_000);
        both.sort_unstable();
        assert_eq!(both, [1, 2]);
    }
}
