//! Listening sockets: one per worker on the same address, the kernel spreads connections over them.

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that wait for an accept; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 65_535;

/// A non-blocking listener on `address` that shares it with the other workers' (SO_REUSEPORT).
///
/// # Errors
/// Those of socket, setsockopt, bind and listen.
pub fn listen_shared(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_port(true)?;
    listen_on(socket, address)
}

/// Binds `address` alone for a moment, so that a second server on it is refused instead of silently sharing it;
/// gives the address with the port that port 0 became.
///
/// # Errors
/// `AddrInUse` when any other socket listens there.
pub fn probe_free(address: SocketAddr) -> io::Result<SocketAddr> {
    listen_alone(address)?.local_addr()
}

/// A non-blocking listener on `address` that nobody shares.
///
/// # Errors
/// Those of socket, setsockopt, bind and listen.
pub fn listen_alone(address: SocketAddr) -> io::Result<TcpListener> {
    listen_on(Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?, address)
}

fn listen_on(socket: Socket, address: SocketAddr) -> io::Result<TcpListener> {
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Makes `stream` send at once: answers are never held back for a fuller segment. Closing it with unread input, or
/// after a stalled write, resets it.
///
/// # Errors
/// Those of setsockopt.
pub fn send_at_once(stream: &mio::net::TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}

/// One recv into `buffer`; 0 is the client's end.
///
/// Not std's: its call goes through libc's cancellation point, which costs a server with several threads two atomic
/// operations for each call (2 % of a request).
///
/// # Errors
/// `WouldBlock` when nothing has arrived, and those of recv.
#[inline]
pub fn receive(stream: &mio::net::TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(stream, buffer, RecvFlags::empty())?.0)
}

/// One send of as much of `bytes` as the socket takes; see [`receive`].
///
/// # Errors
/// `WouldBlock` when it takes nothing, and those of send.
#[inline]
pub fn send(stream: &mio::net::TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)?)
}

/// Makes the close of `stream` a reset: what is queued for a client that does not read is dropped, not kept for it.
pub fn reset_on_close(stream: &mio::net::TcpStream) {
    // A refusal only means that the kernel keeps trying for a while.
    let _ = SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_an_address_and_a_stranger_is_refused() {
        let first = listen_shared("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = first.local_addr().expect("bound");
        let _second = listen_shared(address).expect("the same address again");
        assert_eq!(probe_free(address).expect_err("taken").kind(), io::ErrorKind::AddrInUse);
    }
}
