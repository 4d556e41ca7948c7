//! Requests: from input to an application, what it decided, and what goes on later.

use super::{Service, asked, framing, next_ticket};
use crate::app::application::{Action, Request, Resume, Route, Wait};
use crate::app::router::Root;
use crate::app::wait::{News, Ticket};
use crate::base::durability::Durability;
use crate::engine::shared::metrics::Reject;
use crate::engine::shared::redirect::Redirected;
use crate::engine::worker::admission;
use crate::engine::worker::connection::{Connection, Task};
use crate::engine::worker::context::Context;
use crate::engine::worker::held::{Asked, Late, LateAnswer};
use crate::engine::worker::route::{self, NO_ROUTE, Target};
use crate::engine::worker::verdict::{self, Denied, From};
use crate::http::connection::Step;
use crate::http::request::{Head, HeaderSlots};
use crate::http::response::{self, Response};
use crate::http::sites;

impl Service {
    /// Handles `input`, which is everything received and not yet consumed, and keeps what remains of it.
    #[inline]
    pub(in crate::engine::worker) fn handle(
        &mut self,
        connection: &mut Connection,
        input: &[u8],
        context: &Context,
    ) {
        let mut at = 0;
        while connection.may_read(&context.limits) {
            at += self.take_usual(connection, &input[at..], context);
            // What follows a held answer is only handled once that is out, so that it sees the write (I-2) and is
            // answered in its turn.
            if connection.held > 0 {
                break;
            }
            if at == input.len() && !connection.machine.owes_event() {
                break;
            }
            let (consumed, more) = self.step(connection, &input[at..], context);
            at += consumed;
            if !more {
                break;
            }
        }
        debug_assert!(at <= input.len());
        keep(&mut connection.input, &input[at..]);
    }

    /// Logs the usual writes at the start of `input`; gives the bytes of them.
    #[inline]
    fn take_usual(&mut self, connection: &mut Connection, input: &[u8], context: &Context) -> usize {
        let lane = &mut self.lane;
        let run = self.express.take(connection, input, context, |record| lane.push_short(record));
        if run.count > 0 {
            let position = self.lane.position();
            self.answers.hold_usual(connection, run.count, usize::from(run.route), position, context);
        }
        run.bytes
    }

