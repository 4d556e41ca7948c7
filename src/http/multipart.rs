//! Bodies of `multipart/form-data` (RFC 7578 on RFC 2046, section 5.1), taken apart as they arrive, without copying.
//!
//! ```text
//! Preamble -delimiter-> LineEnd -CRLF-> Head -empty line-> Data -delimiter-> LineEnd -"--"-> Epilogue
//! ```
//!
//! Whatever way the body is split, the parts and their bytes are the same. A delimiter is CRLF, two hyphens and the
//! boundary; the first one may stand at the very start. A boundary holds no CR, so a delimiter that turns out to be
//! none has no other one's start in it: no byte is ever looked at twice.

use super::parameters::{Parameters, extended, parameters_of};
use crate::base::limits::{
    MULTIPART_FRAMING_BYTES_MAX, MULTIPART_HEAD_BYTES_MAX, MULTIPART_NAME_BYTES_MAX, MULTIPART_PARTS_MAX,
};

/// Why a body is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// Behind a delimiter stands neither the end of its line nor two hyphens.
    #[error("a boundary is not followed by the end of its line")]
    Delimiter,
    /// The fields in front of a part are malformed, or lack `Content-Disposition: form-data` with a name.
    #[error("a part's header is malformed")]
    Head,
    /// The fields in front of a part are longer than [`MULTIPART_HEAD_BYTES_MAX`], or a name or file name in them than
    /// [`MULTIPART_NAME_BYTES_MAX`].
    #[error("a part's header is too long")]
    HeadLong,
    /// More than [`MULTIPART_FRAMING_BYTES_MAX`] bytes around the parts, or more parts than [`MULTIPART_PARTS_MAX`].
    #[error("too much around the parts")]
    FramingLong,
    /// The body ended before its last delimiter.
    #[error("the body ends before its last boundary")]
    Cut,
}

/// Why a Content-Type has no usable boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundaryError {
    /// It is not `multipart/form-data`.
    OtherType,
    /// It names no boundary.
    Missing,
    /// The boundary is longer than 70 bytes, ends with a space, or holds a byte that none may (RFC 2046, 5.1.1).
    Invalid,
}

/// What stands in front of a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartHead {
    /// The field's name.
    pub name: String,
    /// The file's name as the client calls it: any text at all, never to be used as a path.
    pub filename: Option<String>,
    /// The part's Content-Type as the client says it.
    pub content_type: Option<String>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// All of the input is used up.
    NeedMore,
    /// A part begins.
    Part(PartHead),
    /// Some of its bytes; never empty.
    Data(&'a [u8]),
    /// The part is complete.
    PartEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Before the first delimiter, of which so many bytes are matched.
    Preamble(usize),
    /// Behind a delimiter.
    LineStart,
    /// Behind a delimiter and one hyphen.
    Hyphen,
    /// Behind a delimiter and white space.
    Padding,
    /// Behind the CR of a delimiter's line.
    LineLf,
    Head,
    /// So many bytes of a delimiter are matched.
    Data(usize),
    /// A delimiter is complete: its part ends.
    PartEnd,
    /// So many bytes of what seemed to be a delimiter are owed as data.
    Owed(usize),
    Epilogue,
}

/// Takes one body apart.
#[derive(Clone, Debug)]
pub struct Multipart {
    /// CRLF, two hyphens, the boundary.
    delimiter: Vec<u8>,
    expected: Expected,
    /// The lines in front of the part, with their ends.
    head: Vec<u8>,
    /// Bytes so far that are not data.
    framing_bytes: usize,
    parts: usize,
}

/// Returns the boundary of a `multipart/form-data` body.
///
/// # Errors
/// Fails as [`BoundaryError`] says.
pub fn boundary(content_type: &str) -> Result<String, BoundaryError> {
    let Parameters { value, list } = parameters_of(content_type);
    if !value.eq_ignore_ascii_case("multipart/form-data") {
        return Err(BoundaryError::OtherType);
    }
    let found = list.into_iter().find(|(name, _)| name == "boundary").ok_or(BoundaryError::Missing)?.1;
    match found.as_bytes() {
        [] => Err(BoundaryError::Missing),
        bytes if bytes.len() <= 70 && bytes.iter().all(|&byte| is_bchar(byte)) && !found.ends_with(' ') => {
            Ok(found)
        }
        _ => Err(BoundaryError::Invalid),
    }
}

fn is_bchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte)
}

impl Multipart {
    /// Begins a body of which nothing has arrived. `boundary` is as [`boundary`] gives it.
    #[must_use]
    pub fn new(boundary: &str) -> Self {
        debug_assert!(!boundary.contains('\r'), "the search for delimiters relies on it");
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        // As if the body had a line end before its first byte.
        Self { delimiter, expected: Expected::Preamble(2), head: Vec::new(), framing_bytes: 0, parts: 0 }
    }

