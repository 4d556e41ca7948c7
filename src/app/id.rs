//! Numbers that name things in paths.

use crate::http::query::decode_path;

/// Returns the number that a segment of a path names. Each thing has one address: what is no row of digits, or begins with a zero,
/// names nothing. An encoded digit is the digit (RFC 3986, section 6.2.2.2).
#[must_use]
pub fn of_segment(segment: &str) -> Option<u64> {
    let text = decode_path(segment);
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_form() {
        for (segment, id) in [("1", 1), ("%31", 1), ("1%30", 10), ("18446744073709551615", u64::MAX)] {
            assert_eq!(of_segment(segment), Some(id), "{segment}");
        }
        for none in [
            "",
            "0",
            "01",
            "%301",
            "+1",
            "%2B1",
            "-1",
            " 1",
            "1 ",
            "1.0",
            "x",
            "18446744073709551616",
            "\u{661}",
        ] {
            assert_eq!(of_segment(none), None, "{none}");
        }
    }
}
