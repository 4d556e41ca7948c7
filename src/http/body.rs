//! Bodies of known length and bodies in chunks (RFC 9112, sections 6.2 and 7.1), decoded without copying.
//!
//! ```text
//! Size -;- Extension     Data -CR- LF -> Size     (size 0:) TrailerStart -CR- LF -> ended
//!   '----CR- LF -----> Data | TrailerStart            '-Name -:- Value -CR- LF -> TrailerStart
//! ```

use super::charset;
use super::extension::Extension;
use super::framing::Framing;
use super::refusal::Refusal;
use crate::base::limits::Limits;

const TOO_LARGE: Refusal = Refusal::new(413, "the body is too large");
const SIZE_INVALID: Refusal = Refusal::bad("a chunk does not start with its size in hexadecimal digits");
const LINE_LONG: Refusal = Refusal::bad("a chunk's first line is too long");
const EXTENSION: Refusal = Refusal::bad("a malformed chunk extension");
const LINE_END: Refusal = Refusal::bad("a line of a chunked body does not end with CRLF");
const DATA_END: Refusal = Refusal::bad("a chunk's data does not end with CRLF");
const TRAILER: Refusal = Refusal::bad("malformed trailer field");
const TRAILERS_LONG: Refusal = Refusal::new(431, "the trailers are too long");

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// `left` bytes of a body of known length.
    Known,
    /// A digit of a chunk's size, or what ends it.
    Size,
    /// Behind a size, in what is not used but has to be well formed.
    Extension(Extension),
    SizeLf,
    /// `left` bytes of a chunk.
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
    Ended,
}

/// Reads one body.
#[derive(Clone, Copy, Debug)]
pub struct BodyDecoder {
    expected: Expected,
    has_digit: bool,
    /// Bytes of the current chunk line, or of all trailers, so far.
    line_bytes: usize,
    /// Bytes of the chunk or of the body that are still to come; the size while its digits arrive.
    left: u64,
    /// Bytes that all further chunks together may have.
    budget: u64,
}

/// What a piece of input holds of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// All of the input is used up and the body goes on.
    NeedMore,
    /// Some of the body, never empty.
    Piece {
        /// Bytes of the input that are used up.
        consumed: usize,
        /// The decoded bytes.
        bytes: &'a [u8],
    },
    /// The body is complete.
    End {
        /// Bytes of the input that are used up; what follows is the next request.
        consumed: usize,
    },
}

impl BodyDecoder {
    /// Makes a decoder for a body of this framing with at most `max_bytes` bytes after decoding.
    ///
    /// # Errors
    /// Refuses with 413 if the length is known and larger.
    pub fn new(framing: Framing, max_bytes: u64) -> Result<Self, Refusal> {
        let (expected, left) = match framing {
            Framing::None => (Expected::Ended, 0),
            Framing::Length(0) => (Expected::Ended, 0),
            Framing::Length(length) if length > max_bytes => return Err(TOO_LARGE),
            Framing::Length(length) => (Expected::Known, length),
            Framing::Chunked => (Expected::Size, 0),
        };
        Ok(Self { expected, has_digit: false, line_bytes: 0, left, budget: max_bytes })
    }

