//! Records that other threads of this host bring: into the lane, and a word when they are committed.

use super::Worker;
use crate::apps::background::Unlogged;
use crate::engine::shared::space::Intake;

impl Worker {
    /// Puts submissions into the lane, in their order, as far as it has room. They are of the kind that frees space.
    pub(super) fn log_submissions(&mut self) {
        while let Some(next) = self.submissions.waiting.front() {
            let intake = self.shared.space.intake();
            if matches!(intake, Intake::Closed | Intake::Refused) {
                let refused = self.submissions.waiting.pop_front();
                // Who does not wait any more is not told.
                refused.map(|refused| refused.reply.send(Err(Unlogged::NoSpace)));
                continue;
            }
            if self.shared.understanding.admits(&next.records).is_err() {
                let refused = self.submissions.waiting.pop_front();
                refused.map(|refused| refused.reply.send(Err(Unlogged::TooOld)));
                continue;
            }
            // The next commit or segment makes room.
            if intake == Intake::Waiting || !self.producer.push(&next.records) {
                return;
            }
            let position = self.producer.position();
            if let Some(next) = self.submissions.waiting.pop_front() {
                self.submissions.logged(position, next.reply);
            }
        }
    }
}
