//! One thread of the generator: a mio loop over its connections.
//!
//! A turn has a fixed order: offer what is due, wait, read and ask again, expire, hand over the interval's figures.
//! Every write is tried at once; epoll is asked only when the kernel took less than all. Sockets are watched
//! edge-triggered in both directions from the start, so no turn changes what is watched.

pub mod bands;
pub mod bitmap;
mod clock;
pub mod connect_times;
mod exchange;
pub mod figures;
pub mod intervals;
pub mod kinds;
mod line;
mod lines;
pub mod live;
mod lost;
pub mod machine;
mod opening;
pub mod reasons;
mod requests;
pub mod run;
mod schedule;
pub mod server;
pub mod stages;
mod stagger;
pub mod stalls;
pub mod statuses;
pub mod tally;
pub mod team;

use self::clock::Clock;
use self::figures::{Figures, Note};
use self::line::{Line, Overdue};
use self::lines::Lines;
use self::opening::Opening;
use self::requests::Requests;
use self::schedule::Schedule;
use self::stagger::Stagger;
use crate::driver::tally::Failure;
use crate::scenario::Scenario;
use mio::Events;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// Bytes of the read buffer that a thread's connections share.
const READ_BYTES: usize = 64 * 1024;
/// Events taken from epoll at a time.
const EVENTS: usize = 1024;
/// An open loop sleeps until this long before the next request and then spins: a sleeping CPU wakes late.
const SPIN_NS: u64 = 60_000;
/// Time between two looks for requests that timed out and connections to make again.
const EXPIRE_EVERY_NS: u64 = 10_000_000;
/// Longest time after the end in which answers are awaited and a schedule's backlog is worked off.
const DRAIN_NS_MAX: u64 = 1_000_000_000;

/// One thread. Its parts own their state and don't know each other; they return what happened, and the turn acts on it.
pub struct Driver {
    scenario: Arc<Scenario>,
    thread: usize,
    stop: Arc<AtomicBool>,
    clock: Clock,
    lines: Lines,
    requests: Requests,
    /// What is due, in an open loop.
    schedule: Option<Schedule>,
    /// Who asks first, in a closed one.
    stagger: Stagger,
    figures: Figures,
    buffer: Vec<u8>,
    /// Until when the schedule of a bounded number of requests lasts; 0 without one.
    schedule_end_ns: u64,
    next_expire_ns: u64,
    /// When no answer was awaited last.
    heard_ns: u64,
    /// Whether an interrupt cuts off everything at once.
    is_cut: bool,
}

impl Driver {
    /// Returns a thread without connections: [`Driver::open`] makes them, [`Driver::run`] uses them.
    ///
    /// # Errors
    /// Fails when epoll can't be had.
    pub fn new(
        scenario: Arc<Scenario>,
        thread: usize,
        stop: Arc<AtomicBool>,
        notes: Sender<Note>,
    ) -> io::Result<Self> {
        let lines = Lines::new(&scenario, thread)?;
        Ok(Self {
            requests: Requests::of(&scenario, thread),
            schedule: Schedule::of(&scenario, thread, lines.len()),
            stagger: Stagger::of(&scenario, thread, lines.len()),
            figures: Figures::of(&scenario, thread, notes),
            schedule_end_ns: scenario.schedule_end_ns().unwrap_or(0),
            clock: Clock::since(Instant::now()),
            buffer: vec![0; READ_BYTES],
            scenario,
            thread,
            stop,
            lines,
            next_expire_ns: 0,
            heard_ns: 0,
            is_cut: false,
        })
    }

    /// Makes the connections, as many as open in time; counts them in `opened` meanwhile.
    ///
    /// # Errors
    /// Returns the system's error for epoll; what single connections meet is in the result.
    pub fn open(&mut self, opened: &AtomicUsize) -> io::Result<Opening> {
        opening::open(&mut self.lines, self.clock, &self.stop, opened)
    }

    /// Runs from `epoch` until the scenario is over and everything is answered or given up; then hands over the last
    /// figures.
    pub fn run(mut self, epoch: Instant) {
        self.clock = Clock::since(epoch);
        let early = self.lines.start_clock();
        (0..self.lines.len()).for_each(|at| self.queue(at, 0));
        early.into_iter().for_each(|at| self.read(at, true));
        let mut events = Events::with_capacity(EVENTS);
        // Sleeps shall end when they are due, not up to 50 us later (the kernel's default slack).
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let error = loop {
            match self.turn(&mut events) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => break Some(format!("thread {}: {error}", self.thread)),
            }
        };
        self.figures.finish(|finished| {
            finished.error = error;
            finished.numbered = self.requests.numbered();
            finished.has_asked_all = self.requests.left() == 0;
            finished.connect_times = self.lines.connect_times();
        });
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<bool> {
        self.offer();
        self.wait(events)?;
        for event in events.iter() {
            self.handle(event);
            // After a stall answers come in bulk: a schedule does not wait until all of them are read.
            self.send_all_due();
        }
        let now_ns = self.clock.now_ns();
        if now_ns >= self.next_expire_ns {
            self.expire(now_ns);
        }
        self.figures.tick(now_ns);
        Ok(!self.is_over(now_ns))
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now_ns = self.clock.now_ns();
        let mut until_ns = self.stagger.next_ns().unwrap_or(u64::MAX).min(self.next_expire_ns);
        if self.requests.left() > 0
            && let Some(schedule) = &self.schedule
            && let Some(due_ns) = schedule.idle_until(now_ns, until_ns)
        {
            let sleep_ns = due_ns.saturating_sub(now_ns);
            if sleep_ns > SPIN_NS {
                self.lines.sleep(sleep_ns - SPIN_NS)?;
            }
            until_ns = now_ns;
        }
        // Rounded up by mio to a whole millisecond: enough for all that is not a schedule.
        self.lines.poll(events, Duration::from_nanos(until_ns.saturating_sub(now_ns)))
    }

