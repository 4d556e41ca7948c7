//! Responses of HTTP/1.1 as the client of a load test reads them: bytes in, answers out, no I/O.
//!
//! ```text
//!   Head --content-length--> Fixed --all bytes-------------------------> Complete
//!   Head --chunked---------> ChunkSize -> ChunkData -> ChunkEnd -> ChunkSize
//!                            ChunkSize --size 0--> Trailer --empty line--> Complete
//!   Head --neither---------> UntilClose --end of input--> Head
//!   Complete --the answer is handed out--> Head
//! ```
//!
//! A server under load answers with the same head for a whole second (then its Date changes), so the last plain head
//! is kept: an answer that starts with the same bytes and is there in full costs one comparison.
//!
//! Framing follows RFC 9112, section 6.3. Results do not depend on how the input was cut into pieces.

use crate::client::excerpt::Excerpts;

/// Longest head that is read; what is longer is garbage.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Header fields for which there is room without an allocation; a head has no more than one for every three bytes.
const FIELDS: usize = 64;
/// Longest chunk-size line or trailer line.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// The end of one response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code, 101 or 200 to 999; those above 599 are errors like 5xx (RFC 9110, section 15).
    pub status: u16,
    /// Whether the connection may carry another request.
    pub keep_alive: bool,
}

impl Answer {
    /// Returns whether the status is 2xx.
    #[must_use]
    pub fn is_success(self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What came out of some input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Everything that could be used is used; more input is needed.
    NeedMore,
    /// An interim response (1xx), only for parsers made with [`ResponseParser::with_bodies`]; others skip it.
    Interim,
    /// Bytes of the body, only for parsers made with [`ResponseParser::with_bodies`].
    Body(&'a [u8]),
    /// A response is complete.
    Done(Answer),
}

/// Input that is no HTTP response; the connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Garbage {
    /// The first bytes are not those of an HTTP/1 response.
    #[error("not an HTTP/1.x response")]
    NotHttp,
    /// A head, a chunk line or a trailer beyond its bound.
    #[error("a response head or chunk line without end")]
    TooLong,
    /// A malformed field or length.
    #[error("a malformed response head")]
    Head,
    /// A malformed chunk.
    #[error("a malformed chunk")]
    Chunk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Fixed {
        left: u64,
    },
    ChunkSize,
    ChunkData {
        left: u64,
    },
    ChunkEnd,
    Trailer,
    UntilClose,
    /// All bytes are used; the answer has not been handed out.
    Complete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Empty,
    Length(u64),
    Chunked,
    UntilClose,
}

/// The parser of one connection.
#[derive(Clone, Debug)]
pub struct ResponseParser {
    state: State,
    answer: Answer,
    /// Bytes at the front of the input in which no end of a head was found.
    searched: usize,
    is_head: bool,
    wants_bodies: bool,
    /// Beginnings of answers that are no success, of parsers that skip bodies.
    excerpts: Excerpts,
    /// The last head, of parsers that hand out bodies.
    head_bytes: Vec<u8>,
    /// The last head with a Content-Length, its body's length and its answer.
    usual: Vec<u8>,
    usual_body: usize,
    usual_answer: Answer,
}

const NO_ANSWER: Answer = Answer { status: 0, keep_alive: false };

impl ResponseParser {
    /// Returns a parser that skips bodies; `is_head` for answers to HEAD, which have none.
    #[must_use]
    pub fn new(is_head: bool) -> Self {
        Self {
            state: State::Head,
            answer: NO_ANSWER,
            searched: 0,
            is_head,
            wants_bodies: false,
            excerpts: Excerpts::default(),
            head_bytes: Vec::new(),
            usual: Vec::new(),
            usual_body: 0,
            usual_answer: NO_ANSWER,
        }
    }

    /// Returns a parser that hands out the bodies too.
    #[must_use]
    pub fn with_bodies() -> Self {
        Self { wants_bodies: true, ..Self::new(false) }
    }

    /// Returns whether the next byte starts a new response.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.state == State::Head
    }

    /// Says that the next response answers a HEAD, or something else.
    pub fn expect_head(&mut self, is_head: bool) {
        if is_head != self.is_head {
            // The same head means another body then.
            self.usual.clear();
        }
        self.is_head = is_head;
    }

    /// Returns the last head that was read, of parsers that hand out bodies.
    #[must_use]
    pub fn head_bytes(&self) -> &[u8] {
        &self.head_bytes
    }

