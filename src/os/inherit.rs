//! Listening sockets that a manager opened for us: the protocol of systemd's socket activation (sd_listen_fds(3)).

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;

/// The TCP listeners that this process was started with (`LISTEN_FDS` for this `LISTEN_PID`), non-blocking and not passed
/// on to children. Takes the variables out of the environment: to be called before there are other threads.
///
/// # Errors
/// A descriptor that is no listening TCP socket.
pub fn listeners() -> io::Result<Vec<TcpListener>> {
    let mut given = ListenFd::from_env();
    let mut found = Vec::with_capacity(given.len());
    for index in 0..given.len() {
        if let Some(listener) = given.take_tcp_listener(index)? {
            listener.set_nonblocking(true)?;
            rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::CLOEXEC)?;
            found.push(listener);
        }
    }
    Ok(found)
}
