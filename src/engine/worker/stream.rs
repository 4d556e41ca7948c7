//! Bodies that go into the lane as they arrive, and answers that job threads make piece by piece.

use std::sync::atomic::Ordering::Relaxed;

use super::Worker;
use super::connection::{Connection, Task};
use super::file::own_socket;
use super::held::{AnswerFraming, Asked, Late, LateAnswer};
use super::read::Fate;
use super::receiving::Receiving;
use super::route::{self, Target};
use super::write::give_piece_buffer;
use crate::apps::app::{Job, JobStep, Start};
use crate::apps::upload::Pause;
use crate::engine::jobs::{JobOrder, JobTask};
use crate::engine::shared::mailbox::{JobDone, UploadDone};
use crate::engine::shared::metrics::Reject;
use crate::engine::shared::space::Intake;
use crate::engine::shared::table::Key;
use crate::http::refusal::Refusal;
use crate::http::request::Head;
use crate::http::response::{self, HeadContext, Pieces, Response, StreamHead};
use crate::os::socket;

impl Worker {
    /// The head of a request whose body is streamed. One that is refused is answered at once, and the connection ends:
    /// its body is not worth reading.
    pub(super) fn begin(&mut self, key: Key, connection: &mut Connection, head: &Head<'_>) {
        connection.served = true;
        let router = self.router.clone();
        let Target::Route { app, route, place, .. } = route::target(&router, connection.root, head) else {
            unreachable!("only a route plans a streamed body");
        };
        let asked = self.asked(head, place, route);
        let shared = self.shared.clone();
        let upload = match self.may_write(&asked) {
            Ok(()) => app.upload(route.endpoint, head, &self.view(&shared, key, connection)),
            Err(response) => Err(response),
        };
        let upload = upload.and_then(|upload| {
            let understood = shared.understanding.admits_kinds(upload.kinds());
            understood.map(|()| upload).map_err(|too_old| route::too_old(&too_old))
        });
        let open = shared.connections.load(Relaxed);
        let upload = upload.and_then(|upload| {
            shared.descriptors.admit_upload(upload, open).ok_or_else(|| {
                self.reject(Reject::Busy);
                route::busy()
            })
        });
        match upload {
            Ok(upload) => {
                connection.task = Task::Upload(Box::new(Receiving::new(upload, asked)));
            }
            Err(response) => {
                let framing = AnswerFraming { keep_alive: false, ..asked.framing };
                self.answer(key, connection, &response, framing, asked.route);
            }
        }
    }

    /// A piece of such a body.
    pub(super) fn feed(&mut self, key: Key, connection: &mut Connection, bytes: &[u8]) {
        self.look_at_intake(key, connection);
        if let Task::Upload(receiving) = &mut connection.task {
            receiving.feed(bytes, &mut self.producer);
            self.go_on_receiving(key, connection);
        }
    }

    /// The end of such a body.
    pub(super) fn end_upload(&mut self, key: Key, connection: &mut Connection) {
        self.look_at_intake(key, connection);
        if let Task::Upload(receiving) = &mut connection.task {
            receiving.end(&mut self.producer);
            self.go_on_receiving(key, connection);
        }
    }

    /// The lane has room again, perhaps.
    pub(super) fn retry_upload(&mut self, key: Key, connection: &mut Connection) {
        let waits = self.look_at_intake(key, connection);
        if let Task::Upload(receiving) = &mut connection.task {
            if !waits {
                receiving.retry(&mut self.producer);
            }
            self.go_on_receiving(key, connection);
            if connection.is_receiving() {
                if self.bodies_stopped {
                    self.stop_body(key, connection);
                } else {
                    self.serve_again(key, connection);
                }
            }
        }
    }

    /// Looks whether the journal still takes what a body brings: the answer may have changed since the body began. Has it
    /// wait while there is no room for a moment, and gives whether it does; stops it when writes are refused. Without
    /// this a body would fill the lane anew after each commit, until what is in the lane has no room left in the
    /// journal.
    fn look_at_intake(&mut self, key: Key, connection: &mut Connection) -> bool {
        let intake = self.shared.space.intake();
        let Task::Upload(receiving) = &mut connection.task else { return false };
        if intake == Intake::Open {
            return false;
        }
        let asked = receiving.asked;
        match self.intake_takes(&asked) {
            Ok(()) => receiving.wait_for_lane(),
            Err(_) if receiving.has_logged() => {
                let is_short = self.shared.space.is_short();
                let reason = if is_short { route::NO_ROOM } else { route::NO_MORE };
                self.stop_upload(key, connection, reason);
            }
            Err(response) => self.cut_upload(key, connection, &response, asked),
        }
        true
    }

