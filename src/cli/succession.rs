//! A restart without a lost request: on SIGUSR2 this program is started anew beside the one that runs, which gives it the
//! listening sockets, finishes what is in flight, gives it every connection that is idle, and releases the data directory.
//!
//! ```text
//! old: launch new, send listeners -----> new: read configuration, take listeners
//! old: stop accepting <----------------- new: "ready"
//! old: finish, pass idle connections --> new: keep them
//! old: sync, unlock, "done" -----------> new: lock, recover, serve
//! old: end <---------------------------- new: "serving"
//! ```
//!
//! The data directory has one owner at any moment. Until "ready" nothing has changed, and a new process that does not get
//! that far leaves the old one serving. One that ends between "done" and "serving" does so too, for whatever reason: the
//! old one has kept its state, the listeners and every connection that it passed on, takes the directory again and goes on.
//! The service's main process is the old one until then. The new one is launched by a process that ends at once, so that it is a child of
//! the manager, or of process 1, before it is made the service's main process: systemd does not wait for the end of one
//! that is not its child, but kills it without a pause. From "ready" on connections wait in the queues of the listeners, which never close.
//!
//! A stop under a manager that keeps descriptors is the same with the manager between the two: what the old one would
//! say stands in a channel, of which the manager keeps the other end until it starts the next process of the service.

use std::ffi::OsString;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use crate::os::notify::Manager;
use crate::os::pass::{Channel, DESCRIPTORS_MAX};

/// The flag that tells a process that its standard input is a channel to its predecessor.
pub(super) const FLAG: &str = "--take-over";
/// The flag that tells a process to start that one and to end.
pub(super) const LAUNCH: &str = "--launch";
/// The flag that is meant for one start only, after an operator's look at the damage.
const ACCEPT_LOSS: &str = "--accept-loss";
/// How long a new process may take to read its configuration and say that it is ready.
const PATIENCE: Duration = Duration::from_secs(10);

const LISTENERS: &str = "listeners";
const CONNECTIONS: &str = "connections";
/// Followed by the number of the new process.
const READY: &str = "ready ";
const DONE: &str = "done";
const SERVING: &str = "serving";
/// What the channel is called that the manager keeps.
const KEPT: &str = "sockets";

/// The new process, as the old one sees it.
pub(super) struct Successor {
    pid: u32,
    channel: Channel,
}

impl Successor {
    /// Starts it, with the command line of this process, and waits until it has `listeners` and is ready.
    ///
    /// # Errors
    /// Returns a sentence; then the new process is gone and nothing has changed.
    pub(super) fn start(listeners: &[TcpListener]) -> Result<Self, String> {
        if std::process::id() == 1 {
            return Err(
                "this is process 1, whose end ends the container; let its manager replace it".to_owned()
            );
        }
        let (channel, theirs) = Channel::pair().map_err(|error| format!("no channel: {error}"))?;
        let program = program().map_err(|error| format!("the program can't be found: {error}"))?;
        let launched =
            Command::new(&program).args(arguments()).arg(LAUNCH).stdin(Stdio::from(theirs)).status();
        let cannot = |why: String| format!("{} can't be started: {why}", program.display());
        let status = launched.map_err(|error| cannot(error.to_string()))?;
        if !status.success() {
            return Err(cannot(status.to_string()));
        }
        let pid = introduce(&channel, listeners)?;
        Ok(Self { pid, channel })
    }

    /// Returns its number.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Gives it a connection. One that it does not take any more is for the way back.
    pub(super) fn give(&self, connection: &OwnedFd) {
        if let Err(error) = self.channel.send(CONNECTIONS, &[connection.as_fd()]) {
            tracing::warn!(%error, "a connection could not be passed on");
        }
    }

    /// Tells it that the data directory is free, and waits until it serves; false when it ended instead. It goes on when
    /// this is dropped.
    pub(super) fn let_go(&self) -> bool {
        let sent = self.channel.send(DONE, &[]);
        matches!(sent.and_then(|()| self.channel.receive(None)), Ok(Some(message)) if message.text == SERVING)
    }
}

/// Returns the command line of this process, as far as a successor gets it.
fn arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(1).filter(is_passed_on)
}

/// Returns whether a successor gets an argument: not what tells this process about succession, nor what accepts a loss.
fn is_passed_on(argument: &OsString) -> bool {
    ![FLAG, LAUNCH, ACCEPT_LOSS].iter().any(|own| argument == own)
}

/// Starts the successor with our standard input, and leaves it to whoever takes orphans.
///
/// # Errors
/// Returns the error of starting it.
pub(super) fn launch() -> io::Result<ExitCode> {
    Command::new(program()?).args(arguments()).arg(FLAG).spawn()?;
    Ok(ExitCode::SUCCESS)
}

