//! What systemd is told about this process: sd_notify(3), a datagram of lines to the socket that it named.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Tells the manager of this service; nothing where there is none.
#[derive(Clone, Debug, Default)]
pub struct Manager {
    socket: Option<OsString>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The manager that the environment names (`NOTIFY_SOCKET`, `WATCHDOG_USEC`).
    #[must_use]
    pub fn from_environment() -> Self {
        let watchdog = std::env::var("WATCHDOG_USEC").ok().and_then(|us| us.parse().ok());
        Self { socket: std::env::var_os("NOTIFY_SOCKET"), watchdog: watchdog.map(Duration::from_micros) }
    }

    /// Sends lines such as `READY=1`. A manager that is gone misses nothing that matters.
    pub fn tell(&self, lines: &str) {
        let Some(socket) = &self.socket else { return };
        let bytes = socket.as_bytes();
        let address = match bytes.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(socket),
        };
        if let (Ok(address), Ok(datagram)) = (address, UnixDatagram::unbound()) {
            let _ = datagram.send_to_addr(lines.as_bytes(), &address);
        }
    }

    /// How often it wants to hear that the process is well, if it does.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.socket.as_ref().and(self.watchdog).filter(|period| !period.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_arrive_at_a_path_and_at_an_abstract_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let name = format!("pixeld-notify-{}", std::process::id());
        let at_path = UnixDatagram::bind(&path).unwrap();
        let at_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (receiver, socket) in [(at_path, path.into_os_string()), (at_name, format!("@{name}").into())] {
            Manager { socket: Some(socket), watchdog: None }.tell("READY=1");
            let mut text = [0; 64];
            let length = receiver.recv(&mut text).unwrap();
            assert_eq!(&text[..length], b"READY=1");
        }
        Manager::default().tell("READY=1");
        assert_eq!(Manager { socket: None, watchdog: Some(Duration::from_secs(1)) }.watchdog(), None);
    }
}
