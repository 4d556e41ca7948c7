//! Single requests outside of the measured load: `/metrics`, totals, lists that are read back, a server's health.

use crate::client::link::{Link, Piece};
use crate::client::target::Target;
use crate::client::token::Token;
use std::io;
use std::time::{Duration, Instant};

/// Largest answer that is kept in memory.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An answer in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Status code.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

/// An answer whose body was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streamed {
    /// Status code.
    pub status: u16,
    /// Whether its end was announced. Where the end of the connection is the end of the body, one that was cut off looks like
    /// one that is whole.
    pub is_framed: bool,
}

/// GETs `target` and keeps the body. The whole answer has to be there after `wait`, however much comes meanwhile.
///
/// # Errors
/// Returns the system's error; `TimedOut` after `wait`; `InvalidData` for what is not an HTTP response or larger than 64 MiB.
pub fn get(target: &Target, wait: Duration) -> io::Result<Fetched> {
    let mut body = Vec::new();
    let answer = stream_until(target, "", wait, Some(Instant::now() + wait), |_, piece| {
        body.extend_from_slice(piece);
        body.len() <= BODY_BYTES_MAX
    })?;
    if body.len() > BODY_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is larger than 64 MiB"));
    }
    Ok(Fetched { status: answer.status, body })
}

/// GETs `target` with further `fields` (each ends with CRLF) and hands status and body to `take` as it comes; `take` says
/// whether to go on.
///
/// # Errors
/// Returns the system's error; `TimedOut` when nothing of the body comes for `wait`; `InvalidData` for what is not an HTTP
/// response; `UnexpectedEof` when the answer is cut off.
pub fn stream(
    target: &Target,
    fields: &str,
    wait: Duration,
    take: impl FnMut(u16, &[u8]) -> bool,
) -> io::Result<Streamed> {
    stream_until(target, fields, wait, None, take)
}

/// Without a `deadline` each piece of the body sets one anew: a server that sends interim answers without end sends nothing.
fn stream_until(
    target: &Target,
    fields: &str,
    wait: Duration,
    deadline: Option<Instant>,
    mut take: impl FnMut(u16, &[u8]) -> bool,
) -> io::Result<Streamed> {
    let mut link = Link::open(target, wait)?;
    let mut due = deadline.unwrap_or_else(|| Instant::now() + wait);
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: pixeld-bench\r\n{}{fields}Connection: close\r\n\r\n",
        target.path,
        target.host,
        Token::line(target.token.as_ref())
    );
    link.write(request.as_bytes())?;
    loop {
        if Instant::now() > due {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match link.piece()? {
            Some(Piece::Done(_)) => return Ok(Streamed { status: link.status(), is_framed: true }),
            Some(Piece::Body { status, bytes }) => {
                if !take(status, bytes) {
                    return Ok(Streamed { status, is_framed: false });
                }
                due = deadline.unwrap_or_else(|| Instant::now() + wait);
                continue;
            }
            Some(_) => continue,
            None => {}
        }
        if link.fill()? == 0 {
            let streamed = link.end().then_some(Streamed { status: link.status(), is_framed: false });
            return streamed
                .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut off"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    /// A server that sends this again and again, a little at a time, until nobody takes it any more.
    fn endless(first: &'static [u8], again: &'static [u8]) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(first);
                while stream.write_all(again).is_ok() {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Target::resolve(&format!("http://{address}/"), None, "/").unwrap()
    }

    #[test]
    fn an_answer_without_end_is_given_up() {
        const WAIT: Duration = Duration::from_millis(200);
        let interim = endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n");
        let head = endless(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n");
        let body = endless(b"HTTP/1.1 200 OK\r\n\r\n", b"a");
        for target in [&interim, &head, &body] {
            assert_eq!(get(target, WAIT).unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
        let listed = stream(&interim, "", WAIT, |_, _| true);
        assert_eq!(listed.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
