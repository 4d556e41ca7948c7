//! Answers by status code, and an example of each code that is no success.

use std::ops::RangeInclusive;

use crate::redaction::shown_url;

/// Characters of an answer that are shown as its example.
const SHOWN_MAX: usize = 200;

/// A counter for each status code that came. A run sees few of them, mostly one, so they stand in a list in the order
/// of their first answer: the usual one is found at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statuses(Vec<(u16, u64)>);

impl Statuses {
    /// Counts `number` answers of `status`.
    #[inline]
    pub fn add(&mut self, status: u16, number: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count += number,
            None => self.0.push((status, number)),
        }
    }

    /// Returns the answers whose status lies in `range`.
    #[must_use]
    pub fn within(&self, range: RangeInclusive<u16>) -> u64 {
        self.0.iter().filter(|(status, _)| range.contains(status)).map(|(_, count)| count).sum()
    }

    /// Returns status and answers of each code that came, by code.
    #[must_use]
    pub fn sorted(&self) -> Vec<(u16, u64)> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted
    }

    /// Adds another list's figures.
    pub fn merge(&mut self, other: &Self) {
        for &(status, count) in &other.0 {
            self.add(status, count);
        }
    }
}

/// The first answer of a code that is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Status code.
    pub status: u16,
    /// Its target, for a redirect, and the beginning of its body; on one line, without control characters.
    pub text: String,
}

impl Example {
    /// Makes the example of what was kept of an answer, without the users of the URLs in it.
    #[must_use]
    pub fn new(status: u16, bytes: &[u8]) -> Self {
        let text: String = String::from_utf8_lossy(bytes).split_whitespace().collect::<Vec<_>>().join(" ");
        let mut shown: String =
            shown_url(&text).chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect();
        if shown.is_empty() {
            shown = "no body".into();
        }
        Self { status, text: shown }
    }

    /// Keeps it in `known` unless there is one of its code; they stay in the order of their codes.
    pub fn enter(self, known: &mut Vec<Self>) {
        if let Err(at) = known.binary_search_by_key(&self.status, |example| example.status) {
            known.insert(at, self);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_counted_and_added_up() {
        let mut one = Statuses::default();
        for status in [500, 200, 200, 301, 200, 404, 599] {
            one.add(status, 1);
        }
        let mut sum = one.clone();
        sum.merge(&one);
        assert_eq!(sum.sorted(), [(200, 6), (301, 2), (404, 2), (500, 2), (599, 2)]);
        assert_eq!((sum.within(500..=599), sum.within(404..=404), sum.within(100..=199)), (4, 2, 0));
    }

    #[test]
    fn an_example_is_one_short_line() {
        for (bytes, text) in [
            (&b""[..], "no body".to_string()),
            (b"{\n  \"a\": 1\r\n}\n", "{ \"a\": 1 }".into()),
            (b"\x1b[31mred\x07", "[31mred".into()),
            (&[b'x'; 1000], "x".repeat(SHOWN_MAX)),
            (b"to https://u:s3@h/login ", "to https://[hidden]@h/login".into()),
            (b"<a href=\"http://u:s3@h/\">", "<a href=\"http://[hidden]@h/\">".into()),
            (b"\xff\xfe", "\u{fffd}\u{fffd}".into()),
        ] {
            assert_eq!(Example::new(500, bytes).text, text);
        }
        let mut known = Vec::new();
        for (status, text) in [(500, "a"), (404, "b"), (500, "c")] {
            Example::new(status, text.as_bytes()).enter(&mut known);
        }
        let seen: Vec<_> = known.iter().map(|e| (e.status, e.text.as_str())).collect();
        assert_eq!(seen, [(404, "b"), (500, "a")]);
    }
}
