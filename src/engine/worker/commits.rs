//! Commits: what the committer published is answered, and who waited for it goes on.

use std::sync::atomic::Ordering;

use super::connection::Connection;
use super::held::{Held, Late, LateAnswer};
use super::read::Fate;
use super::{Worker, route};
use crate::base::durability::Durability;
use crate::base::limits::INLINE_SAMPLED;
use crate::engine::shared::mailbox::Mail;
use crate::engine::shared::table::Key;

impl Worker {
    /// In `memory`: runs the commit step if the token is free. If another worker has it, that one wakes this one.
    pub(super) fn commit_inline(&mut self) {
        if self.producer.position() == self.committed {
            return;
        }
        if let Some(commit) = &mut self.inline_commit {
            commit.try_run(&self.shared, self.index, self.now_us + self.wall_offset_us);
        }
    }

    /// Reads the mailbox.
    pub(super) fn take_mail(&mut self) {
        if !self.submissions.waiting.is_empty() {
            self.log_submissions();
        }
        if !self.side().has_mail() {
            return;
        }
        self.side().mail_seen();
        while let Ok(mail) = self.mail.try_recv() {
            match mail {
                Mail::Job(done) => self.take_piece(done),
                Mail::File(done) => self.take_sent(done),
                Mail::Upload(done) => self.take_upload(done),
                Mail::Wake(ticket) => self.take_wake(ticket),
                Mail::Log(submission) => {
                    self.submissions.waiting.push_back(submission);
                    self.log_submissions();
                }
                Mail::Limits(limits) => {
                    self.limits = limits;
                    self.sweep(|_| true);
                    // What was decided about the remembered heads may depend on the limits.
                    self.heads.bound_lengths(self.router.express_body_bytes(&self.limits) as u64);
                    self.reconsider_express();
                    self.render_usual();
                }
                Mail::Overdue => self.tell_overdue(),
                Mail::Drain => self.drain(),
                Mail::HandOver(successor) => self.leave_to(successor),
                Mail::Adopt(stream, root) => self.adopt(stream, root),
                Mail::StopBodies => self.stop_bodies(),
                Mail::Quit => self.quitting = true,
            }
        }
    }

    /// Moves every answer whose records are committed to its connection's output.
    pub(super) fn take_commits(&mut self) {
        let committed = self.side().committed();
        self.take_synced();
        if committed == self.committed && !self.held.is_due(committed) {
            return;
        }
        self.committed = committed;
        self.submissions.committed(committed);
        let now_us = self.time_of_commit();
        let is_reached = self.shared.durability <= self.reached;
        let (mut read_us, mut samples) = (0, 0);
        while let Some(held) = self.held.pop(committed) {
            if held.read_us != read_us {
                self.record_wait(now_us - read_us, samples);
                (read_us, samples) = (held.read_us, 0);
            }
            samples += u64::from(held.count);
            if held.late.is_none() && is_reached {
                self.hand_over_usual(&held);
            } else {
                self.release(held);
            }
        }
        self.record_wait(now_us.saturating_sub(read_us), samples);
        if !self.stalled.is_empty() {
            self.retry_stalled();
        }
    }

    /// In `memory` the commit was made in this very turn; its time is taken in some of them only.
    fn time_of_commit(&mut self) -> u64 {
        self.commits_taken = self.commits_taken.wrapping_add(1);
        if self.inline_commit.is_some() && !self.commits_taken.is_multiple_of(INLINE_SAMPLED) {
            return self.now_us;
        }
        self.clock.now_us()
    }

    fn record_wait(&self, wait_us: u64, samples: u64) {
        if samples > 0 && wait_us > 0 {
            self.metrics().commit_wait_us.record(wait_us, samples);
        }
    }