    fn go_on_receiving(&mut self, key: Key, connection: &mut Connection) {
        let Task::Upload(receiving) = &mut connection.task else { return };
        if let Some((response, hold)) = receiving.take_answer() {
            let (asked, has_logged) = (receiving.asked, receiving.has_logged());
            connection.task = Task::None;
            if has_logged {
                let mut late = Late::new(LateAnswer::Made(response), &asked);
                late.hold = hold;
                self.hold_late(key, connection, late);
            } else {
                // Nothing of it is kept, so there is nothing to wait for and no level to tell.
                self.respond(key, connection, &response, &asked);
            }
            return;
        }
        match receiving.pause() {
            None => {}
            Some(Pause::Lane) => self.stall(key, connection),
            Some(Pause::Work) => self.order_work(key, connection),
        }
    }

    /// Hands an upload that has work to do to the job threads.
    fn order_work(&mut self, key: Key, connection: &mut Connection) {
        let Task::Upload(receiving) = &mut connection.task else { return };
        let (asked, Some(upload)) = (receiving.asked, receiving.take_work()) else { return };
        let order = JobOrder { worker: self.index, key, task: JobTask::Upload(upload) };
        if self.jobs.offer(order).is_err() {
            self.reject(Reject::Busy);
            self.cut_upload(key, connection, &route::busy(), asked);
        }
    }

    /// Stops a body that is received: what of it is logged is told, and waited for as long as it would have been for a 200.
    /// The connection ends behind the answer.
    pub(super) fn stop_upload(&mut self, key: Key, connection: &mut Connection, reason: Refusal) {
        let Task::Upload(receiving) = &mut connection.task else { return };
        let (mut asked, has_logged) = (receiving.asked, receiving.has_logged());
        let response = match receiving.stopped(reason) {
            Some(response) if reason.status == 503 => response.with("Retry-After", "1"),
            Some(response) => response,
            None => self.refusal_of(reason, Some(asked.route)),
        };
        if !has_logged {
            return self.cut_upload(key, connection, &response, asked);
        }
        debug_assert!(response.status != 503, "503 says that nothing was stored");
        asked.framing.keep_alive = false;
        connection.task = Task::None;
        self.hold_late(key, connection, Late::new(LateAnswer::Partial(response), &asked));
        // From now on it waits for us: its body can't be too slow a second time.
        connection.wait = connection.waits_for();
    }

    /// The server ends before these bodies do. One that a job thread is at is stopped when it comes back from there, unless
    /// it has come to its end.
    pub(super) fn stop_bodies(&mut self) {
        self.bodies_stopped = true;
        let keys: Vec<Key> = self.table.keys().collect();
        for key in keys {
            self.with(key, |worker, connection| {
                worker.stop_unless_at_work(key, connection);
                Fate::Stays
            });
        }
    }

    /// Stops a body that is under way, unless a job thread is at it.
    pub(super) fn stop_unless_at_work(&mut self, key: Key, connection: &mut Connection) {
        if let Task::Upload(receiving) = &connection.task
            && receiving.pause() != Some(Pause::Work)
        {
            self.stop_body(key, connection);
        }
    }

    fn stop_body(&mut self, key: Key, connection: &mut Connection) {
        let Task::Upload(receiving) = &connection.task else { return };
        let reason = if receiving.has_logged() { route::ENDING_HALF_WAY } else { route::ENDING };
        self.stop_upload(key, connection, reason);
    }

    /// Answers before the body has been read to its end; the connection ends behind it.
    fn cut_upload(&mut self, key: Key, connection: &mut Connection, response: &Response, asked: Asked) {
        connection.task = Task::None;
        let framing = AnswerFraming { keep_alive: false, ..asked.framing };
        self.answer(key, connection, response, framing, asked.route);
    }

    /// A job thread did what an upload had to do.
    pub(super) fn take_upload(&mut self, done: UploadDone) {
        let UploadDone { key, upload } = done;
        self.with(key, |worker, connection| {
            let Task::Upload(receiving) = &mut connection.task else { return Fate::Stays };
            // Without its upload the body leads nowhere: a panic has been printed by its thread.
            let Some(upload) = upload else { return Fate::Ends };
            receiving.give_back(upload);
            worker.retry_upload(key, connection);
            worker.account(key, connection);
            worker.settle(key, connection)
        });
    }

    /// Hands a job to the job threads.
    pub(super) fn start_job(
        &mut self,
        key: Key,
        connection: &mut Connection,
        job: Box<dyn Job>,
        asked: Asked,
    ) {
        let open = self.shared.connections.load(Relaxed);
        match self.shared.descriptors.admit_job(job, open) {
            Some(job) => {
                connection.task = Task::Working { asked, pieces: None };
                self.order(key, connection, job);
            }
            None => self.refuse_job(key, connection, &asked),
        }
    }

