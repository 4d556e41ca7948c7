//! Deadlines: of clients that send or read too slowly, of connections that nobody uses, of full lanes.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::Worker;
use super::connection::{Connection, Wait};
use super::read::Fate;
use crate::engine::shared::WorkerSide;
use crate::engine::shared::metrics::Reject;
use crate::engine::shared::table::Key;
use crate::http::refusal::Refusal;

/// All connections are looked at no more often than this because there are too many.
const SWEEP_MS: u64 = 1_000;

impl Worker {
    /// Looks at the connections whose time may have come.
    pub(super) fn expire(&mut self) {
        let now_ms = self.now_ms();
        if now_ms < self.timer_ms {
            return;
        }
        self.timer_ms = u64::MAX;
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.expire(now_ms, &mut fired);
        for (place, generation) in fired.drain(..) {
            let key = Key { place, generation };
            self.with(key, |worker, connection| worker.look_at(key, connection));
        }
        self.fired = fired;
        if !self.stalled.is_empty() {
            self.retry_stalled();
        }
        self.retry_accept();
        if let Some(next_ms) = self.wheel.next_ms() {
            self.set_timer(next_ms);
        }
        if let Some(first) = self.awaiting.first() {
            self.set_timer(first.due_us.div_ceil(1_000));
        }
    }

    /// Sets the timer to `at_ms`, unless it fires before that.
    pub(super) fn set_timer(&mut self, at_ms: u64) {
        if at_ms < self.timer_ms {
            self.timer_ms = at_ms;
            // The timer must not be early: the turn it starts would find nothing due and set it again.
            let delay = Duration::from_millis(at_ms.saturating_sub(self.now_ms()) + 1);
            if let Err(error) = self.timer.set(delay) {
                tracing::error!(%error, worker = self.index, "can't set the timer; deadlines come late");
            }
        }
    }

    /// Puts the connection's deadline into the wheel, unless an entry that fires no later is there.
    pub(super) fn arm(&mut self, key: Key, connection: &mut Connection) {
        let now_ms = self.now_ms();
        let due_ms = self.due_ms(connection);
        let entry = (key.place, key.generation);
        let fires_ms = self.wheel.schedule(now_ms, due_ms, connection.scheduled_ms, entry);
        if fires_ms < connection.scheduled_ms {
            // When the entry fires and not when the time is up: by this `look_at` knows the entry again.
            connection.scheduled_ms = fires_ms;
            self.set_timer(fires_ms);
        }
    }

    /// An entry of the connection fired: its time has come, or the entry was early, or an old one.
    fn look_at(&mut self, key: Key, connection: &mut Connection) -> Fate {
        let now_ms = self.now_ms();
        if connection.scheduled_ms > now_ms && connection.scheduled_ms != u64::MAX {
            // A later entry was replaced by an earlier one, which has fired and scheduled again.
            return Fate::Stays;
        }
        connection.scheduled_ms = u64::MAX;
        if self.wait_is_over(key, connection) {
            return self.settle(key, connection);
        }
        if connection.wait == Wait::Us || now_ms < self.due_ms(connection) {
            self.arm(key, connection);
            return Fate::Stays;
        }
        match connection.wait {
            Wait::Header | Wait::Body => {
                self.reject(Reject::Slow);
                self.refuse(key, connection, Refusal::new(408, "the request did not arrive in time"));
                self.arm(key, connection);
                Fate::Stays
            }
            Wait::Write => self.reset(connection),
            Wait::FirstByte | Wait::Idle | Wait::Linger | Wait::Us => Fate::Ends,
        }
    }

    /// Looks whether most connections are used. When that begins, idle ones have a shorter time, whatever their entry
    /// says, and the other workers are told, which may have nothing else to wake up for.
    pub(super) fn notice_crowd(&mut self) {
        if !self.is_crowded() {
            self.crowded = false;
        } else if self.crowd_begins() {
            self.crowded = true;
            self.swept_ms = self.now_ms();
            self.sweep(|wait| matches!(wait, Wait::Idle | Wait::Linger));
            self.shared.workers.iter().for_each(WorkerSide::wake);
        } else if !self.crowded {
            self.set_timer(self.swept_ms + SWEEP_MS);
        }
    }

    /// Whether most connections are used and idle ones have not been given their shorter time for that yet. Not more
    /// often than every [`SWEEP_MS`], because all of them are looked at.
    #[inline]
    pub(super) fn crowd_begins(&self) -> bool {
        !self.crowded && self.is_crowded() && self.now_ms() >= self.swept_ms + SWEEP_MS
    }

    #[inline]
    fn is_crowded(&self) -> bool {
        let used = self.shared.connections.load(Relaxed);
        let allowed = self.limits.connections.min(self.shared.descriptors.connections());
        used * 100 > allowed * 80
    }

    /// Puts the deadlines of all connections that wait like this into the wheel: they may be earlier than they were.
    pub(super) fn sweep(&mut self, is_concerned: impl Fn(Wait) -> bool) {
        let keys: Vec<Key> = self.table.keys().collect();
        for key in keys {
            self.with(key, |worker, connection| {
                if is_concerned(connection.wait) {
                    worker.arm(key, connection);
                }
                Fate::Stays
            });
        }
    }
}
