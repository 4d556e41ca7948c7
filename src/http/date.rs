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
    /// The date of a second since 1970; seconds beyond the year 9999 stay there.
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

    /// The text.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8; DATE_BYTES] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