/// Gives the new process the listeners and waits until it is ready; gives its number. If that fails it finds nobody at
/// the other end of the channel, and ends.
fn introduce(channel: &Channel, listeners: &[TcpListener]) -> Result<u32, String> {
    let gone = |error: io::Error| format!("the new process is gone: {error}");
    let descriptors: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
    for some in descriptors.chunks(DESCRIPTORS_MAX) {
        channel.send(LISTENERS, some).map_err(gone)?;
    }
    channel.send(DONE, &[]).map_err(gone)?;
    let message = channel.receive(Some(PATIENCE)).map_err(gone)?;
    let pid = message.as_ref().and_then(|message| message.text.strip_prefix(READY)?.parse().ok());
    pid.ok_or_else(|| "the new process ended before it was ready; its reason is above".to_owned())
}

/// Leaves listeners and idle connections with the manager, for the next process of this service.
///
/// # Errors
/// Returns the error of the channel and of the manager; then clients see what they see of any stop.
pub(super) fn leave_with(
    manager: &Manager,
    listeners: &[OwnedFd],
    connections: &[OwnedFd],
) -> io::Result<()> {
    let (ours, kept) = Channel::pair()?;
    let mut left = 0;
    for (text, sockets) in [(LISTENERS, listeners), (CONNECTIONS, connections)] {
        for some in sockets.chunks(DESCRIPTORS_MAX) {
            let descriptors: Vec<BorrowedFd<'_>> = some.iter().map(AsFd::as_fd).collect();
            match ours.put(text, &descriptors) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => left += some.len(),
                result => result?,
            }
        }
    }
    if left > 0 {
        tracing::warn!(left, "the channel to the next process is full; these connections are closed");
    }
    // Its end is the end of what stands in it.
    drop(ours);
    manager.keep(KEPT, kept.as_fd())
}

/// Takes what an earlier process of this service left with the manager.
///
/// # Errors
/// Returns the error of the channel.
pub(super) fn take_from(
    manager: &Manager,
    left: Vec<Channel>,
) -> io::Result<(Vec<TcpListener>, Vec<TcpStream>)> {
    let (mut listeners, mut connections) = (Vec::new(), Vec::new());
    if !left.is_empty() {
        manager.forget(KEPT);
    }
    for channel in left {
        while let Some(message) = channel.receive(Some(Duration::ZERO))? {
            match message.text.as_str() {
                LISTENERS => listeners.extend(message.descriptors.into_iter().map(TcpListener::from)),
                _ => connections.extend(message.descriptors.into_iter().map(TcpStream::from)),
            }
        }
    }
    Ok((listeners, connections))
}

/// Returns the program file, also when a newer one has been put in its place.
fn program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?.into_os_string();
    Ok(match path.to_str().and_then(|path| path.strip_suffix(" (deleted)")) {
        Some(path) => path.into(),
        None => path.into(),
    })
}

/// The old process, as the new one sees it.
pub(super) struct Predecessor {
    channel: Channel,
}

impl Predecessor {
    /// Takes its listeners from the channel that is our standard input.
    ///
    /// # Errors
    /// Fails when there is no channel, or nobody at its other end.
    pub(super) fn meet() -> io::Result<(Self, Vec<TcpListener>)> {
        let channel = Channel::from_stdin()?;
        let mut listeners = Vec::new();
        loop {
            let message = channel.receive(Some(PATIENCE))?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if message.text == DONE {
                return Ok((Self { channel }, listeners));
            }
            listeners.extend(message.descriptors.into_iter().map(TcpListener::from));
        }
    }

    /// Says that we are ready, and waits until it has released the data directory, or has died, which releases it too.
    /// Gives the connections that it passed on.
    ///
    /// # Errors
    /// Returns the error of the channel.
    pub(super) fn await_release(&self) -> io::Result<Vec<TcpStream>> {
        self.channel.send(&format!("{READY}{}", std::process::id()), &[])?;
        let mut connections = Vec::new();
        while let Some(message) = self.channel.receive(None)? {
            if message.text == DONE {
                break;
            }
            connections.extend(message.descriptors.into_iter().map(TcpStream::from));
        }
        Ok(connections)
    }

    /// Says that we serve, and waits until it has made us the service's main process, or is gone.
    pub(super) fn relieve(&self) {
        // If it is gone, it waits for nothing.
        let _ = self.channel.send(SERVING, &[]);
        let _ = self.channel.receive(Some(PATIENCE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_gets_the_command_line_but_accepts_no_loss() {
        let line =
            ["serve", "--take-over", "--data-dir", "d", "--accept-loss", "--launch"].map(OsString::from);
        let passed: Vec<&OsString> = line.iter().filter(|argument| is_passed_on(argument)).collect();
        assert_eq!(passed, ["serve", "--data-dir", "d"]);
    }
}
