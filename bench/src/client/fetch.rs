//! Single requests outside of the measured load: `/metrics`, totals, lists that are read back.

use crate::client::response::{ResponseParser, Step};
use crate::client::target::{Endpoint, Target};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Bytes read at a time.
const READ_BYTES: usize = 256 * 1024;
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

/// GETs `target` and keeps the body.
///
/// # Errors
/// The system's; `InvalidData` for what is no HTTP response or larger than 64 MiB.
pub fn get(target: &Target, wait: Duration) -> io::Result<Fetched> {
    let mut body = Vec::new();
    let status = stream("GET", target, wait, |piece| {
        body.extend_from_slice(piece);
        body.len() <= BODY_BYTES_MAX
    })?;
    if body.len() > BODY_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is larger than 64 MiB"));
    }
    Ok(Fetched { status, body })
}

/// Sends a request without a body and hands the answer's body to `take` as it comes; `take` says whether to go on.
/// Returns the status.
///
/// # Errors
/// The system's; `TimedOut` when nothing comes for `wait`; `InvalidData` for what is no HTTP response;
/// `UnexpectedEof` when the answer is cut off.
pub fn stream(
    method: &str,
    target: &Target,
    wait: Duration,
    mut take: impl FnMut(&[u8]) -> bool,
) -> io::Result<u16> {
    let mut socket = connect(&target.endpoint, wait)?;
    let request = format!(
        "{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: pixeld-bench\r\nConnection: close\r\n\r\n",
        target.path, target.host
    );
    socket.write_all(request.as_bytes())?;
    let mut parser = ResponseParser::with_bodies();
    let (mut buffer, mut kept) = (vec![0; READ_BYTES], 0);
    loop {
        if kept == buffer.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a response head without end"));
        }
        let bytes = socket.read(&mut buffer[kept..])?;
        if bytes == 0 {
            let end = parser.end_of_input().map(|answer| answer.status);
            return end.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut off"));
        }
        let filled = kept + bytes;
        let mut at = 0;
        loop {
            let step = parser.next(&buffer[at..filled]);
            let (used, step) = step.map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))?;
            at += used;
            match step {
                Step::NeedMore => break,
                Step::Done(answer) => return Ok(answer.status),
                Step::Body(piece) if take(piece) => {}
                Step::Body(_) => return Ok(parser.status()),
            }
        }
        buffer.copy_within(at..filled, 0);
        kept = filled - at;
    }
}

trait Socket: Read + Write {}
impl<T: Read + Write> Socket for T {}

fn connect(endpoint: &Endpoint, wait: Duration) -> io::Result<Box<dyn Socket>> {
    match endpoint {
        Endpoint::Tcp(addresses) => {
            let socket = addresses.connect(wait)?;
            socket.set_read_timeout(Some(wait))?;
            socket.set_write_timeout(Some(wait))?;
            Ok(Box::new(socket))
        }
        Endpoint::Unix(path) => {
            let socket = UnixStream::connect(path)?;
            socket.set_read_timeout(Some(wait))?;
            socket.set_write_timeout(Some(wait))?;
            Ok(Box::new(socket))
        }
    }
}
