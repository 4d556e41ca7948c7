//! A client that sends exactly the bytes it is told to, and reads answers strictly.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::PATIENCE;

/// One connection.
pub struct Client {
    pub stream: TcpStream,
    /// Received and not yet taken.
    received: Vec<u8>,
}

/// One answer, its body decoded.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Status line and fields, without the empty line.
    pub head: String,
    pub body: Vec<u8>,
}

/// What a connection has next.
#[derive(Debug)]
pub enum Next {
    Answer(Answer),
    /// The server's end, with nothing before it.
    End,
    /// The server cut the connection off.
    Reset,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        Self::over(stream)
    }

    /// One that has nothing of an answer left in it.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        Self { stream, received: Vec::new() }
    }

    /// Sends the bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).expect("sent");
        self
    }

    /// Sends what the server may have stopped to listen to.
    pub fn send_in_vain(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        // That the server has closed already is told by what is read next.
        let _ = self.stream.write_all(bytes.as_ref());
        self
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) -> &mut Self {
        self.stream.shutdown(Shutdown::Write).expect("a socket");
        self
    }

    /// The next answer to a request that is not HEAD.
    pub fn answer(&mut self) -> Answer {
        match self.next(false) {
            Next::Answer(answer) => answer,
            other => panic!("no answer: {other:?}"),
        }
    }

    /// The next answer to HEAD.
    pub fn head_answer(&mut self) -> Answer {
        match self.next(true) {
            Next::Answer(answer) => answer,
            other => panic!("no answer: {other:?}"),
        }
    }

    /// Asserts that the server has closed in order, with nothing more said.
    pub fn assert_end(&mut self) {
        let next = self.next(false);
        assert!(matches!(next, Next::End), "{next:?}");
    }

    /// Asserts that nothing arrives for `patience`, and that the connection is still open.
    pub fn assert_silence(&mut self, patience: std::time::Duration) {
        self.stream.set_read_timeout(Some(patience)).expect("a socket");
        let more = self.fill();
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let kind = more.map_err(|error| error.kind());
        assert!(matches!(kind, Err(ErrorKind::WouldBlock)), "{kind:?}: {}", lossy(&self.received));
    }

    /// What comes next.
    pub fn next(&mut self, is_head: bool) -> Next {
        let end = loop {
            if let Some(at) = find(&self.received, b"\r\n\r\n") {
                break at;
            }
            match self.fill() {
                Ok(0) if self.received.is_empty() => return Next::End,
                Ok(0) => panic!("half an answer: {}", lossy(&self.received)),
                Ok(_) => {}
                Err(error) if is_reset(&error) => return Next::Reset,
                Err(error) => panic!("{error} after {}", lossy(&self.received)),
            }
        };
        let head: Vec<u8> = self.received.drain(..end + 4).collect();
        let head = String::from_utf8(head[..end].to_vec()).expect("a head is text");
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).expect("a status line");
        let mut answer =
            Answer { status: status.parse().expect("a number"), head: head.clone(), body: Vec::new() };
        if !is_head && answer.status >= 200 && answer.status != 204 && answer.status != 304 {
            answer.body = self.body(&answer);
        }
        Next::Answer(answer)
    }

    fn body(&mut self, answer: &Answer) -> Vec<u8> {
        match (answer.field("transfer-encoding"), answer.field("content-length")) {
            (Some("chunked"), None) => self.chunks(),
            (None, Some(length)) => self.take(length.parse().expect("a length")),
            (None, None) if answer.closes() => {
                while self.fill().expect("a body") > 0 {}
                std::mem::take(&mut self.received)
            }
            other => panic!("no framing, or two: {other:?}"),
        }
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                match find(&self.received, b"\r\n") {
                    Some(at) => break self.take(at + 2),
                    None => assert!(self.fill().expect("a chunk") > 0, "cut off in a chunk's line"),
                }
            };
            let digits = std::str::from_utf8(&line[..line.len() - 2]).expect("a text");
            let size = usize::from_str_radix(digits, 16).expect("a size");
            body.extend_from_slice(&self.take(size));
            assert_eq!(self.take(2), b"\r\n");
            if size == 0 {
                return body;
            }
        }
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        while self.received.len() < length {
            assert!(self.fill().expect("more") > 0, "cut off: {}", lossy(&self.received));
        }
        self.received.drain(..length).collect()
    }

    /// Everything up to the server's end or a reset.
    pub fn rest(&mut self) -> Vec<u8> {
        loop {
            match self.fill() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if is_reset(&error) => break,
                Err(error) => panic!("{error} after {}", lossy(&self.received)),
            }
        }
        std::mem::take(&mut self.received)
    }

    fn fill(&mut self) -> std::io::Result<usize> {
        let mut piece = [0; 65536];
        loop {
            match self.stream.read(&mut piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(length) => {
                    self.received.extend_from_slice(&piece[..length]);
                    return Ok(length);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Answer {
    /// The value of a field that stands there at most once.
    pub fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut values = fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|field| field.1);
        let value = values.next();
        assert!(values.next().is_none(), "{name} twice: {}", self.head);
        value
    }

    /// Whether it says that the connection ends behind it.
    pub fn closes(&self) -> bool {
        self.field("connection") == Some("close")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", lossy(&self.body)))
    }
}

/// A request of HTTP/1.1 with a body of this Content-Type.
pub fn request(method: &str, path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A request without a body.
pub fn plain(method: &str, path: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes()
}

/// The usual way to post a pixel.
pub fn post_pixel(x: i32, y: i32, channel: char, value: u8) -> Vec<u8> {
    request("POST", "/pixel", "application/json", pixel(x, y, channel, value))
}

/// A pixel as the server lists it.
pub fn pixel(x: i32, y: i32, channel: char, value: u8) -> String {
    format!(r#"{{"x":{x},"y":{y},"channel":"{channel}","value":{value}}}"#)
}

fn is_reset(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(500)]).into_owned()
}
