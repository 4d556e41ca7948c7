//! The head of a request: what httparse reads from it, and the strictness that it leaves to its callers.
//!
//! httparse takes lines apart and refuses control characters; it accepts LF for CRLF, any target and any combination
//! of framing fields. The first is refused in `scan`, the targets in `target`, the framings in `framing`.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::framing::Fields;
pub use super::framing::{Framing, Version};
use super::method::Method;
use super::refusal::Refusal;
use super::scan::{HeadScan, METHOD, Scanned};
use super::target;
use crate::base::limits::{HEADER_FIELDS_MAX, Limits};

const MALFORMED: Refusal = Refusal::bad("malformed request head");
const REQUEST_LINE: Refusal = Refusal::bad("malformed request line");
const FIELD_NAME: Refusal = Refusal::bad("malformed header field name");
const FIELD_VALUE: Refusal = Refusal::bad("malformed header field value");
const FIELDS_MANY: Refusal = Refusal::new(431, "too many header fields");
const VERSION: Refusal = Refusal::new(505, "this server speaks HTTP/1.0 and HTTP/1.1");

/// Offsets in a head's bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

/// Where one field's name and value stand.
#[derive(Clone, Copy, Debug, Default)]
struct Field {
    name: Span,
    value: Span,
}

/// Room for the fields of one head, used for one head after the other: a worker needs a single one. It holds offsets
/// instead of slices so that it does not borrow the input of its previous use.
#[derive(Debug)]
pub struct HeaderSlots {
    fields: [Field; HEADER_FIELDS_MAX],
}

impl HeaderSlots {
    /// Returns empty slots, about 1 KiB.
    #[must_use]
    pub fn new() -> Self {
        Self { fields: [Field::default(); HEADER_FIELDS_MAX] }
    }
}

impl Default for HeaderSlots {
    fn default() -> Self {
        Self::new()
    }
}

/// A request's head that has passed every check. It borrows the bytes and the slots; nothing in it is decoded.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// A known method; never CONNECT, which is refused.
    pub method: Method,
    /// Starts with `/`, or is `*` for OPTIONS; percent-encoded. Of an absolute form only the path is left.
    pub path: &'a str,
    /// What follows the first `?` of the target, percent-encoded; may be empty.
    pub query: Option<&'a str>,
    /// The version that the client speaks.
    pub version: Version,
    /// How the end of the body is found.
    pub framing: Framing,
    /// Whether the connection may stay open after the answer.
    pub keep_alive: bool,
    /// Whether the client waits for a 100 before it sends its body.
    pub expect_continue: bool,
    /// It came over TLS; the bytes don't say so, so the owner of the connection does.
    pub is_secure: bool,
    /// Where in [`Head::bytes`] the value of Content-Length stands, without white space around it.
    pub length_digits: Option<Range<usize>>,
    bytes: &'a [u8],
    fields: &'a [Field],
}

impl<'a> Head<'a> {
    /// Returns whom the client asked, with its port if it said one: the authority of its target, or else its field Host; nothing if it
    /// says neither, or nothing in it.
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        // Read again where it is asked for: kept in each head, it cost every request two copies of a larger one.
        let mut words = self.bytes.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let target = words.nth(1).and_then(|word| std::str::from_utf8(word).ok());
        let named = target.and_then(target::authority_of);
        named.or_else(|| self.header_text("host")).filter(|host| !host.is_empty())
    }

    /// Returns the head as it was sent: request line, fields and the empty line behind them.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the value of the first field of that name (case does not matter), without white space around it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// Returns the value of the first field of that name as text; `None` as well if it is not UTF-8.
    #[must_use]
    pub fn header_text(&self, name: &str) -> Option<&'a str> {
        self.header(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Values of all fields of that name, in order: several lines are one list (RFC 9110, section 5.3).
    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let bytes = self.bytes;
        let is_named = move |field: &&Field| field.name.of(bytes).eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is_named).map(move |field| field.value.of(bytes))
    }

    /// Names and values of all fields, in order, names as they were sent.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.fields.iter().map(move |field| (field.name.text_of(bytes), field.value.of(bytes)))
    }
}

