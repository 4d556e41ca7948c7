//! Handing everything over to a successor: idle connections go to it as they are, the others when they become idle.

use std::os::fd::{AsFd, OwnedFd};

use crossbeam_channel::Sender;
use mio::net::TcpStream;

use super::Worker;
use super::read::Fate;
use crate::apps::router::Root;
use crate::base::limits::LINGER_DRAINING_MS;
use crate::engine::connection::Connection;
use crate::engine::table::Key;

impl Worker {
    /// Accepts nothing more, which is left in the queues for the successor, and passes on each connection when it is idle.
    pub(super) fn leave_to(&mut self, successor: Sender<OwnedFd>) {
        self.passing = Some(successor);
        self.accepting.fill(false);
        self.stop_listening();
    }

    /// A connection of the predecessor.
    pub(super) fn adopt(&mut self, stream: std::net::TcpStream, root: Root) {
        self.admit(TcpStream::from_std(stream), root);
    }

    /// The server ends: what a connection of a client waits for comes sooner.
    pub(super) fn hurry(&mut self, key: Key, connection: &mut Connection) {
        if connection.lingering {
            connection.linger_until_ms = self.now_ms() + LINGER_DRAINING_MS;
            self.arm(key, connection);
        }
    }

    /// Gives an idle connection to the successor; it ends here only.
    pub(super) fn pass(&mut self, connection: &mut Connection) -> Fate {
        // Without this the event loop would hear of it as long as the successor has it open.
        let _ = self.poll.registry().deregister(&mut connection.stream);
        if let (Some(successor), Ok(descriptor)) =
            (&self.passing, connection.stream.as_fd().try_clone_to_owned())
        {
            // The server listens until all workers have ended.
            let _ = successor.send(descriptor);
        }
        Fate::Ends
    }
}
