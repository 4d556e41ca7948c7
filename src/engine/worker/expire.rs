//! Deadlines: of clients that send or read too slowly, of connections that nobody uses, of full lanes.

use super::Worker;
use super::read::Fate;
use crate::engine::connection::{Connection, Wait};
use crate::engine::metrics::Reject;
use crate::engine::table::Key;
use crate::http::refusal::Refusal;

impl Worker {
    /// Looks at the connections whose time may have come.
    pub(super) fn expire(&mut self) {
        let now_ms = self.now_ms();
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.expire(now_ms, &mut fired);
        for (place, generation) in fired.drain(..) {
            let key = Key { place, generation };
            self.with(key, |worker, connection| worker.look_at(key, connection));
        }
        self.fired = fired;
        if self.is_crowded() && now_ms >= self.swept_ms + 1_000 {
            self.swept_ms = now_ms;
            self.sweep();
        }
        if !self.stalled.is_empty() {
            self.retry_stalled();
        }
    }

    /// Puts the connection's deadline into the wheel, unless an entry that fires no later is there.
    pub(super) fn arm(&mut self, key: Key, connection: &mut Connection) {
        let due_ms = connection.due_ms(&self.limits, self.is_crowded(), self.now_ms());
        if due_ms < connection.scheduled_ms {
            connection.scheduled_ms = due_ms;
            self.wheel.schedule(due_ms, (key.place, key.generation));
        }
    }

    /// An entry of the connection fired: either its time has come, or the entry was an old one.
    fn look_at(&mut self, key: Key, connection: &mut Connection) -> Fate {
        let now_ms = self.now_ms();
        if connection.scheduled_ms > now_ms && connection.scheduled_ms != u64::MAX {
            // A later entry was replaced by an earlier one, which has fired and scheduled again.
            return Fate::Stays;
        }
        connection.scheduled_ms = u64::MAX;
        let due_ms = connection.due_ms(&self.limits, self.is_crowded(), now_ms);
        let late = match connection.wait {
            Wait::Body => connection.body_is_slow(&self.limits, now_ms),
            Wait::Us => false,
            _ => now_ms >= due_ms,
        };
        if !late {
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

    /// Most connections are used: idle ones have a shorter time from now on, whatever their entry says.
    fn sweep(&mut self) {
        let keys: Vec<Key> = self.table.keys().collect();
        for key in keys {
            self.with(key, |worker, connection| {
                if connection.wait == Wait::Idle {
                    worker.arm(key, connection);
                }
                Fate::Stays
            });
        }
    }
}
