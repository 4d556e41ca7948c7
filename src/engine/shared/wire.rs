//! A client's socket: the only place that touches one, and that knows whether TLS is spoken on it.
//!
//! A worker owns the wire of each of its connections. A job thread that sends from a file gets a [`SecondEnd`] of it
//! meanwhile, and a successor a descriptor.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use mio::net::TcpStream;
use mio::{Interest, Registry};

use super::received::Received;
use super::table::Key;
use super::tls::session::{Raw, TlsSession};
use crate::http::proxy_header::PROXY_HEADER_BYTES_MAX;
use crate::os::socket::{self, FileSent};

/// A client's socket as its worker has it.
pub struct Wire {
    stream: TcpStream,
    /// TLS on it, if its listener speaks that.
    session: Option<Box<TlsSession>>,
}

impl Wire {
    /// Takes the socket over; what is sent goes out at once.
    ///
    /// # Errors
    /// Returns the error of setsockopt.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        socket::send_at_once(&stream)?;
        Ok(Self { stream, session: None })
    }

    /// Takes the socket over and speaks TLS on it, as [`Wire::new`].
    ///
    /// # Errors
    /// Fails as [`Wire::new`] does.
    pub(crate) fn secure(stream: TcpStream, session: TlsSession) -> io::Result<Self> {
        let session = Some(Box::new(session));
        Ok(Self { session, ..Self::new(stream)? })
    }

    /// Returns whether TLS is spoken.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.session.is_some()
    }

    /// Returns whether a handshake is under way, before which nothing is sent.
    #[must_use]
    pub fn is_shaking(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_shaking())
    }

    /// Returns whether a handshake went on with an earlier session.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_resumed())
    }

    /// Returns whether there may be more to receive behind [`Received::Decrypted`] and [`Received::Records`].
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.has_more())
    }

    /// Lets a handshake go on once.
    pub fn admit(&mut self) {
        if let Some(session) = &mut self.session {
            session.admit();
        }
    }

    /// Speaks without TLS to a client that doesn't know it.
    pub fn give_up_tls(&mut self) {
        self.session = None;
    }

    /// Sends what TLS still has to send, after the socket took no more; gives whether nothing is left.
    ///
    /// # Errors
    /// Returns the error of send: the connection is gone.
    pub fn flush(&mut self) -> io::Result<bool> {
        self.session.as_mut().map_or(Ok(true), |session| session.flush(&mut Socket(&self.stream)))
    }

    /// Tells a client of TLS that nothing more is sent, so that the end of the connection is no cut (RFC 8446, section 6.1).
    pub fn say_end(&mut self) {
        if let Some(session) = &mut self.session
            && !session.is_shaking()
        {
            session.close(&mut Socket(&self.stream));
        }
    }

    /// Has the event loop report on the socket under the name of `key`.
    ///
    /// # Errors
    /// Fails when the event loop takes no more.
    pub fn register(&mut self, registry: &Registry, key: Key) -> io::Result<()> {
        registry.register(&mut self.stream, key.token(), Interest::READABLE | Interest::WRITABLE)
    }

    /// Ends that, for a socket which somebody else has open as well: dropping it would not.
    pub fn deregister(&mut self, registry: &Registry) {
        // A failure leaves events for a place that nobody is at, which are passed over.
        let _ = registry.deregister(&mut self.stream);
    }

    /// Reads once into `buffer`.
    ///
    /// # Errors
    /// Returns the error of recv: the connection is gone.
    #[inline]
    pub fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        match &mut self.session {
            None => found(socket::receive(&self.stream, buffer)),
            Some(session) => decrypt(session, &self.stream, buffer),
        }
    }

    /// Drops what came, at most as many bytes as `buffer` has, whose content stays as it is. Of TLS nothing can be read behind it.
    ///
    /// # Errors
    /// Fails as [`Wire::receive`] does.
    pub fn discard(&self, buffer: &mut [u8]) -> io::Result<Received> {
        found(socket::discard(&self.stream, buffer))
    }

    /// Copies the first bytes of what came and leaves them there; gives how many, 0 for none and for those of TLS.
    #[must_use]
    pub fn peek(&self, buffer: &mut [u8]) -> usize {
        if self.is_secure() {
            return 0;
        }
        self.stream.peek(buffer).unwrap_or(0)
    }

    /// Copies the first bytes of what came and leaves them there, before anything is received.
    ///
    /// # Errors
    /// Fails as [`Wire::receive`] does.
    pub fn look(&self, buffer: &mut [u8]) -> io::Result<Received> {
        found(self.stream.peek(buffer))
    }

    /// Drops the first `bytes` of what came, all of which are there.
    ///
    /// # Errors
    /// Returns the error of recv: the connection is gone.
    pub fn skip(&self, bytes: usize) -> io::Result<()> {
        let mut dropped = [0; PROXY_HEADER_BYTES_MAX];
        let received = socket::receive(&self.stream, &mut dropped[..bytes])?;
        debug_assert_eq!(received, bytes, "what was looked at is there");
        Ok(())
    }

    /// Sends once; gives how much the socket took, which may be nothing. What it didn't take has to be offered next.
    ///
    /// # Errors
    /// Returns the error of send: the connection is gone.
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.session {
            None => taken(socket::send(&self.stream, bytes)),
            Some(session) => encrypt(session, &self.stream, [bytes, &[]], false),
        }
    }

    /// Sends once, as [`Wire::send`], what nothing follows: a client of TLS is told so behind it.
    ///
    /// # Errors
    /// Fails as [`Wire::send`] does.
    pub fn send_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.session {
            None => taken(socket::send(&self.stream, bytes)),
            Some(session) => encrypt(session, &self.stream, [bytes, &[]], true),
        }
    }

    /// Sends `first` and `second` behind it, with one call.
    ///
    /// # Errors
    /// Fails as [`Wire::send`] does.
    pub fn send_both(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        match &mut self.session {
            None => taken(socket::send_parts(&self.stream, &[IoSlice::new(first), IoSlice::new(second)])),
            Some(session) => encrypt(session, &self.stream, [first, second], false),
        }
    }

    /// Sends our end: nothing is sent behind it.
    ///
    /// # Errors
    /// Returns the error of shutdown: the connection is gone.
    pub fn shut_down(&mut self) -> io::Result<()> {
        self.say_end();
        self.stream.shutdown(Shutdown::Write)
    }

    /// Has its close send what is queued, and then our end, as it is by default.
    pub fn close_in_order(&self) {
        socket::close_in_order(&self.stream);
    }

    /// Has its close, and the end of the process, tell the client that something is missing.
    pub fn reset_on_close(&self) {
        socket::reset_on_close(&self.stream);
    }

    /// Returns the same socket for a job thread; nothing if there is no descriptor left, and for one of TLS, on which the kernel
    /// can't send a file.
    #[must_use]
    pub fn second_end(&self) -> Option<SecondEnd> {
        if self.is_secure() {
            return None;
        }
        self.stream.as_fd().try_clone_to_owned().ok().map(SecondEnd)
    }

    /// Returns the same socket for a successor, which knows nothing of a session of TLS; nothing if there is no descriptor left.
    #[must_use]
    pub fn pass_on(&self) -> Option<OwnedFd> {
        debug_assert!(!self.is_secure(), "the keys of its session are here only");
        self.stream.as_fd().try_clone_to_owned().ok()
    }
}

