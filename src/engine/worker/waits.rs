//! Requests that wait for a time, for each other, or for what a command came to.

use super::Worker;
use super::connection::{Connection, Task};
use super::held::{Asked, Late, LateAnswer};
use super::read::Fate;
use crate::apps::app::{Resume, Wait};
use crate::apps::wait::{News, Ticket};
use crate::base::durability::Durability;
use crate::engine::shared::table::Key;

impl Worker {
    /// What wakes the next wait of `connection`.
    pub(super) fn next_ticket(&self, key: Key, connection: &Connection) -> Ticket {
        let worker = self.index as u32;
        Ticket {
            worker,
            place: key.place,
            generation: key.generation,
            wait: connection.waits.wrapping_add(1),
        }
    }

    /// Holds a request.
    pub(super) fn start_wait(&mut self, key: Key, connection: &mut Connection, wait: Wait, asked: Asked) {
        connection.waits = connection.waits.wrapping_add(1);
        let until_ms = wait.until_us.map_or(u64::MAX, |until_us| until_us.div_ceil(1_000).max(self.now_ms()));
        // A server that ends answers in its next tick what waits for a time.
        let until_ms = if self.draining && until_ms != u64::MAX { self.now_ms() } else { until_ms };
        connection.task = Task::Waiting { then: wait.then, asked, until_ms };
        if until_ms != u64::MAX {
            self.arm(key, connection);
        }
    }

    /// Somebody woke the request that has this ticket, unless it is over.
    pub(super) fn take_wake(&mut self, ticket: Ticket) {
        let key = Key { place: ticket.place, generation: ticket.generation };
        self.with(key, |worker, connection| {
            if connection.waits == ticket.wait && worker.go_on(key, connection, News::Woken) {
                return worker.settle(key, connection);
            }
            Fate::Stays
        });
    }

    /// Its time has come, if it waits; gives whether it went on.
    pub(super) fn wait_is_over(&mut self, key: Key, connection: &mut Connection) -> bool {
        let now_ms = self.now_ms();
        let due = matches!(connection.task, Task::Waiting { until_ms, .. } if until_ms <= now_ms);
        let news = if self.draining { News::Draining } else { News::Time };
        due && self.go_on(key, connection, news)
    }

    fn go_on(&mut self, key: Key, connection: &mut Connection, news: News) -> bool {
        if !matches!(connection.task, Task::Waiting { .. }) {
            return false;
        }
        if let Task::Waiting { then, asked, .. } = std::mem::replace(&mut connection.task, Task::None) {
            self.resume(key, connection, then, news, asked);
        }
        true
    }

    fn resume(
        &mut self,
        key: Key,
        connection: &mut Connection,
        then: Box<dyn Resume>,
        news: News,
        asked: Asked,
    ) {
        let shared = self.shared.clone();
        let action = then.resume(&self.view(&shared, key, connection), news);
        self.act(key, connection, action, asked);
        // What came behind this request has been left unread.
        self.serve_again(key, connection);
    }

    /// Gives an answer whose records have reached `level`.
    pub(super) fn give(&mut self, key: Key, connection: &mut Connection, late: Late, level: Durability) {
        let asked = Asked { reached: Some(level), ..late.asked };
        match late.answer {
            LateAnswer::Made(response) | LateAnswer::Partial(response) => {
                self.respond(key, connection, &response, &asked);
            }
            LateAnswer::Applied(then, outcome) => {
                self.resume(key, connection, then, News::Applied(outcome), asked);
            }
            LateAnswer::Command(_) => unreachable!("a command's outcome is taken when it is committed"),
        }
    }
}
