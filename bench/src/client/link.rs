//! One blocking connection: bytes out, whole answers in. For what is no load: single requests, `pixeld send`, tests.

use crate::client::response::{ResponseParser, Step};
use crate::client::target::{Endpoint, Target};
use crate::client::tls::explain;
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;
/// Longest wait for the connection itself.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(3);

/// A stream that blocks.
#[derive(Debug)]
enum Socket {
    /// TCP, perhaps shared with whoever gave it.
    Tcp(Arc<TcpStream>),
    Unix(UnixStream),
    /// TLS on the one or the other.
    TlsTcp(Box<StreamOwned<ClientConnection, TcpStream>>),
    TlsUnix(Box<StreamOwned<ClientConnection, UnixStream>>),
}

impl Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&**stream).read(buffer),
            Self::Unix(stream) => stream.read(buffer),
            Self::TlsTcp(stream) => or_end(stream.read(buffer)).map_err(explain),
            Self::TlsUnix(stream) => or_end(stream.read(buffer)).map_err(explain),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&**stream).write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
            Self::TlsTcp(stream) => stream.write_all(bytes).map_err(explain),
            Self::TlsUnix(stream) => stream.write_all(bytes).map_err(explain),
        }
    }
}

/// Takes an end without close_notify for an end: the framing of HTTP tells whether something is missing.
fn or_end(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        result => result,
    }
}

/// An open connection, and what was read from it and not yet taken.
#[derive(Debug)]
pub struct Link {
    socket: Socket,
    parser: ResponseParser,
    input: Vec<u8>,
    taken: usize,
    /// The body of the answer that is being read.
    body: Vec<u8>,
    body_max: u64,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Status line and fields, with the empty line.
    pub head: Vec<u8>,
    /// The body, decoded.
    pub body: Vec<u8>,
    /// Whether the connection may carry another request.
    pub keep_alive: bool,
}

/// What came next.
#[derive(Debug)]
pub enum Piece<'a> {
    /// An interim answer (1xx): the real one follows. Its head can be had from [`Link::head`].
    Interim,
    /// Bytes of the body; the head can be had from [`Link::head`].
    Body {
        /// Status code of the answer.
        status: u16,
        /// Some of it, decoded.
        bytes: &'a [u8],
    },
    /// The end of the answer; whether the connection may carry another request.
    Done(bool),
}

impl Reply {
    /// Returns the value of the first field of this name; letters' case does not matter.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.split(|&byte| byte == b'\n').skip(1);
        lines.find_map(|line| {
            let (found, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Link {
    /// Connects to a target, with TLS if its scheme says so; every later read and write may take up to `wait`.
    ///
    /// # Errors
    /// Returns the system's error; `InvalidData` for a certificate that is not trusted, with the first write.
    pub fn open(target: &Target, wait: Duration) -> io::Result<Self> {
        let Some(tls) = &target.tls else { return Self::connect(&target.endpoint, wait) };
        let session = tls.session()?;
        let socket = match &target.endpoint {
            Endpoint::Tcp(addresses) => {
                let socket = addresses.connect(wait.min(CONNECT_WAIT_MAX))?;
                socket.set_nodelay(true)?;
                socket.set_read_timeout(Some(wait))?;
                socket.set_write_timeout(Some(wait))?;
                Socket::TlsTcp(Box::new(StreamOwned::new(session, socket)))
            }
            Endpoint::Unix(path) => Socket::TlsUnix(Box::new(StreamOwned::new(session, unix(path, wait)?))),
        };
        Ok(Self::new(socket))
    }

    /// Connects without TLS; every later read and write may take up to `wait`.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn connect(endpoint: &Endpoint, wait: Duration) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(addresses) => {
                Self::over(Arc::new(addresses.connect(wait.min(CONNECT_WAIT_MAX))?), wait)
            }
            Endpoint::Unix(path) => Ok(Self::new(Socket::Unix(unix(path, wait)?))),
        }
    }

    /// Takes over a connection from which no part of an answer was read; whoever shares it can do to the socket what this
    /// does not.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn over(socket: Arc<TcpStream>, wait: Duration) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(wait))?;
        socket.set_write_timeout(Some(wait))?;
        Ok(Self::new(Socket::Tcp(socket)))
    }

    fn new(socket: Socket) -> Self {
        let parser = ResponseParser::with_bodies();
        Self { socket, parser, input: Vec::new(), taken: 0, body: Vec::new(), body_max: u64::MAX }
    }

    /// Refuses answers with a longer body than this.
    #[must_use]
    pub fn with_body_max(self, bytes: u64) -> Self {
        Self { body_max: bytes, ..self }
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// Returns the error of the socket.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
    }

