//! The streams of the driver: a socket as it is, or with TLS.

use crate::client::encrypted::TlsStream;
use crate::client::socket::Socket;
use crate::client::target::{Endpoint, Target};
use mio::{Registry, Token};
use std::io::{self, Read, Write};

/// A connected or connecting, non-blocking stream.
#[derive(Debug)]
pub enum Stream {
    /// Bytes as they are.
    Plain(Socket),
    /// TLS.
    Tls(Box<TlsStream>),
}

impl Stream {
    /// Starts to connect; events of the stream tell when to ask whether that is done, well or not.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn start(target: &Target) -> io::Result<Self> {
        let socket = Socket::start(&target.endpoint)?;
        match &target.tls {
            None => Ok(Self::Plain(socket)),
            Some(tls) => Ok(Self::Tls(Box::new(TlsStream::new(socket, tls)?))),
        }
    }

    /// Returns whether a connect that was started is done, with TLS the handshake too.
    ///
    /// # Errors
    /// Returns the reason of the failure.
    pub fn is_connected(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(socket) => socket.is_connected(),
            Self::Tls(stream) => stream.is_connected(),
        }
    }

    /// Returns the reason of a connection that is not open in time.
    #[must_use]
    pub fn lateness(&mut self) -> io::Error {
        if let Self::Tls(stream) = self
            && stream.socket_mut().is_connected().unwrap_or(false)
        {
            let what =
                "TLS: the handshake was not answered in time; is it a port without TLS? Then write http://";
            return io::Error::new(io::ErrorKind::TimedOut, what);
        }
        io::ErrorKind::TimedOut.into()
    }

    /// Watches it for both directions, edge-triggered.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn watch(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.watch(registry, token),
            Self::Tls(stream) => stream.socket_mut().watch(registry, token),
        }
    }

    /// Returns true if a read that did not fill the buffer has to be followed by another one, though the socket is empty.
    #[inline]
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.has_ended())
    }

    /// Returns true if bytes that were written have to be sent with a flush.
    #[inline]
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.has_unsent())
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(stream) => stream.send(),
        }
    }
}

/// Says what a failed connect means and what to do.
#[must_use]
pub fn explain(url: &str, endpoint: &Endpoint, error: &io::Error) -> String {
    let place = match endpoint {
        Endpoint::Tcp(addresses) => addresses.show(),
        Endpoint::Unix(path) => path.display().to_string(),
    };
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!(
            "{url}: connection refused by {place}; nothing listens there. Start the target first, for example `pixeld \
             serve`"
        ),
        io::ErrorKind::NotFound => format!(
            "{url}: connection refused, there is no socket {place}. Start the target first, or correct --unix"
        ),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("{url}: {place} did not accept a connection in time; check the address and the firewall")
        }
        _ if error.raw_os_error() == Some(24) => {
            format!("{url}: {error}; raise the limit of open files with `ulimit -n 65536`")
        }
        _ if error.raw_os_error() == Some(99) => {
            format!("{url}: {error}; all local ports are taken, use fewer connections or wait a minute")
        }
        io::ErrorKind::InvalidData => format!("{url}: {error}"),
        _ => format!("{url}: cannot connect to {place}: {error}"),
    }
}
