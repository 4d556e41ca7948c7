//! What a worker does for one connection that it has lent out: requests become records and answers.
//!
//! The files call downward only: `requests` (heads, actions, what goes on later), `bodies` (those that go into the lane as
//! they arrive), and this one (answers, and the work of job threads).

mod bodies;
mod requests;

#[cfg(test)]
pub(super) use self::requests::start_wait;

use std::sync::Arc;

use super::answers::Answers;
use super::connection::{Connection, Fate, Task};
use super::context::Context;
use super::express::Express;
use super::held::{AnswerFraming, Asked, Held, Late};
use super::lane::Lane;
use super::orders::{Orders, QueueFull};
use super::output::Output;
use super::route::{self, Meant, NO_ROUTE};
use super::watching::{Watchers, Watching};
use crate::app::application::{Job, JobStep, Route, Start, View, Watch};
use crate::app::router::Router;
use crate::app::wait::{Ticket, Wake};
use crate::base::durability::Durability;
use crate::engine::shared::mailbox::JobDone;
use crate::engine::shared::metrics::Reject;
use crate::http::connection::{HEAD_BYTES, begins_head};
use crate::http::method::Method;
use crate::http::refusal::Refusal;
use crate::http::request::{Head, Version};
use crate::http::response::{Pieces, Response};
use crate::os::clock::wall_us;
use crate::os::random;

/// What serves requests: the applications, and the parts that their answers go through.
pub(super) struct Service {
    router: Arc<Router>,
    /// What is shared, as applications know it.
    waker: Arc<dyn Wake>,
    pub(super) express: Express,
    pub(super) lane: Lane,
    pub(super) answers: Answers,
    pub(super) output: Output,
    orders: Orders,
    pub(super) watchers: Watchers,
    /// The server ends soon: a body is stopped where it would have been received further.
    bodies_stopped: bool,
}

impl Service {
    pub(super) fn new(router: Arc<Router>, lane: Lane, orders: Orders, context: &Context) -> Self {
        Self {
            express: Express::new(router.express_body_bytes(&context.limits)),
            answers: Answers::new(context.shared.durability),
            output: Output::new(&router, context),
            waker: context.shared.clone(),
            router,
            lane,
            orders,
            watchers: Watchers::default(),
            bodies_stopped: false,
        }
    }

    /// Takes new limits over, which `context` has already.
    pub(super) fn take_limits(&mut self, context: &Context) {
        // What was decided about the remembered heads may depend on the limits.
        self.express.bound(self.router.express_body_bytes(&context.limits));
        self.reconsider_express(context);
        self.output.renew(context);
    }

    /// Opens or closes the express lane: to be called when what it depends on has changed.
    pub(super) fn reconsider_express(&mut self, context: &Context) {
        self.express.reconsider(self.answers.is_peer_behind(&context.limits), context);
    }

    /// Gives an answer that was held to its connection `count` times, one for each request that was held for it.
    pub(super) fn put_for_all(
        &mut self,
        connection: &mut Connection,
        held: &Held,
        response: &Response,
        level: Option<Durability>,
        context: &Context,
    ) {
        let usual = AnswerFraming { version: Version::Http11, keep_alive: true, head_only: false };
        let (framing, route) =
            held.late.as_ref().map_or((usual, held.route), |late| (late.asked.framing, late.asked.route));
        let page = held.late.as_ref().and_then(|late| late.asked.page_of(response));
        let response = page.as_ref().unwrap_or(response);
        connection.settle_held(held.count);
        for _ in 0..held.count {
            self.output.put(connection, response, framing, route, level, context);
        }
    }

    /// Puts an answer that waits for nothing behind the connection's output.
    fn answer(
        &mut self,
        connection: &mut Connection,
        response: &Response,
        framing: AnswerFraming,
        route: usize,
        context: &Context,
    ) {
        self.output.put(connection, response, framing, route, None, context);
    }

    /// Answers; a write's answer says which level was reached, and a browser's form is refused on a page.
    fn respond(
        &mut self,
        connection: &mut Connection,
        response: &Response,
        asked: &Asked,
        context: &Context,
    ) {
        let page = asked.page_of(response);
        let response = page.as_ref().unwrap_or(response);
        self.output.put(connection, response, asked.framing, asked.route, asked.reached, context);
    }

    /// Holds an answer until what the lane holds now is committed.
    fn hold_late(&mut self, connection: &mut Connection, late: Box<Late>, context: &Context) {
        self.answers.hold(connection, late, self.lane.position(), context);
    }

    /// Answers what is no request, or one over a limit, of which its head is known if `meant` is there.
    fn turn_away(
        &mut self,
        connection: &mut Connection,
        refusal: Refusal,
        meant: Option<Meant>,
        context: &Context,
    ) {
        let response = self.refusal_of(refusal, meant.map(|meant| meant.place), context);
        let page = meant.and_then(|meant| meant.form).map(|form| form.of(&response));
        let framing = AnswerFraming {
            version: Version::Http11,
            keep_alive: false,
            head_only: asks_for_head(connection),
        };
        connection.task = Task::None;
        self.answer(connection, page.as_ref().unwrap_or(&response), framing, NO_ROUTE, context);
    }

    /// Returns the answer that refuses a request to the route at `place`: too large a body in its application's style.
    fn refusal_of(&self, refusal: Refusal, place: Option<usize>, context: &Context) -> Response {
        let route = place.filter(|_| refusal.status == 413).and_then(|place| self.router.at(place));
        let response = match route {
            Some((app, route)) => app.too_large(route.endpoint, route.body.most(&context.limits)),
            None => Response::from(refusal),
        };
        if refusal.status == 503 { response.with("Retry-After", "1") } else { response }
    }

