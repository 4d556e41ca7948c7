//! Connections that end, and those that are made in their place.

use super::Driver;
use crate::driver::reasons::Reason;
use crate::driver::tally::Failure;
use std::io;

impl Driver {
    /// Gives up a connection: its unanswered requests failed, and another connection is made, at once or after a pause.
    pub(super) fn lose(&mut self, at: usize, failure: Failure, reason: Option<Reason>) {
        let now_ns = self.clock.now_ns();
        let (lost, is_at_once) = self.lines[at].close(self.scenario.form.is_head(), now_ns);
        self.requests.ended(lost.len());
        self.figures.lost(lost, failure, reason, now_ns);
        if let Some(schedule) = &mut self.schedule {
            schedule.remove(at);
        }
        if is_at_once {
            self.connect(at);
        }
    }

    /// Starts a connection, unless the measured part is over.
    pub(super) fn connect(&mut self, at: usize) {
        let now_ns = self.clock.now_ns();
        if now_ns < self.figures.window().end_ns
            && let Err(error) = self.lines.start(at, now_ns)
        {
            self.connect_failed(at, &error);
        }
    }

    /// Counts a connect that failed; it is tried again after a pause.
    pub(super) fn connect_failed(&mut self, at: usize, error: &io::Error) {
        let now_ns = self.clock.now_ns();
        self.lines[at].connect_failed(now_ns);
        self.figures.connect_failed(error, now_ns);
    }
}
