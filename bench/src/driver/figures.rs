//! What a thread counts, and hands over: an interval's figures when it is past, those of the whole run at its end.

use crate::client::connection::InFlight;
use crate::client::response::Answer;
use crate::driver::bitmap::Bitmap;
use crate::driver::connect_times::ConnectTimes;
use crate::driver::kinds::KindFigures;
use crate::driver::reasons::Reason;
use crate::driver::stalls::Stalls;
use crate::driver::statuses::Example;
use crate::driver::tally::{Failure, Tally, Window};
use crate::scenario::{Load, Scenario};
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::Sender;

/// What a thread hands to the collector.
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
    /// When it stood still.
    pub stalls: Stalls,
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

/// The counting of one thread.
pub(super) struct Figures {
    window: Window,
    timeout_ns: u64,
    interval_ns: u64,
    keeps_acknowledged: bool,
    tally: Box<Tally>,
    /// The interval that `tally` is of.
    interval: u64,
    finished: Finished,
    notes: Sender<Note>,
    cpu_at_start: Option<(u64, u64)>,
    has_cpu_at_end: bool,
    /// When the turn before ended, within the measured part.
    turned_ns: Option<u64>,
}

impl Figures {
    /// Returns those of `thread`, all zero; they go to `notes`.
    pub(super) fn of(scenario: &Scenario, thread: usize, notes: Sender<Note>) -> Self {
        let kinds = scenario.mix.as_ref().map_or(0, |mix| mix.names().len());
        Self {
            window: Window {
                start_ns: scenario.warmup_ns,
                end_ns: scenario.end_ns(),
                is_open: scenario.load != Load::Closed,
            },
            timeout_ns: scenario.timeout_ns,
            interval_ns: scenario.interval_ns(),
            keeps_acknowledged: scenario.keeps_acknowledged,
            tally: Box::default(),
            interval: 0,
            finished: Finished { thread, kinds: vec![KindFigures::default(); kinds], ..Finished::default() },
            notes,
            cpu_at_start: None,
            has_cpu_at_end: false,
            turned_ns: None,
        }
    }

    /// Returns when answers count.
    #[inline]
    pub(super) fn window(&self) -> &Window {
        &self.window
    }

    /// Ends the measured part now, earlier than planned.
    pub(super) fn end_at(&mut self, now_ns: u64) {
        self.window.end_ns = self.window.end_ns.min(now_ns);
    }

    /// Returns when the last answer came, nanoseconds of the run.
    pub(super) fn last_answer_ns(&self) -> u64 {
        self.finished.last_answer_ns
    }

    /// Notes that the run ends because the target is gone.
    pub(super) fn gave_up(&mut self) {
        self.finished.gave_up = true;
    }

    /// Counts a measured request that was handed to a connection; in an open loop `lag_ns` later than possible.
    #[inline]
    pub(super) fn sent(&mut self, lag_ns: Option<u64>) {
        self.tally.sent += 1;
        if let Some(lag_ns) = lag_ns {
            self.tally.lag.saturating_record(lag_ns);
        }
    }

    /// Counts bytes that a socket took.
    #[inline]
    pub(super) fn wrote(&mut self, bytes: u64, now_ns: u64) {
        self.tally.bytes_out += bytes * u64::from(self.window.holds(now_ns));
    }

    /// Counts bytes that a socket gave.
    #[inline]
    pub(super) fn read(&mut self, bytes: usize, now_ns: u64) {
        self.tally.bytes_in += bytes as u64 * u64::from(self.window.holds(now_ns));
    }

    /// Counts an answer.
    #[inline]
    pub(super) fn answered(&mut self, request: InFlight, answer: Answer, now_ns: u64) {
        self.window.answered(&mut self.tally, request, answer, now_ns);
        if let Some(kind) = self.kind_of(request) {
            kind.answered(request, answer, now_ns);
        }
        if now_ns <= self.window.end_ns {
            self.finished.last_answer_ns = now_ns;
        }
        if self.keeps_acknowledged && answer.is_success() {
            self.finished.acknowledged.set(request.number);
        }
    }

    /// Keeps the first answer of each status that is no success.
    pub(super) fn keep_example(&mut self, status: u16, bytes: &[u8]) {
        Example::new(status, bytes).enter(&mut self.finished.examples);
    }

    /// Returns the figures of a request's kind, if kinds are told apart and the request counts.
    #[inline]
    fn kind_of(&mut self, request: InFlight) -> Option<&mut KindFigures> {
        let kind = self.finished.kinds.get_mut(usize::from(request.kind));
        kind.filter(|_| self.window.counts(request.intended_ns))
    }

    /// Counts the requests of a connection that was given up, each with `reason`.
    pub(super) fn lost(
        &mut self,
        lost: VecDeque<InFlight>,
        failure: Failure,
        reason: Option<Reason>,
        now_ns: u64,
    ) {
        self.tally.reconnects += u64::from(lost.is_empty() && self.window.holds(now_ns));
        let counted = lost.iter().filter(|request| self.window.counts(request.intended_ns)).count() as u64;
        if counted > 0 {
            self.finished.last_loss_ns = now_ns.min(self.window.end_ns);
        }
        if let Some(reason) = reason.filter(|_| counted > 0) {
            Reason { count: counted, ..reason }.enter(&mut self.finished.reasons);
        }
        for request in lost {
            let failure = match failure {
                // It had time left, but its answer would have come on the connection that is given up.
                Failure::Timeout if !self.has_timed_out(request, now_ns) => Failure::Dropped,
                failure => failure,
            };
            self.failed(request, failure, now_ns);
        }
    }

