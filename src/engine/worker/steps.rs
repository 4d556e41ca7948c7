//! The steps of a turn that are more than a call: each asks one part what happened, and acts on it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use mio::net::TcpStream;

use super::answers::Confirmation;
use super::connection::{Connection, Fate, Task, Wait};
use super::context::Ending;
use super::deadlines::Crowd;
use super::held::{Held, LateAnswer};
use super::orders::{Orders, Returned};
use super::start_rule::Turn;
use super::{Found, Worker, route};
use crate::app::application::Start;
use crate::app::wait::Ticket;
use crate::base::limits::{LINGER_DRAINING_MS, Limits, WATCHERS_PER_TURN};
use crate::engine::shared::access::Rules;
use crate::engine::shared::mailbox::{FileDone, JobDone, Mail};
use crate::engine::shared::table::Key;

impl Worker {
    /// Asks the kernel what is ready, and sleeps if nothing is. It does not sleep while connections wait to be served again
    /// or have more to send, nor while the lane holds something that no commit has been started for: then it only looks,
    /// because finding nothing is what starts the commit.
    pub(super) fn wait(&mut self, found: &mut Found) -> io::Result<()> {
        let busy = self.rota.has_next()
            || self.rota.has_output()
            || self.service.lane.wants_commit(&self.context)
            || self.service.watchers.is_in_round()
            || self.doors.is_ready();
        if busy {
            self.poll_for(Some(Duration::ZERO), found)?;
        } else {
            // A mail, a wait or a retry may have put something into the lane since the turn published it, and the end of
            // a batch that is under way wakes only workers in whose lanes it sees something.
            self.service.lane.publish();
            self.context.side().fall_asleep();
            // The second look: whatever was published before the flag was up would wake nobody. The sleep has no
            // time-out, because the deadlines have a timer.
            let timeout = self.has_news().then_some(Duration::ZERO);
            self.poll_for(timeout, found)?;
            self.context.side().wake_up();
            self.context.metrics().wakeups.add(1);
        }
        self.context.now.tick();
        self.service.lane.polled(Turn {
            began_us: self.context.now.us(),
            is_idle: found.events.is_empty() && !self.rota.has_next(),
            has_slept: !busy,
        });
        found.events.iter().for_each(|event| self.doors.notice(event.token()));
        Ok(())
    }

