//! Single requests outside of the measured load: `/metrics`, totals, lists that are read back, a server's health.

use crate::client::link::{Link, Piece};
use crate::client::target::Target;
use std::io;
use std::time::Duration;

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

/// GETs `target` and keeps the body.
///
/// # Errors
/// Returns the system's error; `InvalidData` for what is not a HTTP response or larger than 64 MiB.
pub fn get(target: &Target, wait: Duration) -> io::Result<Fetched> {
    let mut body = Vec::new();
    let answer = stream(target, "", wait, |_, piece| {
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
/// Returns the system's error; `TimedOut` when nothing comes for `wait`; `InvalidData` for what is not a HTTP response; `UnexpectedEof` when
/// the answer is cut off.
pub fn stream(
    target: &Target,
    fields: &str,
    wait: Duration,
    mut take: impl FnMut(u16, &[u8]) -> bool,
) -> io::Result<Streamed> {
    let mut link = Link::open(target, wait)?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: pixeld-bench\r\n{fields}Connection: close\r\n\r\n",
        target.path, target.host
    );
    link.write(request.as_bytes())?;
    loop {
        match link.piece()? {
            Some(Piece::Done(_)) => return Ok(Streamed { status: link.status(), is_framed: true }),
            Some(Piece::Body { status, bytes }) if !take(status, bytes) => {
                return Ok(Streamed { status, is_framed: false });
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
