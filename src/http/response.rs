//! Answers as bytes: whole ones with Content-Length, streamed ones in chunks.

use std::ops::Deref;
use std::sync::Arc;

use super::caching::{CACHE_CONTROL, Caching};
use super::date::DATE_BYTES;
use super::refusal::Refusal;
use super::request::Version;
use super::status;
use crate::base::durability::Durability;

/// What a client that sent `Expect: 100-continue` waits for.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The last chunk of a streamed answer, without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Content that stays, of more bytes than this, is not copied behind its head, but sent from where it lies.
const COPIED_BYTES_MAX: usize = 16 * 1024;

/// An answer that is complete before its first byte is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code, 200 to 599.
    pub status: u16,
    /// Content-Type; empty for none.
    pub content_type: &'static str,
    /// Further fields. Control characters in values become spaces: a value may hold what a client sent.
    pub headers: Vec<(&'static str, String)>,
    /// Who may keep it.
    pub caching: Caching,
    /// The content; not sent with 204 and 304.
    pub body: Content,
}

/// The content of an answer.
#[derive(Clone, Debug)]
pub enum Content {
    /// Made for it.
    Own(Vec<u8>),
    /// Part of the program.
    Fixed(&'static [u8]),
    /// Kept for other answers too.
    Shared(Arc<Vec<u8>>),
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Fixed(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Content {}

/// Content that is sent from where it lies, without what has been sent of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    content: Content,
    sent: usize,
}

impl Rest {
    /// Returns all of some content, to be sent.
    #[must_use]
    pub fn of(content: Content) -> Self {
        Self { content, sent: 0 }
    }

    /// Returns what is left.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.content[self.sent..]
    }

    /// Notes that so many more bytes were sent; gives whether any are left.
    pub fn advance(&mut self, sent: usize) -> bool {
        self.sent += sent;
        self.sent < self.content.len()
    }
}

/// The start of an answer whose content follows in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamHead {
    /// Status code, 200 to 599, but none without content.
    pub status: u16,
    /// Content-Type; empty for none.
    pub content_type: &'static str,
    /// Further fields, as in [`Response`].
    pub headers: Vec<(&'static str, String)>,
    /// Who may keep it.
    pub caching: Caching,
    /// Bytes of the content, if that is known: exactly so many must follow.
    pub length: Option<u64>,
}

/// How the pieces of a streamed answer are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pieces {
    /// As chunks, with [`LAST_CHUNK`] at the end.
    Chunks,
    /// As they are: the head says how many bytes they are together.
    Counted,
    /// As they are, up to the end of the connection: HTTP/1.0 knows no chunks.
    UntilClose,
}

/// What an answer takes from its request and its moment.
#[derive(Clone, Copy, Debug)]
pub struct HeadContext<'a> {
    /// The client's version.
    pub version: Version,
    /// Whether the connection stays open.
    pub keep_alive: bool,
    /// The request was HEAD: the same fields, no content.
    pub head_only: bool,
    /// The Date field's value.
    pub date: &'a [u8; DATE_BYTES],
    /// What an answered write has reached; `None` for everything else.
    pub durability: Option<Durability>,
    /// The Strict-Transport-Security field's value (RFC 6797); `None` for an answer without one.
    pub hsts: Option<&'a str>,
}

impl Response {
    /// Returns an answer without further fields.
    #[must_use]
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self::made(status, content_type, Content::Own(body.into()))
    }

    /// Returns an answer whose content is part of the program, without further fields.
    #[must_use]
    pub fn fixed(status: u16, content_type: &'static str, body: &'static [u8]) -> Self {
        Self::made(status, content_type, Content::Fixed(body))
    }

    /// Returns an answer whose content is kept for others too, without further fields.
    #[must_use]
    pub fn shared(status: u16, content_type: &'static str, body: Arc<Vec<u8>>) -> Self {
        Self::made(status, content_type, Content::Shared(body))
    }

    fn made(status: u16, content_type: &'static str, body: Content) -> Self {
        Self { status, content_type, headers: Vec::new(), caching: Caching::default(), body }
    }

    /// Returns the same answer with one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns the same answer for these to keep.
    #[must_use]
    pub fn kept_by(mut self, caching: Caching) -> Self {
        self.caching = caching;
        self
    }
}

impl From<Refusal> for Response {
    /// Returns the reason as a line of plain text.
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status, "text/plain; charset=utf-8", format!("{}\n", refusal.reason))
    }
}

