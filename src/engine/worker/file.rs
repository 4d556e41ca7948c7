//! Answers that are a part of a file: a job thread has the kernel send it, and has the connection's socket meanwhile.
//!
//! ```text
//! head (worker) -> part, until the socket is full or others want the job thread -> writable (worker) -> next part ...
//! ```
//!
//! A worker can't send it: it would wait for the disk where the file is not in memory (`docs/decisions/0013`).

use std::os::fd::{AsFd, OwnedFd};

use super::Worker;
use super::connection::{Connection, Task};
use super::read::Fate;
use crate::apps::app::{Job, JobStep};
use crate::engine::jobs::{JobOrder, JobTask};
use crate::engine::shared::mailbox::FileDone;
use crate::engine::shared::metrics::Reject;
use crate::engine::shared::table::Key;

impl Worker {
    /// Lends the socket to a job thread, now that everything before the file has been sent.
    pub(super) fn lend(&mut self, key: Key, connection: &mut Connection, job: Box<dyn Job>, socket: OwnedFd) {
        debug_assert!(connection.output.is_empty() && !connection.blocked && connection.owed == 0);
        connection.blocked = true;
        let order = JobOrder { worker: self.index, key, task: JobTask::File { job, socket } };
        if self.jobs.offer(order).is_err() {
            self.reject(Reject::Busy);
            connection.task = Task::None;
            connection.broken = true;
        }
    }

    /// A job thread gives the socket back.
    pub(super) fn take_sent(&mut self, done: FileDone) {
        self.metrics().written_bytes.add(done.sent_bytes);
        // Where the connection has ended meanwhile, its socket ends here with the last number that it has.
        self.with(done.key, |worker, connection| {
            let Task::Lent { asked, pieces } = connection.task else { return Fate::Stays };
            let (job, socket) = match (done.step, done.job) {
                (JobStep::More, Some(job)) => (job, done.socket),
                (JobStep::Done, _) => {
                    connection.task = Task::None;
                    connection.blocked = false;
                    worker.owe(done.key, connection);
                    return Fate::Stays;
                }
                // The file ended too early, or the client is gone: it must not take half an answer for a whole one.
                _ => return Fate::Ends,
            };
            connection.task = Task::Paused { job, asked, pieces, socket };
            // If the kernel said meanwhile that it can take more, it won't say it again.
            connection.blocked &= done.is_blocked;
            if !connection.blocked {
                worker.owe(done.key, connection);
            }
            // The client's time to take what is queued begins.
            worker.settle(done.key, connection)
        });
    }
}

/// The connection's socket under another number; nothing if there is none left.
pub(super) fn own_socket(connection: &Connection) -> Option<OwnedFd> {
    connection.stream.as_fd().try_clone_to_owned().ok()
}
