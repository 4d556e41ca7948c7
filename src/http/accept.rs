//! Which of several media types a client likes best (RFC 9110, section 12.5.1).

/// How well a media range fits a type: the more specific range decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Any,
    Main,
    Exact,
}

/// Returns the index of the type in `offered` with the highest quality; of equal ones the first. `fields` are the values of all
/// Accept fields: none accepts everything. `None` if nothing offered is acceptable.
///
/// Parameters other than `q` are not compared. A malformed range is skipped, a malformed `q` counts as 1.
#[must_use]
pub fn choose<'f>(fields: impl Iterator<Item = &'f [u8]> + Clone, offered: &[&str]) -> Option<usize> {
    let mut best = None;
    for (index, media_type) in offered.iter().enumerate() {
        let quality = quality_of(fields.clone(), media_type);
        if quality > best.map_or(0, |(_, quality)| quality) {
            best = Some((index, quality));
        }
    }
    best.map(|(index, _)| index)
}

/// Returns the quality of a media type in thousandths.
fn quality_of<'f>(fields: impl Iterator<Item = &'f [u8]>, media_type: &str) -> u16 {
    let mut is_absent = true;
    let mut best: Option<(Fit, u16)> = None;
    for range in fields.flat_map(|value| value.split(|&byte| byte == b',')) {
        is_absent = false;
        let Some((fit, quality)) = weigh(range, media_type) else { continue };
        if best.is_none_or(|(other, _)| fit > other) {
            best = Some((fit, quality));
        }
    }
    if is_absent { 1000 } else { best.map_or(0, |(_, quality)| quality) }
}

fn weigh(range: &[u8], media_type: &str) -> Option<(Fit, u16)> {
    let mut parts = std::str::from_utf8(range).ok()?.split(';').map(str::trim);
    let (main, sub) = parts.next()?.split_once('/')?;
    let (own_main, own_sub) = media_type.split(';').next()?.trim().split_once('/')?;
    let fit = match (main, sub) {
        ("*", "*") => Fit::Any,
        (_, "*") if main.eq_ignore_ascii_case(own_main) => Fit::Main,
        _ if main.eq_ignore_ascii_case(own_main) && sub.eq_ignore_ascii_case(own_sub) => Fit::Exact,
        _ => return None,
    };
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((fit, quality.and_then(thousandths).unwrap_or(1000)))
}

/// Reads a quality in thousandths, `0.5` as 500; at most three decimals, at most 1.
pub(super) fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3
        || !matches!(whole, "0" | "1")
        || !decimals.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let padded = decimals.bytes().chain(*b"000").take(3);
    let below_one = padded.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'));
    Some((u16::from(whole == "1") * 1000 + below_one).min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERED: &[&str] = &["application/json", "application/x-ndjson", "text/csv; charset=utf-8"];

    fn chosen(fields: &[&str]) -> Option<usize> {
        choose(fields.iter().map(|field| field.as_bytes()), OFFERED)
    }

    #[test]
    fn the_best_quality_wins_and_the_first_of_equals() {
        assert_eq!(chosen(&[]), Some(0));
        assert_eq!(chosen(&["*/*"]), Some(0));
        assert_eq!(chosen(&["text/csv"]), Some(2));
        assert_eq!(chosen(&["Text/CSV; q=0.2, application/x-ndjson;q=0.3"]), Some(1));
        assert_eq!(chosen(&["text/*", "application/*;q=0.9"]), Some(2));
        assert_eq!(chosen(&["application/json;q=0, */*"]), Some(1));
        assert_eq!(chosen(&["application/*, application/json;q=0.001"]), Some(1));
        assert_eq!(chosen(&["text/html"]), None);
        assert_eq!(chosen(&["*/*;q=0"]), None);
        assert_eq!(chosen(&[""]), None);
        assert_eq!(chosen(&["nonsense, text/csv"]), Some(2));
    }

    #[test]
    fn qualities() {
        for (text, value) in
            [("1", 1000), ("1.000", 1000), ("0", 0), ("0.5", 500), ("0.123", 123), ("1.5", 1000)]
        {
            assert_eq!(thousandths(text), Some(value), "{text}");
        }
        for text in ["", "2", "0.1234", "x", "0.x", "-1"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