/// Appends a whole answer, but for large content that stays: that is given back, to be sent behind `out` from where it
/// lies, so that a client that takes its time over a picture holds no copy of it.
#[must_use]
pub fn write(response: &Response, context: &HeadContext<'_>, out: &mut Vec<u8>) -> Option<Rest> {
    debug_assert!((200..600).contains(&response.status), "status {}", response.status);
    let is_bodiless = status::is_bodiless(response.status);
    let has_content = !is_bodiless && !context.head_only;
    let stays = match &response.body {
        Content::Own(_) => false,
        Content::Fixed(_) | Content::Shared(_) => response.body.len() > COPIED_BYTES_MAX,
    };
    out.reserve(256 + if has_content && !stays { response.body.len() } else { 0 });
    write_start(response.status, response.content_type, context, out);
    if !is_bodiless {
        out.extend_from_slice(b"Content-Length: ");
        out.extend_from_slice(itoa::Buffer::new().format(response.body.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    write_caching(response.caching, response.status, out);
    write_end(&response.headers, context.version, context.keep_alive, out);
    if has_content && stays {
        return Some(Rest::of(response.body.clone()));
    }
    if has_content {
        out.extend_from_slice(&response.body);
    }
    None
}

/// Appends the head of a streamed answer, and gives how its content is to follow: in chunks ([`open_chunk`],
/// [`close_chunk`]), or as it is. With [`Pieces::UntilClose`] the head says that the connection ends, whatever
/// `keep_alive` is. Nothing follows the head if `head_only`.
pub fn write_stream_head(head: &StreamHead, context: &HeadContext<'_>, out: &mut Vec<u8>) -> Pieces {
    debug_assert!(!status::is_bodiless(head.status), "status {}", head.status);
    out.reserve(256);
    write_start(head.status, head.content_type, context, out);
    let pieces = match (head.length, context.version) {
        (Some(length), _) => {
            write_field("Content-Length", itoa::Buffer::new().format(length), out);
            Pieces::Counted
        }
        (None, Version::Http11) => {
            write_field("Transfer-Encoding", "chunked", out);
            Pieces::Chunks
        }
        (None, Version::Http10) => Pieces::UntilClose,
    };
    write_caching(head.caching, head.status, out);
    write_end(&head.headers, context.version, context.keep_alive && pieces != Pieces::UntilClose, out);
    pieces
}

/// Digits of a chunk's size as [`open_chunk`] writes it: leading zeros keep its length fixed (RFC 9112, section 7.1).
const SIZE_DIGITS: usize = 8;

/// Leaves room for a chunk's first line; its data is appended next. Give the result to [`close_chunk`].
pub fn open_chunk(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(b"00000000\r\n");
    out.len()
}

/// Completes the chunk whose data starts at `start`. One without data vanishes: a chunk of size 0 would end the answer.
pub fn close_chunk(out: &mut Vec<u8>, start: usize) {
    let line_start = start - SIZE_DIGITS - 2;
    let mut size = out.len() - start;
    if size == 0 {
        out.truncate(line_start);
        return;
    }
    debug_assert!(u32::try_from(size).is_ok(), "eight digits hold the size");
    for digit in out[line_start..line_start + SIZE_DIGITS].iter_mut().rev() {
        *digit = b"0123456789abcdef"[size % 16];
        size /= 16;
    }
    out.extend_from_slice(b"\r\n");
}

fn write_start(status: u16, content_type: &str, context: &HeadContext<'_>, out: &mut Vec<u8>) {
    // The server's own version, whatever the client's (RFC 9110, section 2.5).
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(status::phrase(status).as_bytes());
    out.extend_from_slice(b"\r\nDate: ");
    out.extend_from_slice(context.date);
    out.extend_from_slice(b"\r\n");
    if !content_type.is_empty() {
        write_field("Content-Type", content_type, out);
    }
    if let Some(durability) = context.durability {
        write_field("Durability", durability.as_str(), out);
    }
    if let Some(hsts) = context.hsts {
        write_field("Strict-Transport-Security", hsts, out);
    }
}

fn write_caching(caching: Caching, status: u16, out: &mut Vec<u8>) {
    if let Some(value) = caching.value(status) {
        write_field(CACHE_CONTROL, value, out);
    }
}

fn write_end(headers: &[(&'static str, String)], version: Version, keep_alive: bool, out: &mut Vec<u8>) {
    for (name, value) in headers {
        debug_assert!(!name.eq_ignore_ascii_case(CACHE_CONTROL), "`caching` decides about it");
        write_field(name, value, out);
    }
    match (keep_alive, version) {
        (false, _) => out.extend_from_slice(b"Connection: close\r\n"),
        (true, Version::Http10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (true, Version::Http11) => {}
    }
    out.extend_from_slice(b"\r\n");
}

fn write_field(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend(value.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: HeadContext<'static> = HeadContext {
        version: Version::Http11,
        keep_alive: true,
        head_only: false,
        date: b"Sun, 06 Nov 1994 08:49:37 GMT",
        durability: None,
        hsts: None,
    };

    fn written(response: &Response, context: &HeadContext<'_>) -> String {
        let mut out = Vec::new();
        assert_eq!(write(response, context, &mut out), None);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn large_content_that_stays_is_sent_from_where_it_lies() {
        static LARGE: [u8; COPIED_BYTES_MAX + 1] = [b'x'; COPIED_BYTES_MAX + 1];
        let mut out = Vec::new();
        let mut rest = write(&Response::fixed(200, "", &LARGE), &CONTEXT, &mut out).unwrap();
        assert_eq!((rest.bytes().as_ptr(), rest.bytes().len()), (LARGE.as_ptr(), LARGE.len()));
        assert!(rest.advance(LARGE.len() - 1));
        assert_eq!(rest.bytes(), b"x");
        assert!(!rest.advance(1));
        assert!(out.ends_with(b"Content-Length: 16385\r\nCache-Control: no-store\r\n\r\n"));
        let head_only = HeadContext { head_only: true, ..CONTEXT };
        assert_eq!(write(&Response::fixed(200, "", &LARGE), &head_only, &mut out), None);
        assert!(written(&Response::fixed(200, "", &LARGE[1..]), &CONTEXT).ends_with("xxx"));
        let shared = Arc::new(LARGE.to_vec());
        let rest = write(&Response::shared(200, "", shared.clone()), &CONTEXT, &mut out).unwrap();
        assert_eq!(rest.bytes().as_ptr(), shared.as_ptr());
        assert!(written(&Response::new(200, "", LARGE), &CONTEXT).ends_with("xxx"));
    }

    #[test]
    fn whole_answers() {
        let response = Response::new(200, "application/json", "{}").with("Allow", "GET\r\nX: y");
        let context = HeadContext { durability: Some(Durability::Disk), ..CONTEXT };
        assert_eq!(
            written(&response, &context),
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\n\
             Durability: disk\r\nContent-Length: 2\r\nCache-Control: no-store\r\nAllow: GET  X: y\r\n\r\n{}"
        );
        let head_only = HeadContext { head_only: true, ..CONTEXT };
        assert!(
            written(&response, &head_only)
                .ends_with("Content-Length: 2\r\nCache-Control: no-store\r\nAllow: GET  X: y\r\n\r\n")
        );
        let empty = written(&Response::new(204, "", "dropped").kept_by(Caching::Unsaid), &CONTEXT);
        assert_eq!(empty, "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n");
        let refused =
            written(&Refusal::new(414, "too long").into(), &HeadContext { keep_alive: false, ..CONTEXT });
        assert!(refused.starts_with("HTTP/1.1 414 URI Too Long\r\n"));
        assert!(refused.ends_with(
            "Content-Length: 9\r\nCache-Control: no-store\r\nConnection: close\r\n\r\ntoo long\n"
        ));
        let immutable = Response::new(200, "", "x").kept_by(Caching::Immutable);
        assert!(
            written(&immutable, &CONTEXT)
                .contains("\r\nCache-Control: public, max-age=31536000, immutable\r\n")
        );
        let failed = Response { status: 416, ..immutable };
        assert!(written(&failed, &CONTEXT).contains("\r\nCache-Control: no-store\r\n"));
    }

    #[test]
    fn connections_say_what_their_version_does_not_imply() {
        let connection = |version, keep_alive| {
            let text = written(&Response::new(200, "", ""), &HeadContext { version, keep_alive, ..CONTEXT });
            text.split_once("Connection: ").map(|(_, rest)| rest.trim_end().to_owned())
        };
        assert_eq!(connection(Version::Http11, true), None);
        assert_eq!(connection(Version::Http11, false).as_deref(), Some("close"));
        assert_eq!(connection(Version::Http10, true).as_deref(), Some("keep-alive"));
        assert_eq!(connection(Version::Http10, false).as_deref(), Some("close"));
    }

    #[test]
    fn streamed_answers() {
        let head = StreamHead {
            status: 200,
            content_type: "text/csv",
            headers: vec![],
            caching: Caching::Unsaid,
            length: None,
        };
        let mut out = Vec::new();
        assert_eq!(write_stream_head(&head, &CONTEXT, &mut out), Pieces::Chunks);
        assert!(out.ends_with(b"Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"));
        out.clear();
        for piece in [&b"hello"[..], b"", &[b'x'; 300]] {
            let start = open_chunk(&mut out);
            out.extend_from_slice(piece);
            close_chunk(&mut out, start);
        }
        let expected = [b"00000005\r\nhello\r\n0000012c\r\n", &[b'x'; 300][..], b"\r\n"].concat();
        assert_eq!(out, expected);
        out.clear();
        let old = HeadContext { version: Version::Http10, ..CONTEXT };
        assert_eq!(write_stream_head(&head, &old, &mut out), Pieces::UntilClose);
        assert!(out.ends_with(b"Content-Type: text/csv\r\nConnection: close\r\n\r\n"));
        out.clear();
        let counted = StreamHead { length: Some(7), caching: Caching::NoStore, ..head };
        assert_eq!(write_stream_head(&counted, &old, &mut out), Pieces::Counted);
        assert!(
            out.ends_with(b"Content-Length: 7\r\nCache-Control: no-store\r\nConnection: keep-alive\r\n\r\n")
        );
    }
}