    /// Takes one step of the protocol; gives the bytes of `input` it consumed, and whether there may be another step.
    fn step(&mut self, connection: &mut Connection, input: &[u8], context: &Context) -> (usize, bool) {
        // The step borrows from the machine what the application looks at, while the answer goes to the connection.
        let mut machine = std::mem::take(&mut connection.machine);
        let mut slots = HeaderSlots::new();
        let root = connection.root;
        let (router, limits) = (&self.router, &context.limits);
        let (mut meant, from) = (None, From { root, client: connection.client });
        let mut plan = |head: &Head<'_>| {
            let (plan, of) = route::plan(router, root, head, limits);
            meant = of;
            let route = of.and_then(|meant| router.at(meant.place));
            connection.verdict = verdict::judge(from, route, head, context);
            if connection.verdict.denied.is_some() { route::unwanted(limits) } else { plan }
        };
        let (mut more, mut refused) = (true, None);
        let consumed = match machine.next(input, &mut slots, limits, &mut plan) {
            Step::NeedMore { consumed } => {
                more = false;
                consumed
            }
            Step::Continue { consumed } => {
                connection.output.extend_from_slice(response::CONTINUE);
                connection.owe();
                consumed
            }
            Step::Request { consumed, mut head, body } => {
                head.is_secure = connection.wire.is_secure();
                self.request(connection, &head, body, context);
                consumed
            }
            Step::Unread { mut head } => {
                head.is_secure = connection.wire.is_secure();
                self.request(connection, &head, &[], context);
                input.len()
            }
            Step::Begin { consumed, head } => {
                self.begin(connection, &head, context);
                consumed
            }
            Step::Piece { consumed, bytes } => {
                self.feed(connection, bytes, context);
                consumed
            }
            Step::End { consumed } => {
                self.end_upload(connection, context);
                consumed
            }
            Step::Refused { refusal } => {
                refused = Some(refusal);
                input.len()
            }
        };
        connection.body_bytes += consumed as u64;
        machine.release();
        connection.machine = machine;
        if let Some(refusal) = refused {
            context.reject(Reject::BadRequest);
            self.refuse(connection, refusal, meant, context);
        }
        self.account(connection, context);
        (consumed, more)
    }

    /// Takes a whole request.
    fn request(&mut self, connection: &mut Connection, head: &Head<'_>, body: &[u8], context: &Context) {
        connection.served = true;
        if connection.root == Root::REDIRECT {
            return self.redirect(connection, head, context);
        }
        match route::target(&self.router, connection.root, head) {
            Target::Route { app, route, place, captures } => {
                let asked = asked(head, place, route, connection, context);
                if let Some(denied) = connection.verdict.denied {
                    return self.respond(connection, &denied.answer(app, context), &asked, context);
                }
                if is_closed_to(route, context) {
                    return self.respond(connection, &route::joining(), &asked, context);
                }
                if connection.verdict.may_be_remembered() {
                    self.express.remember(connection, &asked, route, head, context.shared.durability);
                }
                let request = Request { head, body, captures };
                let action = app.handle(route.endpoint, &request, &self.view(connection, context));
                self.act(connection, action, asked, context);
            }
            Target::Nobody(response) => {
                let denied =
                    connection.verdict.denied.map(|denied| denied.answer(self.router.app(0), context));
                let response = denied
                    .unwrap_or_else(|| sites::preflight(response, head, connection.verdict.origin.is_some()));
                self.answer(connection, &response, framing(head, connection, context), NO_ROUTE, context);
            }
        }
    }

    /// Answers a request to a listener that only leads to HTTPS.
    fn redirect(&mut self, connection: &mut Connection, head: &Head<'_>, context: &Context) {
        let Some(redirect) = &context.shared.redirect else { return };
        let asked = Asked::unrouted(framing(head, connection, context), context.shared.durability);
        // An authority asks for a challenge by the name that is to be certified, which may not be answered yet.
        let is_exempt = |denied: &Denied| *denied == Denied::Host && redirect.is_challenge(head);
        if let Some(denied) = connection.verdict.denied.filter(|denied| !is_exempt(denied)) {
            return self.respond(connection, &denied.answer(self.router.app(0), context), &asked, context);
        }
        match redirect.answer(head) {
            Redirected::Answer(response) => self.respond(connection, &response, &asked, context),
            Redirected::Look(job) => self.start_job(connection, job, asked, context),
        }
    }

    /// Does what the application decided.
    fn act(&mut self, connection: &mut Connection, action: Action, asked: Asked, context: &Context) {
        match action {
            Action::Respond(response) => self.respond(connection, &response, &asked, context),
            Action::Append { records, response } => {
                self.log(connection, records, LateAnswer::Made(response), &asked, context);
            }
            Action::Command { record, then } => {
                self.log(connection, record, LateAnswer::Command(then), &asked, context);
            }
            Action::Confirm { record, response } => {
                self.confirm(connection, record, response, &asked, context);
            }
            Action::Job(job) => self.start_job(connection, job, asked, context),
            Action::Wait(wait) => start_wait(connection, wait, asked, context),
            Action::Watch(watch) => self.begin_watch(connection, watch, asked, context),
        }
    }

    /// Logs what a request makes, if it may be logged now, and holds its answer; stalls the connection while the lane is full.
    fn log(
        &mut self,
        connection: &mut Connection,
        records: Vec<u8>,
        answer: LateAnswer,
        asked: &Asked,
        context: &Context,
    ) {
        let is_peer_behind = self.answers.is_peer_behind(&context.limits);
        let may_write = admission::may_write(asked, is_peer_behind, context)
            .and_then(|()| admission::is_understood(&records, context));
        if let Err(refusal) = may_write {
            return self.respond(connection, &refusal, asked, context);
        }
        let late = Late::new(answer, asked);
        if self.lane.push(&records, context.shared.space.intake()) {
            self.hold_late(connection, late, context);
        } else {
            connection.task = Task::Stalled { records, late, since_ms: context.now.ms() };
            connection.stall();
            connection.arm();
        }
    }

    /// Answers a request that an earlier one has met, once what is applied has reached the level asked for.
    fn confirm(
        &mut self,
        connection: &mut Connection,
        record: Vec<u8>,
        response: Response,
        asked: &Asked,
        context: &Context,
    ) {
        if asked.reached.is_some() {
            // Its own record, behind the earlier one, has reached it.
            self.respond(connection, &response, asked, context);
        } else if asked.names_no_level {
            self.respond(connection, &route::no_level(), asked, context);
        } else if asked.durability.waits_for_others() {
            self.log(connection, record, LateAnswer::Made(response), asked, context);
        } else {
            self.hold_late(connection, Late::new(LateAnswer::Made(response), asked), context);
        }
    }

    /// Tries a stalled connection again; one whose time is up is answered that it has to come back later.
    pub(in crate::engine::worker) fn retry(&mut self, connection: &mut Connection, context: &Context) {
        match std::mem::replace(&mut connection.task, Task::None) {
            Task::Stalled { records, late, since_ms } => {
                self.retry_append(connection, records, late, since_ms, context);
            }
            task => {
                connection.task = task;
                self.retry_upload(connection, context);
            }
        }
    }

    fn retry_append(
        &mut self,
        connection: &mut Connection,
        records: Vec<u8>,
        late: Box<Late>,
        since_ms: u64,
        context: &Context,
    ) {
        // Writes may be refused by now: what is in the lane then could wait for room for ever.
        if let Err(response) = admission::intake_takes(&late.asked, context) {
            self.respond(connection, &response, &late.asked, context);
        } else if self.lane.push(&records, context.shared.space.intake()) {
            self.hold_late(connection, late, context);
        } else if context.now.ms() >= since_ms + context.limits.lane_full_ms {
            context.reject(Reject::LaneFull);
            self.respond(connection, &route::lane_full(), &late.asked, context);
        } else {
            connection.task = Task::Stalled { records, late, since_ms };
            connection.stall();
        }
    }

    /// Has the request go on that has this ticket, unless it is over; gives whether it did.
    pub(in crate::engine::worker) fn wake(
        &mut self,
        connection: &mut Connection,
        ticket: Ticket,
        context: &Context,
    ) -> bool {
        connection.waits == ticket.wait && self.go_on(connection, News::Woken, context)
    }

    /// Has a request go on whose time has come, if it waits for one; gives whether it did.
    pub(in crate::engine::worker) fn end_wait(
        &mut self,
        connection: &mut Connection,
        context: &Context,
    ) -> bool {
        let now_ms = context.now.ms();
        let due = matches!(connection.task, Task::Waiting { until_ms, .. } if until_ms <= now_ms);
        let news = if context.is_draining() { News::Draining } else { News::Time };
        due && self.go_on(connection, news, context)
    }

    fn go_on(&mut self, connection: &mut Connection, news: News, context: &Context) -> bool {
        if !matches!(connection.task, Task::Waiting { .. }) {
            return false;
        }
        if let Task::Waiting { then, asked, .. } = std::mem::replace(&mut connection.task, Task::None) {
            self.resume(connection, then, news, asked, context);
        }
        true
    }

    /// Has a request go on for which a job has looked something up.
    pub(in crate::engine::worker) fn take_found(
        &mut self,
        connection: &mut Connection,
        then: Box<dyn Resume>,
        context: &Context,
    ) {
        if let Task::Working { asked, .. } = std::mem::replace(&mut connection.task, Task::None) {
            let news = if context.is_draining() { News::Draining } else { News::Woken };
            self.resume(connection, then, news, asked, context);
        }
    }

    fn resume(
        &mut self,
        connection: &mut Connection,
        then: Box<dyn Resume>,
        news: News,
        asked: Asked,
        context: &Context,
    ) {
        let action = then.resume(&self.view(connection, context), news);
        self.act(connection, action, asked, context);
        // What came behind this request has been left unread.
        connection.serve_again();
    }

    /// Gives an answer whose records have reached `level`.
    pub(in crate::engine::worker) fn give(
        &mut self,
        connection: &mut Connection,
        late: Late,
        level: Durability,
        context: &Context,
    ) {
        let asked = Asked { reached: Some(level), ..late.asked };
        match late.answer {
            LateAnswer::Made(response) | LateAnswer::Partial(response) => {
                self.respond(connection, &response, &asked, context);
            }
            LateAnswer::Applied(then, outcome) => {
                self.resume(connection, then, News::Applied(outcome), asked, context);
            }
            LateAnswer::Command(_) => unreachable!("a command's outcome is taken when it is committed"),
        }
    }

    /// Returns what is answered in the place of `late`, which the peer has not confirmed in time.
    pub(in crate::engine::worker) fn given_up(
        &self,
        connection: &mut Connection,
        late: Option<LateAnswer>,
        context: &Context,
    ) -> Response {
        let made = match late {
            Some(LateAnswer::Partial(response)) => return response,
            Some(LateAnswer::Made(response)) => Some(response),
            Some(LateAnswer::Applied(then, outcome)) => {
                let action = then.resume(&self.view(connection, context), News::Applied(outcome));
                // What it may have asked to be woken for is nothing that the next request waits for.
                connection.waits = next_ticket(connection, context).wait;
                match action {
                    Action::Respond(response) | Action::Confirm { response, .. } => Some(response),
                    // It needs the disk for its answer, which says no more than what may be asked for later.
                    _ => None,
                }
            }
            Some(LateAnswer::Command(_)) | None => None,
        };
        match made {
            // What it has logged came to nothing: another request with its name stands, or there is no further step.
            Some(refusal) if (400..500).contains(&refusal.status) => refusal,
            made => route::peer_late(context.shared.durability_max, made.as_ref()),
        }
    }
}

