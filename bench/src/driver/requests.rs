//! What a thread asks: the bytes of its next request, how many it still may ask, and how many are unanswered.

use super::line::Line;
use crate::client::connection::InFlight;
use crate::scenario::Scenario;
use crate::scenario::mix::MixWriter;
use crate::scenario::request::RequestWriter;

/// The requests of one thread.
pub(super) struct Requests {
    writer: RequestWriter,
    /// Writes the last request of a connection that is not kept.
    last_writer: RequestWriter,
    /// Writes instead of both when there are several requests in turn.
    mix: Option<MixWriter>,
    /// Number of the thread's first request; between two of its requests each other thread has one.
    first_number: u64,
    threads: u64,
    /// Requests it numbered.
    numbered: u64,
    /// Measured requests that it may still ask.
    left: u64,
    in_flight: usize,
}

impl Requests {
    /// Returns those of `thread`.
    pub(super) fn of(scenario: &Scenario, thread: usize) -> Self {
        let seed = scenario.first_number ^ thread as u64;
        Self {
            writer: RequestWriter::new(scenario.form.clone(), seed),
            last_writer: RequestWriter::new(scenario.form.closing(), seed),
            mix: scenario.mix.as_ref().map(|mix| MixWriter::new(mix, &scenario.form.host, seed)),
            first_number: scenario.first_number + thread as u64,
            threads: scenario.threads as u64,
            numbered: 0,
            left: scenario.requests_of(thread).unwrap_or(u64::MAX),
            in_flight: 0,
        }
    }

    /// Asks the next one on `line`. One that `counts` is measured: the warm-up takes nothing from a bounded number.
    #[inline]
    pub(super) fn ask(&mut self, line: &mut Line, intended_ns: u64, sent_ns: u64, counts: bool) {
        debug_assert!(self.left > 0, "a bounded run asks no more than its bound");
        let number = self.first_number + self.numbered * self.threads;
        let (out, is_last) = line.next_request();
        let (kind, is_head) = match &mut self.mix {
            Some(mix) => mix.write(number, is_last, out),
            None => {
                let writer = if is_last { &mut self.last_writer } else { &mut self.writer };
                writer.write(number, out);
                (0, false)
            }
        };
        line.asked(InFlight { intended_ns, sent_ns, number: self.numbered, kind, is_head });
        self.numbered += 1;
        self.in_flight += 1;
        self.left -= u64::from(counts);
    }

    /// Takes note that `number` of them were answered or given up.
    #[inline]
    pub(super) fn ended(&mut self, number: usize) {
        self.in_flight -= number;
    }

    /// Takes note that `number` of them will never be asked.
    pub(super) fn pass_over(&mut self, number: u64) {
        self.left -= number;
    }

    /// Returns the number of measured ones that may still be asked.
    #[inline]
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Returns whether any is unanswered.
    #[inline]
    pub(super) fn are_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// Returns how many were numbered.
    pub(super) fn numbered(&self) -> u64 {
        self.numbered
    }
}
