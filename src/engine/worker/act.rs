//! What a request comes to: its route, its application's answer, and what the worker does about it.

use std::sync::atomic::Ordering::Relaxed;

use super::connection::{Connection, Task};
use super::held::{AnswerFraming, Asked, Held, Late, LateAnswer};
use super::route::{self, Target};
use super::{NO_ROUTE, Worker};
use crate::apps::app::{Action, Request, Route, View};
use crate::base::durability::Durability;
use crate::base::limits::STALL_LOOK_MS;
use crate::base::tag;
use crate::engine::shared::Shared;
use crate::engine::shared::metrics::Reject;
use crate::engine::shared::refused::Cause;
use crate::engine::shared::space::Intake;
use crate::engine::shared::table::Key;
use crate::http::connection::Step;
use crate::http::request::{Head, HeaderSlots};
use crate::http::response::{self, Response};
use crate::os::clock::wall_us;
use crate::os::random;

impl Worker {
    /// Takes one step of the protocol; gives the bytes of `input` it consumed, and whether there may be another step.
    pub(super) fn step(&mut self, key: Key, connection: &mut Connection, input: &[u8]) -> (usize, bool) {
        // The step borrows from the machine what the application looks at, while the answer goes to the connection.
        let mut machine = std::mem::take(&mut connection.machine);
        let mut slots = HeaderSlots::new();
        let (router, limits) = (self.router.clone(), self.limits.clone());
        let root = connection.root;
        let mut place = None;
        let mut plan = |head: &Head<'_>| {
            let (plan, of) = route::plan(&router, root, head, &limits);
            place = of;
            plan
        };
        let (mut more, mut refused) = (true, None);
        let consumed = match machine.next(input, &mut slots, &limits, &mut plan) {
            Step::NeedMore { consumed } => {
                more = false;
                consumed
            }
            Step::Continue { consumed } => {
                connection.output.extend_from_slice(response::CONTINUE);
                self.owe(key, connection);
                consumed
            }
            Step::Request { consumed, head, body } => {
                self.request(key, connection, &head, body);
                consumed
            }
            Step::Unread { head } => {
                self.request(key, connection, &head, &[]);
                input.len()
            }
            Step::Begin { consumed, head } => {
                self.begin(key, connection, &head);
                consumed
            }
            Step::Piece { consumed, bytes } => {
                self.feed(key, connection, bytes);
                consumed
            }
            Step::End { consumed } => {
                self.end_upload(key, connection);
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
            self.reject(Reject::BadRequest);
            self.refuse_request(key, connection, refusal, place);
        }
        self.account(key, connection);
        (consumed, more)
    }

    /// Counts the memory that the connection holds for bodies; over the bound of the whole server it is turned away,
    /// unless something of its body is logged already: what it holds then is at most one read, and waits for the lane.
    pub(super) fn account(&mut self, key: Key, connection: &mut Connection) {
        let now = connection.buffered_bytes();
        if now == connection.accounted_bytes {
            return;
        }
        let total = &self.shared.buffered_bytes;
        total.fetch_add(now, Relaxed);
        let before = std::mem::replace(&mut connection.accounted_bytes, now);
        let over = total.fetch_sub(before, Relaxed).wrapping_sub(before) > self.limits.buffered_bytes;
        if over && now > before && !connection.is_logging() {
            self.reject(Reject::Busy);
            self.refuse(key, connection, route::TOO_MUCH);
        }
    }

    /// A whole request.
    fn request(&mut self, key: Key, connection: &mut Connection, head: &Head<'_>, body: &[u8]) {
        connection.served = true;
        let router = self.router.clone();
        match route::target(&router, connection.root, head) {
            Target::Route { app, route, place, captures } => {
                let asked = self.asked(head, place, route);
                if self.is_closed_to(route) {
                    return self.answer(key, connection, &route::joining(), asked.framing, asked.route);
                }
                self.remember(connection, &asked, route, head);
                let shared = self.shared.clone();
                let view = self.view(&shared, key, connection);
                let action = app.handle(route.endpoint, &Request { head, body, captures }, &view);
                self.act(key, connection, action, asked);
            }
            Target::Nobody(response) => {
                let framing = self.framing(head);
                self.answer(key, connection, &response, framing, NO_ROUTE);
            }
        }
    }