    /// Takes the next step; gives how many bytes of `input` are used up, and what they were. The rest is to be given
    /// again; with [`Event::NeedMore`] there is none.
    ///
    /// # Errors
    /// Fails as [`MultipartError`] says; the body is then of no use.
    pub fn next<'a>(&'a mut self, input: &'a [u8]) -> Result<(usize, Event<'a>), MultipartError> {
        let mut at = 0;
        loop {
            if let Expected::PartEnd = self.expected {
                self.expected = Expected::LineStart;
                return Ok((at, Event::PartEnd));
            }
            if let Expected::Owed(length) = self.expected {
                self.expected = Expected::Data(0);
                return Ok((at, Event::Data(&self.delimiter[..length])));
            }
            if at == input.len() {
                return Ok((at, Event::NeedMore));
            }
            match self.expected {
                Expected::Data(0) => {
                    let length = memchr::memchr(b'\r', &input[at..]).unwrap_or(input.len() - at);
                    if length > 0 {
                        return Ok((at + length, Event::Data(&input[at..at + length])));
                    }
                    self.expected = Expected::Data(1);
                    at += 1;
                }
                Expected::Data(matched) => at += self.data(matched, input[at]),
                Expected::Head => {
                    at += 1;
                    if let Some(head) = self.head(input[at - 1])? {
                        return Ok((at, Event::Part(head)));
                    }
                }
                Expected::Epilogue => {
                    self.count(input.len() - at)?;
                    at = input.len();
                }
                _ => {
                    self.count(1)?;
                    self.expected = self.framing(input[at])?;
                    at += 1;
                }
            }
        }
    }

    /// Takes the end of the body.
    ///
    /// # Errors
    /// Fails if the body is not complete.
    pub fn end(&self) -> Result<(), MultipartError> {
        if self.expected == Expected::Epilogue { Ok(()) } else { Err(MultipartError::Cut) }
    }

    /// Takes a byte of data behind `matched` bytes of a delimiter; gives whether it is used up.
    fn data(&mut self, matched: usize, byte: u8) -> usize {
        if byte != self.delimiter[matched] {
            self.expected = Expected::Owed(matched);
            return 0;
        }
        self.expected = Expected::Data(matched + 1);
        if matched + 1 == self.delimiter.len() {
            self.framing_bytes += self.delimiter.len();
            self.expected = Expected::PartEnd;
        }
        1
    }

    /// Takes a byte around the parts; gives what follows it.
    fn framing(&self, byte: u8) -> Result<Expected, MultipartError> {
        Ok(match (self.expected, byte) {
            (Expected::Preamble(matched), _) => {
                let matched = match byte {
                    _ if byte == self.delimiter[matched] => matched + 1,
                    b'\r' => 1,
                    _ => 0,
                };
                if matched == self.delimiter.len() {
                    Expected::LineStart
                } else {
                    Expected::Preamble(matched)
                }
            }
            (Expected::LineStart, b'-') => Expected::Hyphen,
            (Expected::LineStart | Expected::Padding, b' ' | b'\t') => Expected::Padding,
            (Expected::LineStart | Expected::Padding, b'\r') => Expected::LineLf,
            (Expected::LineLf, b'\n') => Expected::Head,
            (Expected::Hyphen, b'-') => Expected::Epilogue,
            _ => return Err(MultipartError::Delimiter),
        })
    }

    /// Takes a byte in front of a part; gives the head behind its last one.
    fn head(&mut self, byte: u8) -> Result<Option<PartHead>, MultipartError> {
        self.head.push(byte);
        self.count(1)?;
        if self.head.len() > MULTIPART_HEAD_BYTES_MAX {
            return Err(MultipartError::HeadLong);
        }
        if self.head != b"\r\n" && !self.head.ends_with(b"\r\n\r\n") {
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > MULTIPART_PARTS_MAX {
            return Err(MultipartError::FramingLong);
        }
        let head = part_head(&self.head)?;
        self.head.clear();
        // A part may be empty: then its delimiter follows at once, and the CRLF behind the head is not its start.
        self.expected = Expected::Data(0);
        Ok(Some(head))
    }

    fn count(&mut self, bytes: usize) -> Result<(), MultipartError> {
        self.framing_bytes += bytes;
        if self.framing_bytes > MULTIPART_FRAMING_BYTES_MAX {
            return Err(MultipartError::FramingLong);
        }
        Ok(())
    }
}

/// Reads the lines in front of a part. A name in another encoding than UTF-8 keeps U+FFFD where it can't be read.
fn part_head(bytes: &[u8]) -> Result<PartHead, MultipartError> {
    let text = String::from_utf8_lossy(bytes);
    let (mut head, mut is_named) = (PartHead::default(), false);
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(MultipartError::Head)?;
        if name.is_empty() || line.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(MultipartError::Head);
        }
        if name.eq_ignore_ascii_case("content-disposition") {
            let Parameters { value, list } = parameters_of(value);
            if is_named || !value.eq_ignore_ascii_case("form-data") {
                return Err(MultipartError::Head);
            }
            let mut spelled_out = None;
            for (name, value) in list {
                match &*name {
                    "name" => (head.name, is_named) = (value, true),
                    "filename" => head.filename = Some(value),
                    "filename*" => spelled_out = extended(&value).or(spelled_out),
                    _ => {}
                }
            }
            // Clients that send both spell the name for old servers in the other one (RFC 6266, section 4.3).
            head.filename = spelled_out.or(head.filename);
        } else if name.eq_ignore_ascii_case("content-type") {
            head.content_type = Some(value.trim().to_owned());
        }
    }
    let filename_bytes = head.filename.as_ref().map_or(0, String::len);
    if head.name.len().max(filename_bytes) > MULTIPART_NAME_BYTES_MAX {
        return Err(MultipartError::HeadLong);
    }
    if is_named { Ok(head) } else { Err(MultipartError::Head) }
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
