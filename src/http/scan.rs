//! Where a request's head ends, found while it arrives: every byte is looked at once, however slowly it comes.
//!
//! ```text
//! Before --token character--> RequestLine --CRLF--> Fields --empty line--> end
//!    ^ '-CRLF, at most EMPTY_LINES_MAX-'               '-field CRLF-'
//! ```
//!
//! What can be refused before the end of the head is in sight is refused here, at once: LF or CR
//! alone, a folded line, anything over its limit. Each of these depends on the bytes up to it and on nothing else, so
//! a head gets the same answer however it was cut into reads. What the lines say is `request`'s part.

use memchr::{memchr, memchr2};

use super::charset;
use super::refusal::Refusal;
use crate::base::limits::{EMPTY_LINES_MAX, HEADER_FIELDS_MAX, Limits};

const BARE_LF: Refusal = Refusal::bad("a line ends with LF alone");
const BARE_CR: Refusal = Refusal::bad("CR without LF");
const EMPTY_LINES: Refusal = Refusal::bad("too many empty lines before a request line");
const NO_METHOD: Refusal = Refusal::bad("a request line starts with a method");
const FOLDED: Refusal = Refusal::bad("a header line starts with white space");
/// The method is none that is known.
pub(super) const METHOD: Refusal = Refusal::new(501, "unknown method");
const LINE_LONG: Refusal = Refusal::new(414, "the request line is too long");
const FIELD_LONG: Refusal = Refusal::new(431, "a header field is too long");
const BLOCK_LONG: Refusal = Refusal::new(431, "the header is too long");
const FIELDS_MANY: Refusal = Refusal::new(431, "too many header fields");

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Before,
    RequestLine,
    Fields,
}

/// How far the search for the end of a head has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadScan {
    section: Section,
    /// The last byte seen is a CR; an LF has to follow.
    after_cr: bool,
    /// The request line's method has ended: a line that is too long from there on has a long target.
    has_method: bool,
    empty_lines: u8,
    fields: u16,
    /// Bytes of the current line so far, without CR and LF.
    line_bytes: usize,
    /// Bytes of all whole lines after the request line.
    block_bytes: usize,
}

/// What a piece of input holds of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// It does not end here; what of the input belongs to it begins at `start` (after empty lines).
    More {
        /// Offset in the input.
        start: usize,
    },
    /// It ends here; `start..end` of the input belongs to it, the empty line included.
    End {
        /// Offset in the input.
        start: usize,
        /// Offset in the input, behind the last byte.
        end: usize,
    },
}

