//! How much of what an application has taken it keeps: an operator's limits.

use crate::base::units;

/// How long a host has to be away for another one to cut what it took by age, microseconds: an hour. It cuts that itself
/// otherwise, by its own clock.
pub const CUT_AWAY_US: u64 = 3_600_000_000;

/// What may be written.
pub const FORM: &str =
    "all, an age such as 30d or 12h, a size such as 500GiB, or a number of items such as 1000000";
/// The word for no limit.
pub const ALL: &str = "all";

/// The limits of one application: what is beyond any of them goes. Without one everything is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// What is younger is kept, microseconds.
    pub age_us: Option<u64>,
    /// The newest of this many bytes are kept.
    pub bytes: Option<u64>,
    /// The newest of this number are kept.
    pub count: Option<u64>,
}

impl Keep {
    /// Returns the limits that these texts say; of two of one kind the smaller. Those of another form are passed over.
    #[must_use]
    pub fn of(texts: &[String]) -> Self {
        let mut keep = Self::default();
        for text in texts {
            let (place, value) = if let Ok(count) = text.parse() {
                (&mut keep.count, Some(count))
            } else if let Some(age_ms) = units::age_ms(text) {
                (&mut keep.age_us, age_ms.checked_mul(1_000))
            } else {
                (&mut keep.bytes, units::size(text))
            };
            *place = value.map(|value| place.map_or(value, |other| value.min(other))).or(*place);
        }
        keep
    }

    /// Returns whether nothing ever goes.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the same without what is younger than `least_us` going by its age, microseconds.
    #[must_use]
    pub fn no_younger_than(self, least_us: u64) -> Self {
        Self { age_us: self.age_us.map(|age_us| age_us.max(least_us)), ..self }
    }
}

/// Returns whether a text is a limit. An age is at least a second; nothing else than a limit would be 0.
#[must_use]
pub fn is_limit(text: &str) -> bool {
    let is_age = || units::age_ms(text).is_some_and(|age_ms| age_ms >= 1_000);
    let is_bytes = || units::age_ms(text).is_none() && units::size(text).is_some_and(|bytes| bytes > 0);
    text == ALL || is_age() || is_bytes()
}

/// Returns what may be written, for errors and documents.
#[must_use]
pub fn form() -> String {
    FORM.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_apart_by_their_units() {
        let keep =
            |texts: &[&str]| Keep::of(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let all = keep(&["30d", "500GiB", "1000000"]);
        let (age_us, bytes) = (Some(30 * 86_400_000_000), Some(500 << 30));
        assert_eq!(all, Keep { age_us, bytes, count: Some(1_000_000) });
        assert_eq!(
            keep(&["2h", "90m", "7", "5"]),
            Keep { age_us: Some(5_400_000_000), bytes: None, count: Some(5) }
        );
        assert!(keep(&["all"]).is_all() && keep(&[]).is_all() && !keep(&["0"]).is_all());
        for right in ["all", "1", "30d", "1s", "500GiB", "10MB", "7B"] {
            assert!(is_limit(right), "{right}");
        }
        for wrong in ["", "0", "0d", "999ms", "-1", "30", "d", "everything", "1.5GiB", "0GiB"] {
            assert_eq!(is_limit(wrong), wrong == "30", "{wrong}");
        }
    }
}