    /// Gives a committed answer to its connection, if that is still there, or holds it until its level is reached.
    fn release(&mut self, mut held: Held) {
        if let Some(late) = held.late.take() {
            held.late = Some(self.with_outcome(late, held.position));
        }
        let level = held.late.as_ref().map_or(self.shared.durability, |late| late.asked.durability);
        if level > self.reached {
            self.await_level(level, held);
        } else {
            self.hand_over(held);
        }
    }

    /// Gives an answer whose level is reached to its connection, if that is still there.
    pub(super) fn hand_over(&mut self, held: Held) {
        let Some(late) = held.late else { return self.hand_over_usual(&held) };
        self.with(held.key, |worker, connection| {
            connection.settle_held(held.count);
            let level = late.asked.durability;
            worker.give(held.key, connection, *late, level);
            Fate::Stays
        });
    }

    #[inline]
    fn hand_over_usual(&mut self, held: &Held) {
        self.with(held.key, |worker, connection| {
            connection.settle_held(held.count);
            worker.owe_usual(held.key, connection, held.count, held.route);
            Fate::Stays
        });
    }

    /// Adds what a command came to, which is only kept for the asking in the order of the lane.
    fn with_outcome(&self, mut late: Box<Late>, position: u64) -> Box<Late> {
        late.answer = match late.answer {
            LateAnswer::Command(then) => match self.side().outcomes.take(position) {
                Some(outcome) => LateAnswer::Applied(then, outcome),
                None => LateAnswer::Made(route::not_applied()),
            },
            answer => answer,
        };
        late
    }

    fn owe_usual(&mut self, key: Key, connection: &mut Connection, count: u32, route: usize) {
        let express = self.express_of(route).unwrap_or(0);
        let other = connection.owed > 0 && connection.owed_express != express;
        if other || connection.owed + count > self.limits.pipeline_requests as u32 {
            self.materialize(connection);
        }
        connection.owed += count;
        connection.owed_express = express;
        self.metrics().requests.count(route, 200, u64::from(count));
        self.owe(key, connection);
    }

    /// A write asked for more than a commit reaches here: its answer waits for a sync of what is committed now, or for
    /// the peer.
    fn await_level(&mut self, level: Durability, held: Held) {
        let needed = self.shared.metrics.commit.end_position.value();
        if self.reached == Durability::Memory {
            self.shared.sync_wanted.store(true, Ordering::SeqCst);
            self.shared.disk.wake();
        }
        match level {
            Durability::Both => self.await_peer(needed, held),
            _ => self.unsynced.push_back((needed, held)),
        }
    }

    /// Answers the writes that waited for a sync.
    fn take_synced(&mut self) {
        while self.has_synced_news() {
            let Some((_, held)) = self.unsynced.pop_front() else { break };
            self.hand_over(held);
        }
    }

    /// Whether a sync has covered a write that waits for one.
    pub(super) fn has_synced_news(&self) -> bool {
        let synced = || self.shared.synced.load(Ordering::Acquire);
        self.unsynced.front().is_some_and(|(needed, _)| *needed <= synced())
    }

    /// Stops accepting: what the kernel has queued is still taken, so that nobody who got through is reset.
    fn drain(&mut self) {
        if self.draining {
            return;
        }
        self.accepting.fill(true);
        while self.accepting.contains(&true) {
            self.accept();
        }
        self.stop_listening();
    }

    /// Closes the listeners, and has every connection looked at once more.
    pub(super) fn stop_listening(&mut self) {
        for listener in &mut self.listeners {
            // Closing it is what counts; a failure to deregister is the end of it as well.
            let _ = self.poll.registry().deregister(listener);
        }
        self.listeners.clear();
        self.accepting.clear();
        self.draining = true;
        self.reconsider_express();
        self.heads.clear();
        let keys: Vec<Key> = self.table.keys().collect();
        for key in keys {
            self.with(key, |worker, connection| {
                // A request may have come that the kernel has not told of yet.
                connection.readable = true;
                worker.hurry(key, connection);
                worker.serve_again(key, connection);
                Fate::Stays
            });
        }
    }
}