/// Reads a whole head, up to and including its empty line.
///
/// # Errors
/// Refuses with 400, 414, 431, 501 or 505; with 400 also if the bytes are not one whole head.
pub fn parse_head<'a>(
    bytes: &'a [u8],
    slots: &'a mut HeaderSlots,
    limits: &Limits,
) -> Result<Head<'a>, Refusal> {
    match HeadScan::default().feed(bytes, limits)? {
        Scanned::End { start: 0, end } if end == bytes.len() => {}
        _ => return Err(MALFORMED),
    }
    Ok(outline(bytes, slots)?.head(bytes, slots))
}

/// A head as offsets: what a connection keeps while it decides whether the head may stay where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    method: Method,
    /// Absent in an absolute form without path.
    path: Option<Span>,
    query: Option<Span>,
    version: Version,
    pub(super) framing: Framing,
    keep_alive: bool,
    pub(super) expect_continue: bool,
    length_digits: Option<Span>,
    fields: usize,
}

/// Reads a head that `scan` has found whole; the slots then belong to it.
///
/// HTTP/1.2 and above are read as HTTP/1.1 (RFC 9110, section 6.2). httparse does not know them, so what it reads is a
/// copy with the version it knows; an outline holds offsets, so they fit the head itself.
pub(super) fn outline(bytes: &[u8], slots: &mut HeaderSlots) -> Result<Outline, Refusal> {
    match spoken(bytes) {
        Spoken::Other => Err(VERSION),
        Spoken::Later { minor_at } => {
            let mut known = bytes.to_vec();
            known[minor_at] = b'1';
            read(&known, slots)
        }
        Spoken::Known => read(bytes, slots),
    }
}

/// What the version in a request line is to this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    /// HTTP/1.0 or HTTP/1.1, or no version at all: the parser looks closer.
    Known,
    /// HTTP/1.2 to HTTP/1.9.
    Later {
        /// Where its last digit stands.
        minor_at: usize,
    },
    /// Another major version.
    Other,
}

/// Looks at the end of the request line. A version is a digit, a point and a digit (RFC 9112, section 2.3); what has
/// another form, such as `HTTP/1.10`, is no version.
fn spoken(bytes: &[u8]) -> Spoken {
    let line_bytes = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    let Some((before, version)) = bytes[..line_bytes].split_last_chunk::<9>() else { return Spoken::Known };
    match version {
        b" HTTP/1.0" | b" HTTP/1.1" => Spoken::Known,
        [b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => {
            Spoken::Later { minor_at: before.len() + 8 }
        }
        [b' ', b'H', b'T', b'T', b'P', b'/', b'0' | b'2'..=b'9', b'.', b'0'..=b'9'] => Spoken::Other,
        _ => Spoken::Known,
    }
}

fn read(bytes: &[u8], slots: &mut HeaderSlots) -> Result<Outline, Refusal> {
    debug_assert!(bytes.ends_with(b"\r\n"), "the scan ends behind an empty line");
    if u32::try_from(bytes.len()).is_err() {
        return Err(MALFORMED);
    }
    let mut table = [const { MaybeUninit::uninit() }; HEADER_FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut table) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(MALFORMED),
        Err(error) => return Err(refusal_for(error)),
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(MALFORMED);
    };
    let method = Method::from_token(method).ok_or(METHOD)?;
    let target = target::split(method, target)?;
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let (noted, length_digits) = note_fields(bytes, request.headers, slots)?;
    let framed = noted.framed(version)?;
    Ok(Outline {
        method,
        path: target.path.map(|path| Span::find(bytes, path.as_bytes())),
        query: target.query.map(|query| Span::find(bytes, query.as_bytes())),
        version,
        framing: framed.framing,
        keep_alive: framed.keep_alive,
        expect_continue: framed.expect_continue,
        length_digits,
        fields: request.headers.len(),
    })
}

