//! The days on which a certificate begins and ends, the field of it that rustls reads and doesn't tell.

use std::ops::Range;

/// A sequence, in the Distinguished Encoding Rules (X.690, section 8.9).
const SEQUENCE: u8 = 0x30;
/// The version of a certificate, which those of version 1 lack (RFC 5280, section 4.1).
const VERSION: u8 = 0xa0;
/// A time with two digits of its year, of 1950 to 2049.
const UTC_TIME: u8 = 0x17;
/// A time with four.
const GENERALIZED_TIME: u8 = 0x18;

/// Returns from when to when the certificate is valid, seconds since 1970; nothing for bytes that are no certificate.
pub(super) fn span_of(certificate: &[u8]) -> Option<Range<u64>> {
    let (_, certificate, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut fields, _) = element(certificate)?;
    if element(fields)?.0 == VERSION {
        fields = element(fields)?.2;
    }
    // Before it stand the serial number, the algorithm of the signature and the issuer.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (_, validity, _) = element(fields)?;
    let (begin_tag, begin, end) = element(validity)?;
    let (end_tag, end, _) = element(end)?;
    Some(seconds(begin_tag, begin)?..seconds(end_tag, end)?)
}

/// Takes an element apart: its tag, its content, and what stands behind it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Returns the seconds since 1970 of a time of a certificate, which is in UTC and has seconds (RFC 5280, section 4.1.2.5).
fn seconds(tag: u8, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let year = text.get(..2)?.parse::<u64>().ok()?;
            (year + if year < 50 { 2000 } else { 1900 }, text.get(2..)?)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<u64>().ok();
    let (month, day) = (part(0)?, part(2)?);
    let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
    let is_sound = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    is_sound.then(|| ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Returns the days from 1970-01-01 to this one: whole years, whole months of this one, and days.
fn days(year: u64, month: u64, day: u64) -> u64 {
    const BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let is_leap = leap_days(year) > leap_days(year - 1);
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    years + BEFORE_MONTH[month as usize - 1] + u64::from(is_leap && month > 2) + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_read_and_any_cut_is_refused() {
        for (year, month, day, seconds) in
            [(2026, 11, 29, 1_795_910_400), (2049, 12, 31, 2_524_521_600), (2051, 3, 1, 2_561_241_600)]
        {
            let mut wanted = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap();
            wanted.not_before = rcgen::date_time_ymd(2000, 2, 29);
            wanted.not_after = rcgen::date_time_ymd(year, month, day);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = wanted.self_signed(&key).unwrap().der().to_vec();
            assert_eq!(span_of(&certificate), Some(951_782_400..seconds), "{year}");
            assert!((0..certificate.len()).all(|length| span_of(&certificate[..length]).is_none()));
        }
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(seconds(UTC_TIME, b"700101000000Z"), Some(0));
        assert_eq!(seconds(UTC_TIME, b"000229000001Z"), Some(951_782_401));
        assert_eq!(seconds(GENERALIZED_TIME, b"21000301000000Z"), Some(4_107_542_400));
        for bad in [&b"700101000000"[..], b"701301000000Z", b"7001010000Z", b"690101000000Z"] {
            assert_eq!(seconds(UTC_TIME, bad), None);
        }
    }
}