    fn poll_for(&mut self, timeout: Option<Duration>, found: &mut Found) -> io::Result<()> {
        match self.poll.poll(&mut found.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                found.events.clear();
                Ok(())
            }
            result => result,
        }
    }

    /// Returns whether another thread has left anything for this one.
    fn has_news(&self) -> bool {
        let (side, lane, answers) = (self.context.side(), &self.service.lane, &self.service.answers);
        side.committed() != lane.committed()
            || answers.is_due(lane.committed())
            || side.has_mail()
            || lane.wants_commit(&self.context)
            || answers.has_synced_news(&self.context)
            || answers.has_shipped_news(&self.context)
            || self.deadlines.crowd_begins(&self.context)
    }

    /// Takes new connections from the listeners that have some.
    pub(super) fn accept(&mut self) {
        if !self.doors.is_ready() {
            return;
        }
        self.doors.begin();
        while let Some((stream, entrance, from)) = self.doors.next(&self.context) {
            self.admit(stream, entrance, Some(from));
        }
        self.deadlines.wake_at(self.doors.again_ms(), &self.context);
    }

    /// Serves every connection that the kernel has news of, then those left over from the turn before.
    pub(super) fn serve(&mut self, found: &mut Found) {
        let list = self.rota.take_listed();
        let Found { events, buffer } = found;
        events.iter().for_each(|event| self.serve_event(event, buffer));
        if let Some(list) = list {
            list.iter().for_each(|key| self.serve_listed(*key, buffer));
            self.rota.served(list);
            self.shake_hands(buffer);
        }
    }

    /// Reads the mailbox.
    pub(super) fn take_mail(&mut self) {
        self.service.lane.retry_submissions(&self.context);
        if !self.context.side().has_mail() {
            return;
        }
        self.context.side().mail_seen();
        while let Ok(mail) = self.mail.try_recv() {
            self.take(mail);
        }
    }

    pub(super) fn take(&mut self, mail: Mail) {
        match mail {
            Mail::Job(JobDone { key, head: Some(Start::Go(then)), .. }) => {
                self.with(key, |worker, connection| {
                    worker.service.take_found(connection, then, &worker.context);
                    worker.settle(connection)
                });
            }
            Mail::Job(done) => self.with(done.key, |worker, connection| {
                worker.service.take_piece(connection, done, &worker.context)
            }),
            Mail::File(done) => self.take_back(done),
            Mail::Upload(done) => self.with(done.key, |worker, connection| {
                match worker.service.take_upload(connection, done.upload, &worker.context) {
                    Fate::Stays => worker.settle(connection),
                    Fate::Ends => Fate::Ends,
                }
            }),
            Mail::Wake(ticket) => self.wake(ticket),
            Mail::Log(submission) => self.service.lane.submit(submission, &self.context),
            Mail::Frames => self.service.watchers.begin_round(),
            Mail::Limits(limits) => self.take_limits(limits),
            Mail::Rules(rules) => self.take_rules(rules),
            Mail::Overdue => self.answer_overdue(),
            Mail::Drain => self.drain(),
            Mail::HandOver(successor) => self.leave_to(successor),
            Mail::Adopt(stream, entrance) => self.adopt(TcpStream::from_std(stream), entrance),
            Mail::StopBodies => self.stop_bodies(),
            Mail::Quit => self.quitting = true,
        }
    }

    /// Takes a socket back from a job thread. Where the connection has ended meanwhile, the socket ends here with the last number
    /// that it has.
    fn take_back(&mut self, done: FileDone) {
        self.context.metrics().written_bytes.add(done.sent_bytes);
        self.with(done.key, |worker, connection| match Orders::take_back(connection, done) {
            Returned::Late => Fate::Stays,
            Returned::Broken => Fate::Ends,
            Returned::Sent => {
                connection.owe();
                Fate::Stays
            }
            Returned::More => {
                if !connection.blocked {
                    connection.owe();
                }
                // The client's time to take what is queued begins.
                worker.settle(connection)
            }
        });
    }

    fn wake(&mut self, ticket: Ticket) {
        let key = Key { place: ticket.place, generation: ticket.generation };
        self.with(key, |worker, connection| match worker.service.wake(connection, ticket, &worker.context) {
            true => worker.settle(connection),
            false => Fate::Stays,
        });
    }

    fn take_limits(&mut self, limits: Arc<Limits>) {
        self.context.limits = limits;
        self.sweep(|_| true);
        self.service.take_limits(&self.context);
    }

    /// Takes new rules over. Remembered heads were allowed by the old ones, and so were streams: where somebody may do less now, they
    /// end, and whoever may still have one comes back and is asked. Bodies under way end whose sender may no longer send them.
    #[cold]
    #[inline(never)]
    fn take_rules(&mut self, rules: Arc<Rules>) {
        let takes_away = rules.take_away_from(&self.context.rules);
        let earlier = std::mem::replace(&mut self.context.rules, rules);
        self.service.express.forget();
        self.for_all(|worker, connection| {
            connection.verdict.carry_over(&earlier, &worker.context.rules);
            if takes_away {
                end_watching(connection);
                worker.service.stop_if_revoked(connection, &worker.context);
            }
        });
    }

    /// Answers writes whose batch the disk has no room for, and that have waited as long as an answer may wait for the second
    /// host: they may be stored. Lets go of what committed records needed that were answered so.
    fn answer_overdue(&mut self) {
        let context = &self.context;
        self.service.answers.release_overdue(context.side().committed());
        let before_us = context.now.exact_us().saturating_sub(context.shared.durability_timeout_us);
        while self.context.shared.space.has_waiting_batch() {
            // Asked behind that: what was committed before this batch has its own answer, although mail comes first.
            let committed = self.context.side().committed();
            let Some(held) = self.service.answers.overdue(before_us, committed) else { break };
            self.context.metrics().overdue.add(u64::from(held.count));
            self.with(held.key, |worker, connection| {
                worker.service.put_for_all(connection, &held, &route::overdue(), None, &worker.context);
                Fate::Stays
            });
        }
    }

    /// Stops the bodies before which the server ends.
    pub(super) fn stop_bodies(&mut self) {
        self.service.stop_bodies();
        self.for_all(|worker, connection| worker.service.stop_if_ending(connection, &worker.context));
    }

    /// Stops accepting: what the kernel has queued is still taken, so that no client that got through is reset.
    fn drain(&mut self) {
        if self.context.is_draining() {
            return;
        }
        self.doors.listen_to_all();
        while self.doors.is_ready() {
            self.accept();
        }
        self.stop_listening(Ending::Draining);
    }

    /// Accepts nothing more, which is left in the queues for the successor, and passes on each connection when it is idle.
    fn leave_to(&mut self, successor: Sender<OwnedFd>) {
        self.doors.lead_to(successor);
        self.stop_listening(Ending::HandingOver { since_ms: self.context.now.ms() });
    }

    /// Closes the listeners, and has every connection looked at once more. What a connection or its client waits for comes
    /// sooner: a question that waits for a time is answered, and what is left of a head or of a closed connection's input is
    /// not waited for as long.
    fn stop_listening(&mut self, ending: Ending) {
        self.doors.close(self.poll.registry());
        self.context.ending = ending;
        self.service.reconsider_express(&self.context);
        self.service.express.forget();
        self.for_all(|worker, connection| {
            // A request may have come that the kernel has not reported yet.
            connection.readable = true;
            connection.serve_again();
            connection.arm();
            let now_ms = worker.context.now.ms();
            if connection.lingering {
                connection.linger_until_ms = now_ms + LINGER_DRAINING_MS;
            }
            match &mut connection.task {
                Task::Waiting { until_ms, .. } if *until_ms != u64::MAX => *until_ms = now_ms,
                _ => end_watching(connection),
            }
        });
    }

    fn for_all(&mut self, look: impl Fn(&mut Self, &mut Connection)) {
        let keys: Vec<Key> = self.table.keys().collect();
        for key in keys {
            self.with(key, |worker, connection| {
                look(worker, connection);
                Fate::Stays
            });
        }
    }

    /// Moves every answer whose records are committed to its connection's output.
    pub(super) fn take_commits(&mut self) {
        let committed = self.context.side().committed();
        while let Some(held) = self.service.answers.synced(&self.context) {
            self.hand_over(held);
        }
        if committed == self.service.lane.committed() && !self.service.answers.is_due(committed) {
            return;
        }
        self.service.lane.take_committed(committed);
        let now_us = self.service.lane.time_of_commit(&self.context);
        let (mut read_us, mut samples) = (0, 0);
        while let Some(held) = self.service.answers.committed(committed) {
            if held.read_us != read_us {
                self.record_wait(now_us - read_us, samples);
                (read_us, samples) = (held.read_us, 0);
            }
            samples += u64::from(held.count);
            if self.service.answers.is_usual(&held, &self.context) {
                self.hand_over_usual(&held);
            } else if let Some(held) = self.service.answers.due(held, &self.context) {
                self.hand_over(held);
            }
        }
        self.record_wait(now_us.saturating_sub(read_us), samples);
        if self.service.answers.awaits_peer() {
            self.deadlines.wake_at(self.service.answers.peer_due_ms(), &self.context);
            self.service.reconsider_express(&self.context);
        }
        self.retry_stalled();
    }

    fn record_wait(&self, wait_us: u64, samples: u64) {
        if samples > 0 && wait_us > 0 {
            self.context.metrics().commit_wait_us.record(wait_us, samples);
        }
    }

    /// Tries the connections again whose records wait for room in the lane.
    #[inline]
    fn retry_stalled(&mut self) {
        if self.rota.has_stalled() {
            let stalled = self.rota.take_stalled();
            self.retry(stalled);
        }
    }

    fn retry(&mut self, stalled: Vec<Key>) {
        for key in stalled {
            self.with(key, |worker, connection| {
                connection.listed.remove(super::connection::Marks::STALLS);
                worker.service.retry(connection, &worker.context);
                worker.settle(connection)
            });
        }
    }

    /// Answers the writes that the peer has by now, and those whose time is up.
    pub(super) fn take_confirmations(&mut self) {
        if !self.service.answers.awaits_peer() {
            return;
        }
        let (mut read_us, mut samples) = (self.context.now.us(), 0);
        while let Some(confirmation) = self.service.answers.confirmed(&self.context) {
            let (Confirmation::There(held) | Confirmation::Late(held, _)) = &confirmation;
            if held.read_us != read_us {
                self.record_peer_wait(read_us, samples);
                (read_us, samples) = (held.read_us, 0);
            }
            samples += u64::from(held.count);
            match confirmation {
                Confirmation::There(held) => self.hand_over(held),
                Confirmation::Late(held, level) => self.give_up_on_peer(held, level),
            }
        }
        self.record_peer_wait(read_us, samples);
        self.service.reconsider_express(&self.context);
    }

    fn record_peer_wait(&self, read_us: u64, samples: u64) {
        if samples > 0 {
            self.context.metrics().peer_wait_us.record(self.context.now.us() - read_us, samples);
        }
    }

    /// Answers a write whose time is up by what was reached. Nothing that is logged is taken back.
    fn give_up_on_peer(&mut self, mut held: Held, level: crate::base::durability::Durability) {
        self.context.metrics().peer_late.add(u64::from(held.count));
        self.with(held.key, |worker, connection| {
            let (service, context) = (&mut worker.service, &worker.context);
            let late = held
                .late
                .as_mut()
                .map(|late| std::mem::replace(&mut late.answer, LateAnswer::Made(route::not_applied())));
            let response = service.given_up(connection, late, context);
            service.put_for_all(connection, &held, &response, Some(level), context);
            Fate::Stays
        });
    }

    /// Sends what connections are owed. What is owed anew, the next piece of static content, is for the next turn.
    pub(super) fn write(&mut self) {
        if self.service.watchers.is_in_round() {
            self.owe_frames();
        }
        let list = self.rota.take_sending();
        list.iter().for_each(|key| self.write_to(*key));
        self.rota.sent(list);
    }

    /// Has frames sent to the next of those that watch a feed; says when all have been through.
    fn owe_frames(&mut self) {
        let mut share = Vec::with_capacity(WATCHERS_PER_TURN);
        let is_over = self.service.watchers.take_share(&mut share);
        for key in share {
            let mut watches = false;
            self.with(key, |_, connection| {
                watches = matches!(connection.task, Task::Watching(_));
                if watches {
                    connection.owe();
                }
                Fate::Stays
            });
            if !watches {
                self.service.watchers.remove(key);
            }
        }
        if is_over {
            self.context.shared.rounds.done();
        }
    }

    /// Looks at the connections whose time may have come.
    pub(super) fn expire(&mut self) {
        let Some(fired) = self.deadlines.fired(self.context.now.ms()) else { return };
        for &(place, generation) in &fired {
            self.with(Key { place, generation }, Self::look_at);
        }
        self.retry_stalled();
        self.doors.look_again(self.context.now.ms());
        self.deadlines.seen(fired, &self.context);
        self.deadlines.wake_at(self.doors.again_ms(), &self.context);
        self.deadlines.wake_at(self.service.answers.peer_due_ms(), &self.context);
    }

    /// Looks whether most connections are used. When that begins, idle ones have a shorter time, whatever their entry
    /// says, and the other workers are woken, since nothing else may wake them.
    pub(super) fn notice_crowd(&mut self) {
        if self.deadlines.look_for_crowd(&self.context) == Crowd::Begins {
            self.sweep(|wait| matches!(wait, Wait::Idle | Wait::Linger));
            self.context.shared.wake_workers();
        }
    }

    /// Puts the deadlines of all connections that wait like this into the wheel: they may be earlier than they were.
    pub(super) fn sweep(&mut self, is_concerned: impl Fn(Wait) -> bool) {
        self.for_all(|_, connection| {
            if is_concerned(connection.wait) {
                connection.arm();
            }
        });
    }
}

/// Ends a stream of frames behind the one under way, if the connection is sent one.
fn end_watching(connection: &mut Connection) {
    if let Task::Watching(watching) = &mut connection.task {
        watching.end();
        connection.owe();
    }
}
