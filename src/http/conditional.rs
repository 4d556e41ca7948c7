//! Conditional requests and requests for a part (RFC 9110, sections 13 and 14).

use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use super::method::Method;
use super::request::Head;

/// What tells one version of some content from another.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// A strong entity tag with its quotes.
    pub etag: &'a str,
    /// When it was last changed, seconds since 1970, if that is known.
    pub modified_s: Option<u64>,
}

/// How a GET or HEAD request is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// 200 with everything.
    Whole,
    /// 206 with these bytes.
    Part(Range<usize>),
    /// 304: the client has it.
    NotModified,
    /// 412: the client wants another version.
    Failed,
    /// 416: no byte of what is there was asked for.
    Unsatisfiable,
}

/// Looks at the preconditions in the order of section 13.2.2, then at Range. `length` is that of the whole content.
///
/// More than one range is answered with everything, as section 14.2 allows; so is an invalid range.
#[must_use]
pub fn judge(head: &Head<'_>, validators: Validators<'_>, length: usize) -> Selection {
    let modified = validators.modified_s;
    let own = validators.etag.as_bytes();
    if let Some(matches) = any_tag(head, "if-match", |tag| tag == own) {
        if !matches {
            return Selection::Failed;
        }
    } else if let (Some(since), Some(modified)) = (date(head, "if-unmodified-since"), modified)
        && modified > since
    {
        return Selection::Failed;
    }
    let weakly = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag) == own;
    if let Some(matches) = any_tag(head, "if-none-match", weakly) {
        if matches {
            return Selection::NotModified;
        }
    } else if let (Some(since), Some(modified)) = (date(head, "if-modified-since"), modified)
        && modified <= since
    {
        return Selection::NotModified;
    }
    match head.header_text("range") {
        Some(range) if head.method == Method::Get && is_same(head, validators) => part(range, length),
        _ => Selection::Whole,
    }
}

/// Returns whether the values of If-None-Match name an entity tag, weakly compared, for answers whose tag is known only when the
/// request's head is gone. A list that is malformed names nothing.
#[must_use]
pub fn is_named<'a>(mut lines: impl Iterator<Item = &'a [u8]>, etag: &str) -> bool {
    lines.any(|mut rest| {
        if rest == b"*" {
            return true;
        }
        loop {
            rest = trim_start(rest, b" \t,");
            let Some((tag, behind)) = split_tag(rest) else { return false };
            if tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes() {
                return true;
            }
            rest = behind;
        }
    })
}

/// Returns whether a list of entity tags has one that `fits`; nothing if there is no such list. `*` alone fits whatever is there;
/// a list that is malformed, one with a `*` in it for instance, fits nothing.
fn any_tag(head: &Head<'_>, name: &str, fits: impl Fn(&[u8]) -> bool) -> Option<bool> {
    let mut lines = head.values(name);
    let first = lines.next()?;
    if first == b"*" && lines.next().is_none() {
        return Some(true);
    }
    let mut found = false;
    for mut rest in head.values(name) {
        loop {
            rest = trim_start(rest, b" \t,");
            if rest.is_empty() {
                break;
            }
            let Some((tag, behind)) = split_tag(rest) else { return Some(false) };
            found |= fits(tag);
            rest = behind;
        }
    }
    Some(found)
}

/// Returns the entity tag that a list starts with, with its quotes and mark, and what stands behind it: nothing, or a comma
/// (RFC 9110, section 8.8.3). A comma may stand between the quotes too.
fn split_tag(list: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = if list.starts_with(b"W/") { 2 } else { 0 };
    let opaque = list[start..].strip_prefix(b"\"")?;
    let length = memchr::memchr(b'"', opaque)?;
    if !opaque[..length].iter().all(|&byte| byte > b' ' && byte != 0x7f) {
        return None;
    }
    let (tag, behind) = list.split_at(start + length + 2);
    let behind = trim_start(behind, b" \t");
    (behind.is_empty() || behind[0] == b',').then_some((tag, behind))
}

fn trim_start<'a>(text: &'a [u8], blanks: &[u8]) -> &'a [u8] {
    let length = text.iter().take_while(|byte| blanks.contains(byte)).count();
    &text[length..]
}

/// Returns a date of a field as seconds since 1970; what is no date is as good as absent.
fn date(head: &Head<'_>, name: &str) -> Option<u64> {
    seconds(head.header_text(name)?)
}

