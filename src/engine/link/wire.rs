//! The wire: one connection that never blocks: TCP, encrypted or not, or a pair of sockets inside of this process.

use std::io::{self, Read, Write};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};

use super::tls::{Arrival, Tls};
use crate::base::fingerprint::Fingerprint;
use crate::os::socket;

/// What a wire is made of.
enum Stream {
    /// A connection to another host.
    Tcp(TcpStream),
    /// One end of a pair in this process.
    Pair(UnixStream),
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Pair(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => socket::send(stream, bytes),
            Self::Pair(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection to the peer, or to somebody who has not shown yet that it is.
pub struct Wire {
    stream: Stream,
    tls: Option<Tls>,
    /// Not known to be connected: this side dialed.
    is_connecting: bool,
    readable: bool,
    writable: bool,
    /// The other side has said its last word, which is still to be read.
    is_ending: bool,
}

/// What reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// So many bytes came; there may be more.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The other side has closed.
    End,
}

impl Wire {
    /// Makes a connection over `stream`; without `tls` for a test on one machine.
    #[must_use]
    pub fn new(stream: TcpStream, tls: Option<Tls>, dialed: bool) -> Self {
        if !dialed {
            // What is said waits for nothing: a host that waits to acknowledge (RFC 1122, 4.2.3.2) and one that waits for that
            // acknowledgement (RFC 896) would wait for each other.
            let _ = socket::send_at_once(&stream);
        }
        Self { is_connecting: dialed, writable: !dialed, ..Self::over(Stream::Tcp(stream), tls) }
    }

    /// Makes a connection over one end of a pair in this process.
    #[must_use]
    pub fn inside(stream: UnixStream) -> Self {
        Self::over(Stream::Pair(stream), None)
    }

    fn over(stream: Stream, tls: Option<Tls>) -> Self {
        Self { stream, tls, is_connecting: false, readable: false, writable: true, is_ending: false }
    }

    /// Returns what the event loop is to watch.
    pub fn source(&mut self) -> &mut dyn Source {
        match &mut self.stream {
            Stream::Tcp(stream) => stream,
            Stream::Pair(stream) => stream,
        }
    }

    /// Takes what the event loop says the socket is ready for; `is_ending` goes with `readable`: nothing more will come.
    pub fn ready(&mut self, readable: bool, writable: bool, is_ending: bool) {
        self.readable |= readable;
        self.writable |= writable;
        self.is_ending |= is_ending;
    }

    /// Returns whether there may be something to read at once.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.readable && !self.is_connecting
    }

    /// Returns whether the connection is there; asked when the socket is first ready.
    ///
    /// # Errors
    /// Returns why it could not be made.
    pub fn is_connected(&mut self) -> io::Result<bool> {
        let Stream::Tcp(stream) = &self.stream else { return Ok(true) };
        if !self.is_connecting {
            return Ok(true);
        }
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        if !self.writable {
            return Ok(false);
        }
        match stream.peer_addr() {
            Ok(_) => {
                self.is_connecting = false;
                // A refusal costs some milliseconds of delay and nothing else.
                let _ = socket::send_at_once(stream);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns whether the other side's key has been verified, or there are none.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        !self.is_connecting && self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking())
    }

    /// Returns whether this side dialed to say the secret of an invitation.
    #[must_use]
    pub fn is_pairing(&self) -> bool {
        self.tls.as_ref().is_some_and(Tls::is_pairing)
    }

    /// Returns the key that the other side has shown to say a secret; nothing on any other connection.
    #[must_use]
    pub fn introduced(&self) -> Option<Fingerprint> {
        self.tls.as_ref().and_then(Tls::introduced)
    }

    /// Reads once, by way of `buffer`, and appends what it means to `plain`.
    ///
    /// # Errors
    /// Returns the error of the socket and of TLS; after one of the latter there is an alert to be sent.
    pub fn read(&mut self, buffer: &mut [u8], plain: &mut Vec<u8>) -> io::Result<Reading> {
        if !self.is_readable() {
            return Ok(Reading::Nothing);
        }
        let count = match self.stream.read(buffer) {
            Ok(0) => return Ok(Reading::End),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(Reading::Nothing);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Reading::Bytes(0)),
            Err(error) => return Err(error),
        };
        // A short read has emptied the socket: what comes then, and the end, comes with an event of its own.
        self.readable = count == buffer.len() || self.is_ending;
        let mut rest = &buffer[..count];
        match &mut self.tls {
            Some(tls) => {
                while !rest.is_empty() {
                    if tls.read(&mut rest, plain)? == Arrival::End {
                        return Ok(Reading::End);
                    }
                }
            }
            None => plain.extend_from_slice(rest),
        }
        Ok(Reading::Bytes(count))
    }

    /// Writes as much of `output` as the socket takes; gives how many bytes of it are taken.
    ///
    /// # Errors
    /// Returns the error of the socket and of TLS.
    pub fn write(&mut self, output: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while self.writable && !self.is_connecting {
            let rest = &output[taken..];
            let count = match &mut self.tls {
                Some(tls) => {
                    let count = tls.encrypt(rest)?;
                    self.writable = tls.write(&mut self.stream)?;
                    count
                }
                None if rest.is_empty() => 0,
                None => match self.stream.write(rest) {
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.writable = false;
                        0
                    }
                    Err(error) => return Err(error),
                },
            };
            taken += count;
            if count == 0 {
                break;
            }
        }
        Ok(taken)
    }

    /// Tries to say a last word, and that it is the last; what does not leave at once is lost.
    pub fn part(&mut self, output: &[u8]) {
        let _ = self.write(output);
        if let Some(tls) = &mut self.tls
            && !self.is_connecting
        {
            tls.close();
            let _ = tls.write(&mut self.stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    #[test]
    fn either_side_sends_at_once() {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let near = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let (far, _) = listener.accept().expect("connected");
        let is_prompt = |wire: &Wire| match &wire.stream {
            Stream::Tcp(stream) => stream.nodelay().expect("a socket"),
            Stream::Pair(_) => unreachable!("none of this test"),
        };
        let accepted = Wire::new(TcpStream::from_std(far), None, false);
        assert!(is_prompt(&accepted));
        let mut dialed = Wire::new(TcpStream::from_std(near), None, true);
        dialed.ready(false, true, false);
        assert!(dialed.is_connected().expect("connected") && is_prompt(&dialed));
    }

    #[test]
    fn a_pair_of_this_process_is_a_wire_from_the_start() {
        let (near, mut far) = std::os::unix::net::UnixStream::pair().expect("a pair");
        near.set_nonblocking(true).expect("a socket");
        let mut wire = Wire::inside(UnixStream::from_std(near));
        assert!(wire.is_connected().expect("connected") && wire.is_secured() && !wire.is_readable());
        assert_eq!(wire.write(b"there").expect("room"), 5);
        let (mut there, mut plain, mut buffer) = ([0; 5], Vec::new(), [0; 16]);
        far.read_exact(&mut there).expect("sent");
        far.write_all(b"back").expect("room");
        wire.ready(true, false, false);
        assert_eq!(wire.read(&mut buffer, &mut plain).expect("sent"), Reading::Bytes(4));
        assert_eq!((&there, &plain[..]), (b"there", &b"back"[..]));
        drop(far);
        wire.ready(true, true, true);
        assert_eq!(wire.read(&mut buffer, &mut plain).expect("closed"), Reading::End);
    }
}
