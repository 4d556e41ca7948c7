//! One thread of the generator: a mio loop over its connections.
//!
//! A turn has a fixed order: offer what is due, wait, read and ask again, expire, hand over the interval's figures.
//! Every write is tried at once; epoll is asked only when the kernel took less than all. Sockets are watched
//! edge-triggered in both directions from the start, so no turn changes what is watched.

mod ends;
mod lost;

use super::connection::{Connection, Fault, InFlight};
use super::pacer::{Pace, Pacer};
use super::request::RequestWriter;
use super::scenario::{Load, Scenario};
use super::stream::Stream;
use super::tally::{Bitmap, Failure, Tally, Window};
use mio::event::Event;
use mio::{Events, Poll, Token};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// Bytes of the read buffer that a thread's connections share.
const READ_BYTES: usize = 64 * 1024;
/// Events taken from epoll at a time.
const EVENTS: usize = 1024;
/// An open loop sleeps until this long before the next request and then spins: a sleeping CPU wakes late.
const SPIN_NS: u64 = 60_000;
/// Time over which a closed loop's connections start, at most.
const STAGGER_NS_MAX: u64 = 20_000_000;

/// What a thread tells the collector.
#[derive(Debug)]
pub enum Note {
    /// The figures of interval `index` of the measured part.
    Interval {
        /// Which thread.
        thread: usize,
        /// Which interval, from 0.
        index: u64,
        /// Its figures.
        tally: Box<Tally>,
    },
    /// The thread is done; nothing follows from it.
    Finished(Box<Finished>),
}

/// Figures of a thread that are known at its end.
#[derive(Clone, Debug, Default)]
pub struct Finished {
    /// Which thread.
    pub thread: usize,
    /// Its CPU time within the measured part, nanoseconds.
    pub cpu_ns: u64,
    /// Time within the measured part that it could have run and had no CPU, nanoseconds.
    pub waited_for_cpu_ns: u64,
    /// Time of its last answer within the measured part, nanoseconds since the start of the run.
    pub last_answer_ns: u64,
    /// End of its measured part, earlier than planned when it was interrupted.
    pub end_ns: u64,
    /// Requests it numbered: its k-th request has the number `first_number + k * threads + thread`.
    pub numbered: u64,
    /// Which of them were acknowledged, when that was asked for.
    pub acknowledged: Bitmap,
    /// Why it stopped early, if it did.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Line {
    stream: Option<Stream>,
    connection: Connection,
    is_connecting: bool,
    /// Whether it stands in the queue of connections with room (open loop).
    is_queued: bool,
    retry_at_ns: u64,
    failures_in_row: u32,
}

/// State of a thread.
pub struct Driver {
    scenario: Arc<Scenario>,
    thread: usize,
    epoch: Instant,
    stop: Arc<AtomicBool>,
    notes: Sender<Note>,
    poll: Poll,
    lines: Vec<Line>,
    writer: RequestWriter,
    buffer: Vec<u8>,
    window: Window,
    tally: Box<Tally>,
    interval: u64,
    finished: Finished,
    /// Connections that may take a request of an open loop, the longest idle first.
    free: VecDeque<usize>,
    /// When `free` last stopped being empty.
    free_since_ns: u64,
    pacer: Option<Pacer>,
    /// Connections of a closed loop that have not had their first request.
    unstarted: usize,
    left: u64,
    in_flight: usize,
    next_expire_ns: u64,
    cpu_at_start: Option<(u64, u64)>,
    has_cpu_at_end: bool,
}

impl Driver {
    /// A thread whose streams are connected and whose clock starts at `epoch`.
    ///
    /// # Errors
    /// When epoll can't be had.
    pub fn new(
        scenario: Arc<Scenario>,
        thread: usize,
        streams: Vec<Stream>,
        epoch: Instant,
        stop: Arc<AtomicBool>,
        notes: Sender<Note>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let is_head = scenario.form.is_head();
        let mut lines = Vec::with_capacity(streams.len());
        for (at, mut stream) in streams.into_iter().enumerate() {
            stream.watch(poll.registry(), Token(at))?;
            lines.push(Line {
                stream: Some(stream),
                connection: Connection::new(is_head),
                is_connecting: false,
                is_queued: false,
                retry_at_ns: u64::MAX,
                failures_in_row: 0,
            });
        }
        let end_ns = scenario.end_ns();
        let pacer = match scenario.load {
            Load::Closed => None,
            Load::Open { rate, arrivals } => {
                Some(Pacer::new(rate, arrivals, 0, end_ns, thread, scenario.threads))
            }
        };
        let mut driver = Self {
            window: Window { start_ns: scenario.warmup_ns, end_ns, is_open: pacer.is_some() },
            writer: RequestWriter::new(scenario.form.clone(), scenario.first_number ^ thread as u64),
            left: scenario.requests_of(thread).unwrap_or(u64::MAX),
            unstarted: if pacer.is_some() { 0 } else { lines.len() },
            finished: Finished { thread, ..Finished::default() },
            buffer: vec![0; READ_BYTES],
            tally: Box::default(),
            free: VecDeque::with_capacity(lines.len()),
            scenario,
            thread,
            epoch,
            stop,
            notes,
            poll,
            lines,
            interval: 0,
            free_since_ns: 0,
            pacer,
            in_flight: 0,
            next_expire_ns: 0,
            cpu_at_start: None,
            has_cpu_at_end: false,
        };
        (0..driver.lines.len()).for_each(|at| driver.queue(at, 0));
        Ok(driver)
    }

