//! One connection to the server: bytes out, whole answers in.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::reply::{ReplyHead, parse_head};
use super::target::Target;
use crate::http::framing::Framing;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const SILENCE_MAX: Duration = Duration::from_secs(30);
const READ_BYTES: usize = 64 * 1024;
/// Longest body of an answer to a single pixel, bytes.
const REPLY_BODY_BYTES_MAX: u64 = 64 * 1024;

/// An open connection and what was read from it and not yet taken.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    input: Vec<u8>,
    taken: usize,
}

impl Link {
    /// Connects to the first address that answers.
    ///
    /// # Errors
    /// The last address's error.
    pub fn connect(target: &Target) -> io::Result<Self> {
        let mut last = io::ErrorKind::NotFound.into();
        for address in target.addresses()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(SILENCE_MAX))?;
                    stream.set_write_timeout(Some(SILENCE_MAX))?;
                    return Ok(Self { stream, input: Vec::with_capacity(READ_BYTES), taken: 0 });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads once, waiting for at least one byte.
    ///
    /// # Errors
    /// Those of the socket; its end is `UnexpectedEof`, silence `TimedOut`.
    pub fn read(&mut self) -> io::Result<()> {
        self.input.drain(..self.taken);
        self.taken = 0;
        let start = self.input.len();
        self.input.resize(start + READ_BYTES, 0);
        let result = self.stream.read(&mut self.input[start..]);
        self.input.truncate(start + *result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            Err(error) => Err(error),
        }
    }

    /// What was read and not taken.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.input[self.taken..]
    }

    /// Marks the first `bytes` of [`Self::pending`] as used.
    pub fn take(&mut self, bytes: usize) {
        assert!(bytes <= self.pending().len(), "no more than there is");
        self.taken += bytes;
    }

    /// The next whole answer and its body, if it has been read already.
    ///
    /// # Errors
    /// `InvalidData` for what is no answer of a known length.
    pub fn reply(&mut self) -> io::Result<Option<(ReplyHead, Vec<u8>)>> {
        let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
        let Some(head) = parse_head(self.pending()).map_err(invalid)? else { return Ok(None) };
        let length = match head.framing {
            Framing::Length(length) if length <= REPLY_BODY_BYTES_MAX => length,
            _ => return Err(invalid("an answer to a pixel without a short, known length".to_owned())),
        };
        let end = head.bytes + usize::try_from(length).expect("bounded above");
        let Some(body) = self.pending().get(head.bytes..end) else { return Ok(None) };
        let body = body.to_vec();
        self.take(end);
        Ok(Some((head, body)))
    }
}