/// A client's socket under a number of its own. Whatever becomes of the connection meanwhile, this number stays this
/// socket's until it is dropped, so that no byte gets into another connection.
pub struct SecondEnd(OwnedFd);

impl SecondEnd {
    /// Sends the start of `range` of a file, at most `most` bytes, and cuts off the front of `range` what the socket took;
    /// gives whether it takes no more for the moment.
    ///
    /// # Errors
    /// Returns the error of [`socket::send_file`].
    pub fn send_file(&self, file: impl AsFd, range: &mut Range<u64>, most: u64) -> io::Result<bool> {
        socket::send_file(&self.0, file, range, most).map(|sent| sent == FileSent::Blocked)
    }
}

/// The socket as a session reads and writes it.
struct Socket<'a>(&'a TcpStream);

impl Raw for Socket<'_> {
    fn first(&self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.peek(bytes)
    }
}

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        socket::receive(self.0, buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        socket::send(self.0, bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match parts {
            [] => Ok(0),
            [one] => socket::send(self.0, one),
            several => socket::send_parts(self.0, several),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads once by TLS. Apart, so that a connection without it pays for a comparison only.
#[cold]
#[inline(never)]
fn decrypt(session: &mut TlsSession, stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Received> {
    session.receive(&mut Socket(stream), buffer)
}

/// Sends by TLS.
#[cold]
#[inline(never)]
fn encrypt(
    session: &mut TlsSession,
    stream: &TcpStream,
    parts: [&[u8]; 2],
    are_last: bool,
) -> io::Result<usize> {
    session.send(&mut Socket(stream), parts, are_last)
}

/// Returns what a recv came to.
#[inline]
fn found(received: io::Result<usize>) -> io::Result<Received> {
    match received {
        Ok(0) => Ok(Received::End),
        Ok(bytes) => Ok(Received::Bytes(bytes)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::Nothing),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Received::Interrupted),
        Err(error) => Err(error),
    }
}

/// Returns what a send came to; a full socket counts as nothing sent.
#[inline]
fn taken(sent: io::Result<usize>) -> io::Result<usize> {
    match sent {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
        sent => sent,
    }
}
