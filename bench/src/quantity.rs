//! Amounts as people write them on a command line: `10s`, `250us`, `200k`, `1,2,5`.
//!
//! Every duration inside `bench` is a count of nanoseconds in a `u64` and says so in its name.
//!
//! The server's settings have a reader of their own (`base/units.rs`), and what it takes as a duration means the same here. But
//! they are not one: a setting is a whole number of its unit, because it is shown again as it was written and stands between
//! bounds; here `1.5ms` and `250us` are usual. And `k` and `M` count things here, where a setting's `kB` and `MiB` are bytes.

/// Highest rate of an open loop, requests per second.
pub const RATE_MAX: f64 = 100e6;
/// Shortest load, nanoseconds.
const SPAN_NS_MIN: u64 = 1_000_000;

/// Reads a duration such as `10s`, `1.5ms`, `200us`, `3m` or `80ns` as nanoseconds.
///
/// # Errors
/// Returns a sentence that names the text and an example, for a number without a unit or with an unknown one.
pub fn duration_ns(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale = match unit.trim() {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        "" => return Err(format!("`{text}` has no unit; write for example {text}s or {text}ms")),
        _ => return Err(format!("`{text}` is not a duration; write for example 10s, 250us or 2ms")),
    };
    match number.parse::<f64>() {
        Ok(value) if value * scale < 1e18 => Ok((value * scale).round() as u64),
        _ => Err(format!("`{text}` is not a duration; write for example 10s, 250us or 2ms")),
    }
}

/// Reads a duration of 1 ms at least: a length of a load, or how long something is awaited.
///
/// # Errors
/// Returns a sentence that names the text, for what is not a duration or shorter.
pub fn span_ns(text: &str) -> Result<u64, String> {
    match duration_ns(text)? {
        ns if ns < SPAN_NS_MIN => Err(format!("`{text}` is too short; write 1ms or more")),
        ns => Ok(ns),
    }
}

/// Reads requests per second, at most a hundred million: no host sends more.
///
/// # Errors
/// Returns a sentence for anything else.
pub fn rate(text: &str) -> Result<f64, String> {
    match count(text)? {
        rate if rate > RATE_MAX => {
            Err(format!("`{text}` is more than 100M/s; leave the rate out for as many as the target answers"))
        }
        rate => Ok(rate),
    }
}

/// Reads a length of time above 0 as [`span_ns`] does; a number without a unit counts seconds, as for wrk and ab.
///
/// # Errors
/// Fails as [`span_ns`] does.
pub fn seconds_ns(text: &str) -> Result<u64, String> {
    let is_bare = text.trim().bytes().all(|b| b.is_ascii_digit() || b == b'.') && !text.trim().is_empty();
    if is_bare { span_ns(&format!("{}s", text.trim())) } else { span_ns(text) }
}

/// Reads a number such as `5000`, `200k` or `1.5M`.
///
/// # Errors
/// Returns a sentence for anything that is not a positive finite number.
pub fn count(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let (number, scale) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1e3),
        Some(b'M') => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value * scale),
        _ => Err(format!("`{text}` is not a positive number; write for example 5000 or 200k")),
    }
}

/// Reads a whole positive number such as `64` or `10k`.
///
/// # Errors
/// Returns a sentence for anything else.
pub fn whole(text: &str) -> Result<u64, String> {
    let value = count(text)?;
    if value.fract() != 0.0 || value > 1e15 {
        return Err(format!("`{text}` is not a whole number"));
    }
    Ok(value as u64)
}

/// Returns a duration for people, four significant characters: `147 us`, `1.52 ms`, `10.0 s`.
#[must_use]
pub fn show_ns(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        0..=999 => format!("{ns} ns"),
        1_000..=999_999 => format!("{} us", three(value / 1e3)),
        1_000_000..=999_999_999 => format!("{} ms", three(value / 1e6)),
        _ => format!("{} s", three(value / 1e9)),
    }
}

/// Returns a count for people, with separators: `1,234,567`.
#[must_use]
pub fn show_count(value: u64) -> String {
    let digits = value.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Returns a rate for people: `204,118/s`, with a decimal only below 100.
#[must_use]
pub fn show_rate(per_second: f64) -> String {
    if per_second < 100.0 {
        format!("{per_second:.1}/s")
    } else {
        format!("{}/s", show_count(per_second.round() as u64))
    }
}

/// Returns the CPU time of one request for people, in microseconds with two decimals: `3.62 us`.
#[must_use]
pub fn show_cpu(ns_per_request: f64) -> String {
    format!("{:.2} us", ns_per_request / 1e3)
}

fn three(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_numbers_are_seconds_where_wrk_has_them() {
        for (text, ns) in
            [("10", 10_000_000_000), ("0.5", 500_000_000), (" 2 ", 2_000_000_000), ("10ms", 10_000_000)]
        {
            assert_eq!(seconds_ns(text), Ok(ns), "{text}");
        }
        for text in ["", "0", "-1", "x", "1.2.3"] {
            assert!(seconds_ns(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_by_table() {
        for (text, ns) in [
            ("10s", 10_000_000_000),
            ("1.5ms", 1_500_000),
            ("200us", 200_000),
            ("80ns", 80),
            ("2m", 120_000_000_000),
            (" 1h ", 3_600_000_000_000),
            ("0s", 0),
        ] {
            assert_eq!(duration_ns(text), Ok(ns), "{text}");
        }
        for text in ["", "10", "s", "10 parsecs", "-1s", "1..2s", "99999999999999h"] {
            assert!(duration_ns(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bounds_by_table() {
        assert_eq!((span_ns("1ms"), rate("100M")), (Ok(1_000_000), Ok(100e6)));
        for text in ["0s", "0ns", "1ns", "999us", "-1s", "1"] {
            assert!(span_ns(text).is_err(), "{text}");
        }
        for text in ["0", "100.1M", "1000M", "1000000M", "inf"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_by_table() {
        for (text, value) in [("5000", 5000.0), ("200k", 200e3), ("1.5M", 1.5e6), ("0.5", 0.5)] {
            assert_eq!(count(text), Ok(value), "{text}");
        }
        for text in ["", "k", "-1", "0", "nan", "inf", "1e400"] {
            assert!(count(text).is_err(), "{text}");
        }
        assert_eq!(whole("10k"), Ok(10_000));
        assert!(whole("1.5").is_err());
    }

    #[test]
    fn shown_for_people() {
        assert_eq!(show_ns(980), "980 ns");
        assert_eq!(show_ns(147_000), "147 us");
        assert_eq!(show_ns(1_523_000), "1.52 ms");
        assert_eq!(show_ns(10_000_000_000), "10.0 s");
        assert_eq!(show_count(0), "0");
        assert_eq!(show_count(999), "999");
        assert_eq!(show_count(1_234_567), "1,234,567");
        assert_eq!(show_rate(99.96), "100.0/s");
        assert_eq!(show_rate(204_118.4), "204,118/s");
        assert_eq!(show_cpu(3_620.0), "3.62 us");
    }
}
