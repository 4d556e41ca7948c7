//! A stream that encrypts.

use crate::client::socket::Socket;
use crate::client::tls::{Tls, explained};
use rustls::ClientConnection;
use std::io::{self, Read, Write};

/// A stream that encrypts what it is given and hands out what it has decrypted. It does not block.
#[derive(Debug)]
pub struct TlsStream {
    socket: Socket,
    session: ClientConnection,
    /// Whether the server said that nothing follows.
    has_ended: bool,
}

impl TlsStream {
    /// Puts TLS on a socket, connected or not.
    ///
    /// # Errors
    /// Returns the error of rustls.
    pub fn new(socket: Socket, tls: &Tls) -> io::Result<Self> {
        Ok(Self { socket, session: tls.session()?, has_ended: false })
    }

    /// Returns the socket below.
    pub fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Goes on connecting, first the socket and then the handshake; returns true when both are done.
    ///
    /// # Errors
    /// Returns the reason of the failure.
    pub fn is_connected(&mut self) -> io::Result<bool> {
        if !self.socket.is_connected()? {
            return Ok(false);
        }
        loop {
            self.send()?;
            if !self.session.is_handshaking() {
                return Ok(true);
            }
            match self.receive() {
                Ok(Received { bytes: 0, .. }) => {
                    let what = "TLS: the connection ended amid the handshake";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns true if a read has met the end: the next one says so, without an event.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Returns true while encrypted bytes wait for the kernel.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.session.wants_write()
    }

    /// Hands encrypted bytes to the kernel, as many as it takes.
    ///
    /// # Errors
    /// Returns the error of the socket, but for `WouldBlock`.
    pub fn send(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes encrypted bytes from the kernel, once.
    fn receive(&mut self) -> io::Result<Received> {
        let mut source = Source { socket: &mut self.socket, has_emptied: false };
        let bytes = self.session.read_tls(&mut source)?;
        let has_emptied = source.has_emptied;
        if let Err(error) = self.session.process_new_packets() {
            let _ = self.send(); // the alert that tells the server
            return Err(explained(&error));
        }
        if self.session.wants_write() && !self.session.is_handshaking() {
            self.send()?;
        }
        Ok(Received { bytes, has_emptied })
    }
}

struct Received {
    bytes: usize,
    /// Whether the socket had no more.
    has_emptied: bool,
}

/// A socket that notes whether a read emptied it.
struct Source<'a> {
    socket: &'a mut Socket,
    has_emptied: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.socket.read(buffer)?;
        self.has_emptied = bytes < buffer.len();
        Ok(bytes)
    }
}

impl Read for TlsStream {
    /// Fills `buffer` as far as there is something: less than all means that the socket is empty, as for a socket itself.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut filled, mut is_empty) = (0, false);
        while filled < buffer.len() {
            match self.session.reader().read(&mut buffer[filled..]) {
                // The server may wait for our end before it closes the socket, so no event need follow.
                Ok(0) => {
                    self.has_ended = true;
                    break;
                }
                Ok(bytes) => {
                    filled += bytes;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An end without close_notify: the framing of HTTP tells whether something is missing.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error),
            }
            if is_empty {
                return if filled > 0 { Ok(filled) } else { Err(io::ErrorKind::WouldBlock.into()) };
            }
            match self.receive() {
                Ok(received) => is_empty = received.has_emptied && received.bytes > 0,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => is_empty = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if filled == 0 => return Err(error),
                // What was decrypted before counts first; the next read says it again.
                Err(_) => break,
            }
        }
        Ok(filled)
    }
}

impl Write for TlsStream {
    /// Encrypts `bytes`, as many as there is room for, and sends what the kernel takes; the rest goes with
    /// [`TlsStream::send`].
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send()?;
        if self.session.wants_write() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = self.session.writer().write(bytes)?;
        self.send()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}
