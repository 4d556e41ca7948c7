//! The sockets of the driver: TCP or unix, made before the run or again while it runs.

use crate::client::target::Endpoint;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use std::io::{self, Read, Write};
use std::time::Duration;

/// A connected or connecting, non-blocking stream.
#[derive(Debug)]
pub enum Stream {
    /// TCP, without Nagle's delay.
    Tcp(mio::net::TcpStream),
    /// A unix socket.
    Unix(mio::net::UnixStream),
}

impl Stream {
    /// Connects and waits until that is done.
    ///
    /// # Errors
    /// The system's, of which [`explain`] makes a sentence.
    pub fn connect(endpoint: &Endpoint, timeout: Duration) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(addresses) => {
                let stream = addresses.connect(timeout)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Ok(Self::Tcp(mio::net::TcpStream::from_std(stream)))
            }
            Endpoint::Unix(path) => {
                let stream = std::os::unix::net::UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Ok(Self::Unix(mio::net::UnixStream::from_std(stream)))
            }
        }
    }

    /// Starts to connect; the stream becomes writable when that is done, well or not.
    ///
    /// # Errors
    /// The system's.
    pub fn start(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(addresses) => mio::net::TcpStream::connect(addresses.used()).map(Self::Tcp),
            Endpoint::Unix(path) => mio::net::UnixStream::connect(path).map(Self::Unix),
        }
    }

    /// Whether a connect that was started is done.
    ///
    /// # Errors
    /// Why it failed.
    pub fn is_connected(&self) -> io::Result<bool> {
        match self {
            Self::Tcp(stream) => {
                if let Some(error) = stream.take_error()? {
                    return Err(error);
                }
                if stream.peer_addr().is_err() {
                    return Ok(false);
                }
                stream.set_nodelay(true)?;
            }
            Self::Unix(stream) => {
                if let Some(error) = stream.take_error()? {
                    return Err(error);
                }
            }
        }
        Ok(true)
    }

    /// Watches it for both directions, edge-triggered, once and for all: writing is tried before epoll is asked, and
    /// the writable edge only comes after a write fell short.
    ///
    /// # Errors
    /// The system's.
    pub fn watch(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => stream.register(registry, token, interest),
            Self::Unix(stream) => stream.register(registry, token, interest),
        }
    }
}

impl Read for Stream {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
        _ => format!("{url}: cannot connect to {place}: {error}"),
    }
}
