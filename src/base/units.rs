//! Values as people write them: sizes, durations, lists of cores.
//!
//! The load generator, which is built without this crate, reads its own (`bench/src/quantity.rs` says how they differ); what is a
//! duration here is one of the same length there.

/// What a size may look like, for error texts.
pub const SIZE_FORM: &str = "a size such as 512, 64KiB, 10MiB or 1GiB";
/// What a duration may look like, for error texts.
pub const DURATION_FORM: &str = "a duration such as 200ms, 10s, 5m or 1h";
/// What a list of cores may look like, for error texts.
pub const CORES_FORM: &str = "a list of core numbers such as 0,2-3, each once";

const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];
const DAY: (&str, u64) = ("d", 86_400_000);
const DURATIONS: [(&str, u64); 4] = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// Highest core number that is taken, the size of the kernel's own CPU set.
const CORE_MAX: usize = 1023;

/// Returns bytes of a size; a number without a unit is bytes.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| scaled(text, &SIZES))
}

/// Returns milliseconds of a duration; the unit has to be there.
#[must_use]
pub fn duration_ms(text: &str) -> Option<u64> {
    scaled(text, &DURATIONS)
}

/// Returns milliseconds of an age: as a duration, or in days.
#[must_use]
pub fn age_ms(text: &str) -> Option<u64> {
    duration_ms(text).or_else(|| scaled(text, &[DAY]))
}

/// Returns a whole number with a unit; spaces between them are fine.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (unit, factor) = units.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number = text[..text.len() - unit.len()].trim_end();
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse::<u64>().ok()?.checked_mul(*factor))?
}

/// Returns a size in the largest binary unit that divides it.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    let fits = |&&(_, factor): &&(&str, u64)| bytes >= factor && bytes.is_multiple_of(factor);
    match SIZES[..4].iter().find(fits) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => bytes.to_string(),
    }
}

/// Returns a duration in the largest unit that divides it.
#[must_use]
pub fn show_duration(ms: u64) -> String {
    let fits = |&&(_, factor): &&(&str, u64)| ms >= factor && ms.is_multiple_of(factor);
    match DURATIONS[1..].iter().find(fits) {
        Some((unit, factor)) => format!("{}{unit}", ms / factor),
        None => format!("{ms}ms"),
    }
}

/// Returns core numbers of a list with ranges, in the order they are written.
#[must_use]
pub fn cores(text: &str) -> Option<Vec<usize>> {
    let mut found = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|core| *core <= CORE_MAX);
        let (first, last) = (number(first)?, number(last)?);
        if first > last || (first..=last).any(|core| found.contains(&core)) {
            return None;
        }
        found.extend(first..=last);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("512", Some(512)),
            ("0", Some(0)),
            ("64KiB", Some(65_536)),
            ("1 GiB", Some(1 << 30)),
            ("10MB", Some(10_000_000)),
            ("7B", Some(7)),
            ("", None),
            ("KiB", None),
            ("-1", None),
            ("+1KiB", None),
            ("1.5GiB", None),
            ("1gib", None),
            ("99999999999TiB", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
        for (bytes, text) in [(0, "0"), (512, "512"), (1 << 20, "1MiB"), (1536, "1536"), (3 << 30, "3GiB")] {
            assert_eq!(show_size(bytes), text);
            assert_eq!(size(text), Some(bytes));
        }
    }

    #[test]
    fn durations() {
        for (text, ms) in [
            ("200ms", Some(200)),
            ("10s", Some(10_000)),
            ("2 m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("10", None),
            ("1d", None),
            ("s", None),
            ("0.5s", None),
        ] {
            assert_eq!(duration_ms(text), ms, "{text}");
        }
        assert_eq!(
            [age_ms("30d"), age_ms("1h"), age_ms("d")],
            [Some(30 * 86_400_000), Some(3_600_000), None]
        );
        for (ms, text) in [(0, "0ms"), (1500, "1500ms"), (1000, "1s"), (60_000, "1m"), (7_200_000, "2h")] {
            assert_eq!(show_duration(ms), text);
            assert_eq!(duration_ms(text), Some(ms));
        }
    }

    #[test]
    fn lists_of_cores() {
        assert_eq!(cores("0,2-3"), Some(vec![0, 2, 3]));
        assert_eq!(cores("5"), Some(vec![5]));
        for wrong in ["", "a", "3-1", "0,0", "1-3,2", "1-", "-1", "9999999"] {
            assert_eq!(cores(wrong), None, "{wrong}");
        }
    }
}
