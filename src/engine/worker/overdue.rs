//! Answers that wait for a batch that the disk has no room for: given after a time, without knowing what comes of it.

use super::Worker;
use super::held::{AnswerFraming, Held};
use super::read::Fate;
use super::route;
use crate::http::request::Version;

impl Worker {
    /// Tells those who have waited as long as an answer may wait for the second host that their records may be stored,
    /// and lets go of what committed records needed that were answered so.
    pub(super) fn tell_overdue(&mut self) {
        let committed = self.side().committed();
        self.overdue.retain(|(position, _)| *position > committed);
        let before_us = self.clock.now_us().saturating_sub(self.shared.durability_timeout_us);
        while self.shared.space.has_waiting_batch() {
            // Asked behind that: what was committed before this batch has its own answer, although mail comes first.
            let committed = self.side().committed();
            let Some(held) = self.held.pop_older(before_us, committed) else { break };
            self.give_overdue(held);
        }
    }

    fn give_overdue(&mut self, mut held: Held) {
        let usual = AnswerFraming { version: Version::Http11, keep_alive: true, head_only: false };
        let (framing, route) =
            held.late.as_ref().map_or((usual, held.route), |late| (late.asked.framing, late.asked.route));
        // A blob must stay until the record that names it is applied, answered or not.
        if let Some(hold) = held.late.as_mut().and_then(|late| late.hold.take()) {
            self.overdue.push((held.position, hold));
        }
        let response = route::overdue();
        self.metrics().overdue.add(u64::from(held.count));
        self.with(held.key, |worker, connection| {
            connection.settle_held(held.count);
            for _ in 0..held.count {
                worker.put(held.key, connection, &response, framing, route, None);
            }
            Fate::Stays
        });
    }
}
