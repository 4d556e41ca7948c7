//! Bodies that go into the lane as they arrive, and answers that job threads make piece by piece.

use super::Worker;
use super::read::Fate;
use super::route::{self, Target};
use crate::apps::app::{Job, JobStep, Start};
use crate::engine::connection::{Connection, Task};
use crate::engine::held::{AnswerFraming, Asked, Late};
use crate::engine::jobs::JobOrder;
use crate::engine::mailbox::JobDone;
use crate::engine::metrics::Reject;
use crate::engine::receiving::Receiving;
use crate::engine::table::Key;
use crate::http::request::{Head, Version};
use crate::http::response::{self, HeadContext, StreamHead};

impl Worker {
    /// The head of a request whose body is streamed. One that is refused is answered at once, and the connection ends:
    /// its body is not worth reading.
    pub(super) fn begin(&mut self, key: Key, connection: &mut Connection, head: &Head<'_>) {
        connection.served = true;
        let router = self.router.clone();
        let Target::Route { app, route, place, .. } = route::target(&router, head) else {
            unreachable!("only a route plans a streamed body");
        };
        let asked = self.asked(head, place, route);
        let shared = self.shared.clone();
        let upload = match self.may_write(&asked) {
            Ok(()) => app.upload(route.endpoint, head, &self.view(&shared)),
            Err(response) => Err(response),
        };
        match upload {
            Ok(upload) => {
                connection.task = Task::Upload(Box::new(Receiving::new(upload, asked)));
            }
            Err(response) => {
                connection.unread = true;
                let framing = AnswerFraming { keep_alive: false, ..asked.framing };
                self.answer(key, connection, &response, framing, asked.route);
            }
        }
    }

    /// A piece of such a body.
    pub(super) fn feed(&mut self, key: Key, connection: &mut Connection, bytes: &[u8]) {
        if let Task::Upload(receiving) = &mut connection.task {
            receiving.feed(bytes, &mut self.producer);
            self.go_on_receiving(key, connection);
        }
    }

    /// The end of such a body.
    pub(super) fn end_upload(&mut self, key: Key, connection: &mut Connection) {
        if let Task::Upload(receiving) = &mut connection.task {
            receiving.end(&mut self.producer);
            self.go_on_receiving(key, connection);
        }
    }

    /// The lane has room again, perhaps.
    pub(super) fn retry_upload(&mut self, key: Key, connection: &mut Connection) {
        if let Task::Upload(receiving) = &mut connection.task {
            receiving.retry(&mut self.producer);
            self.go_on_receiving(key, connection);
            if connection.is_receiving() {
                self.serve_again(key, connection);
            }
        }
    }

    fn go_on_receiving(&mut self, key: Key, connection: &mut Connection) {
        let Task::Upload(receiving) = &mut connection.task else { return };
        if let Some(response) = receiving.take_answer() {
            let late = Late::new(response, &receiving.asked);
            connection.task = Task::None;
            self.hold_late(key, connection, late);
        } else if receiving.is_blocked() {
            self.stall(key, connection);
        }
    }

    /// Hands a job to the job threads.
    pub(super) fn start_job(
        &mut self,
        key: Key,
        connection: &mut Connection,
        job: Box<dyn Job>,
        asked: Asked,
    ) {
        connection.task = Task::Working { asked, started: false };
        self.order(key, connection, job);
    }

    /// Asks for the next piece once the socket has taken the last one.
    pub(super) fn resume_job(&mut self, key: Key, connection: &mut Connection) {
        if let Task::Paused { asked, .. } = connection.task {
            let working = Task::Working { asked, started: true };
            if let Task::Paused { job, .. } = std::mem::replace(&mut connection.task, working) {
                self.order(key, connection, job);
            }
        }
    }

    fn order(&mut self, key: Key, connection: &mut Connection, job: Box<dyn Job>) {
        let Task::Working { asked, started } = connection.task else { return };
        let order = JobOrder { worker: self.index, key, job, started, piece: Vec::new() };
        if self.jobs.offer(order).is_err() {
            self.reject(Reject::Busy);
            connection.task = Task::None;
            if started {
                connection.broken = true;
            } else {
                self.answer(key, connection, &route::busy(), asked.framing, asked.route);
            }
        }
    }

    /// A job thread made a piece.
    pub(super) fn take_piece(&mut self, done: JobDone) {
        self.with(done.key, |worker, connection| {
            let Task::Working { asked, started } = connection.task else { return Fate::Stays };
            match done.head {
                Some(Start::Whole(response)) => {
                    connection.task = Task::None;
                    worker.answer(done.key, connection, &response, asked.framing, asked.route);
                    return Fate::Stays;
                }
                Some(Start::Stream(head)) => worker.put_stream_head(connection, &head, asked),
                None if !started => return Fate::Ends,
                None => {}
            }
            if done.step == JobStep::Failed {
                // Cut the connection: a client must not take half an answer for a whole one.
                return Fate::Ends;
            }
            worker.put_piece(connection, &done.piece, done.step, asked.framing);
            connection.task = match (done.step, done.job) {
                (JobStep::More, Some(job)) if !asked.framing.head_only => Task::Paused { job, asked },
                _ => Task::None,
            };
            worker.owe(done.key, connection);
            Fate::Stays
        });
    }

    fn put_stream_head(&mut self, connection: &mut Connection, head: &StreamHead, asked: Asked) {
        self.metrics().requests.count(asked.route, head.status, 1);
        let AnswerFraming { version, keep_alive, head_only } = asked.framing;
        let date = self.date.bytes();
        let context = HeadContext { version, keep_alive, head_only, date, durability: None };
        let chunked = response::write_stream_head(head, &context, &mut connection.output);
        connection.closing |= !keep_alive || !chunked;
    }

    fn put_piece(&self, connection: &mut Connection, piece: &[u8], step: JobStep, framing: AnswerFraming) {
        if framing.head_only {
            return;
        }
        if framing.version == Version::Http10 {
            connection.output.extend_from_slice(piece);
            return;
        }
        let start = response::open_chunk(&mut connection.output);
        connection.output.extend_from_slice(piece);
        response::close_chunk(&mut connection.output, start);
        if step == JobStep::Done {
            connection.output.extend_from_slice(response::LAST_CHUNK);
        }
    }
}