/// Returns whether this host is joining, and so has nothing to say about what is kept.
fn is_closed_to(route: &Route, context: &Context) -> bool {
    let is_closed = context.shared.space.is_joining() && !route.always;
    if is_closed {
        context.reject(Reject::Joining);
    }
    is_closed
}

/// Has a request wait for a time, for another one, or for what a command comes to.
pub(in crate::engine::worker) fn start_wait(
    connection: &mut Connection,
    wait: Wait,
    asked: Asked,
    context: &Context,
) {
    let now_ms = context.now.ms();
    connection.waits = next_ticket(connection, context).wait;
    let until_ms = match wait.until_us {
        None => u64::MAX,
        // A server that ends answers in its next tick what waits for a time.
        Some(_) if context.is_draining() => now_ms,
        Some(until_us) => until_us.div_ceil(1_000).max(now_ms),
    };
    connection.task = Task::Waiting { then: wait.then, asked, until_ms };
    if until_ms != u64::MAX {
        connection.arm();
    }
}

/// Puts what is left of the input aside; an empty rest gives the memory back, so that an idle connection has none.
#[inline]
fn keep(input: &mut Vec<u8>, rest: &[u8]) {
    if rest.is_empty() {
        if input.capacity() > 0 {
            *input = Vec::new();
        }
    } else {
        input.clear();
        input.extend_from_slice(rest);
    }
}