    /// Returns what an application sees.
    fn view<'a>(&'a self, connection: &Connection, context: &'a Context) -> View<'a> {
        let shared = &*context.shared;
        View {
            applied: &shared.applied,
            reader: &shared.reader,
            cluster: shared.cluster,
            node: shared.node,
            random: random::bytes,
            blobs: &shared.blobs,
            ticket: next_ticket(connection, context),
            waker: &self.waker,
            limits: &context.limits,
            pid: shared.pid,
            now_us: wall_us(),
            clock_us: context.now.exact_us(),
            peer: shared,
            shows_host: connection.verdict.shows_host,
        }
    }

    /// Hands a job to the job threads.
    fn start_job(&mut self, connection: &mut Connection, job: Box<dyn Job>, asked: Asked, context: &Context) {
        let started = match context.shared.descriptors.admit_job(job) {
            Some(job) => {
                let memory = self.output.memory_for_piece();
                self.orders.start(connection, job, asked, memory, context)
            }
            None => Err(QueueFull),
        };
        if started.is_err() {
            context.reject(Reject::Busy);
            let refusal = if asked.reached.is_some() { route::busy_later() } else { route::busy() };
            self.respond(connection, &refusal, &asked, context);
        }
    }

    /// Begins an answer that goes on with the frames of a feed.
    fn begin_watch(&mut self, connection: &mut Connection, watch: Watch, asked: Asked, context: &Context) {
        let pieces = self.output.put_head(connection, &watch.head, asked, context);
        self.output.put_piece(connection, watch.first, JobStep::More, asked.framing, pieces);
        if !asked.framing.head_only {
            let mut watching = Watching::new(watch.feed, watch.place, pieces);
            if context.is_draining() {
                watching.end();
            }
            connection.task = Task::Watching(Box::new(watching));
            self.watchers.add(connection.key);
        }
        connection.owe();
    }

    /// Has an answer that comes in pieces go on, now that its connection's output is sent.
    #[inline]
    pub(super) fn resume_job(&mut self, connection: &mut Connection, context: &Context) {
        if matches!(connection.task, Task::Paused { .. }) {
            let memory = || self.output.memory_for_piece();
            if self.orders.go_on(connection, memory, context).is_err() {
                context.reject(Reject::Busy);
            }
        }
    }

    /// Takes a piece of an answer, or a whole one, that a job thread has made.
    pub(super) fn take_piece(
        &mut self,
        connection: &mut Connection,
        done: JobDone,
        context: &Context,
    ) -> Fate {
        let Task::Working { asked, pieces } = connection.task else { return Fate::Stays };
        let pieces = match done.head {
            Some(Start::Whole(response)) => {
                connection.task = Task::None;
                self.respond(connection, &response, &asked, context);
                return Fate::Stays;
            }
            // The caller has gone on with it.
            Some(Start::Go(_)) => return Fate::Ends,
            Some(Start::Stream(head)) => Some(self.output.put_head(connection, &head, asked, context)),
            None => pieces,
        };
        let Some(pieces) = pieces else { return Fate::Ends };
        if done.step == JobStep::Failed {
            // Cut the connection: a client must not take half an answer for a whole one. An answer that ends with
            // the connection ends with a reset then.
            return Fate::Ends;
        }
        self.output.put_piece(connection, done.piece, done.step, asked.framing, pieces);
        connection.task = match (done.step, done.job) {
            (JobStep::More, Some(job)) if !asked.framing.head_only => {
                let is_file = done.is_file && pieces == Pieces::Counted;
                let socket = if is_file { connection.wire.second_end() } else { None };
                Task::Paused { job, asked, pieces, socket }
            }
            _ => Task::None,
        };
        connection.owe();
        Fate::Stays
    }
}

/// Returns a request as far as its answer depends on it; `index` is the row of its route.
fn asked(head: &Head<'_>, index: usize, route: &Route, connection: &Connection, context: &Context) -> Asked {
    let mut asked = Asked {
        route: index,
        frees_space: route.frees_space,
        form: route::form_of(route, head),
        ..Asked::unrouted(framing(head, connection, context), context.shared.durability)
    };
    for value in head.values("durability") {
        match std::str::from_utf8(value).ok().and_then(|word| word.parse().ok()) {
            Some(level) => asked.durability = asked.durability.max(level),
            None => asked.names_no_level = true,
        }
    }
    asked
}

/// Returns how a request is answered. While the server ends its connection ends too, unless a successor goes on with it.
fn framing(head: &Head<'_>, connection: &Connection, context: &Context) -> AnswerFraming {
    let goes_on = || context.is_handing_over() && !connection.wire.is_secure();
    AnswerFraming {
        version: head.version,
        keep_alive: head.keep_alive && (!context.is_draining() || goes_on()),
        head_only: head.method == Method::Head,
    }
}

/// Returns what wakes the next wait of `connection`.
fn next_ticket(connection: &Connection, context: &Context) -> Ticket {
    let worker = context.index as u32;
    let (place, generation) = (connection.key.place, connection.key.generation);
    Ticket { worker, place, generation, wait: connection.waits.wrapping_add(1) }
}

/// Returns whether the request that is refused is HEAD, whose answer has no content. Of one that is refused unread, because there
/// are too many connections, the first bytes have often come.
fn asks_for_head(connection: &Connection) -> bool {
    let mut start = [0; HEAD_BYTES];
    connection.machine.is_head()
        || connection.machine.is_idle() && {
            let bytes = connection.wire.peek(&mut start);
            begins_head(&[], &start[..bytes])
        }
}