fn seconds(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text.trim()).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// Returns a second since 1970 as a Last-Modified field has it.
#[must_use]
pub fn date_of(unix_s: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix_s))
}

/// Returns whether a part fits what the client has: If-Range is absent or names this very version, strongly compared.
fn is_same(head: &Head<'_>, validators: Validators<'_>) -> bool {
    match head.header_text("if-range").map(str::trim) {
        None => head.header("if-range").is_none(),
        Some(tag) if tag.ends_with('"') => tag == validators.etag,
        Some(date) => validators.modified_s.is_some() && seconds(date) == validators.modified_s,
    }
}

/// Reads `bytes=first-last`, `bytes=first-` or `bytes=-count`.
fn part(range: &str, length: usize) -> Selection {
    let Some((unit, spec)) = range.split_once('=') else { return Selection::Whole };
    let Some((first, last)) = spec.trim().split_once('-') else { return Selection::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return Selection::Whole;
    }
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Selection::Whole,
        (Some(first), _) if first >= length && (last.is_empty() || number(last).is_some()) => {
            Selection::Unsatisfiable
        }
        (Some(first), Some(last)) => Selection::Part(first..last.saturating_add(1).min(length)),
        (Some(first), None) if last.is_empty() => Selection::Part(first..length),
        (None, Some(count)) if first.is_empty() && (count == 0 || length == 0) => Selection::Unsatisfiable,
        (None, Some(count)) if first.is_empty() => Selection::Part(length.saturating_sub(count)..length),
        _ => Selection::Whole,
    }
}

