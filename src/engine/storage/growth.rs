//! How fast what is kept grows, and when the disk will be full.

use std::collections::VecDeque;

use crate::base::ids::Position;
use crate::engine::shared::Shared;
use crate::engine::shared::prospect::Prospect;

/// Time between two samples, microseconds.
const SAMPLE_US: u64 = 600_000_000;
/// How long it is looked back, microseconds: a week.
const PAST_US: u64 = 7 * 86_400_000_000;
/// Time between two looks, microseconds.
const LOOK_US: u64 = 5_000_000;
/// From as many days on until the disk is full the log warns.
const WARN_DAYS: f64 = 7.0;
/// Time between two warnings, microseconds: a day.
const WARN_EVERY_US: u64 = 86_400_000_000;
const DAY_US: f64 = 86_400e6;

/// Bytes kept, by the time, over the last week of this process.
#[derive(Debug, Default)]
struct Past {
    samples: VecDeque<(u64, u64)>,
}

impl Past {
    /// Takes up how much is kept now; gives by how many bytes it grows in a day, once ten minutes are known.
    fn note(&mut self, now_us: u64, bytes: u64) -> Option<f64> {
        if self.samples.back().is_none_or(|(last_us, _)| now_us >= last_us + SAMPLE_US) {
            self.samples.push_back((now_us, bytes));
            while self.samples.front().is_some_and(|(first_us, _)| first_us + PAST_US < now_us) {
                self.samples.pop_front();
            }
        }
        let (first_us, first) = *self.samples.front()?;
        let passed_us = now_us.saturating_sub(first_us);
        (passed_us >= SAMPLE_US).then(|| (bytes as f64 - first as f64) / passed_us as f64 * DAY_US)
    }
}

/// What the keeper has seen of it.
#[derive(Default)]
pub struct Growth {
    past: Past,
    looked_us: Option<u64>,
    warned_us: Option<u64>,
}

impl Growth {
    /// Looks every few seconds, while so many bytes are free above the reserve. Warns once a day from a week ahead on.
    pub fn look_after(&mut self, shared: &Shared, free_bytes: Option<u64>) {
        let now_us = shared.clock.now_us();
        if self.looked_us.is_some_and(|looked_us| now_us < looked_us + LOOK_US) {
            return;
        }
        self.looked_us = Some(now_us);
        let per_day = self.past.note(now_us, kept_bytes(shared));
        let prospect = Prospect {
            bytes_per_day: per_day,
            days: per_day.zip(free_bytes).and_then(|(per_day, free)| days(per_day, free)),
        };
        if self.is_warning_due(&prospect, now_us) {
            let (days, bytes_per_day) = (prospect.days.unwrap_or(0.0), per_day.unwrap_or(0.0));
            tracing::warn!(
                days = format!("{days:.1}"),
                bytes_per_day = format!("{bytes_per_day:.0}"),
                "at this rate the disk will be full within a week: make room, or keep less (--keep, docs/retention.md)"
            );
        }
        shared.prospect.set(prospect);
    }

    fn is_warning_due(&mut self, prospect: &Prospect, now_us: u64) -> bool {
        let is_near = prospect.days.is_some_and(|days| days < WARN_DAYS);
        let is_due = is_near && self.warned_us.is_none_or(|warned_us| now_us >= warned_us + WARN_EVERY_US);
        if is_due {
            self.warned_us = Some(now_us);
        }
        is_due
    }
}

/// Returns after how many days so many bytes are used up; nothing if what is kept does not grow.
fn days(bytes_per_day: f64, free_bytes: u64) -> Option<f64> {
    (bytes_per_day >= 1.0).then(|| free_bytes as f64 / bytes_per_day)
}

/// Returns the bytes of the journal that are kept, and of the contents beside it.
fn kept_bytes(shared: &Shared) -> u64 {
    let layout = shared.reader.layout();
    let oldest =
        shared.reader.segments().first().map_or(Position(0), |oldest| layout.start_of(oldest.number));
    let applied = shared.applied.read();
    applied.position.0.saturating_sub(oldest.0) + applied.contents_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: u64 = 3_600_000_000;

    #[test]
    fn a_rate_is_known_after_ten_minutes_and_over_a_week() {
        let mut past = Past::default();
        assert_eq!((past.note(5, 1_000), past.note(SAMPLE_US + 4, 2_000)), (None, None));
        assert_eq!(past.note(SAMPLE_US + 5, 2_000), Some(144_000.0));
        // A thousand bytes each hour, for two weeks: only the last one counts.
        let mut past = Past::default();
        let mut rate = None;
        for hour in 0..336 {
            let bytes = if hour < 100 { 0 } else { hour * 1_000 };
            rate = past.note(hour * HOUR_US, bytes);
        }
        assert_eq!(rate.map(f64::round), Some(24_000.0));
        assert!(past.note(336 * HOUR_US, 0).is_some_and(|rate| rate < 0.0));
        assert_eq!(past.samples.len(), 169);
    }

    #[test]
    fn days_are_told_while_it_grows_and_warned_of_once_a_day() {
        assert_eq!((days(1e9, 3_000_000_000), days(0.0, 5), days(-1e9, 5)), (Some(3.0), None, None));
        let mut growth = Growth::default();
        let near = |days| Prospect { bytes_per_day: Some(1.0), days };
        assert!(!growth.is_warning_due(&near(Some(7.5)), 0) && !growth.is_warning_due(&near(None), 0));
        assert!(growth.is_warning_due(&near(Some(6.9)), 0));
        assert!(!growth.is_warning_due(&near(Some(6.8)), WARN_EVERY_US - 1));
        assert!(growth.is_warning_due(&near(Some(6.0)), WARN_EVERY_US));
        assert_eq!(near(Some(6.0)).json().as_deref(), Some("{\"bytes_per_day\":1,\"days_until_full\":6.0}"));
        assert_eq!(Prospect::default().json(), None);
    }
}
