//! Listening sockets: one per worker on the same address, the kernel spreads connections over them.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that wait for an accept; the kernel caps it at net.core.somaxconn.
const BACKLOG: i32 = 65_535;

/// Returns a non-blocking listener on `address` that shares it with the other workers' (SO_REUSEPORT).
///
/// # Errors
/// Returns the error of socket, setsockopt, bind or listen.
pub fn listen_shared(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_port(true)?;
    listen_on(socket, address)
}

/// Binds `address` alone for a moment, so that a second server on it is refused instead of silently sharing it;
/// gives the address with the port that port 0 became.
///
/// # Errors
/// Fails with `AddrInUse` when any other socket listens there.
pub fn probe_free(address: SocketAddr) -> io::Result<SocketAddr> {
    listen_alone(address)?.local_addr()
}

/// Returns a non-blocking listener on `address` that nobody shares.
///
/// # Errors
/// Returns the error of socket, setsockopt, bind or listen.
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
/// Returns the error of setsockopt.
pub fn send_at_once(stream: &mio::net::TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)
}

/// Receives once into `buffer`; 0 is the client's end.
///
/// Not std's: its call goes through libc's cancellation point, which costs a server with several threads two atomic
/// operations for each call (2 % of a request).
///
/// # Errors
/// Fails with `WouldBlock` when nothing has arrived, or with the error of recv.
#[inline]
pub fn receive(stream: &mio::net::TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(stream, buffer, RecvFlags::empty())?.0)
}

/// Sends once as much of `bytes` as the socket takes; see [`receive`].
///
/// # Errors
/// Fails with `WouldBlock` when it takes nothing, or with the error of send.
#[inline]
pub fn send(stream: &mio::net::TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(stream, bytes, SendFlags::NOSIGNAL)?)
}

/// Sends once as much of `parts`, at most 1,024 of them, one behind the other, as the socket takes.
///
/// # Errors
/// Fails as [`send`] does.
pub fn send_parts(stream: &mio::net::TcpStream, parts: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut nothing = SendAncillaryBuffer::default();
    Ok(rustix::net::sendmsg(stream, parts, &mut nothing, SendFlags::NOSIGNAL)?)
}

/// How [`send_file`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSent {
    /// Everything that was to be sent is.
    All,
    /// The socket takes no more for the moment; the event loop tells when it does.
    Blocked,
}

/// Sends the start of `range` of a file, at most `most` bytes, and cuts off the front of `range` what the socket took, in case
/// of an error too. Waits for the disk, never for the socket, which must not block.
///
/// Nothing is copied on the way: what is queued are the pages of the file in the kernel's cache. So a file that may be
/// sent must never be changed in place; one that is removed meanwhile is sent to its end.
///
/// # Errors
/// Fails with `UnexpectedEof` if the file ends before its part, `InvalidInput` or `Unsupported` where it can't be sent from at all,
/// and those of sendfile. A connection that is gone is `BrokenPipe` and no more: this program ignores SIGPIPE, as every
/// program of Rust does from its start.
pub fn send_file(
    socket: impl AsFd,
    file: impl AsFd,
    range: &mut Range<u64>,
    most: u64,
) -> io::Result<FileSent> {
    let end = range.end.min(range.start.saturating_add(most));
    while range.start < end {
        let mut offset = range.start;
        let count = usize::try_from(end - offset).unwrap_or(usize::MAX);
        match rustix::fs::sendfile(&socket, &file, Some(&mut offset), count) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            // Fewer than asked for: the next call says why.
            Ok(sent) => range.start += sent as u64,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(FileSent::Blocked),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(FileSent::All)
}

/// Receives once at most as many bytes as `buffer` has, which are dropped and not copied into it; 0 is the client's end.
///
/// # Errors
/// Fails as [`receive`] does.
pub fn discard(stream: &mio::net::TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(stream, buffer, RecvFlags::TRUNC)?.0)
}

/// Makes the close of `stream` what it is by default: what is queued is sent, and then our end.
pub fn close_in_order(stream: &mio::net::TcpStream) {
    // A refusal leaves the reset, which tells the client at worst to ask again.
    let _ = SockRef::from(stream).set_linger(None);
}

/// Makes the close of `stream` a reset, also when the process ends: what is queued for its client is dropped, and the client
/// is told that something is missing.
pub fn reset_on_close(stream: &mio::net::TcpStream) {
    // A refusal only means that the kernel keeps trying for a while.
    let _ = SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// Returns both ends of a connection, of which the first does not block.
    fn connected() -> (std::net::TcpStream, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let theirs = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        let ours = listener.accept().expect("accepted").0;
        ours.set_nonblocking(true).expect("a socket");
        (ours, theirs)
    }

    fn file_of(content: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(content).expect("room");
        file
    }

    #[test]
    fn a_part_of_a_file_is_sent_as_far_as_the_socket_takes_it() {
        let content: Vec<u8> =
            (0..16 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let (file, (ours, mut theirs)) = (file_of(&content), connected());
        let mut range = 1_000..content.len() as u64 - 1_000;
        assert_eq!(send_file(&ours, &file, &mut range, 500).expect("sent"), FileSent::All);
        assert_eq!(range.start, 1_500, "its bound");
        assert_eq!(send_file(&ours, &file, &mut range, u64::MAX).expect("sent"), FileSent::Blocked);
        let before = range.start;
        assert!(before > 1_500 && !range.is_empty());
        assert_eq!(send_file(&ours, &file, &mut range, u64::MAX).expect("nothing"), FileSent::Blocked);
        assert_eq!(range.start, before);
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).expect("everything");
            all
        });
        while send_file(&ours, &file, &mut range, u64::MAX).expect("sent") == FileSent::Blocked {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        drop(ours);
        assert!(reading.join().expect("read") == content[1_000..content.len() - 1_000]);
    }

    #[test]
    fn a_file_that_is_too_short_and_a_client_that_is_gone_are_errors() {
        let (file, (ours, _theirs)) = (file_of(b"abc"), connected());
        let mut range = 1..5;
        let error = send_file(&ours, &file, &mut range, u64::MAX).expect_err("too short");
        assert_eq!((error.kind(), range), (io::ErrorKind::UnexpectedEof, 3..5));
        let (ours, _theirs) = connected();
        ours.shutdown(std::net::Shutdown::Write).expect("a socket");
        let error = send_file(&ours, &file, &mut (0..3), u64::MAX).expect_err("gone");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "and no signal");
    }

    #[test]
    fn workers_share_an_address_and_a_stranger_is_refused() {
        let first = listen_shared("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = first.local_addr().expect("bound");
        let _second = listen_shared(address).expect("the same address again");
        assert_eq!(probe_free(address).expect_err("taken").kind(), io::ErrorKind::AddrInUse);
    }
}
