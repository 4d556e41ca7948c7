//! Sockets that a manager has for us: the protocol of systemd's socket activation (sd_listen_fds(3)), and what an earlier
//! process of this service left with it ([`super::notify::Manager::keep`]).

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use listenfd::ListenFd;
use rustix::net::{AddressFamily, SocketType};

use super::pass::Channel;

/// The first descriptor that is handed over (SD_LISTEN_FDS_START).
const FIRST_DESCRIPTOR: usize = 3;

/// What this process was started with.
#[derive(Default)]
pub struct Inherited {
    /// TCP listeners, non-blocking.
    pub listeners: Vec<TcpListener>,
    /// What an earlier process of this service left.
    pub left: Vec<Channel>,
}

/// Returns the sockets of `LISTEN_FDS` for this `LISTEN_PID`, not passed on to children. Takes the variables out of the
/// environment: to be called before there are other threads.
///
/// # Errors
/// Fails on a descriptor that is neither a listening TCP socket nor left by us.
pub fn inherited() -> io::Result<Inherited> {
    let mut given = ListenFd::from_env();
    let mut found = Inherited::default();
    let (family, kind) = (AddressFamily::UNIX.as_raw().into(), SocketType::SEQPACKET.as_raw().cast_signed());
    for index in 0..given.len() {
        if let Ok(Some(channel)) = given.take_custom::<OwnedFd>(index, family, kind, "a channel of ours") {
            found.left.push(Channel::from(channel));
        } else if let Some(listener) = given.take_tcp_listener(index)? {
            if !rustix::net::sockopt::socket_acceptconn(&listener)? {
                let descriptor = FIRST_DESCRIPTOR + index;
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!(
                        "descriptor {descriptor} is a TCP socket that does not listen; hand over one of a socket unit with \
                         ListenStream= and Accept=no"
                    ),
                ));
            }
            listener.set_nonblocking(true)?;
            rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::CLOEXEC)?;
            found.listeners.push(listener);
        }
    }
    Ok(found)
}
