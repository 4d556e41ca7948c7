//! Connections that end: what their requests count as, and how the next connection is made.

use super::Driver;
use crate::client::connection::InFlight;
use crate::client::stream::Stream;
use crate::driver::kinds::KindFigures;
use crate::driver::reasons::Reason;
use crate::driver::statuses::Example;
use crate::driver::tally::Failure;
use mio::Token;
use std::io;

/// First and longest pause before a connection is made again after a failure.
const RETRY_NS: (u64, u64) = (5_000_000, 100_000_000);

impl Driver {
    pub(super) fn end_of_input(&mut self, at: usize) {
        let now_ns = self.now_ns();
        if let Some((request, answer)) = self.lines[at].connection.end_of_input() {
            self.lines[at].has_answered = true;
            while let Some((status, bytes)) = self.lines[at].connection.take_excerpt() {
                Example::new(status, &bytes).enter(&mut self.finished.examples);
            }
            self.in_flight -= 1;
            self.window.answered(&mut self.tally, request, answer, now_ns);
            if let Some(kind) = self.kind_of(request) {
                kind.answered(request, answer, now_ns);
            }
            self.finished.last_answer_ns = now_ns.min(self.window.end_ns);
            if self.scenario.keeps_acknowledged && answer.is_success() {
                self.finished.acknowledged.set(request.number);
            }
        }
        self.lose(at, Failure::Closed, None);
    }

    /// Returns the figures of a request's kind, if kinds are told apart and the request counts.
    fn kind_of(&mut self, request: InFlight) -> Option<&mut KindFigures> {
        let kind = self.finished.kinds.get_mut(usize::from(request.kind));
        kind.filter(|_| self.window.counts(request.intended_ns))
    }

    /// Counts a request that was given up.
    pub(super) fn failed(&mut self, request: InFlight, failure: Failure, now_ns: u64) {
        self.window.failed(&mut self.tally, request, failure, now_ns);
        if let Some(kind) = self.kind_of(request) {
            kind.failed(request, failure, now_ns);
        }
    }

    /// Gives up a connection on which the system failed.
    pub(super) fn lose_by(&mut self, at: usize, error: &io::Error) {
        self.lose(at, Failure::Reset, Some(Reason::of_system(Failure::Reset, error)));
    }

    /// Gives up a connection: its unanswered requests failed, and another connection is made.
    pub(super) fn lose(&mut self, at: usize, failure: Failure, reason: Option<Reason>) {
        let now_ns = self.now_ns();
        let line = &mut self.lines[at];
        line.stream = None;
        let lost = line.connection.reset(self.scenario.form.is_head());
        self.in_flight -= lost.len();
        self.tally.reconnects += u64::from(lost.is_empty() && self.window.holds(now_ns));
        // A connection that brought an answer was worth making: only one that brought none makes the next one wait.
        line.failures_in_row = match (line.has_answered, lost.is_empty()) {
            (true, _) => 0,
            (false, true) => line.failures_in_row,
            (false, false) => line.failures_in_row + 1,
        };
        let counted = lost.iter().filter(|request| self.window.counts(request.intended_ns)).count() as u64;
        if counted > 0 {
            self.finished.last_loss_ns = now_ns.min(self.window.end_ns);
        }
        if let Some(reason) = reason.filter(|_| counted > 0) {
            Reason { count: counted, ..reason }.enter(&mut self.finished.reasons);
        }
        for request in lost {
            let has_waited = request.sent_ns + self.scenario.timeout_ns <= now_ns;
            let failure = match failure {
                // It had time left, but its answer would have come on the connection that is given up.
                Failure::Timeout if !has_waited => Failure::Dropped,
                failure => failure,
            };
            self.failed(request, failure, now_ns);
        }
        let line = &mut self.lines[at];
        if line.is_queued {
            line.is_queued = false;
            self.free.retain(|&free| free != at);
        }
        line.retry_at_ns = now_ns + pause_ns(line.failures_in_row);
        if line.failures_in_row == 0 {
            self.connect(at);
        }
    }

    pub(super) fn connect(&mut self, at: usize) {
        if self.now_ns() >= self.window.end_ns {
            return;
        }
        if let Err(error) = self.start_to_connect(at) {
            self.connect_failed(at, &error);
        }
    }

    /// Starts a connection; the socket's next event says what came of it.
    pub(super) fn start_to_connect(&mut self, at: usize) -> io::Result<()> {
        let now_ns = self.now_ns();
        let mut stream = Stream::start(&self.scenario.target)?;
        stream.watch(self.poll.registry(), Token(at))?;
        let line = &mut self.lines[at];
        line.stream = Some(stream);
        (line.is_connecting, line.connecting_since_ns) = (true, now_ns);
        (line.retry_at_ns, line.has_answered) = (u64::MAX, false);
        line.room = self.scenario.requests_per_connection;
        Ok(())
    }

    pub(super) fn finish_connect(&mut self, at: usize) -> bool {
        let line = &mut self.lines[at];
        match line.stream.as_mut().map(Stream::is_connected) {
            Some(Ok(true)) => (line.is_connecting, line.has_opened) = (false, true),
            Some(Ok(false)) | None => return false,
            Some(Err(error)) => {
                self.connect_failed(at, &error);
                return false;
            }
        }
        let since_ns = line.connecting_since_ns;
        let now_ns = self.now_ns();
        self.finished.connect_times.took(now_ns.saturating_sub(since_ns));
        if self.pacer.is_none() {
            if at < self.lines.len() - self.unstarted {
                self.refill(at);
            }
        } else {
            self.queue(at, now_ns);
        }
        true
    }

    pub(super) fn connect_failed(&mut self, at: usize, error: &io::Error) {
        let now_ns = self.now_ns();
        let line = &mut self.lines[at];
        line.stream = None;
        line.is_connecting = false;
        line.failures_in_row += 1;
        line.retry_at_ns = now_ns + pause_ns(line.failures_in_row);
        if self.window.holds(now_ns) {
            self.tally.failures.add(Failure::Connect, 1);
            Reason::of_system(Failure::Connect, error).enter(&mut self.finished.reasons);
        }
    }
}

fn pause_ns(failures_in_row: u32) -> u64 {
    match failures_in_row {
        0 => 0,
        n => (RETRY_NS.0 << (n - 1).min(8)).min(RETRY_NS.1),
    }
}
