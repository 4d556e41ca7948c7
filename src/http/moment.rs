//! Moments as people and programs write them: RFC 3339.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Returns the microseconds from the start of 1970 to a moment such as `2026-11-29T10:00:00Z` or
/// `2026-11-29T11:00:00.25+01:00`; digits beyond microseconds are cut off. The `+` of an offset may have become the space that it
/// stands for in a query. Nothing for text of another form, and for moments before 1970.
#[must_use]
pub fn read_us(text: &str) -> Option<u64> {
    let text = text.replacen(' ', "+", 1);
    let moment = OffsetDateTime::parse(&text, &Rfc3339).ok()?;
    u64::try_from(moment.unix_timestamp_nanos() / 1_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_with_their_offsets() {
        for (text, moment_us) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-29T10:00:00Z", 1_795_946_400_000_000),
            ("2026-11-29T11:00:00.25+01:00", 1_795_946_400_250_000),
            ("2026-11-29T11:00:00.25 01:00", 1_795_946_400_250_000),
            ("2026-11-29t04:30:00.1234567-05:30", 1_795_946_400_123_456),
        ] {
            assert_eq!(read_us(text), Some(moment_us), "{text}");
        }
        for text in
            ["", "2026-11-29", "2026-11-29T10:00:00", "1969-12-31T23:59:59Z", "2026-13-01T00:00:00Z", "7"]
        {
            assert_eq!(read_us(text), None, "{text}");
        }
    }
}