/// Digits and nothing else; a number too large for any content is the largest there is.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_the_values_of_a_field() {
        let lines: [&[u8]; 2] = [b"\"a\", W/\"b\"", b"\"c,d\""];
        let named = |etag: &str| is_named(lines.into_iter(), etag);
        assert!(["\"a\"", "\"b\"", "\"c,d\""].iter().all(|etag| named(etag)));
        assert!(!named("\"d\"") && !is_named([&b"a, \"b\""[..]].into_iter(), "\"b\""));
        assert!(is_named([&b"*"[..]].into_iter(), "\"x\"") && !is_named([].into_iter(), "\"x\""));
    }
    use crate::base::limits::Limits;
    use crate::http::request::{HeaderSlots, parse_head};

    const MODIFIED_S: u64 = 784_111_777;
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn selection_for(method: &str, fields: &str, modified_s: Option<u64>) -> Selection {
        let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut slots = HeaderSlots::new();
        let head = parse_head(text.as_bytes(), &mut slots, &Limits::default()).unwrap();
        judge(&head, Validators { etag: "\"a\"", modified_s }, 100)
    }

    fn selection(fields: &str) -> Selection {
        selection_for("GET", fields, Some(MODIFIED_S))
    }

    #[test]
    fn tags_decide_before_dates() {
        for (fields, expected) in [
            ("", Selection::Whole),
            ("If-None-Match: \"a\"\r\n", Selection::NotModified),
            ("If-None-Match: W/\"a\"\r\n", Selection::NotModified),
            ("If-None-Match: \"b\", \"a\"\r\n", Selection::NotModified),
            ("If-None-Match: \"b\"\r\nIf-None-Match: \"a\"\r\n", Selection::NotModified),
            ("If-None-Match: *\r\n", Selection::NotModified),
            ("If-None-Match: \"b\"\r\n", Selection::Whole),
            ("If-None-Match: a\r\n", Selection::Whole),
            ("If-Match: \"a\"\r\n", Selection::Whole),
            ("If-Match: *\r\n", Selection::Whole),
            ("If-Match: W/\"a\"\r\n", Selection::Failed),
            ("If-Match: \"b\"\r\nIf-None-Match: \"a\"\r\n", Selection::Failed),
        ] {
            assert_eq!(selection(fields), expected, "{fields}");
        }
        let both = format!("If-None-Match: \"b\"\r\nIf-Modified-Since: {DATE}\r\n");
        assert_eq!(selection(&both), Selection::Whole, "the date is not looked at beside a tag");
    }

    #[test]
    fn lists_of_tags_are_read_with_their_quotes() {
        for (list, fits) in [
            ("\"b,*,c\"", false),
            ("\"b,\"a\",c\"", false),
            ("\"b,a\"", false),
            ("\"x\", *", false),
            ("*, \"x\"", false),
            ("*,", false),
            ("**", false),
            ("* *", false),
            ("\"b,c\", \"a\"", true),
            (" ,, \"b\"\t,\"a\" ,", true),
            ("\"\", \"a\"", true),
            ("\"a\" \"b\"", false),
            ("\"a\"b", false),
            ("\"a\", b", false),
            ("\"a\", \"b", false),
            ("\"b\\\", \"a\"", true),
            ("\"b c\", \"a\"", false),
            ("w/\"a\"", false),
            ("W/ \"a\"", false),
            ("", false),
        ] {
            let (read, wanted) = (format!("If-None-Match: {list}\r\n"), format!("If-Match: {list}\r\n"));
            assert_eq!(selection(&read) == Selection::NotModified, fits, "If-None-Match: {list}");
            assert_eq!(selection(&wanted) == Selection::Whole, fits, "If-Match: {list}");
        }
        for fields in
            ["If-None-Match: *\r\nIf-None-Match: \"b\"\r\n", "If-None-Match: *\r\nIf-None-Match: *\r\n"]
        {
            assert_eq!(selection(fields), Selection::Whole, "{fields}");
        }
        let range = "Range: bytes=0-1\r\nIf-Range: \"a\", \"b\"\r\n";
        assert_eq!(selection(range), Selection::Whole, "If-Range is one tag");
    }

    #[test]
    fn dates_decide_where_there_are_no_tags() {
        let with = |name: &str, date: &str| selection(&format!("{name}: {date}\r\n"));
        assert_eq!(with("If-Modified-Since", DATE), Selection::NotModified);
        assert_eq!(with("If-Modified-Since", LATER), Selection::NotModified);
        assert_eq!(with("If-Modified-Since", EARLIER), Selection::Whole);
        assert_eq!(with("If-Modified-Since", "yesterday"), Selection::Whole);
        assert_eq!(with("If-Unmodified-Since", EARLIER), Selection::Failed);
        assert_eq!(with("If-Unmodified-Since", DATE), Selection::Whole);
        let unknown = format!("If-Modified-Since: {LATER}\r\n");
        assert_eq!(selection_for("GET", &unknown, None), Selection::Whole);
        assert_eq!(date_of(MODIFIED_S), DATE);
    }

    #[test]
    fn ranges_of_a_hundred_bytes() {
        for (range, expected) in [
            ("bytes=0-9", Selection::Part(0..10)),
            ("bytes=90-", Selection::Part(90..100)),
            ("Bytes=99-500", Selection::Part(99..100)),
            ("bytes=-1", Selection::Part(99..100)),
            ("bytes=-500", Selection::Part(0..100)),
            ("bytes=0-99999999999999999999999", Selection::Part(0..100)),
            ("bytes=100-", Selection::Unsatisfiable),
            ("bytes=100-200", Selection::Unsatisfiable),
            ("bytes=-0", Selection::Unsatisfiable),
            ("bytes=9-0", Selection::Whole),
            ("bytes=0-1,5-6", Selection::Whole),
            ("bytes=-", Selection::Whole),
            ("bytes=a-b", Selection::Whole),
            ("bytes=1-b", Selection::Whole),
            ("bytes=200-b", Selection::Whole),
            ("bytes=--1", Selection::Whole),
            ("bytes=+1-2", Selection::Whole),
            ("items=0-9", Selection::Whole),
            ("0-9", Selection::Whole),
        ] {
            assert_eq!(selection(&format!("Range: {range}\r\n")), expected, "{range}");
        }
        assert_eq!(selection_for("HEAD", "Range: bytes=0-9\r\n", None), Selection::Whole);
        assert_eq!(selection("Range: bytes=0-9\r\nIf-None-Match: \"a\"\r\n"), Selection::NotModified);
    }

    #[test]
    fn a_part_of_another_version_is_not_sent() {
        let with = |value: &str| selection(&format!("Range: bytes=0-9\r\nIf-Range: {value}\r\n"));
        let part = Selection::Part(0..10);
        assert_eq!((with("\"a\""), with(DATE)), (part.clone(), part));
        for other in ["\"b\"", "W/\"a\"", LATER, EARLIER, "nonsense"] {
            assert_eq!(with(other), Selection::Whole, "{other}");
        }
    }
}
