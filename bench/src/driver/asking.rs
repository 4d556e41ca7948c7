//! Requests out: what the schedule wants now, the first ones of a closed loop, the next ones of a connection that has room.

use super::Driver;
use crate::client::connection::InFlight;
use crate::scenario::pacer::Pace;
use std::io::{self, Write};

/// Time over which a closed loop's connections start, at most.
const STAGGER_NS_MAX: u64 = 20_000_000;

impl Driver {
    /// Sends what the schedule wants, and in a closed loop the first requests of each connection.
    pub(super) fn offer(&mut self) {
        self.send_all_due();
        while self.unstarted > 0 && self.now_ns() >= self.start_of_next_line() {
            let at = self.lines.len() - self.unstarted;
            self.unstarted -= 1;
            // One that is not open yet starts as soon as it is.
            if self.lines[at].stream.is_some() && !self.lines[at].is_connecting {
                self.refill(at);
            }
        }
    }

    /// Returns when the next connection of a closed loop starts, nanoseconds of the run. They start one after the other, so that they
    /// don't ask in one burst for ever.
    pub(super) fn start_of_next_line(&self) -> u64 {
        let all_ns = STAGGER_NS_MAX.min(self.scenario.duration_ns / 50);
        let at = (self.lines.len() - self.unstarted) as u64;
        let place = at * self.scenario.threads as u64 + self.thread as u64;
        all_ns * place / self.scenario.connections as u64
    }

    #[inline]
    pub(super) fn send_all_due(&mut self) {
        if self.pacer.is_some() {
            while self.send_due() {}
        }
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
        let line = &self.lines[at];
        let room = (self.scenario.pipeline - line.connection.depth()) as u64;
        for _ in 0..(share as u64).min(room).min(line.room) {
            let Some(Pace::Due { intended_ns }) = self.pacer.as_ref().map(|pacer| pacer.pace(now_ns)) else {
                break;
            };
            if self.left == 0 {
                break;
            }
            self.ask(at, intended_ns, now_ns);
            if self.window.counts(intended_ns) {
                let possible_ns = intended_ns.max(self.free_since_ns);
                self.tally.lag.saturating_record(now_ns.saturating_sub(possible_ns));
            }
            if let Some(pacer) = &mut self.pacer {
                pacer.sent();
            }
        }
        self.flush(at, now_ns);
        self.queue(at, now_ns);
        true
    }

    /// Puts a connection with room into the queue of an open loop.
    pub(super) fn queue(&mut self, at: usize, now_ns: u64) {
        let line = &mut self.lines[at];
        let has_room =
            line.stream.is_some() && line.room > 0 && line.connection.depth() < self.scenario.pipeline;
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
    pub(super) fn refill(&mut self, at: usize) {
        let now_ns = self.now_ns();
        if now_ns >= self.window.end_ns {
            return;
        }
        let line = &self.lines[at];
        let room = self.scenario.pipeline.saturating_sub(line.connection.depth()) as u64;
        for _ in 0..room.min(self.left).min(line.room) {
            self.ask(at, now_ns, now_ns);
        }
        self.flush(at, now_ns);
    }

    #[inline]
    fn ask(&mut self, at: usize, intended_ns: u64, sent_ns: u64) {
        debug_assert!(self.left > 0, "a bounded run asks no more than its bound");
        let line = &mut self.lines[at];
        debug_assert!(line.room > 0, "a connection asks no more than it may");
        line.room -= 1;
        let number = self.scenario.first_number
            + self.finished.numbered * self.scenario.threads as u64
            + self.thread as u64;
        let (is_last, out) = (line.room == 0, &mut line.connection.out);
        let (kind, is_head) = match &mut self.mix {
            Some(mix) => mix.write(number, is_last, out),
            None => {
                let writer = if is_last { &mut self.last_writer } else { &mut self.writer };
                writer.write(number, out);
                (0, false)
            }
        };
        let number = self.finished.numbered;
        line.connection.asked(InFlight { intended_ns, sent_ns, number, kind, is_head });
        self.finished.numbered += 1;
        self.in_flight += 1;
        // The warm-up takes nothing from a bounded number.
        let counted = u64::from(self.window.counts(intended_ns));
        self.left -= counted;
        self.tally.sent += counted;
    }

    #[inline]
    pub(super) fn flush(&mut self, at: usize, now_ns: u64) {
        let is_measured = u64::from(self.window.holds(now_ns));
        let line = &mut self.lines[at];
        let Some(stream) = &mut line.stream else { return };
        if stream.has_unsent()
            && let Err(error) = stream.flush()
        {
            return self.lose_by(at, &error);
        }
        while !line.connection.unwritten().is_empty() {
            match stream.write(line.connection.unwritten()) {
                Ok(bytes) => {
                    self.tally.bytes_out += bytes as u64 * is_measured;
                    line.connection.wrote(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.lose_by(at, &error),
            }
        }
    }
}
