//! Handing everything over to a successor: idle connections go to it as they are, the others when they become idle.

use std::os::fd::{AsFd, OwnedFd};

use crossbeam_channel::Sender;
use mio::net::TcpStream;

use super::Worker;
use super::connection::{Connection, Task, Wait};
use super::read::Fate;
use crate::apps::router::Root;
use crate::base::limits::{HEAD_DRAINING_MS, LINGER_DRAINING_MS};
use crate::engine::shared::table::Key;

impl Worker {
    /// Accepts nothing more, which is left in the queues for the successor, and passes on each connection when it is idle.
    pub(super) fn leave_to(&mut self, successor: Sender<OwnedFd>) {
        self.passing = Some(successor);
        self.passing_since_ms = Some(self.now_ms());
        self.accepting.fill(false);
        self.stop_listening();
    }

    /// A connection of the predecessor.
    pub(super) fn adopt(&mut self, stream: std::net::TcpStream, root: Root) {
        self.admit(TcpStream::from_std(stream), root);
    }

    /// The server ends: what a connection or its client waits for comes sooner. A question that waits for a time is
    /// answered, and what is left of a head or of a closed connection's input is not waited for as long.
    pub(super) fn hurry(&mut self, key: Key, connection: &mut Connection) {
        let now_ms = self.now_ms();
        if connection.lingering {
            connection.linger_until_ms = now_ms + LINGER_DRAINING_MS;
        }
        match &mut connection.task {
            Task::Waiting { until_ms, .. } if *until_ms != u64::MAX => *until_ms = now_ms,
            _ => {}
        }
        self.arm(key, connection);
    }

    /// When the time of `connection` is up. A successor takes idle connections, but none with half a head.
    pub(super) fn due_ms(&self, connection: &Connection) -> u64 {
        let due_ms = connection.due_ms(&self.limits, self.crowded, self.now_ms());
        match (connection.wait, self.passing_since_ms) {
            (Wait::Header, Some(since_ms)) => {
                due_ms.min(connection.since_ms.max(since_ms) + HEAD_DRAINING_MS)
            }
            _ => due_ms,
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
