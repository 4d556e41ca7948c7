//! The first step of a turn: ask the kernel what is ready, and sleep if nothing is.

use std::io;
use std::time::Duration;

use super::{FIRST_LISTENER, Worker};
use crate::base::limits::COMMIT_TURNS_MAX;

impl Worker {
    /// Polls. It does not sleep while connections wait to be served again or have more to send, nor while the lane holds something that no
    /// commit has been started for: then it only looks, because finding nothing is what starts the commit.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        let busy = !self.again.is_empty()
            || !self.dirty.is_empty()
            || self.wants_commit()
            || self.accepting.contains(&true);
        if busy {
            self.poll_for(Some(Duration::ZERO))?;
        } else {
            // What a mail, a wait or a retry put into the lane since the turn's own publishing: while a batch is under
            // way, its end wakes only those in whose lanes it sees something.
            self.producer.publish();
            self.side().fall_asleep();
            // The second look: whatever was published before the flag was up would wake nobody. The sleep has no
            // time-out, because the deadlines have a timer.
            let timeout = self.has_news().then_some(Duration::ZERO);
            self.poll_for(timeout)?;
            self.side().wake_up();
            self.metrics().wakeups.add(1);
        }
        self.tick();
        self.quiet = self.events.is_empty() && self.again.is_empty();
        for event in &self.events {
            if event.token().0 >= FIRST_LISTENER {
                self.accepting[event.token().0 - FIRST_LISTENER] = true;
            }
        }
        Ok(())
    }

    /// Whether the lane holds something for which a commit should be started.
    pub(super) fn wants_commit(&self) -> bool {
        self.producer.position() != self.committed && !self.shared.step.is_under_way()
    }

    /// Starts a commit by the idle rule: when the poll found nothing to do, or after a few turns that found more.
    pub(super) fn start_commit(&mut self) {
        if self.inline_commit.is_some() {
            self.commit_inline();
            return;
        }
        if !self.wants_commit() {
            self.waited_turns = 0;
            return;
        }
        self.waited_turns += 1;
        if self.quiet || self.waited_turns > COMMIT_TURNS_MAX {
            self.shared.start_commit();
            self.waited_turns = 0;
        }
    }

    fn poll_for(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.events.clear();
                Ok(())
            }
            result => result,
        }
    }

    /// Anything that another thread left for this one.
    fn has_news(&self) -> bool {
        self.side().committed() != self.committed
            || self.held.is_due(self.committed)
            || self.side().has_mail()
            || self.wants_commit()
            || self.has_synced_news()
            || self.has_shipped_news()
            || self.crowd_begins()
    }
}
