//! One thread of the generator: a mio loop over its connections.
//!
//! A turn has a fixed order: offer what is due, wait, read and ask again, expire, hand over the interval's figures.
//! Every write is tried at once; epoll is asked only when the kernel took less than all. Sockets are watched
//! edge-triggered in both directions from the start, so no turn changes what is watched.

mod answers;
mod asking;
pub mod bands;
pub mod bitmap;
pub mod connect_times;
mod ends;
pub mod intervals;
pub mod kinds;
pub mod live;
mod lost;
pub mod machine;
mod opening;
pub mod reasons;
pub mod run;
pub mod server;
pub mod stages;
pub mod statuses;
pub mod tally;
pub mod team;

use crate::client::connection::Connection;
use crate::client::stream::Stream;
use crate::driver::bitmap::Bitmap;
use crate::driver::connect_times::ConnectTimes;
use crate::driver::kinds::KindFigures;
use crate::driver::reasons::Reason;
use crate::driver::statuses::Example;
use crate::driver::tally::{Tally, Window};
use crate::scenario::mix::MixWriter;
use crate::scenario::pacer::{Pace, Pacer};
use crate::scenario::request::{RequestForm, RequestWriter};
use crate::scenario::{Load, Scenario};
use mio::{Events, Poll};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::collections::VecDeque;
use std::io;
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

/// What a thread tells the collector.
#[derive(Debug)]
pub enum Note {
    /// The figures of interval `index` of the measured part.
    Interval {
        /// Which thread; where several generators are collected, which of them.
        source: usize,
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
    /// Time at which a measured request was given up last, likewise.
    pub last_loss_ns: u64,
    /// End of its measured part, earlier than planned when it was interrupted.
    pub end_ns: u64,
    /// Requests it numbered: its k-th request has the number `first_number + k * threads + thread`.
    pub numbered: u64,
    /// Which of them were acknowledged, when that was asked for.
    pub acknowledged: Bitmap,
    /// Why it stopped early, if it did.
    pub error: Option<String>,
    /// Why requests and connections failed.
    pub reasons: Vec<Reason>,
    /// The first answer of each status that is no success.
    pub examples: Vec<Example>,
    /// Requests in flight at an interrupt, or unanswered long after the end.
    pub cut_off: u64,
    /// Figures by kind of request; empty when there is one kind only.
    pub kinds: Vec<KindFigures>,
    /// How long connections took to open, TLS included.
    pub connect_times: ConnectTimes,
    /// Whether it ended because the target had gone, before its number of requests was reached.
    pub gave_up: bool,
    /// Whether its share of a number of requests was asked.
    pub has_asked_all: bool,
}

#[derive(Debug)]
struct Line {
    stream: Option<Stream>,
    connection: Connection,
    is_connecting: bool,
    connecting_since_ns: u64,
    /// Whether it was ever open.
    has_opened: bool,
    /// Whether an answer came since it was opened.
    has_answered: bool,
    /// Whether it stands in the queue of connections with room (open loop).
    is_queued: bool,
    retry_at_ns: u64,
    failures_in_row: u32,
    /// Requests that may still be asked on this connection.
    room: u64,
}

impl Line {
    /// Returns whether the kernel has not taken all bytes of the requests that were asked.
    fn is_unsent(&self) -> bool {
        !self.connection.unwritten().is_empty() || self.stream.as_ref().is_some_and(Stream::has_unsent)
    }
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
    /// Writes the last request of a connection that is not kept.
    last_writer: RequestWriter,
    /// Writes instead of both when there are several requests in turn.
    mix: Option<MixWriter>,
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
    /// Measured requests that it may still ask.
    left: u64,
    /// Until when the schedule of a bounded number of requests lasts; 0 without one.
    schedule_end_ns: u64,
    in_flight: usize,
    next_expire_ns: u64,
    /// When no answer was awaited last.
    heard_ns: u64,
    cpu_at_start: Option<(u64, u64)>,
    has_cpu_at_end: bool,
    /// Connections that had news before the clock started.
    early: Vec<usize>,
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
        let poll = Poll::new()?;
        let is_head = scenario.mix.is_none() && scenario.form.is_head();
        let mixes_heads =
            scenario.mix.as_ref().is_some_and(|mix| mix.forms().iter().any(RequestForm::is_head));
        let line = |_| Line {
            stream: None,
            connection: Connection::new(is_head).with_mixed_heads(mixes_heads),
            is_connecting: false,
            connecting_since_ns: 0,
            has_opened: false,
            has_answered: false,
            is_queued: false,
            // What is not open when the clock starts is tried again at once.
            retry_at_ns: 0,
            failures_in_row: 0,
            room: 0,
        };
        let lines: Vec<Line> = (0..scenario.connections_of(thread)).map(line).collect();
        let end_ns = scenario.end_ns();
        let pacer = match scenario.load {
            Load::Closed => None,
            Load::Open { rate, arrivals } => {
                Some(Pacer::new(rate, arrivals, 0, end_ns, thread, scenario.threads))
            }
        };
        Ok(Self {
            window: Window { start_ns: scenario.warmup_ns, end_ns, is_open: pacer.is_some() },
            writer: RequestWriter::new(scenario.form.clone(), scenario.first_number ^ thread as u64),
            last_writer: RequestWriter::new(scenario.form.closing(), scenario.first_number ^ thread as u64),
            mix: scenario
                .mix
                .as_ref()
                .map(|mix| MixWriter::new(mix, &scenario.form.host, scenario.first_number ^ thread as u64)),
            left: scenario.requests_of(thread).unwrap_or(u64::MAX),
            schedule_end_ns: scenario.schedule_end_ns().unwrap_or(0),
            unstarted: if pacer.is_some() { 0 } else { lines.len() },
            finished: Finished {
                thread,
                kinds: vec![KindFigures::default(); scenario.mix.as_ref().map_or(0, |mix| mix.names().len())],
                ..Finished::default()
            },
            buffer: vec![0; READ_BYTES],
            tally: Box::default(),
            free: VecDeque::with_capacity(lines.len()),
            scenario,
            thread,
            epoch: Instant::now(),
            stop,
            notes,
            poll,
            lines,
            interval: 0,
            free_since_ns: 0,
            pacer,
            in_flight: 0,
            next_expire_ns: 0,
            heard_ns: 0,
            cpu_at_start: None,
            has_cpu_at_end: false,
            early: Vec::new(),
            is_cut: false,
        })
    }

    /// Runs from `epoch` until the scenario is over and everything is answered or given up; then hands over the last
    /// figures.
    pub fn run(mut self, epoch: Instant) {
        self.epoch = epoch;
        for at in 0..self.lines.len() {
            let line = &mut self.lines[at];
            line.connecting_since_ns = 0;
            line.retry_at_ns = if line.stream.is_some() { u64::MAX } else { 0 };
            self.queue(at, 0);
        }
        for at in std::mem::take(&mut self.early) {
            self.read(at, true);
        }
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
        self.finished.has_asked_all = self.left == 0;
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

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now_ns = self.now_ns();
        let mut until_ns = self.next_expire_ns;
        if self.unstarted > 0 {
            until_ns = until_ns.min(self.start_of_next_line());
        }
        if let (Some(pacer), true) = (&self.pacer, self.left > 0 && !self.free.is_empty()) {
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
}
