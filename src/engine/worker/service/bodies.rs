//! Bodies that go into the lane as they arrive.

use super::{Service, asked};
use crate::app::upload::{Pause, Upload};
use crate::engine::shared::metrics::Reject;
use crate::engine::shared::space::Intake;
use crate::engine::worker::admission;
use crate::engine::worker::connection::{Connection, Fate, Task};
use crate::engine::worker::context::Context;
use crate::engine::worker::held::{AnswerFraming, Asked, Late, LateAnswer};
use crate::engine::worker::receiving::Receiving;
use crate::engine::worker::route::{self, Meant, Target};
use crate::engine::worker::verdict::{Denied, INVALID_TOKEN};
use crate::http::method::Method;
use crate::http::refusal::Refusal;
use crate::http::request::Head;
use crate::http::response::Response;

impl Service {
    /// Takes the head of a request whose body is streamed. One that is refused is answered at once, and the connection ends:
    /// its body is not worth reading.
    pub(super) fn begin(&mut self, connection: &mut Connection, head: &Head<'_>, context: &Context) {
        connection.served = true;
        let Target::Route { app, route, place, .. } = route::target(&self.router, connection.root, head)
        else {
            unreachable!("only a route plans a streamed body");
        };
        let asked = asked(head, place, route, connection, context);
        // A reload may have come between the head and the first byte of its body.
        if let Some(denied) = connection.verdict.denied {
            return self.cut_upload(connection, &denied.answer(app, context), asked, context);
        }
        let is_peer_behind = self.answers.is_peer_behind(&context.limits);
        let upload = admission::may_write(&asked, is_peer_behind, context)
            .and_then(|()| app.upload(route.endpoint, head, &self.view(connection, context)))
            .and_then(|upload| {
                let understood = context.shared.understanding.admits_kinds(upload.kinds());
                understood.map(|()| upload).map_err(|too_old| route::too_old(&too_old))
            })
            .and_then(|upload| {
                context.shared.descriptors.admit_upload(upload).ok_or_else(|| {
                    context.reject(Reject::Busy);
                    route::busy()
                })
            });
        match upload {
            Ok(upload) => connection.task = Task::Upload(Box::new(Receiving::new(upload, asked))),
            Err(response) => self.cut_upload(connection, &response, asked, context),
        }
    }

    /// Takes a piece of such a body.
    pub(super) fn feed(&mut self, connection: &mut Connection, bytes: &[u8], context: &Context) {
        self.look_at_intake(connection, context);
        if let Task::Upload(receiving) = &mut connection.task {
            receiving.feed(bytes, self.lane.producer());
            self.go_on_receiving(connection, context);
        }
    }

    /// Takes the end of such a body.
    pub(super) fn end_upload(&mut self, connection: &mut Connection, context: &Context) {
        self.look_at_intake(connection, context);
        if let Task::Upload(receiving) = &mut connection.task {
            receiving.end(self.lane.producer());
            self.go_on_receiving(connection, context);
        }
    }

    /// Tries again what found no room in the lane; perhaps there is some now.
    pub(super) fn retry_upload(&mut self, connection: &mut Connection, context: &Context) {
        let waits = self.look_at_intake(connection, context);
        if let Task::Upload(receiving) = &mut connection.task {
            if !waits {
                receiving.retry(self.lane.producer());
            }
            self.go_on_receiving(connection, context);
            if connection.is_receiving() {
                if self.bodies_stopped {
                    self.stop_body(connection, context);
                } else if let Some(denied) = connection.verdict.denied {
                    self.stop_denied(connection, denied, context);
                } else {
                    connection.serve_again();
                }
            }
        }
    }

