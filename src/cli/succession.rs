//! A restart without a lost request: on SIGUSR2 this program is started anew beside the one that runs, which gives it the
//! listening sockets, finishes what is in flight, gives it every connection that is idle, and releases the data directory.
//!
//! ```text
//! old: start new, send listeners ------> new: read configuration, take listeners
//! old: stop accepting <----------------- new: "ready"
//! old: finish, pass idle connections --> new: keep them
//! old: sync, unlock, "done" -----------> new: lock, recover, serve
//! old: end <---------------------------- new: "serving"
//! ```
//!
//! The data directory has one owner at any moment. Until "ready" nothing has changed, and a new process that does not get
//! that far leaves the old one serving. From then on connections wait in the queues of the listeners, which never close.
//!
//! A stop under a manager that keeps descriptors is the same with the manager between the two: what the old one would
//! say stands in a channel, of which the manager keeps the other end until it starts the next process of the service.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::os::notify::Manager;
use crate::os::pass::{Channel, DESCRIPTORS_MAX};

/// The flag that tells a process that its standard input is a channel to its predecessor.
pub(super) const FLAG: &str = "--take-over";
/// How long a new process may take to read its configuration and say that it is ready.
const PATIENCE: Duration = Duration::from_secs(10);

const LISTENERS: &str = "listeners";
const CONNECTIONS: &str = "connections";
const READY: &str = "ready";
const DONE: &str = "done";
const SERVING: &str = "serving";
/// What the channel is called that the manager keeps.
const KEPT: &str = "sockets";

/// The new process, as the old one sees it.
pub(super) struct Successor {
    child: Child,
    channel: Channel,
}

impl Successor {
    /// Starts it, with the command line of this process, and waits until it has `listeners` and is ready.
    ///
    /// # Errors
    /// A sentence; then the new process is gone and nothing has changed.
    pub(super) fn start(listeners: &[TcpListener]) -> Result<Self, String> {
        if std::process::id() == 1 {
            return Err(
                "this is process 1, whose end ends the container; let its manager replace it".to_owned()
            );
        }
        let (channel, theirs) = Channel::pair().map_err(|error| format!("no channel: {error}"))?;
        let program = program().map_err(|error| format!("the program can't be found: {error}"))?;
        let arguments = std::env::args_os().skip(1).filter(|argument| argument != FLAG);
        let child = Command::new(&program).args(arguments).arg(FLAG).stdin(Stdio::from(theirs)).spawn();
        let child = child.map_err(|error| format!("{} can't be started: {error}", program.display()))?;
        let mut successor = Self { child, channel };
        if let Err(why) = successor.introduce(listeners) {
            // It may have ended by itself.
            let _ = successor.child.kill();
            let _ = successor.child.wait();
            return Err(why);
        }
        Ok(successor)
    }

    fn introduce(&mut self, listeners: &[TcpListener]) -> Result<(), String> {
        let gone = |error: io::Error| format!("the new process is gone: {error}");
        let descriptors: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
        for some in descriptors.chunks(DESCRIPTORS_MAX) {
            self.channel.send(LISTENERS, some).map_err(gone)?;
        }
        self.channel.send(DONE, &[]).map_err(gone)?;
        match self.channel.receive(Some(PATIENCE)).map_err(gone)? {
            Some(message) if message.text == READY => Ok(()),
            _ => Err("the new process ended before it was ready; its reason is above".to_owned()),
        }
    }

    /// Its number.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives it a connection; one that it does not take any more is closed.
    pub(super) fn give(&self, connection: &OwnedFd) {
        if let Err(error) = self.channel.send(CONNECTIONS, &[connection.as_fd()]) {
            tracing::warn!(%error, "a connection could not be passed on; it is closed");
        }
    }

    /// Tells it that the data directory is free, and waits until it serves.
    ///
    /// # Errors
    /// A sentence when it ended instead.
    pub(super) fn let_go(self) -> Result<(), String> {
        let sent = self.channel.send(DONE, &[]);
        match sent.and_then(|()| self.channel.receive(None)) {
            Ok(Some(message)) if message.text == SERVING => Ok(()),
            _ => {
                Err("the new process ended before it served; its reason is above. Nobody serves now"
                    .to_owned())
            }
        }
    }
}

/// Leaves listeners and idle connections with the manager, for the next process of this service.
///
/// # Errors
/// Those of the channel and of the manager; then clients see what they see of any stop.
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
/// Those of the channel.
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

/// The program file, also when a newer one has been put in its place.
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
    /// When there is no channel, or nobody at its other end.
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
    /// Those of the channel.
    pub(super) fn await_release(&self) -> io::Result<Vec<TcpStream>> {
        self.channel.send(READY, &[])?;
        let mut connections = Vec::new();
        while let Some(message) = self.channel.receive(None)? {
            if message.text == DONE {
                break;
            }
            connections.extend(message.descriptors.into_iter().map(TcpStream::from));
        }
        Ok(connections)
    }

    /// Says that we serve.
    pub(super) fn relieve(&self) {
        // If it is gone, it waits for nothing.
        let _ = self.channel.send(SERVING, &[]);
    }
}