    /// Whether this host is joining, and so has nothing to say about what is kept.
    fn is_closed_to(&self, route: &Route) -> bool {
        let is_closed = self.shared.space.is_joining() && !route.always;
        if is_closed {
            self.reject(Reject::Joining);
        }
        is_closed
    }

    pub(super) fn view<'a>(&'a self, shared: &'a Shared, key: Key, connection: &Connection) -> View<'a> {
        View {
            applied: &shared.applied,
            reader: &shared.reader,
            cluster: shared.cluster,
            node: shared.node,
            random: random::bytes,
            blobs: &shared.blobs,
            ticket: self.next_ticket(key, connection),
            waker: &self.waker,
            limits: &self.limits,
            pid: shared.pid,
            now_us: wall_us(),
            clock_us: self.clock.now_us(),
            peer: shared,
        }
    }

    pub(super) fn asked(&self, head: &Head<'_>, index: usize, route: &Route) -> Asked {
        let mut asked = Asked {
            framing: self.framing(head),
            route: index,
            durability: self.shared.durability,
            names_no_level: false,
            reached: None,
            frees_space: route.frees_space,
        };
        for value in head.values("durability") {
            match std::str::from_utf8(value).ok().and_then(|word| word.parse().ok()) {
                Some(level) => asked.durability = asked.durability.max(level),
                None => asked.names_no_level = true,
            }
        }
        asked
    }

    pub(super) fn framing(&self, head: &Head<'_>) -> AnswerFraming {
        AnswerFraming {
            version: head.version,
            keep_alive: head.keep_alive && (!self.draining || self.passing.is_some()),
            head_only: head.method == crate::http::method::Method::Head,
        }
    }

    /// Remembers the head of a usual write, so that the next one like it is not parsed.
    fn remember(&mut self, connection: &mut Connection, asked: &Asked, route: &Route, head: &Head<'_>) {
        let Some(express) = &route.express else { return };
        let usual = asked.durability == self.shared.durability
            && !asked.names_no_level
            && asked.framing.keep_alive
            && head.version == crate::http::request::Version::Http11
            && !head.expect_continue
            && (express.admits)(head);
        if usual {
            let known = route::Known { scan: express.scan, route: asked.route as u16 };
            connection.head_hint = self.heads.insert(head.bytes(), head.length_digits.clone(), known);
        }
    }

    /// Does what the application decided.
    pub(super) fn act(&mut self, key: Key, connection: &mut Connection, action: Action, asked: Asked) {
        match action {
            Action::Respond(response) => self.respond(key, connection, &response, &asked),
            Action::Append { records, response } => {
                self.log(key, connection, records, LateAnswer::Made(response), &asked);
            }
            Action::Command { record, then } => {
                self.log(key, connection, record, LateAnswer::Command(then), &asked);
            }
            Action::Job(job) => self.start_job(key, connection, job, asked),
            Action::Wait(wait) => self.start_wait(key, connection, wait, asked),
        }
    }

    /// Answers; a write's answer says which level was reached.
    pub(super) fn respond(
        &mut self,
        key: Key,
        connection: &mut Connection,
        response: &Response,
        asked: &Asked,
    ) {
        self.put(key, connection, response, asked.framing, asked.route, asked.reached);
    }

    /// Logs what a request makes, if it may be logged now.
    fn log(
        &mut self,
        key: Key,
        connection: &mut Connection,
        records: Vec<u8>,
        answer: LateAnswer,
        asked: &Asked,
    ) {
        let may_write = self.may_write(asked).and_then(|()| self.is_understood(&records));
        match may_write {
            Ok(()) => self.append(key, connection, records, Late::new(answer, asked)),
            Err(refusal) => self.respond(key, connection, &refusal, asked),
        }
    }

    /// Whether the other host understands these records.
    pub(super) fn is_understood(&self, records: &[u8]) -> Result<(), Response> {
        // Pixels every program understands.
        if records.first().is_none_or(|tag| tag::is_pixel(*tag)) {
            return Ok(());
        }
        self.shared.understanding.admits(records).map_err(|too_old| route::too_old(&too_old))
    }