    /// Looks whether the journal still takes what a body brings: the answer may have changed since the body began. Has it
    /// wait while there is no room for a moment, and gives whether it does; stops it when writes are refused. Without
    /// this a body would fill the lane anew after each commit, until what is in the lane has no room left in the
    /// journal.
    fn look_at_intake(&mut self, connection: &mut Connection, context: &Context) -> bool {
        let intake = context.shared.space.intake();
        let Task::Upload(receiving) = &mut connection.task else { return false };
        if intake == Intake::Open {
            return false;
        }
        let asked = receiving.asked;
        match admission::intake_takes(&asked, context) {
            Ok(()) => receiving.wait_for_lane(),
            Err(_) if receiving.has_logged() => {
                let is_short = context.shared.space.is_short();
                let reason = if is_short { route::NO_ROOM } else { route::NO_MORE };
                self.stop_upload(connection, reason, context);
            }
            Err(response) => self.cut_upload(connection, &response, asked, context),
        }
        true
    }

    fn go_on_receiving(&mut self, connection: &mut Connection, context: &Context) {
        let Task::Upload(receiving) = &mut connection.task else { return };
        if let Some((response, hold)) = receiving.take_answer() {
            let (asked, has_logged) = (receiving.asked, receiving.has_logged());
            connection.task = Task::None;
            if has_logged {
                let mut late = Late::new(LateAnswer::Made(response), &asked);
                late.hold = hold;
                self.hold_late(connection, late, context);
            } else {
                // Nothing of it is kept, so there is nothing to wait for and no level to tell.
                self.respond(connection, &response, &asked, context);
            }
            return;
        }
        let asked = receiving.asked;
        match receiving.pause() {
            None => {}
            Some(Pause::Lane) => connection.stall(),
            Some(Pause::Work) => self.order_work(connection, asked, context),
        }
    }

    fn order_work(&mut self, connection: &mut Connection, asked: Asked, context: &Context) {
        if self.orders.work(connection, context).is_err() {
            context.reject(Reject::Busy);
            self.cut_upload(connection, &route::busy(), asked, context);
        }
    }

    /// Answers what is no request, or one over a limit, of which its head is known if `meant` is there; the connection
    /// ends behind it. A body that is received is stopped.
    pub(in crate::engine::worker) fn refuse(
        &mut self,
        connection: &mut Connection,
        refusal: Refusal,
        meant: Option<Meant>,
        context: &Context,
    ) {
        if matches!(connection.task, Task::Upload(_)) {
            self.stop_upload(connection, refusal, context);
        } else {
            self.turn_away(connection, refusal, meant, context);
        }
    }

    /// Counts the memory that the connection holds for bodies; over the bound of the whole server it is turned away,
    /// unless something of its body is logged already: what it holds then is at most one read, and waits for the lane.
    pub(super) fn account(&mut self, connection: &mut Connection, context: &Context) {
        let now = connection.buffered_bytes();
        if now == connection.accounted_bytes {
            return;
        }
        let before = std::mem::replace(&mut connection.accounted_bytes, now);
        let over = context.shared.buffered.replace(before, now) > context.limits.buffered_bytes;
        if over && now > before && !connection.is_logging() {
            context.reject(Reject::Busy);
            self.refuse(connection, route::TOO_MUCH, None, context);
        }
    }

    /// Stops a body that is received: the answer says what of it is logged, which is waited for as long as it would have been for a 200.
    /// The connection ends behind the answer.
    fn stop_upload(&mut self, connection: &mut Connection, reason: Refusal, context: &Context) {
        let Task::Upload(receiving) = &mut connection.task else { return };
        let (mut asked, has_logged) = (receiving.asked, receiving.has_logged());
        let response = match receiving.stopped(reason) {
            Some(response) if reason.status == 503 => response.with("Retry-After", "1"),
            Some(response) if reason.status == 401 => response.with("WWW-Authenticate", INVALID_TOKEN),
            Some(response) => response,
            None => self.refusal_of(reason, Some(asked.route), context),
        };
        if !has_logged {
            return self.cut_upload(connection, &response, asked, context);
        }
        debug_assert!(response.status != 503, "503 says that nothing was stored");
        asked.framing.keep_alive = false;
        connection.task = Task::None;
        self.hold_late(connection, Late::new(LateAnswer::Partial(response), &asked), context);
        // From now on it waits for us: its body can't be too slow a second time.
        connection.wait = connection.waits_for();
    }