    /// Answers that there is no room for a job.
    fn refuse_job(&mut self, key: Key, connection: &mut Connection, asked: &Asked) {
        self.reject(Reject::Busy);
        let refusal = if asked.reached.is_some() { route::busy_later() } else { route::busy() };
        self.respond(key, connection, &refusal, asked);
    }

    /// Asks for the next piece once the socket has taken the last one.
    pub(super) fn resume_job(&mut self, key: Key, connection: &mut Connection) {
        if let Task::Paused { asked, pieces, .. } = connection.task {
            let working = Task::Working { asked, pieces: Some(pieces) };
            match std::mem::replace(&mut connection.task, working) {
                Task::Paused { job, socket: Some(socket), .. } => {
                    connection.task = Task::Lent { asked, pieces };
                    self.lend(key, connection, job, socket);
                }
                Task::Paused { job, .. } => self.order(key, connection, job),
                _ => unreachable!("it is paused"),
            }
        }
    }

    fn order(&mut self, key: Key, connection: &mut Connection, job: Box<dyn Job>) {
        let Task::Working { asked, pieces } = connection.task else { return };
        let started = pieces.is_some();
        let memory = self.piece_buffers.pop().unwrap_or_default();
        let order = JobOrder { worker: self.index, key, task: JobTask::Piece { job, started, memory } };
        if self.jobs.offer(order).is_err() {
            connection.task = Task::None;
            if started {
                self.reject(Reject::Busy);
                connection.broken = true;
            } else {
                self.refuse_job(key, connection, &asked);
            }
        }
    }

    /// A job thread made a piece.
    pub(super) fn take_piece(&mut self, done: JobDone) {
        self.with(done.key, |worker, connection| {
            let Task::Working { asked, pieces } = connection.task else { return Fate::Stays };
            let pieces = match done.head {
                Some(Start::Whole(response)) => {
                    connection.task = Task::None;
                    worker.respond(done.key, connection, &response, &asked);
                    return Fate::Stays;
                }
                Some(Start::Stream(head)) => Some(worker.put_stream_head(connection, &head, asked)),
                None => pieces,
            };
            let Some(pieces) = pieces else { return Fate::Ends };
            if done.step == JobStep::Failed {
                // Cut the connection: a client must not take half an answer for a whole one. An answer that ends with
                // the connection ends with a reset then.
                return Fate::Ends;
            }
            worker.put_piece(connection, done.piece, done.step, asked.framing, pieces);
            connection.task = match (done.step, done.job) {
                (JobStep::More, Some(job)) if !asked.framing.head_only => {
                    let is_file = done.is_file && pieces == Pieces::Counted;
                    let socket = if is_file { own_socket(connection) } else { None };
                    Task::Paused { job, asked, pieces, socket }
                }
                _ => Task::None,
            };
            worker.owe(done.key, connection);
            Fate::Stays
        });
    }

    fn put_stream_head(&mut self, connection: &mut Connection, head: &StreamHead, asked: Asked) -> Pieces {
        self.metrics().requests.count(asked.route, head.status, 1);
        let AnswerFraming { version, keep_alive, head_only } = asked.framing;
        let date = self.date.bytes();
        let context = HeadContext { version, keep_alive, head_only, date, durability: asked.reached };
        let pieces = response::write_stream_head(head, &context, &mut connection.output);
        connection.closing |= !keep_alive || pieces == Pieces::UntilClose;
        if pieces == Pieces::UntilClose {
            // Set now and taken back at the answer's end: so any other end is a reset, that of this process too.
            connection.until_close = true;
            socket::reset_on_close(&connection.stream);
        }
        pieces
    }

    fn put_piece(
        &mut self,
        connection: &mut Connection,
        mut piece: Vec<u8>,
        step: JobStep,
        framing: AnswerFraming,
        pieces: Pieces,
    ) {
        let output = &mut connection.output;
        match pieces {
            _ if framing.head_only => {}
            Pieces::Chunks => {
                let start = response::open_chunk(output);
                output.extend_from_slice(&piece);
                response::close_chunk(output, start);
                if step == JobStep::Done {
                    output.extend_from_slice(response::LAST_CHUNK);
                }
            }
            // Sent from where the job put it.
            _ if output.is_empty() => std::mem::swap(output, &mut piece),
            _ => output.extend_from_slice(&piece),
        }
        give_piece_buffer(&mut self.piece_buffers, &mut piece);
    }
}