impl HeadScan {
    /// Returns whether not a single byte has been seen, not even of an empty line.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether a request line has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.section != Section::Before
    }

    /// Looks at the next bytes of a connection. After an `End` or an error the scan starts anew.
    ///
    /// # Errors
    /// Returns the refusal for the first thing that is wrong, in the order of the bytes: 400, 414, 431, or 501 for a method
    /// that fills a request line.
    pub fn feed(&mut self, input: &[u8], limits: &Limits) -> Result<Scanned, Refusal> {
        debug_assert!(self.fields as usize <= HEADER_FIELDS_MAX);
        let result = self.advance(input, limits);
        if !matches!(result, Ok(Scanned::More { .. })) {
            *self = Self::default();
        }
        debug_assert!(!matches!(result, Ok(Scanned::End { start, end }) if start >= end && start > 0));
        result
    }

    fn advance(&mut self, input: &[u8], limits: &Limits) -> Result<Scanned, Refusal> {
        let start = if self.section == Section::Before { self.skip_empty_lines(input)? } else { 0 };
        let mut at = start;
        while at < input.len() {
            if !self.after_cr {
                at += self.read_line(&input[at..], limits)?;
                continue;
            }
            if input[at] != b'\n' {
                return Err(BARE_CR);
            }
            at += 1;
            if self.end_line(limits)? {
                return Ok(Scanned::End { start, end: at });
            }
        }
        Ok(Scanned::More { start })
    }

    /// Bytes up to and including the CR of the current line, or all if there is none.
    fn read_line(&mut self, rest: &[u8], limits: &Limits) -> Result<usize, Refusal> {
        if self.line_bytes == 0 && self.section == Section::Fields && matches!(rest[0], b' ' | b'\t') {
            return Err(FOLDED);
        }
        let line_end = memchr2(b'\r', b'\n', rest);
        let length = line_end.unwrap_or(rest.len());
        if self.section == Section::RequestLine && !self.has_method {
            // No further than the limit: what a line is refused for must not depend on how much of it came at once.
            let seen = length.min(limits.request_line_bytes.saturating_sub(self.line_bytes));
            self.has_method = memchr(b' ', &rest[..seen]).is_some();
        }
        self.line_bytes += length;
        self.check_lengths(limits)?;
        match line_end {
            Some(at) if rest[at] == b'\n' && cfg!(seeded_bug = "bare_lf") => {
                self.after_cr = true;
                Ok(at)
            }
            Some(at) if rest[at] == b'\n' => Err(BARE_LF),
            Some(at) => {
                self.after_cr = true;
                Ok(at + 1)
            }
            None => Ok(length),
        }
    }

    /// Returns the offset of the first byte that belongs to a request line; the input's length if there is none yet.
    fn skip_empty_lines(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        for (at, &byte) in input.iter().enumerate() {
            match byte {
                b'\r' if !self.after_cr => self.after_cr = true,
                b'\n' if self.after_cr => self.count_empty_line()?,
                b'\n' => return Err(BARE_LF),
                _ if self.after_cr => return Err(BARE_CR),
                // Anything but HTTP, such as a TLS greeting, is refused at its first byte.
                _ if !charset::is_token(byte) => return Err(NO_METHOD),
                _ => {
                    self.section = Section::RequestLine;
                    return Ok(at);
                }
            }
        }
        Ok(input.len())
    }

    fn count_empty_line(&mut self) -> Result<(), Refusal> {
        self.after_cr = false;
        self.empty_lines += 1;
        if usize::from(self.empty_lines) > EMPTY_LINES_MAX { Err(EMPTY_LINES) } else { Ok(()) }
    }

    /// Checks lengths against the limits. A line counts without its CR and LF, the header without the empty line at its end.
    fn check_lengths(&self, limits: &Limits) -> Result<(), Refusal> {
        match self.section {
            Section::RequestLine if self.line_bytes > limits.request_line_bytes => {
                Err(if self.has_method { LINE_LONG } else { METHOD })
            }
            Section::Fields if self.line_bytes > limits.header_field_bytes => Err(FIELD_LONG),
            Section::Fields if self.block_bytes + self.line_bytes > limits.header_bytes => Err(BLOCK_LONG),
            _ => Ok(()),
        }
    }

    /// Handles the end of a line behind its LF; returns true if it was the empty one that ends the head.
    fn end_line(&mut self, limits: &Limits) -> Result<bool, Refusal> {
        debug_assert!(self.section != Section::Before && self.after_cr);
        if self.section == Section::Fields {
            if self.line_bytes == 0 {
                return Ok(true);
            }
            self.fields += 1;
            if usize::from(self.fields) > limits.header_fields.min(HEADER_FIELDS_MAX) {
                return Err(FIELDS_MANY);
            }
            self.block_bytes += self.line_bytes + 2;
        }
        self.section = Section::Fields;
        self.line_bytes = 0;
        self.after_cr = false;
        self.has_method = false;
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(input: &[u8]) -> Result<Scanned, Refusal> {
        HeadScan::default().feed(input, &Limits::default())
    }

    #[test]
    fn the_head_ends_at_the_empty_line_wherever_the_input_is_cut() {
        let input = b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        let end = input.len() - 4;
        assert_eq!(scan(input), Ok(Scanned::End { start: 4, end }));
        for cut in 0..end {
            let mut scan = HeadScan::default();
            let limits = Limits::default();
            assert!(matches!(scan.feed(&input[..cut], &limits), Ok(Scanned::More { .. })), "{cut}");
            let start = 4_usize.saturating_sub(cut);
            assert_eq!(scan.feed(&input[cut..], &limits), Ok(Scanned::End { start, end: end - cut }));
            assert!(scan.is_untouched());
        }
    }

    #[test]
    fn what_needs_no_more_bytes_is_refused_at_once() {
        assert_eq!(scan(b"GET / HTTP/1.1\n"), Err(BARE_LF));
        assert_eq!(scan(b"GET / HTTP/1.1\r\nHost: a\n"), Err(BARE_LF));
        assert_eq!(scan(b"GET / HTTP/1.1\r\n\n"), Err(BARE_LF));
        assert_eq!(scan(b"\n"), Err(BARE_LF));
        assert_eq!(scan(b"\rG"), Err(BARE_CR));
        assert_eq!(scan(b"\r\r"), Err(BARE_CR));
        assert_eq!(scan(b"\x16\x03\x01"), Err(NO_METHOD));
        assert_eq!(scan(b" GET"), Err(NO_METHOD));
        assert_eq!(scan(b"GET / HTTP/1.1\r\r"), Err(BARE_CR));
        assert_eq!(scan(b"GET / HTTP/1.1\r\n\rH"), Err(BARE_CR));
        assert_eq!(scan(b"GET / HTTP/1.1\r\nA: b\rc"), Err(BARE_CR));
        assert_eq!(scan(b"GET / HTTP/1.1\r\n "), Err(FOLDED));
        assert_eq!(scan(b"GET / HTTP/1.1\r\nA: b\r\n\t"), Err(FOLDED));
        assert_eq!(scan(&b"\r\n".repeat(EMPTY_LINES_MAX + 1)), Err(EMPTY_LINES));
        assert_eq!(scan(&b"\r\n".repeat(EMPTY_LINES_MAX)), Ok(Scanned::More { start: 2 * EMPTY_LINES_MAX }));
    }

    #[test]
    fn limits_are_exact() {
        let limits = Limits {
            request_line_bytes: 20,
            header_bytes: 30,
            header_field_bytes: 12,
            header_fields: 3,
            ..Limits::default()
        };
        let scan = |input: &str| HeadScan::default().feed(input.as_bytes(), &limits).err();
        assert_eq!(scan(&format!("G {}\r\n\r\n", "/".repeat(18))), None);
        assert_eq!(scan(&format!("G {}\r\n\r\n", "/".repeat(19))), Some(LINE_LONG));
        assert_eq!(
            scan(&format!("G {}", "/".repeat(19))),
            Some(LINE_LONG),
            "without waiting for the line's end"
        );
        assert_eq!(scan(&"G".repeat(20)), None);
        assert_eq!(scan(&"G".repeat(21)), Some(METHOD), "no target was seen");
        assert_eq!(scan(&format!("{} /", "G".repeat(19))), Some(LINE_LONG));
        assert_eq!(scan(&format!("{} /", "G".repeat(20))), Some(METHOD), "wherever the input is cut");
        assert_eq!(scan(&format!("G\r\n{}\r\n\r\n", "a".repeat(12))), None);
        assert_eq!(scan(&format!("G\r\n{}\r\n\r\n", "a".repeat(13))), Some(FIELD_LONG));
        assert_eq!(scan("G\r\naaaaaaaa\r\nbbbbbbbb\r\ncccccccc\r\n\r\n"), None);
        assert_eq!(scan("G\r\naaaaaaaa\r\nbbbbbbbb\r\nccccccccc\r\n\r\n"), Some(BLOCK_LONG));
        assert_eq!(scan("G\r\na\r\nb\r\nc\r\n\r\n"), None);
        assert_eq!(scan("G\r\na\r\nb\r\nc\r\nd\r\n"), Some(FIELDS_MANY));
    }
}
