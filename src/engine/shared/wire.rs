//! A client's socket: the only place that touches one.
//!
//! A worker owns the wire of each of its connections. A job thread that sends from a file gets a [`SecondEnd`] of it
//! meanwhile, and a successor a descriptor.

use std::io;
use std::net::Shutdown;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};

use mio::net::TcpStream;
use mio::{Interest, Registry};

use super::table::Key;
use crate::os::socket::{self, FileSent};

/// A client's socket as its worker has it.
pub struct Wire {
    stream: TcpStream,
}

/// What a look for input found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, more than 0.
    Bytes(usize),
    /// The client's end.
    End,
    /// Nothing at the moment; the event loop tells when there is something.
    Nothing,
    /// Nothing, but only because a signal came: to be asked again.
    Interrupted,
}

impl Wire {
    /// Takes the socket over; what is sent goes out at once.
    ///
    /// # Errors
    /// Returns the error of setsockopt.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        socket::send_at_once(&stream)?;
        Ok(Self { stream })
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
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        found(socket::receive(&self.stream, buffer))
    }

    /// Drops what came, at most as many bytes as `buffer` has, whose content stays as it is.
    ///
    /// # Errors
    /// Fails as [`Wire::receive`] does.
    pub fn discard(&self, buffer: &mut [u8]) -> io::Result<Received> {
        found(socket::discard(&self.stream, buffer))
    }

    /// Copies the first bytes of what came and leaves them there; gives how many, 0 for none.
    #[must_use]
    pub fn peek(&self, buffer: &mut [u8]) -> usize {
        self.stream.peek(buffer).unwrap_or(0)
    }

    /// Sends once; gives how much the socket took, which may be nothing.
    ///
    /// # Errors
    /// Returns the error of send: the connection is gone.
    #[inline]
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        taken(socket::send(&self.stream, bytes))
    }

    /// Sends `first` and `second` behind it, with one call.
    ///
    /// # Errors
    /// Fails as [`Wire::send`] does.
    pub fn send_both(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        taken(socket::send_both(&self.stream, first, second))
    }

    /// Sends our end: nothing is sent behind it.
    ///
    /// # Errors
    /// Returns the error of shutdown: the connection is gone.
    pub fn shut_down(&self) -> io::Result<()> {
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

    /// Returns the same socket for a job thread; nothing if there is no descriptor left.
    #[must_use]
    pub fn second_end(&self) -> Option<SecondEnd> {
        self.stream.as_fd().try_clone_to_owned().ok().map(SecondEnd)
    }

    /// Returns the same socket for a successor; nothing if there is no descriptor left.
    #[must_use]
    pub fn pass_on(&self) -> Option<OwnedFd> {
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