fn note_fields(
    bytes: &[u8],
    headers: &[httparse::Header<'_>],
    slots: &mut HeaderSlots,
) -> Result<(Fields, Option<Span>), Refusal> {
    let mut noted = Fields::default();
    let mut length_digits = None;
    for (header, slot) in headers.iter().zip(&mut slots.fields) {
        let name = header.name.as_bytes();
        *slot = Field { name: Span::find(bytes, name), value: Span::find(bytes, header.value) };
        if noted.note(name, header.value)? {
            length_digits = Some(slot.value);
        }
    }
    Ok((noted, length_digits))
}

fn refusal_for(error: httparse::Error) -> Refusal {
    use httparse::Error;
    match error {
        Error::TooManyHeaders => FIELDS_MANY,
        Error::HeaderName => FIELD_NAME,
        Error::HeaderValue => FIELD_VALUE,
        Error::Version | Error::NewLine | Error::Token | Error::Status => REQUEST_LINE,
    }
}

impl Outline {
    /// Returns the head in `bytes`, which are those that were read, with the slots they were read into.
    pub(super) fn head<'a>(&self, bytes: &'a [u8], slots: &'a HeaderSlots) -> Head<'a> {
        let without_path = if self.method == Method::Options { "*" } else { "/" };
        Head {
            method: self.method,
            path: self.path.map_or(without_path, |span| span.text_of(bytes)),
            query: self.query.map(|span| span.text_of(bytes)),
            version: self.version,
            framing: self.framing,
            keep_alive: self.keep_alive,
            expect_continue: self.expect_continue,
            is_secure: false,
            length_digits: self.length_digits.map(|span| span.start as usize..span.end as usize),
            bytes,
            fields: &slots.fields[..self.fields],
        }
    }
}

impl Span {
    /// Returns where `part`, a slice of `whole`, stands in it. The head is shorter than 4 GiB (`outline` saw to it).
    #[allow(clippy::cast_possible_truncation)]
    fn find(whole: &[u8], part: &[u8]) -> Self {
        let start = part.as_ptr() as usize - whole.as_ptr() as usize;
        debug_assert!(start + part.len() <= whole.len(), "a part of another slice");
        Self { start: start as u32, end: (start + part.len()) as u32 }
    }

    fn of(self, whole: &[u8]) -> &[u8] {
        &whole[self.start as usize..self.end as usize]
    }

    /// Targets and names were text when they were found, so the empty string is never taken.
    fn text_of(self, whole: &[u8]) -> &str {
        std::str::from_utf8(self.of(whole)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> u16 {
        let mut slots = HeaderSlots::new();
        parse_head(head.as_bytes(), &mut slots, &Limits::default())
            .map_or_else(|refusal| refusal.status, |_| 200)
    }

    #[test]
    fn a_head_says_what_was_sent() {
        let bytes = b"POST http://a/p%20q?x=1 HTTP/1.1\r\nHost: a\r\nAccept: b \r\ncontent-LENGTH:\t12 \r\naccept: c\r\n\
            X-Empty:\r\nX-Latin: \xe9\r\n\r\n";
        let (mut slots, limits) = (HeaderSlots::new(), Limits::default());
        let head = parse_head(bytes, &mut slots, &limits).unwrap();
        assert_eq!((head.method, head.path, head.query), (Method::Post, "/p%20q", Some("x=1")));
        assert_eq!(
            (head.version, head.framing, head.keep_alive),
            (Version::Http11, Framing::Length(12), true)
        );
        assert_eq!(&head.bytes()[head.length_digits.clone().unwrap()], b"12");
        assert_eq!(head.header("ACCEPT"), Some(&b"b"[..]));
        assert_eq!(head.values("accept").collect::<Vec<_>>(), [b"b", b"c"]);
        assert_eq!((head.header_text("x-empty"), head.header_text("x-latin")), (Some(""), None));
        let names = head.headers().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names, ["Host", "Accept", "content-LENGTH", "accept", "X-Empty", "X-Latin"]);
    }

    #[test]
    fn the_host_is_that_of_the_target_or_else_of_the_field() {
        let host = |head: &str| {
            let mut slots = HeaderSlots::new();
            parse_head(head.as_bytes(), &mut slots, &Limits::default()).unwrap().host().map(str::to_owned)
        };
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nHost: a:1\r\n\r\n", Some("a:1")),
            ("GET http://b:2/ HTTP/1.1\r\nHost: a:1\r\n\r\n", Some("b:2")),
            ("GET https://b HTTP/1.0\r\n\r\n", Some("b")),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", None),
            ("GET / HTTP/1.0\r\n\r\n", None),
        ] {
            assert_eq!(host(head).as_deref(), expected, "{head}");
        }
    }

    #[test]
    fn an_absolute_form_may_end_behind_its_host() {
        let (mut slots, limits) = (HeaderSlots::new(), Limits::default());
        let bytes = b"GET http://a?q HTTP/1.0\r\n\r\n";
        let head = parse_head(bytes, &mut slots, &limits).unwrap();
        assert_eq!((head.path, head.query, head.headers().len()), ("/", Some("q"), 0));
        let bytes = b"OPTIONS http://a HTTP/1.0\r\n\r\n";
        assert_eq!(parse_head(bytes, &mut slots, &limits).unwrap().path, "*");
    }

    #[test]
    fn request_lines_get_their_answers() {
        for line in
            ["GET /\x7f HTTP/1.0", "GET", "GET /", "GET / http/1.0", "GET / HTTP/1.0 ", "GET  / HTTP/1.0"]
        {
            assert_eq!(status(&format!("{line}\r\n\r\n")), 400, "{line:?}");
        }
        for version in ["0.9", "2.0", "3.0", "9.9"] {
            assert_eq!(status(&format!("GET / HTTP/{version}\r\n\r\n")), 505, "{version}");
        }
        for version in [
            "", "1", "2", "1.", ".1", "01.01", "01.1", "1.01", "1.10", "1.00", "10.1", "1.x", "1_1", "+1.1",
            "1.1.1",
        ] {
            assert_eq!(status(&format!("GET / HTTP/{version}\r\n\r\n")), 400, "{version}");
        }
        assert_eq!(status("PRI * HTTP/2.0\r\n\r\n"), 505);
        assert_eq!(status("get / HTTP/1.0\r\n\r\n"), 501);
        assert_eq!(status("CONNECT a:1 HTTP/1.0\r\n\r\n"), 501);
        assert_eq!(
            status("GET /\u{e9} HTTP/1.0\r\n\r\n"),
            200,
            "text beyond ASCII, as browsers of old send it"
        );
    }

    #[test]
    fn field_lines_get_their_answers() {
        let bad = [
            "A : b",
            "A",
            ": b",
            "A b: c",
            "A\x01: b",
            "A: b\x00",
            "A: b\rc",
            "A: \x7f",
            "A:\r",
            "\u{e9}: b",
        ];
        for field in bad {
            assert_eq!(status(&format!("GET / HTTP/1.0\r\n{field}\r\n\r\n")), 400, "{field:?}");
        }
        assert_eq!(status("GET / HTTP/1.0\r\n\r\n\r\n"), 400, "more than a head");
        assert_eq!(status("GET / HTTP/1.0\r\n"), 400, "less than a head");
    }

    #[test]
    fn later_minor_versions_are_read_as_1_1() {
        let (mut slots, limits) = (HeaderSlots::new(), Limits::default());
        for minor in 2..=9 {
            let text = format!("POST /p?q HTTP/1.{minor}\r\nHost: a\r\nContent-Length: 3\r\nX: y\r\n\r\n");
            let head = parse_head(text.as_bytes(), &mut slots, &limits).unwrap();
            assert_eq!((head.version, head.path, head.query), (Version::Http11, "/p", Some("q")));
            assert_eq!((head.bytes(), head.header("x")), (text.as_bytes(), Some(&b"y"[..])));
            assert_eq!(&head.bytes()[head.length_digits.clone().unwrap()], b"3");
            assert!(head.keep_alive && head.framing == Framing::Length(3));
        }
        assert_eq!(status("GET / HTTP/1.2\r\n\r\n"), 400, "HTTP/1.1 needs a Host");
        let twice = "GET / HTTP/1.2\r\nHost: a\r\nX: GET / HTTP/2.0\r\n\r\n";
        assert_eq!(status(twice), 200, "only the request line has a version");
    }
}