    /// Whether the intake takes this write, and at the level it asks for.
    pub(super) fn may_write(&self, asked: &Asked) -> Result<(), Response> {
        if asked.names_no_level {
            return Err(route::no_level());
        }
        if asked.durability > self.shared.durability_max {
            self.reject(Reject::Durability);
            return Err(route::no_peer());
        }
        if asked.durability == Durability::Both {
            if self.is_peer_behind() {
                self.reject(Reject::Busy);
                return Err(route::peer_behind());
            }
            self.hurry_link();
        }
        self.intake_takes(asked)
    }

    /// Whether the intake takes this write.
    pub(super) fn intake_takes(&self, asked: &Asked) -> Result<(), Response> {
        match self.shared.space.intake() {
            Intake::Open | Intake::Waiting => Ok(()),
            Intake::FreeingOnly if asked.frees_space => Ok(()),
            Intake::Joining => {
                self.reject(Reject::Joining);
                Err(route::joining())
            }
            Intake::FreeingOnly | Intake::Closed => {
                self.reject(Reject::DiskFull);
                Err(route::no_space())
            }
            Intake::Refused => Err(self.refusal()),
        }
    }

    /// Why this host takes no writes, whatever room there is.
    #[cold]
    fn refusal(&self) -> Response {
        let Some(refused) = self.shared.space.refused() else { return route::lane_full() };
        self.reject(match refused.cause {
            Cause::NoSpace => Reject::DiskFull,
            Cause::ReadOnly => Reject::ReadOnly,
            Cause::DiskFault => Reject::DiskFault,
            Cause::LeftBehind => Reject::LeftBehind,
        });
        route::refused(&refused)
    }

    /// Puts records into the lane and holds their answer, or stalls the connection while the lane is full.
    fn append(&mut self, key: Key, connection: &mut Connection, records: Vec<u8>, late: Box<Late>) {
        if self.push(&records) {
            self.hold_late(key, connection, late);
        } else {
            connection.task = Task::Stalled { records, late, since_ms: self.now_ms() };
            self.stall(key, connection);
            self.arm(key, connection);
        }
    }

    /// Appends to the lane, unless the journal waits for its next segment.
    fn push(&mut self, records: &[u8]) -> bool {
        self.shared.space.intake() != Intake::Waiting && self.producer.push(records)
    }

    /// Has `key` tried again after the next commit, or soon if none comes: the disk may have become full meanwhile.
    pub(super) fn stall(&mut self, key: Key, connection: &mut Connection) {
        if !connection.stalled {
            connection.stalled = true;
            self.stalled.push(key);
            self.set_timer(self.now_ms() + STALL_LOOK_MS);
        }
    }

    /// Holds an answer until what the lane holds now is committed.
    pub(super) fn hold_late(&mut self, key: Key, connection: &mut Connection, late: Box<Late>) {
        connection.held += 1;
        if late.asked.durability > self.shared.durability {
            connection.task = Task::Exceeding;
        }
        let (position, read_us, route) = (self.producer.position(), self.now_us, late.asked.route);
        self.held.push(Held { key, count: 1, position, read_us, route, late: Some(late) });
    }

    /// Tries the stalled connections again; those whose time is up are told to come back later.
    pub(super) fn retry_stalled(&mut self) {
        for key in std::mem::take(&mut self.stalled) {
            self.with(key, |worker, connection| {
                connection.stalled = false;
                match std::mem::replace(&mut connection.task, Task::None) {
                    Task::Stalled { records, late, since_ms } => {
                        worker.retry_append(key, connection, records, late, since_ms);
                    }
                    task => {
                        connection.task = task;
                        worker.retry_upload(key, connection);
                    }
                }
                worker.settle(key, connection)
            });
        }
    }

    fn retry_append(
        &mut self,
        key: Key,
        connection: &mut Connection,
        records: Vec<u8>,
        late: Box<Late>,
        since_ms: u64,
    ) {
        // Writes may be refused by now: what is in the lane then could wait for room for ever.
        if let Err(response) = self.intake_takes(&late.asked) {
            self.respond(key, connection, &response, &late.asked);
        } else if self.push(&records) {
            self.hold_late(key, connection, late);
        } else if self.now_ms() >= since_ms + self.limits.lane_full_ms {
            self.reject(Reject::LaneFull);
            self.respond(key, connection, &route::lane_full(), &late.asked);
        } else {
            connection.task = Task::Stalled { records, late, since_ms };
            self.stall(key, connection);
        }
    }
}
