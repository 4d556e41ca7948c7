//! Messages to systemd about this process: sd_notify(3), a datagram of lines to the socket that it named.

use std::ffi::OsString;
use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr};

/// How long the manager may take to read what it was sent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells the manager of this service; nothing where there is none.
#[derive(Clone, Debug, Default)]
pub struct Manager {
    socket: Option<OsString>,
    watchdog: Option<Duration>,
    keeps: bool,
}

impl Manager {
    /// Returns the manager that the environment names (`NOTIFY_SOCKET`, `WATCHDOG_USEC`, `FDSTORE`).
    #[must_use]
    pub fn from_environment() -> Self {
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        Self {
            socket: std::env::var_os("NOTIFY_SOCKET"),
            watchdog: number("WATCHDOG_USEC").map(Duration::from_micros),
            keeps: number("FDSTORE").is_some_and(|most| most > 0),
        }
    }

    /// Sends lines such as `READY=1`. A manager that is gone misses nothing that matters.
    pub fn notify(&self, lines: &str) {
        let _ = self.send(lines, None);
    }

    fn send(&self, lines: &str, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        let address = match socket.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddrUnix::new_abstract_name(name)?,
            None => SocketAddrUnix::new(socket.as_os_str())?,
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.map(|descriptor| [descriptor]);
        if let Some(descriptors) = &descriptors {
            let fits = control.push(SendAncillaryMessage::ScmRights(descriptors));
            debug_assert!(fits, "the space is for one");
        }
        let lines = [IoSlice::new(lines.as_bytes())];
        sendmsg_addr(UnixDatagram::unbound()?, &address, &lines, &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Returns whether it keeps descriptors for the next process of this service: `FileDescriptorStoreMax=` of the unit, which
    /// systemd tells from version 254 on, and which the unit has to tell before.
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.socket.is_some() && self.keeps
    }

    /// Has it keep a descriptor under `name` for the next process of this service, and waits until it has it. It keeps
    /// it although nobody is at the other end of it.
    ///
    /// # Errors
    /// Returns the error of sending; `WouldBlock` when it does not read.
    pub fn keep(&self, name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        self.send(&format!("FDSTORE=1\nFDNAME={name}\nFDPOLL=0"), Some(descriptor))?;
        // It closes what comes with BARRIER=1, and by then has taken what was sent before.
        let (mut ours, theirs) = UnixStream::pair()?;
        self.send("BARRIER=1", Some(theirs.as_fd()))?;
        drop(theirs);
        ours.set_read_timeout(Some(PATIENCE))?;
        ours.read(&mut [0]).map(|_| ())
    }

    /// Has it let go of what it keeps under `name`.
    pub fn forget(&self, name: &str) {
        self.notify(&format!("FDSTOREREMOVE=1\nFDNAME={name}"));
    }

    /// Returns how often it wants to hear that the process is well, if it does.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.socket.as_ref().and(self.watchdog).filter(|period| !period.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    use super::*;

    #[test]
    fn lines_arrive_at_a_path_and_at_an_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let name = format!("pixeld-notify-{}", std::process::id());
        let at_path = UnixDatagram::bind(&path).unwrap();
        let at_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (receiver, socket) in [(at_path, path.into_os_string()), (at_name, format!("@{name}").into())] {
            Manager { socket: Some(socket), ..Manager::default() }.notify("READY=1");
            let mut text = [0; 64];
            let length = receiver.recv(&mut text).unwrap();
            assert_eq!(&text[..length], b"READY=1");
        }
        Manager::default().notify("READY=1");
        let alone = Manager { socket: None, watchdog: Some(Duration::from_secs(1)), keeps: true };
        assert_eq!((alone.watchdog(), alone.keeps()), (None, false));
    }
}
