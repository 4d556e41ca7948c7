//! A coarse timer wheel: many deadlines, few of which are ever reached.
//!
//! A deadline is a (key, generation) pair in the slot of its tick. Moving one later costs nothing: the owner keeps the
//! true time, lets the old entry fire, and schedules again what is not due. Moving one earlier adds an entry; the
//! stale one is recognised by its owner. Deadlines beyond the wheel's turn are put into its last slot and fire early.

/// Milliseconds of one slot: no deadline of the server is finer.
const TICK_MS: u64 = 50;
/// Slots of the wheel, a power of two: 25.6 s, longer than any deadline of an idle connection.
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
    /// An empty wheel that stands at `now_ms`.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self { slots: vec![Vec::new(); SLOTS], occupied: [0; SLOTS / WORD_BITS], tick: now_ms / TICK_MS }
    }

    /// Lets `entry` fire at `at_ms` or up to a tick later; one beyond the wheel's turn fires early. Gives when.
    pub fn schedule(&mut self, at_ms: u64, entry: Entry) -> u64 {
        let last = self.tick + SLOTS as u64 - 1;
        let tick = at_ms.div_ceil(TICK_MS).clamp(self.tick + 1, last);
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

    /// When the next entry fires, in milliseconds of the same clock; nothing when there is none.
    #[must_use]
    pub fn next_ms(&self) -> Option<u64> {
        let tick = (1..SLOTS as u64).map(|ahead| self.tick + ahead).find(|tick| self.holds(*tick))?;
        Some(tick * TICK_MS)
    }

    fn holds(&self, tick: u64) -> bool {
        let slot = tick as usize % SLOTS;
        self.occupied[slot / WORD_BITS] & (1 << (slot % WORD_BITS)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expired(wheel: &mut Wheel, now_ms: u64) -> Vec<u32> {
        let mut fired = Vec::new();
        wheel.expire(now_ms, &mut fired);
        fired.into_iter().map(|entry| entry.0).collect()
    }

    #[test]
    fn entries_fire_at_their_time_and_never_before() {
        let mut wheel = Wheel::new(1_000);
        wheel.schedule(1_100, (1, 0));
        wheel.schedule(1_101, (2, 0));
        wheel.schedule(900, (3, 0));
        assert_eq!(wheel.next_ms(), Some(1_050), "one in the past is due at the next tick");
        assert_eq!(expired(&mut wheel, 1_049), [0; 0]);
        assert_eq!(expired(&mut wheel, 1_099), [3]);
        assert_eq!(expired(&mut wheel, 1_100), [1]);
        assert_eq!(wheel.next_ms(), Some(1_150));
        assert_eq!(expired(&mut wheel, 1_150), [2]);
        assert_eq!(wheel.next_ms(), None);
    }

    #[test]
    fn far_deadlines_fire_early_and_a_long_pause_fires_each_once() {
        let mut wheel = Wheel::new(0);
        wheel.schedule(10_000_000, (1, 0));
        wheel.schedule(60, (2, 0));
        assert_eq!(expired(&mut wheel, TICK_MS * SLOTS as u64 * 9), [2, 1]);
        wheel.schedule(0, (3, 0));
        assert_eq!(expired(&mut wheel, TICK_MS * SLOTS as u64 * 9 + TICK_MS), [3]);
    }
}