    /// Reads once, waiting for at least one byte; returns their number, 0 at the end.
    ///
    /// # Errors
    /// Returns the error of the socket; silence is `TimedOut`.
    pub fn fill(&mut self) -> io::Result<usize> {
        self.input.drain(..self.taken);
        self.taken = 0;
        let start = self.input.len();
        self.input.resize(start + READ_BYTES, 0);
        let result = loop {
            match self.socket.read(&mut self.input[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.input.truncate(start + *result.as_ref().unwrap_or(&0));
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            result => result,
        }
    }

    /// Returns what was read and not taken.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.input[self.taken..]
    }

    /// Takes the first `bytes` of [`Link::pending`] away: input that is no part of an answer.
    ///
    /// # Panics
    /// Panics if there are fewer.
    pub fn take(&mut self, bytes: usize) {
        assert!(bytes <= self.pending().len(), "no more than there is");
        self.taken += bytes;
    }

    /// Says that the next answer is one to HEAD, or to something else.
    pub fn expect_head(&mut self, is_head: bool) {
        self.parser.expect_head(is_head);
    }

    /// Returns status line and fields of the answer that is being read, with the empty line.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        self.parser.head_bytes()
    }

    /// Returns the status of the answer that is being read.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.parser.status()
    }

    /// Returns the next piece of an answer if it has been read already.
    ///
    /// # Errors
    /// Fails with `InvalidData` for what is not an answer.
    pub fn piece(&mut self) -> io::Result<Option<Piece<'_>>> {
        let (used, step) = self
            .parser
            .next(&self.input[self.taken..])
            .map_err(|garbage| io::Error::new(io::ErrorKind::InvalidData, garbage))?;
        self.taken += used;
        Ok(match step {
            Step::NeedMore => None,
            Step::Interim => Some(Piece::Interim),
            Step::Body(bytes) => Some(Piece::Body { status: self.parser.status(), bytes }),
            Step::Done(answer) => Some(Piece::Done(answer.keep_alive)),
        })
    }

    /// Takes the end of the input; returns true if it completes the answer that is being read.
    pub fn end(&mut self) -> bool {
        self.parser.end_of_input().is_some()
    }

    /// Returns true if nothing of an answer has been read.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.pending().is_empty() && self.parser.is_between()
    }

    /// Returns the next whole answer, or interim answer, if it has been read already.
    ///
    /// # Errors
    /// Fails with `InvalidData` for what is not an answer, or has a longer body than it may.
    pub fn reply(&mut self) -> io::Result<Option<Reply>> {
        loop {
            let keep_alive = match self.piece()? {
                None => return Ok(None),
                Some(Piece::Interim) => true,
                Some(Piece::Done(keep_alive)) => keep_alive,
                Some(Piece::Body { bytes, .. }) => {
                    let bytes = bytes.to_vec();
                    self.body.extend_from_slice(&bytes);
                    if self.body.len() as u64 > self.body_max {
                        let what = "the answer's body is too long";
                        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                    }
                    continue;
                }
            };
            return Ok(Some(self.whole(keep_alive)));
        }
    }

    /// Makes an answer of the head and the body that were read.
    pub fn whole(&mut self, keep_alive: bool) -> Reply {
        let head = self.head().to_vec();
        let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        Reply { status: status.unwrap_or(0), head, body: std::mem::take(&mut self.body), keep_alive }
    }
}

fn unix(path: &Path, wait: Duration) -> io::Result<UnixStream> {
    let socket = UnixStream::connect(path)?;
    socket.set_read_timeout(Some(wait))?;
    socket.set_write_timeout(Some(wait))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn answers_are_the_same_however_they_are_cut() {
        let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\nretry-AFTER: 3\r\nContent-Length: 2\r\n\r\n{}\
                     HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: \
                     close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for cut in 0..text.len() {
            let server = thread::spawn(move || TcpStream::connect(address).unwrap());
            let mut there = listener.accept().unwrap().0;
            let mut link = Link::over(Arc::new(server.join().unwrap()), Duration::from_secs(20)).unwrap();
            let mut seen = Vec::new();
            let mut read = |link: &mut Link| {
                while let Some(reply) = link.reply().unwrap() {
                    link.expect_head(seen.len() == 1);
                    seen.push((reply.status, reply.body.clone(), reply.keep_alive));
                    assert_eq!(reply.field("Retry-After"), (reply.status == 503).then_some("3"));
                }
            };
            let mut sent = 0;
            for piece in [&text[..cut], &text[cut..]] {
                there.write_all(piece).unwrap();
                sent += piece.len();
                let mut got = 0;
                while got < piece.len() {
                    got += link.fill().unwrap();
                    read(&mut link);
                }
            }
            assert_eq!(sent, text.len());
            let expected = [
                (100, Vec::new(), true),
                (503, b"{}".to_vec(), true),
                (200, Vec::new(), true),
                (200, b"abcde".to_vec(), false),
            ];
            assert_eq!(seen, expected, "cut at {cut}");
            assert!(link.is_between());
        }
    }
}
