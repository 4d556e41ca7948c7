//! How long the log's word to a message is waited for: as RFC 6298 has it for TCP, the mean of the answers that came and four deviations,
//! and twice as long after each one that did not come.

use crate::base::limits::RELAY_LATE_US;

/// Most times that the wait is doubled.
const DOUBLINGS_MAX: u32 = 8;

/// The answers so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// The least wait, microseconds.
    least_us: u64,
    /// Mean time of an answer and mean deviation from it, microseconds; nothing before the first answer.
    usual: Option<(u64, u64)>,
    /// Answers in a row that did not come.
    missed: u32,
}

impl Patience {
    /// Returns that of a log that was not heard yet, with this least wait, microseconds.
    pub(super) fn of_least(least_us: u64) -> Self {
        Self { least_us, usual: None, missed: 0 }
    }

    /// Notes that an answer took so long, microseconds.
    pub(super) fn heard(&mut self, took_us: u64) {
        self.usual = Some(match self.usual {
            None => (took_us, took_us / 2),
            Some((mean_us, deviation_us)) => {
                let off_us = mean_us.abs_diff(took_us);
                (mean_us - mean_us / 8 + took_us / 8, deviation_us - deviation_us / 4 + off_us / 4)
            }
        });
        self.missed = 0;
    }

    /// Notes that an answer did not come in time.
    pub(super) fn missed(&mut self) {
        self.missed = (self.missed + 1).min(DOUBLINGS_MAX);
    }

    /// Returns how long the next answer is waited for, microseconds.
    pub(super) fn us(&self) -> u64 {
        let Some((mean_us, deviation_us)) = self.usual else { return RELAY_LATE_US };
        let us = (mean_us + 4 * deviation_us).max(self.least_us);
        (us << self.missed).min(RELAY_LATE_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::RELAY_LATE_US_MIN;

    #[test]
    fn a_quick_log_is_soon_late_and_a_slow_one_is_not() {
        let mut patience = Patience::of_least(RELAY_LATE_US_MIN);
        assert_eq!(patience.us(), RELAY_LATE_US, "nothing is known");
        (0..50).for_each(|_| patience.heard(3_000));
        assert_eq!(patience.us(), RELAY_LATE_US_MIN);
        (0..50).for_each(|turn| patience.heard(200_000 + turn % 2 * 100_000));
        assert!((400_000..RELAY_LATE_US).contains(&patience.us()), "{}", patience.us());
        (0..50).for_each(|_| patience.heard(3_000));
        assert_eq!(patience.us(), RELAY_LATE_US_MIN);
    }

    #[test]
    fn who_waits_in_vain_waits_longer_until_something_comes() {
        let mut patience = Patience::of_least(RELAY_LATE_US_MIN);
        patience.heard(3_000);
        let waits: Vec<u64> = (0..12)
            .map(|_| {
                patience.missed();
                patience.us()
            })
            .collect();
        assert_eq!(waits[0], 2 * RELAY_LATE_US_MIN);
        assert!(waits.is_sorted() && waits.ends_with(&[RELAY_LATE_US; 9]), "{waits:?}");
        patience.heard(3_000);
        assert_eq!(patience.us(), RELAY_LATE_US_MIN);
    }

    #[test]
    fn a_bucket_is_waited_for_as_long_as_it_may_take() {
        let mut patience = Patience::of_least(RELAY_LATE_US);
        (0..50).for_each(|_| patience.heard(200_000));
        assert_eq!(patience.us(), RELAY_LATE_US);
    }
}