    /// Runs until the scenario is over and everything is answered or given up; then hands over the last figures.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        // Sleeps shall end when they are due, not up to 50 us later (the kernel's default slack).
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        loop {
            match self.turn(&mut events) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.finished.error = Some(format!("thread {}: {error}", self.thread));
                    break;
                }
            }
        }
        self.measure_cpu_at_end();
        self.hand_over();
        self.finished.end_ns = self.window.end_ns;
        let _ = self.notes.send(Note::Finished(Box::new(self.finished)));
    }

    fn turn(&mut self, events: &mut Events) -> io::Result<bool> {
        self.offer();
        self.wait(events)?;
        for event in events.iter() {
            self.handle(event);
            // After a stall answers come in bulk: a schedule does not wait until all of them are read.
            self.send_all_due();
        }
        let now_ns = self.now_ns();
        if now_ns >= self.next_expire_ns {
            self.expire(now_ns);
        }
        self.tick(now_ns);
        Ok(!self.is_over(now_ns))
    }

    #[inline]
    fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// Sends what the schedule wants, and in a closed loop the first requests of each connection.
    fn offer(&mut self) {
        self.send_all_due();
        while self.unstarted > 0 && self.now_ns() >= self.start_of_next_line() {
            let at = self.lines.len() - self.unstarted;
            self.unstarted -= 1;
            self.refill(at);
        }
    }

    #[inline]
    fn send_all_due(&mut self) {
        if self.pacer.is_some() {
            while self.send_due() {}
        }
    }

    /// A closed loop's connections start one after the other, so that they don't ask in one burst for ever.
    fn start_of_next_line(&self) -> u64 {
        let all_ns = STAGGER_NS_MAX.min(self.scenario.duration_ns / 50);
        let at = (self.lines.len() - self.unstarted) as u64;
        let place = at * self.scenario.threads as u64 + self.thread as u64;
        all_ns * place / self.scenario.connections as u64
    }

    /// Sends on one free connection; false when nothing is due or nothing is free.
    fn send_due(&mut self) -> bool {
        let now_ns = self.now_ns();
        let Some(pacer) = &mut self.pacer else { return false };
        let (Pace::Due { intended_ns }, true) = (pacer.pace(now_ns), self.left > 0) else { return false };
        let Some(at) = self.free.pop_front() else { return false };
        self.lines[at].is_queued = false;
        // Far behind, a connection takes its share of the backlog in one write; on time, that share is one request.
        let behind = (now_ns - intended_ns) as f64 * self.scenario.rate().unwrap_or(0.0) / 1e9;
        let share = (behind as usize / self.scenario.threads / (self.free.len() + 1)).max(1);
        let room = self.scenario.pipeline - self.lines[at].connection.depth();
        for _ in 0..share.min(room) {
            let Some(Pace::Due { intended_ns }) = self.pacer.as_ref().map(|pacer| pacer.pace(now_ns)) else {
                break;
            };
            if self.left == 0 {
                break;
            }
            self.ask(at, intended_ns, now_ns);
            if intended_ns >= self.window.start_ns {
                let possible_ns = intended_ns.max(self.free_since_ns);
                self.tally.lag.saturating_record(now_ns.saturating_sub(possible_ns));
            }
            if let Some(pacer) = &mut self.pacer {
                pacer.sent();
            }
        }
        self.flush(at);
        self.queue(at, now_ns);
        true
    }

    /// Puts a connection with room into the queue of an open loop.
    fn queue(&mut self, at: usize, now_ns: u64) {
        let line = &mut self.lines[at];
        let has_room = line.stream.is_some() && line.connection.depth() < self.scenario.pipeline;
        if self.pacer.is_some() && has_room && !line.is_connecting && !line.is_queued {
            line.is_queued = true;
            if self.free.is_empty() {
                self.free_since_ns = now_ns;
            }
            self.free.push_back(at);
        }
    }

    /// Fills a connection of a closed loop up to its depth.
    #[inline]
    fn refill(&mut self, at: usize) {
        let now_ns = self.now_ns();
        if now_ns >= self.window.end_ns {
            return;
        }
        while self.lines[at].connection.depth() < self.scenario.pipeline && self.left > 0 {
            self.ask(at, now_ns, now_ns);
        }
        self.flush(at);
    }

    #[inline]
    fn ask(&mut self, at: usize, intended_ns: u64, sent_ns: u64) {
        debug_assert!(self.left > 0, "a bounded run asks no more than its bound");
        let connection = &mut self.lines[at].connection;
        let number = self.scenario.first_number
            + self.finished.numbered * self.scenario.threads as u64
            + self.thread as u64;
        self.writer.write(number, &mut connection.out);
        connection.asked(InFlight { intended_ns, sent_ns, number: self.finished.numbered });
        self.finished.numbered += 1;
        self.left -= 1;
        self.in_flight += 1;
        self.tally.sent += 1;
    }

    #[inline]
    fn flush(&mut self, at: usize) {
        let line = &mut self.lines[at];
        let Some(stream) = &mut line.stream else { return };
        while !line.connection.unwritten().is_empty() {
            match stream.write(line.connection.unwritten()) {
                Ok(bytes) => {
                    self.tally.bytes_out += bytes as u64;
                    line.connection.wrote(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.lose(at, Failure::Reset),
            }
        }
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now_ns = self.now_ns();
        let mut until_ns = self.next_expire_ns;
        if self.unstarted > 0 {
            until_ns = until_ns.min(self.start_of_next_line());
        }
        if let (Some(pacer), false) = (&self.pacer, self.free.is_empty()) {
            match pacer.pace(now_ns) {
                Pace::Due { .. } => until_ns = now_ns,
                Pace::At { next_ns } => until_ns = until_ns.min(next_ns),
                Pace::Done => {}
            }
            let sleep_ns = until_ns.saturating_sub(now_ns);
            if sleep_ns > SPIN_NS {
                self.sleep(sleep_ns - SPIN_NS)?;
            }
            until_ns = now_ns;
        }
        // Rounded up by mio to a whole millisecond: enough for all that is not a schedule.
        match self.poll.poll(events, Some(Duration::from_nanos(until_ns.saturating_sub(now_ns)))) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        }
    }

    /// Sleeps until a socket has news or `ns` have passed, to the microsecond (epoll counts in milliseconds).
    fn sleep(&self, ns: u64) -> io::Result<()> {
        let timeout = Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 };
        let mut epoll = [PollFd::new(self.poll.registry(), PollFlags::IN)];
        match rustix::event::poll(&mut epoll, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn handle(&mut self, event: &Event) {
        let at = event.token().0;
        if self.lines[at].is_connecting && !self.finish_connect(at) {
            return;
        }
        if event.is_writable() && !self.lines[at].connection.unwritten().is_empty() {
            self.flush(at);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(at, event.is_read_closed() || event.is_error());
        }
    }

    /// Reads what is there. A read that does not fill the buffer emptied the socket, unless its end is announced.
    fn read(&mut self, at: usize, ends: bool) {
        loop {
            let line = &mut self.lines[at];
            let Some(stream) = &mut line.stream else { return };
            match stream.read(&mut self.buffer) {
                Ok(0) => return self.end_of_input(at),
                Ok(bytes) => {
                    self.tally.bytes_in += bytes as u64;
                    if !self.take(at, bytes) {
                        return;
                    }
                    if bytes < self.buffer.len() && !ends {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.lose(at, Failure::Reset),
            }
        }
        if self.pacer.is_none() {
            self.refill(at);
        } else {
            self.queue(at, self.now_ns());
        }
    }

    /// Takes `bytes` of the buffer as input of a connection; false when that ended it.
    #[inline]
    fn take(&mut self, at: usize, bytes: usize) -> bool {
        let now_ns = self.now_ns();
        let (tally, finished, window) = (&mut *self.tally, &mut self.finished, &self.window);
        let (in_flight, keeps) = (&mut self.in_flight, self.scenario.keeps_acknowledged);
        let line = &mut self.lines[at];
        let outcome = line.connection.receive(&self.buffer[..bytes], |request, answer| {
            window.answered(tally, request, answer, now_ns);
            *in_flight -= 1;
            if now_ns <= window.end_ns {
                finished.last_answer_ns = now_ns;
            }
            if keeps && answer.is_success() {
                finished.acknowledged.set(request.number);
            }
        });
        match outcome {
            Ok(()) => line.failures_in_row = 0,
            Err(Fault::Closing) => self.lose(at, Failure::Closed),
            Err(Fault::Garbage(_)) => self.lose(at, Failure::Garbage),
            Err(Fault::Unasked) => {
                self.tally.failures.add(Failure::Garbage, 1);
                self.lose(at, Failure::Garbage);
            }
        }
        outcome.is_ok()
    }
}