    /// Stops the bodies before which the server ends. One that a job thread is at is stopped when it comes back from there, unless
    /// it has come to its end.
    pub(in crate::engine::worker) fn stop_bodies(&mut self) {
        self.bodies_stopped = true;
    }

    /// Stops the body of `connection` once the server has no more time for it, unless a job thread is at it.
    #[inline]
    pub(in crate::engine::worker) fn stop_if_ending(
        &mut self,
        connection: &mut Connection,
        context: &Context,
    ) {
        if self.bodies_stopped
            && let Task::Upload(receiving) = &connection.task
            && receiving.pause() != Some(Pause::Work)
        {
            self.stop_body(connection, context);
        }
    }

    fn stop_body(&mut self, connection: &mut Connection, context: &Context) {
        let Task::Upload(receiving) = &connection.task else { return };
        let reason = if receiving.has_logged() { route::ENDING_HALF_WAY } else { route::ENDING };
        self.stop_upload(connection, reason, context);
    }

    /// Stops the body of `connection` if its sender may no longer send it. One that a job thread is at is stopped when it comes back from
    /// there, unless it has come to its end.
    pub(in crate::engine::worker) fn stop_if_revoked(
        &mut self,
        connection: &mut Connection,
        context: &Context,
    ) {
        let Task::Upload(receiving) = &connection.task else { return };
        let Some((app, route)) = self.router.at(receiving.asked.route) else { return };
        // Whatever is sent as a stream is written.
        let Some(scope) = route.scope(Method::Post) else { return };
        connection.verdict.denied = connection.verdict.revoked(app.name(), scope, &context.rules);
        if let Some(denied) = connection.verdict.denied
            && receiving.pause() != Some(Pause::Work)
        {
            self.stop_denied(connection, denied, context);
        }
    }

    /// Stops a body: nothing of it was done, or its answer says how much.
    fn stop_denied(&mut self, connection: &mut Connection, denied: Denied, context: &Context) {
        let Task::Upload(receiving) = &connection.task else { return };
        let (asked, has_logged) = (receiving.asked, receiving.has_logged());
        match self.router.at(asked.route) {
            Some((app, _)) if !has_logged => {
                let response = denied.answer(app, context);
                self.cut_upload(connection, &response, asked, context);
            }
            _ => {
                let is_known = matches!(denied, Denied::Scope(_));
                let (counted, refusal) =
                    if is_known { (Reject::Scope, route::NARROWED) } else { (Reject::Token, route::REVOKED) };
                context.reject(counted);
                self.stop_upload(connection, refusal, context);
            }
        }
    }

    /// Answers before the body has been read to its end; the connection ends behind it.
    fn cut_upload(
        &mut self,
        connection: &mut Connection,
        response: &Response,
        asked: Asked,
        context: &Context,
    ) {
        connection.task = Task::None;
        let framing = AnswerFraming { keep_alive: false, ..asked.framing };
        self.respond(connection, response, &Asked { framing, ..asked }, context);
    }

    /// Takes an upload back from a job thread that has done its work, and goes on with the body.
    pub(in crate::engine::worker) fn take_upload(
        &mut self,
        connection: &mut Connection,
        upload: Option<Box<dyn Upload>>,
        context: &Context,
    ) -> Fate {
        let Task::Upload(receiving) = &mut connection.task else { return Fate::Stays };
        // Without its upload the body leads nowhere: a panic has been printed by its thread.
        let Some(upload) = upload else { return Fate::Ends };
        receiving.give_back(upload);
        self.retry_upload(connection, context);
        self.account(connection, context);
        Fate::Stays
    }
}
