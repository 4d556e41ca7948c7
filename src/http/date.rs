//! The Date field's value, made once per second instead of once per answer.

use std::time::{Duration, UNIX_EPOCH};

/// Length in bytes of a date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
pub const DATE_BYTES: usize = 29;

/// The last second that has four digits of a year: 9999-12-31 23:59:59.
const SECOND_MAX: u64 = 253_402_300_799;

/// The current second as a date.
#[derive(Clone, Debug)]
pub struct DateCell {
    unix_s: u64,
    text: [u8; DATE_BYTES],
}

impl DateCell {
    /// Returns the date of a second since 1970; seconds beyond the year 9999 stay there.
    #[must_use]
    pub fn new(unix_s: u64) -> Self {
        let time = UNIX_EPOCH + Duration::from_secs(unix_s.min(SECOND_MAX));
        let mut text = [b' '; DATE_BYTES];
        let formatted = httpdate::fmt_http_date(time);
        debug_assert_eq!(formatted.len(), DATE_BYTES);
        for (to, from) in text.iter_mut().zip(formatted.bytes()) {
            *to = from;
        }
        Self { unix_s, text }
    }

    /// Takes the current second; true if the text changed.
    #[inline]
    pub fn refresh(&mut self, unix_s: u64) -> bool {
        let is_stale = unix_s != self.unix_s;
        if is_stale {
            *self = Self::new(unix_s);
        }
        is_stale
    }

    /// Returns the text.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8; DATE_BYTES] {
        &self.text
    }
}

/// A second of UTC as people write it (the proleptic Gregorian calendar, without leap seconds, as Unix counts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// 1970 to 9999.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    /// 0 to 23.
    pub hour: u64,
    /// 0 to 59.
    pub minute: u64,
    /// 0 to 59.
    pub second: u64,
}

impl Civil {
    /// Returns the moment `unix_s` seconds after the start of 1970; seconds beyond the year 9999 stay there.
    #[must_use]
    pub fn of(unix_s: u64) -> Self {
        let unix_s = unix_s.min(SECOND_MAX);
        let (days, of_day) = (unix_s / 86_400, unix_s % 86_400);
        // Counted from 1 March of the year 0, the leap day is the last of its year, and 400 years are an era.
        let days = days + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            hour: of_day / 3_600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }
}

/// Returns a moment, microseconds since 1970, as RFC 3339 has it: `2026-11-29T10:00:00.000000Z`.
#[must_use]
pub fn rfc3339(unix_us: u64) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::of(unix_us / 1_000_000);
    let fraction = unix_us % 1_000_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_to_the_microsecond() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(1_795_946_400_000_007), "2026-11-29T10:00:00.000007Z");
    }

    #[test]
    fn days_agree_with_the_dates_of_rfc_9110() {
        const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
        for unix_s in (0..=SECOND_MAX).step_by(86_400 * 17 + 3_601).chain([SECOND_MAX]) {
            let Civil { year, month, day, hour, minute, second } = Civil::of(unix_s);
            let name = &MONTHS[month as usize * 3 - 3..month as usize * 3];
            let text = format!("{day:02} {name} {year:04} {hour:02}:{minute:02}:{second:02} GMT");
            assert_eq!(&DateCell::new(unix_s).bytes()[5..], text.as_bytes());
        }
        assert_eq!(Civil::of(u64::MAX), Civil::of(SECOND_MAX));
    }

    #[test]
    fn dates_are_written_as_rfc_9110_has_them() {
        let mut cell = DateCell::new(784_111_777);
        assert_eq!(cell.bytes(), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(!cell.refresh(784_111_777));
        assert!(cell.refresh(784_111_778));
        assert_eq!(cell.bytes(), b"Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(DateCell::new(0).bytes(), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(DateCell::new(u64::MAX).bytes(), b"Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