    /// Takes away status and beginning of an answer that is no success, the first of its status; call it until there is none.
    #[inline]
    pub fn take_excerpt(&mut self) -> Option<(u16, Vec<u8>)> {
        self.excerpts.take(self.is_between())
    }

    /// Status of the response whose body is being read.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.status
    }

    /// Takes a step: how many bytes of `input` are used up, and what they meant.
    ///
    /// Call it again with the rest of the input until it says [`Step::NeedMore`]; bytes that were not used then have
    /// to stand in front of the next input.
    ///
    /// # Errors
    /// Returns [`Garbage`]; the parser must not be used any more.
    #[inline]
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Step<'a>), Garbage> {
        if self.state == State::Head {
            let usual_bytes = self.usual.len() + self.usual_body;
            if !self.usual.is_empty() && input.len() >= usual_bytes && input.starts_with(&self.usual) {
                self.searched = 0;
                return Ok((usual_bytes, Step::Done(self.usual_answer)));
            }
            return self.head(input);
        }
        self.body(input)
    }

    /// Takes the end of the input: the answer that only the end completes, if there is one.
    pub fn end_of_input(&mut self) -> Option<Answer> {
        (self.state == State::UntilClose).then(|| {
            self.state = State::Head;
            self.answer
        })
    }

    /// Reads a head and what follows it. Interim responses before it are skipped in a loop, for a server may send any number.
    fn head<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Step<'a>), Garbage> {
        let mut used = 0;
        loop {
            let (bytes, step) = self.next_head(&input[used..])?;
            used += bytes;
            if step != Step::Interim || self.wants_bodies {
                return Ok((used, step));
            }
        }
    }

    fn next_head<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Step<'a>), Garbage> {
        let known = input.len().min(7);
        if input[..known] != b"HTTP/1."[..known] {
            return Err(Garbage::NotHttp);
        }
        let from = self.searched.saturating_sub(3).min(input.len());
        let Some(found) = head_bytes(&input[from..]) else {
            self.searched = input.len();
            return if input.len() > HEAD_BYTES_MAX {
                Err(Garbage::TooLong)
            } else {
                Ok((0, Step::NeedMore))
            };
        };
        self.searched = 0;
        let head = &input[..from + found];
        if self.wants_bodies {
            self.head_bytes.clear();
            self.head_bytes.extend_from_slice(head);
        }
        let Some((answer, framing)) = parse_head(head, self.is_head)? else {
            return Ok((head.len(), Step::Interim));
        };
        self.answer = answer;
        if !self.wants_bodies {
            self.excerpts.start(answer.status, head);
        }
        self.enter(head, framing);
        match self.state {
            State::Head => Ok((head.len(), Step::Done(answer))),
            _ => {
                let (used, step) = self.body(&input[head.len()..])?;
                Ok((head.len() + used, step))
            }
        }
    }

    fn enter(&mut self, head: &[u8], framing: Framing) {
        let usual_body = match framing {
            Framing::Empty => Some(0),
            Framing::Length(length) => usize::try_from(length).ok().filter(|&n| n <= HEAD_BYTES_MAX),
            Framing::Chunked | Framing::UntilClose => None,
        };
        if let (Some(body), false) = (usual_body, self.wants_bodies) {
            self.usual.clear();
            self.usual.extend_from_slice(head);
            self.usual_body = body;
            self.usual_answer = self.answer;
        }
        self.state = match framing {
            Framing::Empty | Framing::Length(0) => State::Head,
            Framing::Length(left) => State::Fixed { left },
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
    }

    fn body<'a>(&mut self, mut input: &'a [u8]) -> Result<(usize, Step<'a>), Garbage> {
        let whole = input.len();
        loop {
            let used = whole - input.len();
            match self.state {
                State::Complete => {
                    self.state = State::Head;
                    return Ok((used, Step::Done(self.answer)));
                }
                _ if input.is_empty() => return Ok((used, Step::NeedMore)),
                State::Fixed { left } | State::ChunkData { left } => {
                    let piece = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let bytes = &input[..piece];
                    input = &input[piece..];
                    self.advance(left - piece as u64);
                    self.excerpts.add(bytes);
                    if self.wants_bodies {
                        return Ok((used + piece, Step::Body(bytes)));
                    }
                }
                State::UntilClose => {
                    self.excerpts.add(input);
                    let step = if self.wants_bodies { Step::Body(input) } else { Step::NeedMore };
                    return Ok((whole, step));
                }
                State::Head | State::ChunkSize | State::ChunkEnd | State::Trailer => {
                    match self.line(input)? {
                        Some(bytes) => input = &input[bytes..],
                        None => return Ok((used, Step::NeedMore)),
                    }
                }
            }
        }
    }

    fn advance(&mut self, left: u64) {
        self.state = match self.state {
            State::Fixed { .. } if left == 0 => State::Complete,
            State::Fixed { .. } => State::Fixed { left },
            _ if left == 0 => State::ChunkEnd,
            _ => State::ChunkData { left },
        };
    }

    /// Uses up one line of the chunked coding; `None` while it is not complete.
    fn line(&mut self, input: &[u8]) -> Result<Option<usize>, Garbage> {
        let Some(end) = memchr::memchr(b'\n', input) else {
            return if input.len() > LINE_BYTES_MAX { Err(Garbage::TooLong) } else { Ok(None) };
        };
        let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        self.state = match self.state {
            State::ChunkSize => match chunk_size(line)? {
                0 => State::Trailer,
                left => State::ChunkData { left },
            },
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::Trailer if line.is_empty() => State::Complete,
            State::Trailer => State::Trailer,
            _ => return Err(Garbage::Chunk),
        };
        Ok(Some(end + 1))
    }
}

