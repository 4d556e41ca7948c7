//! Connections that end: what their requests count as, and how the next connection is made.

use super::Driver;
use crate::client::stream::Stream;
use crate::driver::tally::Failure;
use mio::Token;

/// First and longest pause before a connection is made again after a failure.
const RETRY_NS: (u64, u64) = (5_000_000, 100_000_000);

impl Driver {
    pub(super) fn end_of_input(&mut self, at: usize) {
        let now_ns = self.now_ns();
        if let Some((request, answer)) = self.lines[at].connection.end_of_input() {
            self.in_flight -= 1;
            self.window.answered(&mut self.tally, request, answer, now_ns);
            self.finished.last_answer_ns = now_ns.min(self.window.end_ns);
            if self.scenario.keeps_acknowledged && answer.is_success() {
                self.finished.acknowledged.set(request.number);
            }
        }
        self.lose(at, Failure::Closed);
    }

    /// Gives up a connection: its unanswered requests failed, and another connection is made.
    pub(super) fn lose(&mut self, at: usize, failure: Failure) {
        let now_ns = self.now_ns();
        let line = &mut self.lines[at];
        line.stream = None;
        let lost = line.connection.reset(self.scenario.form.is_head());
        self.in_flight -= lost.len();
        if lost.is_empty() {
            self.tally.reconnects += 1;
        } else {
            line.failures_in_row += 1;
        }
        for request in lost {
            self.window.failed(&mut self.tally, request, failure, now_ns);
        }
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
        let line = &mut self.lines[at];
        line.retry_at_ns = u64::MAX;
        let started = Stream::start(&self.scenario.target.endpoint).and_then(|mut stream| {
            stream.watch(self.poll.registry(), Token(at))?;
            Ok(stream)
        });
        match started {
            Ok(stream) => {
                line.stream = Some(stream);
                line.is_connecting = true;
            }
            Err(_) => self.connect_failed(at),
        }
    }

    pub(super) fn finish_connect(&mut self, at: usize) -> bool {
        let line = &mut self.lines[at];
        match line.stream.as_ref().map(Stream::is_connected) {
            Some(Ok(true)) => line.is_connecting = false,
            Some(Ok(false)) | None => return false,
            Some(Err(_)) => {
                self.connect_failed(at);
                return false;
            }
        }
        let now_ns = self.now_ns();
        if self.pacer.is_none() {
            self.refill(at);
        } else {
            self.queue(at, now_ns);
        }
        true
    }

    fn connect_failed(&mut self, at: usize) {
        let now_ns = self.now_ns();
        let line = &mut self.lines[at];
        line.stream = None;
        line.is_connecting = false;
        line.failures_in_row += 1;
        line.retry_at_ns = now_ns + pause_ns(line.failures_in_row);
        if now_ns >= self.window.start_ns && now_ns < self.window.end_ns {
            self.tally.failures.add(Failure::Connect, 1);
        }
    }
}

fn pause_ns(failures_in_row: u32) -> u64 {
    match failures_in_row {
        0 => 0,
        n => (RETRY_NS.0 << (n - 1).min(8)).min(RETRY_NS.1),
    }
}
