//! The null responder: answers every request at once and does nothing else. What is measured against it is the
//! generator itself.

use memchr::memmem;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The answer to everything.
pub const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}";
/// Largest request, head and body.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;
const READ_BYTES: usize = 64 * 1024;
const LISTENER: Token = Token(usize::MAX);
/// How often the loop looks whether it shall stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Client {
    stream: Option<TcpStream>,
    partial: Vec<u8>,
    out: Vec<u8>,
    /// Which of the connections that had this place; late answers of an earlier one are dropped.
    number: u64,
}

/// Answers that are held back.
struct Late {
    due: Instant,
    at: usize,
    number: u64,
    answers: usize,
}

/// The responder, bound to an address.
pub struct NullResponder {
    poll: Poll,
    listener: TcpListener,
    clients: Vec<Client>,
    free: Vec<usize>,
    counter: RequestCounter,
    buffer: Vec<u8>,
    delay: Duration,
    /// In the order of their times, since all have the same delay.
    late: VecDeque<Late>,
    accepted: u64,
}

impl NullResponder {
    /// Binds to `address`; port 0 takes any. Each answer is sent `delay` after its request was read, to the
    /// millisecond: a server whose latency is known, which no CPU of this host limits.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn bind(address: SocketAddr, delay: Duration) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            clients: Vec::new(),
            free: Vec::new(),
            counter: RequestCounter::default(),
            buffer: vec![0; READ_BYTES],
            delay,
            late: VecDeque::new(),
            accepted: 0,
        })
    }

    /// Returns where it listens.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stop` is set.
    ///
    /// # Errors
    /// Fails when epoll fails.
    pub fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while !stop.load(Ordering::Relaxed) {
            let until_due = self.late.front().map(|late| late.due.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, Some(until_due.unwrap_or(LOOK_EVERY).min(LOOK_EVERY))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    Token(at) => self.serve(at),
                }
            }
            self.send_late();
        }
        Ok(())
    }

    fn accept(&mut self) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let at = self.free.pop().unwrap_or(self.clients.len());
            if at == self.clients.len() {
                self.clients.push(Client::default());
            }
            let interest = Interest::READABLE | Interest::WRITABLE;
            if stream.set_nodelay(true).is_ok()
                && self.poll.registry().register(&mut stream, Token(at), interest).is_ok()
            {
                self.accepted += 1;
                self.clients[at] =
                    Client { stream: Some(stream), number: self.accepted, ..Client::default() };
            } else {
                self.free.push(at);
            }
        }
    }

    fn serve(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let outcome = loop {
            let Some(stream) = &mut client.stream else { return };
            match stream.read(&mut self.buffer) {
                Ok(0) => break Err(ErrorKind::UnexpectedEof.into()),
                Ok(bytes) => {
                    let requests = if client.partial.is_empty() {
                        let (requests, used) = self.counter.count(&self.buffer[..bytes]);
                        client.partial.extend_from_slice(&self.buffer[used..bytes]);
                        requests
                    } else {
                        client.partial.extend_from_slice(&self.buffer[..bytes]);
                        let (requests, used) = self.counter.count(&client.partial);
                        client.partial.drain(..used);
                        requests
                    };
                    if self.delay.is_zero() {
                        client.answer(requests);
                    } else if requests > 0 {
                        let due = Instant::now() + self.delay;
                        self.late.push_back(Late { due, at, number: client.number, answers: requests });
                    }
                    if client.partial.len() > REQUEST_BYTES_MAX {
                        break Err(ErrorKind::InvalidData.into());
                    }
                    if bytes < self.buffer.len() {
                        break client.flush();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break client.flush(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        if outcome.is_err() {
            self.release(at);
        }
    }

    fn release(&mut self, at: usize) {
        self.clients[at] = Client::default();
        self.free.push(at);
    }

    fn send_late(&mut self) {
        let now = Instant::now();
        while self.late.front().is_some_and(|late| late.due <= now) {
            let Some(late) = self.late.pop_front() else { return };
            let client = &mut self.clients[late.at];
            if client.number == late.number {
                client.answer(late.answers);
                if client.flush().is_err() {
                    self.release(late.at);
                }
            }
        }
    }
}

impl Client {
    fn answer(&mut self, requests: usize) {
        (0..requests).for_each(|_| self.out.extend_from_slice(ANSWER));
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let mut written = 0;
        while written < self.out.len() {
            match stream.write(&self.out[written..]) {
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.drain(..written);
        Ok(())
    }
}

/// Counts whole requests in a piece of input, remembering the last head that it saw.
#[derive(Default)]
struct RequestCounter {
    head: Vec<u8>,
    body_bytes: usize,
}

impl RequestCounter {
    /// Returns the number of whole requests at the front of `input`, and their length together.
    fn count(&mut self, input: &[u8]) -> (usize, usize) {
        let (mut requests, mut used) = (0, 0);
        loop {
            let rest = &input[used..];
            if self.head.is_empty() || !rest.starts_with(&self.head) {
                let Some(end) = memmem::find(rest, b"\r\n\r\n") else { break };
                self.head.clear();
                self.head.extend_from_slice(&rest[..end + 4]);
                self.body_bytes = content_length(&self.head);
            }
            let whole = self.head.len() + self.body_bytes;
            if rest.len() < whole {
                break;
            }
            requests += 1;
            used += whole;
        }
        (requests, used)
    }
}

fn content_length(head: &[u8]) -> usize {
    head.split(|&byte| byte == b'\n')
        .filter_map(|line| {
            let (name, value) = line.split_at(line.iter().position(|&byte| byte == b':')?);
            name.eq_ignore_ascii_case(b"content-length")
                .then(|| std::str::from_utf8(value[1..].trim_ascii()).ok()?.parse().ok())?
        })
        .next()
        .unwrap_or(0)
        .min(REQUEST_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_requests_are_counted_however_they_are_cut() {
        let one = b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n";
        let input = one.repeat(3);
        for cut in 0..=input.len() {
            let mut counter = RequestCounter::default();
            let (first, used) = counter.count(&input[..cut]);
            let (second, more) = counter.count(&input[used..]);
            assert_eq!((first + second, used + more), (6, input.len()), "cut at {cut}");
        }
    }
}