    /// Gives up what waits too long, and makes connections again.
    fn expire(&mut self, now_ns: u64) {
        self.next_expire_ns = now_ns + EXPIRE_EVERY_NS;
        let is_abandoned = self.is_abandoned(now_ns);
        self.is_cut |= self.stop.load(Ordering::Relaxed);
        if is_abandoned {
            self.figures.gave_up();
        }
        if self.is_cut || is_abandoned {
            self.figures.end_at(now_ns);
            if let Some(schedule) = &mut self.schedule {
                schedule.stop(now_ns);
            }
        }
        for at in 0..self.lines.len() {
            match self.lines[at].overdue(now_ns, self.scenario.timeout_ns) {
                None => {}
                Some(Overdue::Answer) => self.lose(at, Failure::Timeout, None),
                Some(Overdue::Connect(late)) => self.connect_failed(at, &late),
                Some(Overdue::Pause) => self.connect(at),
            }
        }
    }

    /// Returns whether a run that ends by its number of requests only would never end, since the target is gone.
    fn is_abandoned(&mut self, now_ns: u64) -> bool {
        if !self.requests.are_in_flight() && self.lines.are_open() {
            // A slow schedule: nothing was asked that could be answered.
            self.heard_ns = now_ns;
        }
        let quiet_ns = now_ns.saturating_sub(self.figures.last_answer_ns().max(self.heard_ns));
        let is_long = quiet_ns > 2 * self.scenario.timeout_ns.max(1_000_000_000);
        self.figures.window().end_ns == u64::MAX && is_long
    }

    /// Returns whether nothing more will be asked or awaited; what is unanswered then has been counted.
    fn is_over(&mut self, now_ns: u64) -> bool {
        if self.is_cut {
            // The backlog of a schedule is not worked off, nor is anything awaited: an interrupt ends the load at once.
            let figures = &mut self.figures;
            self.lines.iter_mut().flat_map(Line::abandon).for_each(|request| figures.cut_off(request));
            // It counts all the same: without it a target that is far behind would look as if it were not.
            if self.schedule.as_ref().is_some_and(Schedule::has_no_connection) {
                self.pass_over_backlog(now_ns);
            }
            return true;
        }
        let (left, end_ns) = (self.requests.left(), self.figures.window().end_ns);
        // A number of requests takes as long as its schedule: n of them at a rate of r are served in n/r, not in n-1 gaps.
        let may_ask = now_ns < end_ns && (left > 0 || now_ns < self.schedule_end_ns);
        let is_due = |schedule: &Schedule| schedule.due(now_ns).is_some();
        let owes = left > 0 && self.schedule.as_ref().is_some_and(is_due);
        let drain_ns = self.scenario.timeout_ns.min(DRAIN_NS_MAX);
        let waits_long = now_ns >= end_ns.saturating_add(drain_ns);
        if may_ask || ((self.requests.are_in_flight() || owes) && !waits_long) {
            return false;
        }
        self.give_up(now_ns);
        true
    }

    /// Counts what is still unanswered, unsent or unconnected when nothing more will be awaited.
    fn give_up(&mut self, now_ns: u64) {
        let figures = &mut self.figures;
        for line in self.lines.iter_mut() {
            if line.was_never_open() {
                figures.never_opened();
            }
            line.abandon().into_iter().for_each(|request| figures.unanswered(request, now_ns));
        }
        self.pass_over_backlog(now_ns);
    }

    /// Counts what was due by now and never left.
    fn pass_over_backlog(&mut self, now_ns: u64) {
        let figures = &mut self.figures;
        if let Some(schedule) = &mut self.schedule {
            let start_ns = figures.window().start_ns;
            let unsent = |intended_ns, number| figures.unsent(intended_ns, number, now_ns);
            let passed_over = schedule.pass_over(start_ns, now_ns, self.requests.left(), unsent);
            self.requests.pass_over(passed_over);
        }
    }
}
