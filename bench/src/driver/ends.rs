//! What a thread does by the clock: requests that time out, the interval's figures, the end of the run.

use super::{Driver, Line, Note};
use crate::client::stream::Stream;
use crate::driver::reasons::Reason;
use crate::driver::tally::Failure;
use crate::scenario::pacer::Pace;
use std::io;
use std::sync::atomic::Ordering;

/// Time between two looks for requests that timed out and connections to make again.
const EXPIRE_EVERY_NS: u64 = 10_000_000;
/// Longest time after the end in which answers are awaited and a schedule's backlog is worked off.
const DRAIN_NS_MAX: u64 = 1_000_000_000;

impl Driver {
    pub(super) fn expire(&mut self, now_ns: u64) {
        self.next_expire_ns = now_ns + EXPIRE_EVERY_NS;
        let is_abandoned = self.is_abandoned(now_ns);
        self.finished.gave_up |= is_abandoned;
        self.is_cut |= self.stop.load(Ordering::Relaxed);
        if self.is_cut || is_abandoned {
            self.window.end_ns = self.window.end_ns.min(now_ns);
            if let Some(pacer) = &mut self.pacer {
                pacer.stop(now_ns);
            }
        }
        for at in 0..self.lines.len() {
            let line = &mut self.lines[at];
            let waits = line.connection.oldest();
            if waits.is_some_and(|request| request.sent_ns + self.scenario.timeout_ns <= now_ns) {
                self.lose(at, Failure::Timeout, None);
            } else if line.is_connecting && line.connecting_since_ns + self.scenario.timeout_ns <= now_ns {
                let late = line.stream.as_mut().map(Stream::lateness);
                self.connect_failed(at, &late.unwrap_or_else(|| io::ErrorKind::TimedOut.into()));
            } else if line.retry_at_ns <= now_ns {
                self.connect(at);
            }
        }
    }

    /// Returns whether a run that ends by its number of requests only would never end, since the target is gone.
    fn is_abandoned(&mut self, now_ns: u64) -> bool {
        let is_open = |line: &Line| line.stream.is_some() && !line.is_connecting;
        if self.in_flight == 0 && self.lines.iter().all(is_open) {
            // A slow schedule: nothing was asked that could be answered.
            self.heard_ns = now_ns;
        }
        let quiet_ns = now_ns.saturating_sub(self.finished.last_answer_ns.max(self.heard_ns));
        self.window.end_ns == u64::MAX && quiet_ns > 2 * self.scenario.timeout_ns.max(1_000_000_000)
    }

    /// Hands over an interval's figures when it is past, and reads the CPU clock at both ends of the measured part.
    #[inline]
    pub(super) fn tick(&mut self, now_ns: u64) {
        if now_ns < self.window.start_ns {
            return;
        }
        if self.cpu_at_start.is_none() {
            self.cpu_at_start = Some(thread_cpu_ns());
        }
        if now_ns >= self.window.end_ns {
            return self.measure_cpu_at_end();
        }
        let interval = (now_ns - self.window.start_ns) / self.scenario.interval_ns();
        if interval > self.interval {
            self.hand_over();
            self.interval = interval;
        }
    }

    pub(super) fn measure_cpu_at_end(&mut self) {
        if let (Some((cpu_ns, waited_ns)), false) = (self.cpu_at_start, self.has_cpu_at_end) {
            self.has_cpu_at_end = true;
            let end = thread_cpu_ns();
            self.finished.cpu_ns = end.0.saturating_sub(cpu_ns);
            self.finished.waited_for_cpu_ns = end.1.saturating_sub(waited_ns);
        }
    }

    pub(super) fn hand_over(&mut self) {
        let tally = std::mem::take(&mut self.tally);
        let _ = self.notes.send(Note::Interval { source: self.thread, index: self.interval, tally });
    }

    pub(super) fn is_over(&mut self, now_ns: u64) -> bool {
        let is_within = now_ns < self.window.end_ns;
        // A number of requests takes as long as its schedule: n of them at a rate of r are served in n/r, not in n-1 gaps.
        let may_ask = is_within && (self.left > 0 || now_ns < self.schedule_end_ns);
        let owes = self.left > 0
            && self.pacer.as_ref().is_some_and(|pacer| matches!(pacer.pace(now_ns), Pace::Due { .. }));
        let drain_ns = self.scenario.timeout_ns.min(DRAIN_NS_MAX);
        let waits_long = now_ns >= self.window.end_ns.saturating_add(drain_ns);
        if self.is_cut {
            // The backlog of a schedule is not worked off, nor is anything awaited: an interrupt ends the load at once.
            for line in &mut self.lines {
                let lost = line.connection.reset(false);
                let counted = lost.iter().filter(|request| self.window.counts(request.intended_ns));
                self.finished.cut_off += counted.count() as u64;
            }
            return true;
        }
        if may_ask || ((self.in_flight > 0 || owes) && !waits_long) {
            return false;
        }
        self.give_up(now_ns);
        true
    }

    /// Counts what is still unanswered, unsent or unconnected when nothing more will be awaited.
    fn give_up(&mut self, now_ns: u64) {
        for at in 0..self.lines.len() {
            let line = &mut self.lines[at];
            if line.is_connecting && !line.has_opened {
                let reason = "not open when the run ended: the target let it wait".to_string();
                self.tally.failures.add(Failure::Connect, 1);
                Reason::of_target(Failure::Connect, reason).enter(&mut self.finished.reasons);
            }
            for request in line.connection.reset(false) {
                if request.sent_ns + self.scenario.timeout_ns <= now_ns {
                    self.failed(request, Failure::Timeout, now_ns);
                } else {
                    let counted = self.window.cut_off(&mut self.tally, request, now_ns);
                    self.finished.cut_off += u64::from(counted);
                }
            }
        }
        if let Some(pacer) = &mut self.pacer {
            let (tally, window) = (&mut *self.tally, &self.window);
            pacer.skip(window.start_ns.min(now_ns), u64::MAX, |_, _| {});
            self.left -= pacer.skip(now_ns, self.left, |intended_ns, number| {
                window.unsent(tally, intended_ns, number, now_ns);
            });
        }
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