/// Returns the number of bytes up to the empty line that ends a head. A recipient may take a line feed alone for a line's end
/// (RFC 9112, section 2.2).
fn head_bytes(input: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', input).find_map(|at| match &input[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

fn chunk_size(line: &[u8]) -> Result<u64, Garbage> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii_end();
    if digits.is_empty() || digits.len() > 15 {
        return Err(Garbage::Chunk);
    }
    digits.iter().try_fold(0u64, |size, &digit| {
        let value = (digit as char).to_digit(16).ok_or(Garbage::Chunk)?;
        Ok(size * 16 + u64::from(value))
    })
}

/// Reads a head that is there in full; `None` for an interim (1xx) response.
fn parse_head(head: &[u8], is_head: bool) -> Result<Option<(Answer, Framing)>, Garbage> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    match parse_fields(head, is_head, &mut fields) {
        Err(httparse::Error::TooManyHeaders) => {
            let mut fields = vec![httparse::EMPTY_HEADER; head.len() / 3 + 1];
            parse_fields(head, is_head, &mut fields).map_err(|_| Garbage::Head)?
        }
        outcome => outcome.map_err(|_| Garbage::Head)?,
    }
}

/// Reads a head with room for so many fields.
///
/// # Errors
/// Returns httparse's error, which tells whether there were more; what is wrong with the fields is in the result.
fn parse_fields<'h>(
    head: &'h [u8],
    is_head: bool,
    fields: &mut [httparse::Header<'h>],
) -> Result<Result<Option<(Answer, Framing)>, Garbage>, httparse::Error> {
    let mut response = httparse::Response::new(fields);
    match response.parse(head)? {
        httparse::Status::Complete(_) => Ok(answer_of(&response, is_head)),
        httparse::Status::Partial => Ok(Err(Garbage::Head)),
    }
}

fn answer_of(
    response: &httparse::Response<'_, '_>,
    is_head: bool,
) -> Result<Option<(Answer, Framing)>, Garbage> {
    // Three digits below 100 are no status of any class (RFC 9110, section 15): "000" is no success.
    let status = response.code.filter(|&code| code >= 100).ok_or(Garbage::Head)?;
    // After 101 the connection carries something else: it is the last answer in HTTP (RFC 9110, section 15.2.2).
    if status == 101 {
        return Ok(Some((Answer { status, keep_alive: false }, Framing::Empty)));
    }
    if (100..200).contains(&status) {
        return Ok(None);
    }
    let mut keep_alive = response.version == Some(1);
    let (mut length, mut chunked) = (None, false);
    for field in response.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") {
            let value = decimal(field.value)?;
            if length.is_some_and(|known| known != value) {
                return Err(Garbage::Head);
            }
            length = Some(value);
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = names(field.value, b"chunked");
        } else if field.name.eq_ignore_ascii_case("connection") {
            keep_alive = (keep_alive || names(field.value, b"keep-alive")) && !names(field.value, b"close");
        }
    }
    let framing = match length {
        _ if is_head || status == 204 || status == 304 => Framing::Empty,
        _ if chunked => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    };
    keep_alive &= framing != Framing::UntilClose;
    Ok(Some((Answer { status, keep_alive }, framing)))
}

fn decimal(value: &[u8]) -> Result<u64, Garbage> {
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Garbage::Head);
    }
    Ok(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

fn names(value: &[u8], token: &[u8]) -> bool {
    value.split(|&byte| byte == b',').any(|word| word.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