    /// Returns whether the whole body has been read.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.expected == Expected::Ended
    }

    /// Reads the next piece of the body. After the end it gives the end again, and uses up nothing.
    ///
    /// # Errors
    /// Refuses with 400 anything that is not a chunk, with 413 a chunk that exceeds what the body may have (before any of its data
    /// is read), 431 for trailers over their limit. The decoder is of no use then.
    pub fn next<'a>(&mut self, input: &'a [u8], limits: &Limits) -> Result<Decoded<'a>, Refusal> {
        let mut at = 0;
        while self.expected != Expected::Ended {
            let Some(&byte) = input.get(at) else { return Ok(Decoded::NeedMore) };
            if matches!(self.expected, Expected::Known | Expected::Data) {
                let bytes = self.take(&input[at..]);
                return Ok(Decoded::Piece { consumed: at + bytes.len(), bytes });
            }
            self.step(byte, limits)?;
            at += 1;
        }
        debug_assert_eq!(self.left, 0);
        Ok(Decoded::End { consumed: at })
    }

    fn take<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        debug_assert!(self.left > 0, "a place with data has some left");
        let length = usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
        self.left -= length as u64;
        if self.left == 0 {
            self.expected = if self.expected == Expected::Known { Expected::Ended } else { Expected::DataCr };
        }
        &input[..length]
    }

    fn step(&mut self, byte: u8, limits: &Limits) -> Result<(), Refusal> {
        self.expected = match (self.expected, byte) {
            (Expected::Size | Expected::Extension(_), _) => self.size_line(byte, limits)?,
            (Expected::SizeLf, b'\n') => self.open_chunk()?,
            (Expected::DataCr, b'\r') => Expected::DataLf,
            (Expected::DataLf, b'\n') => Expected::Size,
            (Expected::DataCr | Expected::DataLf, _) => return Err(DATA_END),
            (Expected::LastLf, b'\n') => Expected::Ended,
            (Expected::TrailerStart, b'\r') => Expected::LastLf,
            (Expected::SizeLf | Expected::TrailerLf | Expected::LastLf, _) if byte != b'\n' => {
                return Err(LINE_END);
            }
            _ => self.trailer(byte, limits)?,
        };
        Ok(())
    }

    /// Takes one byte of `size [blanks] [;extension] CR`.
    fn size_line(&mut self, byte: u8, limits: &Limits) -> Result<Expected, Refusal> {
        let may_end = match self.expected {
            Expected::Extension(extension) => extension.may_end(),
            _ => self.has_digit,
        };
        if byte == b'\r' && may_end {
            return Ok(Expected::SizeLf);
        }
        self.line_bytes += 1;
        if self.line_bytes > limits.chunk_line_bytes {
            return Err(LINE_LONG);
        }
        match (self.expected, byte) {
            (Expected::Extension(extension), _) => {
                extension.after(byte).map(Expected::Extension).ok_or(EXTENSION)
            }
            (_, b';') if self.has_digit => Ok(Expected::Extension(Extension::Start)),
            (_, b' ' | b'\t') if self.has_digit => Ok(Expected::Extension(Extension::Blank)),
            _ => self.push_digit(byte),
        }
    }

    /// Adds a digit; a size beyond a u64 stays at its greatest value, which is over every limit.
    fn push_digit(&mut self, byte: u8) -> Result<Expected, Refusal> {
        let digit = char::from(byte).to_digit(16).ok_or(SIZE_INVALID)?;
        self.has_digit = true;
        self.left = if self.left >> 60 == 0 { self.left << 4 | u64::from(digit) } else { u64::MAX };
        Ok(Expected::Size)
    }

    fn open_chunk(&mut self) -> Result<Expected, Refusal> {
        self.budget = self.budget.checked_sub(self.left).ok_or(TOO_LARGE)?;
        self.line_bytes = 0;
        self.has_digit = false;
        Ok(if self.left == 0 { Expected::TrailerStart } else { Expected::Data })
    }

    /// Takes one byte of `name: value CR LF`. Trailers are checked like any field and then dropped: nothing here uses them,
    /// and merging them into the head could change what has been decided already.
    fn trailer(&mut self, byte: u8, limits: &Limits) -> Result<Expected, Refusal> {
        self.line_bytes += 1;
        if self.line_bytes > limits.trailer_bytes {
            return Err(TRAILERS_LONG);
        }
        match (self.expected, byte) {
            (Expected::TrailerStart | Expected::TrailerName, _) if charset::is_token(byte) => {
                Ok(Expected::TrailerName)
            }
            (Expected::TrailerName, b':') => Ok(Expected::TrailerValue),
            (Expected::TrailerValue, b'\r') => Ok(Expected::TrailerLf),
            (Expected::TrailerValue, _) if charset::is_value(byte) => Ok(Expected::TrailerValue),
            (Expected::TrailerLf, b'\n') => Ok(Expected::TrailerStart),
            _ => Err(TRAILER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input` in reads of `step` bytes; what was decoded and how much of the input was left.
    fn decode(input: &[u8], step: usize, max_bytes: u64) -> Result<(Vec<u8>, usize), Refusal> {
        let mut decoder = BodyDecoder::new(Framing::Chunked, max_bytes)?;
        let (mut body, mut at, limits) = (Vec::new(), 0, Limits::default());
        for cut in (step..input.len() + step).step_by(step) {
            loop {
                match decoder.next(&input[at..cut.min(input.len())], &limits)? {
                    Decoded::NeedMore => break at = cut.min(input.len()),
                    Decoded::Piece { consumed, bytes } => {
                        body.extend_from_slice(bytes);
                        at += consumed;
                    }
                    Decoded::End { consumed } => return Ok((body, input.len() - at - consumed)),
                }
            }
        }
        assert!(!decoder.is_ended());
        Ok((body, usize::MAX))
    }

    #[test]
    fn chunks_extensions_and_trailers() {
        let input =
            b"6;a=\"b;c\"\r\nHello \r\n0005 ; x\t;y\r\nworld\r\n1\r\n!\r\n0;z\r\nA: b\r\nC:\r\n\r\nGET";
        for step in 1..=input.len() {
            assert_eq!(decode(input, step, 12), Ok((b"Hello world!".to_vec(), 3)));
        }
        assert_eq!(decode(b"0\r\n\r\n", 9, 0), Ok((vec![], 0)));
        assert_eq!(decode(b"1\r\na\r\n", 9, 9), Ok((b"a".to_vec(), usize::MAX)));
    }

    #[test]
    fn malformed_chunks_are_refused_at_their_first_wrong_byte() {
        let bad: &[&[u8]] = &[
            b";",
            b"\r",
            b"\n",
            b" ",
            b"+",
            b"-",
            b"0x",
            b"5g",
            b"5\n",
            b"5\rx",
            b"5 \r",
            b"5 5",
            b"5;\x00",
            b"5;a\n",
            b"5;\r",
            b"5;a=\r",
            b"5;a=\"\r",
            b"5;a=\"b\r",
            b"5;a=\"\\\r",
            b"5;a=\"b\"c",
            b"5;a \r",
            b"5;;",
            b"1\r\na\r\n;",
            b"1\r\na\r\n\r",
            b"1\r\nab",
            b"1\r\na\n",
            b"1\r\na\rb",
            b"0\r\n\n",
            b"0\r\n ",
            b"0\r\n:",
            b"0\r\na ",
            b"0\r\na\r",
            b"0\r\na:\x01",
            b"0\r\na:\n",
            b"0\r\na:\rb",
            b"0\r\n\rX",
            b"0\r\na: b\r\n ",
        ];
        for input in bad {
            let refusal = decode(input, 1, 99).expect_err(&String::from_utf8_lossy(input));
            assert_eq!(refusal.status, 400);
            let (short, length) = (&input[..input.len() - 1], usize::MAX);
            assert!(
                matches!(decode(short, 1, 99), Ok((_, left)) if left == length),
                "the byte before was fine: {input:?}"
            );
        }
    }

    #[test]
    fn limits_are_exact() {
        assert_eq!(
            decode(b"5\r\nabcde\r\n5\r\n", 1, 9).map_err(|refusal| refusal.status),
            Err(413),
            "no data needed"
        );
        assert_eq!(
            decode(b"10000000000000000\r\n", 1, u64::MAX - 1).map_err(|refusal| refusal.status),
            Err(413)
        );
        let line = |length: usize| decode(format!("0;{}\r\n\r\n", "x".repeat(length - 2)).as_bytes(), 1, 9);
        assert!(line(256).is_ok());
        assert_eq!(line(257), Err(LINE_LONG));
        let trailers =
            |length: usize| decode(format!("0\r\na:{}\r\n\r\n", "x".repeat(length - 4)).as_bytes(), 1, 9);
        assert!(trailers(4096).is_ok());
        assert_eq!(trailers(4097), Err(TRAILERS_LONG));
    }

    #[test]
    fn known_lengths() {
        let (mut decoder, limits) = (BodyDecoder::new(Framing::Length(3), 3).unwrap(), Limits::default());
        assert_eq!(decoder.next(b"", &limits), Ok(Decoded::NeedMore));
        assert_eq!(decoder.next(b"ab", &limits), Ok(Decoded::Piece { consumed: 2, bytes: b"ab" }));
        assert_eq!(decoder.next(b"cGET", &limits), Ok(Decoded::Piece { consumed: 1, bytes: b"c" }));
        assert_eq!(decoder.next(b"GET", &limits), Ok(Decoded::End { consumed: 0 }));
        assert!(BodyDecoder::new(Framing::None, 0).unwrap().is_ended());
        assert!(BodyDecoder::new(Framing::Length(0), 0).unwrap().is_ended());
        assert_eq!(BodyDecoder::new(Framing::Length(4), 3).unwrap_err(), TOO_LARGE);
    }
}
