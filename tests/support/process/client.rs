//! A client that sends exactly the bytes it is told to, and reads answers strictly.

use std::io::{ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use super::PATIENCE;
use pixeld_bench::client::link::{Link, Reply};

/// One connection.
pub struct Client {
    pub stream: Arc<TcpStream>,
    /// The same socket, for what is received.
    link: Link,
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
        let stream = Arc::new(stream);
        let link = Link::over(Arc::clone(&stream), PATIENCE).expect("a socket");
        Self { stream, link }
    }

    /// Sends the bytes as they are.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        (&*self.stream).write_all(bytes.as_ref()).expect("sent");
        self
    }

    /// Sends what the server may have stopped to listen to.
    pub fn send_in_vain(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        // That the server has closed already is told by what is read next.
        let _ = (&*self.stream).write_all(bytes.as_ref());
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
        let more = self.link.fill();
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let kind = more.map_err(|error| error.kind());
        assert!(matches!(kind, Err(ErrorKind::TimedOut)), "{kind:?}: {}", lossy(self.link.pending()));
    }

    /// What comes next.
    pub fn next(&mut self, is_head: bool) -> Next {
        self.link.expect_head(is_head);
        loop {
            match self.link.reply() {
                Ok(Some(reply)) => return Next::Answer(strict(reply, is_head)),
                Ok(None) => {}
                Err(error) => panic!("{error}: {}", lossy(self.link.pending())),
            }
            match self.link.fill() {
                Ok(0) if self.link.is_between() => return Next::End,
                Ok(0) if self.link.end() => return Next::Answer(strict(self.link.whole(false), is_head)),
                Ok(0) => panic!("half an answer: {}", lossy(self.link.pending())),
                Ok(_) => {}
                Err(error) if is_reset(&error) => return Next::Reset,
                Err(error) => panic!("{error} after {}", lossy(self.link.pending())),
            }
        }
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        while self.link.pending().len() < length {
            assert!(self.link.fill().expect("more") > 0, "cut off: {}", lossy(self.link.pending()));
        }
        let bytes = self.link.pending()[..length].to_vec();
        self.link.take(length);
        bytes
    }

    /// The next `length` bytes; nothing if the connection ends before.
    pub fn take_if_there(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.link.pending().len() < length {
            if !self.link.fill().is_ok_and(|count| count > 0) {
                return None;
            }
        }
        Some(self.take(length))
    }

    /// Everything up to the server's end or a reset.
    pub fn rest(&mut self) -> Vec<u8> {
        loop {
            match self.link.fill() {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if is_reset(&error) => break,
                Err(error) => panic!("{error} after {}", lossy(self.link.pending())),
            }
        }
        self.take(self.link.pending().len())
    }
}

/// Takes an answer only if it is of HTTP/1.1 and its body has one framing, or ends with a connection that is said to close.
fn strict(reply: Reply, is_head: bool) -> Answer {
    let head = String::from_utf8(reply.head).expect("a head is text");
    let head = head.strip_suffix("\r\n\r\n").expect("an empty line").to_owned();
    assert!(head.starts_with("HTTP/1.1 "), "{head}");
    let answer = Answer { status: reply.status, head, body: reply.body };
    if !is_head && answer.status >= 200 && answer.status != 204 && answer.status != 304 {
        match (answer.field("transfer-encoding"), answer.field("content-length")) {
            (Some("chunked"), None) | (None, Some(_)) => {}
            (None, None) if answer.closes() => {}
            other => panic!("no framing, or two: {other:?}"),
        }
    }
    answer
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

/// Posts so many pixels at once, ten bytes each.
pub fn post_pixels(count: u32) -> Vec<u8> {
    let records: Vec<u8> = (0..count).flat_map(|n| [0x11, 7, n as u8, 0, 0, 0, 0, 0, 0, 0]).collect();
    request("POST", "/pixels", "application/vnd.pixeld", records)
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

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(500)]).into_owned()
}
