//! A connection between a master and an agent: lines of text inside of TLS, without blocking, every length bounded.

use crate::agent::keys::{Fingerprint, explained, fingerprint_of};
use crate::agent::limits::{GREETING_BYTES_MAX, LOOK_EVERY, UNSENT_BYTES_MAX};
use crate::agent::token::Channel;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustls::Connection;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Label of the key material that binds a proof to the connection.
const CHANNEL_LABEL: &[u8] = b"EXPORTER-pixeld-bench-agent";
/// Decrypted bytes that are taken on top of a line that is not whole.
const READ_AHEAD: usize = 64 * 1024;

/// The connection. Either side has one.
pub struct Wire {
    socket: TcpStream,
    session: Connection,
    /// Decrypted bytes that are no whole line yet, or lines that nobody has taken.
    input: Vec<u8>,
    /// Bytes of `input` that were searched for the end of a line.
    searched: usize,
    line_bytes_max: usize,
    /// Lines that TLS has not taken yet, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    has_ended: bool,
    /// When the other side was heard last.
    heard: Instant,
}

impl Wire {
    /// Puts TLS on a connected socket. Lines may have [`GREETING_BYTES_MAX`] bytes until [`Wire::allow`] says more.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn new(socket: TcpStream, session: impl Into<Connection>) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            session: session.into(),
            input: Vec::new(),
            searched: 0,
            line_bytes_max: GREETING_BYTES_MAX,
            out: Vec::new(),
            sent: 0,
            has_ended: false,
            heard: Instant::now(),
        })
    }

    /// Allows longer lines from now on.
    pub fn allow(&mut self, line_bytes_max: usize) {
        self.line_bytes_max = line_bytes_max;
    }

    /// Ends the handshake.
    ///
    /// # Errors
    /// Returns the error of the socket or of TLS; `TimedOut` at the deadline.
    pub fn shake_hands(&mut self, deadline: Instant) -> io::Result<()> {
        while self.session.is_handshaking() {
            if Instant::now() >= deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake was not ended in time"));
            }
            self.exchange(LOOK_EVERY)?;
            if self.has_ended && self.session.is_handshaking() {
                return Err(ended());
            }
        }
        self.push()
    }

    /// Returns what only the two ends of this connection know.
    ///
    /// # Errors
    /// Fails before the handshake has ended.
    pub fn channel(&self) -> io::Result<Channel> {
        self.session.export_keying_material([0; 32], CHANNEL_LABEL, None).map_err(of_tls)
    }

    /// Returns the fingerprint of the key that the other side showed; nothing on the agent's side.
    #[must_use]
    pub fn key(&self) -> Option<Fingerprint> {
        Some(fingerprint_of(self.session.peer_certificates()?.first()?))
    }

    /// Returns when the other side was heard last.
    #[must_use]
    pub fn heard(&self) -> Instant {
        self.heard
    }

    /// Returns how many bytes wait to be sent.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Sends a line, as far as the socket takes it; the rest goes with later calls.
    ///
    /// # Errors
    /// Returns the error of the socket, or that the other side has not read for too long.
    pub fn send(&mut self, line: &str) -> io::Result<()> {
        debug_assert!(!line.contains('\n'), "a line is one line");
        self.out.extend_from_slice(line.as_bytes());
        self.out.push(b'\n');
        if self.unsent() > UNSENT_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the other side does not read"));
        }
        self.push()
    }

    /// Returns the next line, without its end, waiting up to `wait` for it; nothing if none came.
    ///
    /// # Errors
    /// Returns the error of the socket or of TLS; `UnexpectedEof` at the end, `InvalidData` for a line that is too long.
    pub fn receive(&mut self, wait: Duration) -> io::Result<Option<Vec<u8>>> {
        if let Some(line) = self.take_line()? {
            return Ok(Some(line));
        }
        if self.has_ended {
            return Err(ended());
        }
        self.exchange(wait)?;
        self.take_line()
    }

    /// Sends what waits and reads what comes, waiting up to `wait` for it.
    ///
    /// # Errors
    /// Returns the error of the socket or of TLS.
    pub fn exchange(&mut self, wait: Duration) -> io::Result<()> {
        self.push()?;
        let interest = match self.session.wants_write() {
            true => PollFlags::IN | PollFlags::OUT,
            false => PollFlags::IN,
        };
        let mut polled = [PollFd::new(&self.socket, interest)];
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        match rustix::event::poll(&mut polled, Some(&wait)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        self.pull()?;
        self.push()
    }

    /// Says that nothing more will be sent, and sends what waits as far as the socket takes it.
    pub fn close(&mut self) {
        let _ = self.push();
        self.session.send_close_notify();
        let _ = self.push();
    }

    /// Takes the first whole line out of the input.
    fn take_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let end = memchr::memchr(b'\n', &self.input[self.searched..]).map(|at| self.searched + at);
        if end.unwrap_or(self.input.len()) > self.line_bytes_max {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than it may be"));
        }
        let Some(end) = end else {
            self.searched = self.input.len();
            return Ok(None);
        };
        let rest = self.input.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.input, rest);
        line.pop();
        self.searched = 0;
        Ok(Some(line))
    }

    /// Decrypts what the socket has, but no more than a line and a bit: who sends more has to wait.
    fn pull(&mut self) -> io::Result<()> {
        while self.input.len() <= self.line_bytes_max.saturating_add(READ_AHEAD) {
            match self.session.read_tls(&mut self.socket) {
                Ok(0) => {
                    self.has_ended = true;
                    return Ok(());
                }
                Ok(_) => self.heard = Instant::now(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            let state = match self.session.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    let _ = self.push(); // the alert that tells the other side
                    return Err(of_tls(error));
                }
            };
            let start = self.input.len();
            self.input.resize(start + state.plaintext_bytes_to_read(), 0);
            self.session.reader().read_exact(&mut self.input[start..])?;
            if state.peer_has_closed() {
                self.has_ended = true;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Encrypts what waits and hands it to the socket, as far as that takes it.
    fn push(&mut self) -> io::Result<()> {
        loop {
            while self.session.wants_write() {
                match self.session.write_tls(&mut self.socket) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            if self.session.is_handshaking() || self.unsent() == 0 {
                return Ok(());
            }
            self.sent += self.session.writer().write(&self.out[self.sent..])?;
            if self.unsent() == 0 {
                self.out.clear();
                self.sent = 0;
            }
        }
    }
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended")
}

fn of_tls(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, explained(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::keys::{AgentKey, Pins};
    use std::net::TcpListener;

    /// A master's and an agent's end of one connection, hands shaken.
    fn pair() -> (Wire, Wire) {
        let key = AgentKey::make().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut master =
            Wire::new(socket, Pins::new(vec![key.fingerprint()]).unwrap().dial().unwrap()).unwrap();
        let mut agent = Wire::new(listener.accept().unwrap().0, key.accept().unwrap()).unwrap();
        while master.session.is_handshaking() || agent.session.is_handshaking() {
            master.exchange(Duration::from_millis(1)).unwrap();
            agent.exchange(Duration::from_millis(1)).unwrap();
        }
        assert_eq!((master.key(), agent.key()), (Some(key.fingerprint()), None));
        (master, agent)
    }

    fn next(wire: &mut Wire) -> io::Result<Vec<u8>> {
        loop {
            if let Some(line) = wire.receive(LOOK_EVERY)? {
                return Ok(line);
            }
        }
    }

    #[test]
    fn lines_arrive_whole_and_both_ends_know_the_channel() {
        let (mut master, mut agent) = pair();
        assert_eq!(master.channel().unwrap(), agent.channel().unwrap());
        let (other, _) = pair();
        assert_ne!(master.channel().unwrap(), other.channel().unwrap());
        agent.allow(1 << 20);
        let long = "x".repeat(1 << 20);
        let sender = std::thread::spawn(move || {
            for line in ["a", "", "b", &long] {
                master.send(line).unwrap();
            }
            while master.unsent() > 0 || master.session.wants_write() {
                master.exchange(LOOK_EVERY).unwrap();
            }
            master.close();
        });
        let lengths: Vec<usize> = (0..4).map(|_| next(&mut agent).unwrap().len()).collect();
        assert_eq!(lengths, [1, 0, 1, 1 << 20]);
        assert_eq!(next(&mut agent).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        sender.join().unwrap();
    }

    #[test]
    fn a_line_without_end_is_refused_and_takes_no_memory() {
        let (mut master, mut agent) = pair();
        master.out = vec![b'x'; 1 << 20];
        let sender = std::thread::spawn(move || while master.exchange(LOOK_EVERY).is_ok() {});
        assert_eq!(next(&mut agent).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(agent.input.len() <= GREETING_BYTES_MAX + 2 * READ_AHEAD, "{}", agent.input.len());
        drop(agent);
        sender.join().unwrap();
    }
}