    fn failed(&mut self, request: InFlight, failure: Failure, now_ns: u64) {
        self.window.failed(&mut self.tally, request, failure, now_ns);
        if let Some(kind) = self.kind_of(request) {
            kind.failed(request, failure, now_ns);
        }
    }

    fn has_timed_out(&self, request: InFlight, now_ns: u64) -> bool {
        request.sent_ns + self.timeout_ns <= now_ns
    }

    /// Counts a failure that no request had, if it is within the measured part.
    pub(super) fn failed_alone(&mut self, reason: Reason, now_ns: u64) {
        if self.window.holds(now_ns) {
            self.tally.failures.add(reason.kind, 1);
            reason.enter(&mut self.finished.reasons);
        }
    }

    /// Counts a connect that the system refused.
    pub(super) fn connect_failed(&mut self, error: &io::Error, now_ns: u64) {
        self.failed_alone(Reason::of_system(Failure::Connect, error), now_ns);
    }

    /// Counts a connection that never opened, at the end of the run.
    pub(super) fn never_opened(&mut self) {
        let reason = "not open when the run ended: the target let it wait".to_string();
        self.tally.failures.add(Failure::Connect, 1);
        Reason::of_target(Failure::Connect, reason).enter(&mut self.finished.reasons);
    }

    /// Counts a request that is unanswered when nothing more will be awaited.
    pub(super) fn unanswered(&mut self, request: InFlight, now_ns: u64) {
        if self.has_timed_out(request, now_ns) {
            self.failed(request, Failure::Timeout, now_ns);
        } else {
            let counted = self.window.cut_off(&mut self.tally, request, now_ns);
            self.finished.cut_off += u64::from(counted);
        }
    }

    /// Counts a request that an interrupt cut off.
    pub(super) fn cut_off(&mut self, request: InFlight) {
        self.finished.cut_off += u64::from(self.window.counts(request.intended_ns));
    }

    /// Counts `number` requests that the schedule wanted about `intended_ns` and that never left.
    pub(super) fn unsent(&mut self, intended_ns: u64, number: u64, now_ns: u64) {
        self.window.unsent(&mut self.tally, intended_ns, number, now_ns);
    }

    /// Hands over an interval's figures when it is past, and reads the CPU clock at both ends of the measured part.
    #[inline]
    pub(super) fn tick(&mut self, now_ns: u64) {
        self.note_gap(now_ns);
        if now_ns < self.window.start_ns {
            return;
        }
        if self.cpu_at_start.is_none() {
            self.cpu_at_start = Some(thread_cpu_ns());
        }
        if now_ns >= self.window.end_ns {
            return self.measure_cpu_at_end();
        }
        let interval = (now_ns - self.window.start_ns) / self.interval_ns;
        if interval > self.interval {
            self.hand_over();
            self.interval = interval;
        }
    }

    /// Counts what the measured part has of the time since the turn before.
    fn note_gap(&mut self, now_ns: u64) {
        let Window { start_ns, end_ns, .. } = self.window;
        let until_ns = now_ns.min(end_ns);
        let since_ns = self.turned_ns.unwrap_or(start_ns).max(start_ns);
        self.finished.stalls.note(until_ns.saturating_sub(since_ns));
        self.turned_ns = Some(now_ns);
    }

    fn measure_cpu_at_end(&mut self) {
        if let (Some((cpu_ns, waited_ns)), false) = (self.cpu_at_start, self.has_cpu_at_end) {
            self.has_cpu_at_end = true;
            let end = thread_cpu_ns();
            self.finished.cpu_ns = end.0.saturating_sub(cpu_ns);
            self.finished.waited_for_cpu_ns = end.1.saturating_sub(waited_ns);
        }
    }

    fn hand_over(&mut self) {
        let tally = std::mem::take(&mut self.tally);
        let note = Note::Interval { source: self.finished.thread, index: self.interval, tally };
        // A collector that has ended wants nothing more.
        let _ = self.notes.send(note);
    }

    /// Hands over the last figures, with what `rest` adds that others have counted.
    pub(super) fn finish(mut self, rest: impl FnOnce(&mut Finished)) {
        self.measure_cpu_at_end();
        self.hand_over();
        self.finished.end_ns = self.window.end_ns;
        rest(&mut self.finished);
        let _ = self.notes.send(Note::Finished(Box::new(self.finished)));
    }
}

/// Returns the CPU time of this thread, and the time it waited for a CPU; nanoseconds since it started.
fn thread_cpu_ns() -> (u64, u64) {
    let waited = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0);
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    (cpu.tv_sec as u64 * 1_000_000_000 + cpu.tv_nsec as u64, waited)
}
