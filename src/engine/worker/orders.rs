//! Work for job threads: pieces of answers, parts of files, and what uploads have to do.
//!
//! An answer that is a part of a file is sent by a job thread, which has the connection's socket meanwhile:
//!
//! ```text
//! head (worker) -> part, until the socket is full or others want the job thread -> writable (worker) -> next part ...
//! ```
//!
//! A worker can't send it: it would wait for the disk where the file is not in memory (`docs/decisions/0013`).

use super::connection::{Connection, Task};
use super::context::Context;
use super::held::Asked;
use crate::app::application::{Job, JobStep};
use crate::engine::jobs::{JobOrder, JobQueue, JobTask};
use crate::engine::shared::mailbox::FileDone;
use crate::engine::shared::wire::SecondEnd;

/// The way to the job threads.
pub(super) struct Orders {
    queue: JobQueue,
}

/// Too many orders wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

/// How a connection goes on after its socket was lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returned {
    /// It ended while its socket was away, or has been given another task.
    Late,
    /// The file is sent.
    Sent,
    /// There is more to send.
    More,
    /// The file ended too early, or the client is gone.
    Broken,
}

impl Orders {
    pub(super) fn new(queue: JobQueue) -> Self {
        Self { queue }
    }

    /// Hands a job over that makes an answer to `asked`; `memory` is for its first piece.
    ///
    /// # Errors
    /// Fails when too many orders wait. The connection is then free for a refusal.
    pub(super) fn start(
        &self,
        connection: &mut Connection,
        job: Box<dyn Job>,
        asked: Asked,
        memory: Vec<u8>,
        context: &Context,
    ) -> Result<(), QueueFull> {
        connection.task = Task::Working { asked, pieces: None };
        let offered = self.offer(connection, JobTask::Piece { job, started: false, memory }, context);
        offered.inspect_err(|_| connection.task = Task::None)
    }

    /// Asks for the next piece, or the next part of a file, once the socket has taken the last one.
    ///
    /// # Errors
    /// Fails when too many orders wait: the answer can't be completed.
    pub(super) fn go_on(
        &self,
        connection: &mut Connection,
        memory: impl FnOnce() -> Vec<u8>,
        context: &Context,
    ) -> Result<(), QueueFull> {
        let Task::Paused { asked, pieces, .. } = connection.task else { return Ok(()) };
        let working = Task::Working { asked, pieces: Some(pieces) };
        let offered = match std::mem::replace(&mut connection.task, working) {
            Task::Paused { job, socket: Some(socket), .. } => {
                connection.task = Task::Lent { asked, pieces };
                self.lend(connection, job, socket, context)
            }
            Task::Paused { job, .. } => {
                self.offer(connection, JobTask::Piece { job, started: true, memory: memory() }, context)
            }
            _ => unreachable!("it is paused"),
        };
        offered.inspect_err(|_| {
            connection.task = Task::None;
            connection.broken = true;
        })
    }

    /// Lends the socket to a job thread, now that everything before the file has been sent.
    fn lend(
        &self,
        connection: &mut Connection,
        job: Box<dyn Job>,
        socket: SecondEnd,
        context: &Context,
    ) -> Result<(), QueueFull> {
        debug_assert!(connection.output.is_empty() && !connection.blocked && connection.owed == 0);
        connection.blocked = true;
        self.offer(connection, JobTask::File { job, socket }, context)
    }

    /// Hands an upload over that has work to do; nothing if it is there already.
    ///
    /// # Errors
    /// Fails when too many orders wait: the upload is lost.
    pub(super) fn work(&self, connection: &mut Connection, context: &Context) -> Result<(), QueueFull> {
        let Task::Upload(receiving) = &mut connection.task else { return Ok(()) };
        let Some(upload) = receiving.take_work() else { return Ok(()) };
        self.offer(connection, JobTask::Upload(upload), context)
    }

    fn offer(&self, connection: &Connection, task: JobTask, context: &Context) -> Result<(), QueueFull> {
        let order = JobOrder { worker: context.index, key: connection.key, task };
        self.queue.offer(order).map_err(|_| QueueFull)
    }

    /// Takes the socket back from a job thread.
    pub(super) fn take_back(connection: &mut Connection, done: FileDone) -> Returned {
        let Task::Lent { asked, pieces } = connection.task else { return Returned::Late };
        match (done.step, done.job) {
            (JobStep::More, Some(job)) => {
                connection.task = Task::Paused { job, asked, pieces, socket: done.socket };
                // If the kernel said meanwhile that it can take more, it won't say it again.
                connection.blocked &= done.is_blocked;
                Returned::More
            }
            (JobStep::Done, _) => {
                connection.task = Task::None;
                connection.blocked = false;
                Returned::Sent
            }
            _ => Returned::Broken,
        }
    }
}
