//! Server-sent events: a visitor's question for news is held until there are some.
//!
//! An answer ends with the news that it tells. The visitor asks again and says where it stood, so a waiting visitor is a
//! held request like any other: no thread, no open stream, nothing that a proxy has to be set up for.
//!
//! ```text
//! data: {...}                     a message was posted
//! event: delete   data: {"id":7}  a message was deleted
//! event: reload                   something between is not remembered: list the messages anew
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::application::{Action, Resume, View, Wait};
use crate::app::heal::Heals;
use crate::app::wait::{News, Ticket, Wake};
use crate::apps::board::limits::BOARD_NEWS_LOOK_MS;
use crate::http::response::Response;

use super::json;
use super::key::Key;
use super::recent::Event;
use super::state::{BoardState, Message};

/// Visitors that wait for a message: one ticket for each place of a connection, its latest.
#[derive(Default)]
pub struct Visitors {
    tickets: Mutex<BTreeMap<(u32, u32), Ticket>>,
}

impl Visitors {
    fn add(&self, ticket: Ticket) {
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.insert((ticket.worker, ticket.place), ticket);
    }

    fn take(&self) -> BTreeMap<(u32, u32), Ticket> {
        std::mem::take(&mut *self.tickets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Wakes the visitors when it is dropped: once the post or delete that it is held for is applied.
pub struct Announcement {
    /// Who is woken.
    pub visitors: Arc<Visitors>,
    /// What wakes them.
    pub waker: Arc<dyn Wake>,
}

impl Drop for Announcement {
    fn drop(&mut self) {
        for ticket in self.visitors.take().into_values() {
            self.waker.wake(ticket);
        }
    }
}

/// A visitor's question.
pub struct Question {
    /// Which start of the process the numbers below belong to.
    pub start: u64,
    /// How many events the visitor has seen, one way or the other.
    pub seen: u64,
    /// Whether this process does not know the visitor's place: the answer says to load the list again.
    pub is_lost: bool,
    /// When it is answered although there are none, microseconds of the process's clock.
    pub until_us: u64,
    /// What addresses of pictures start with.
    pub public_base: Arc<str>,
    /// Where it waits.
    pub visitors: Arc<Visitors>,
}

/// The field in which a question says what it was sent last, and a list where it ends (HTML, section 9.2.4).
pub const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Milliseconds after which an EventSource asks again, when an answer has ended or failed.
const RETRY_MS: u64 = 1_000;

/// Returns the name of a place in the events of one start of the process: an event's id, and the end of a list.
#[must_use]
pub fn place(start: u64, count: u64) -> String {
    format!("{start:x}-{count}")
}

/// Returns the number of events up to a place; nothing if another start of the process named it, or nobody did.
#[must_use]
pub fn count_at(place: &str, start: u64) -> Option<u64> {
    let (of, count) = place.trim().split_once('-')?;
    (u64::from_str_radix(of, 16).ok()? == start).then(|| count.parse().ok())?
}

impl Question {
    /// Answers it, or holds it.
    #[must_use]
    pub fn ask(self: Box<Self>, view: &View<'_>) -> Action {
        let is_over = view.clock_us >= self.until_us;
        if let Some(text) = self.news(view, is_over) {
            return Action::Respond(events(text));
        }
        self.visitors.add(view.ticket);
        // A message of the peer comes without waking anybody here.
        let look_us = view.clock_us + BOARD_NEWS_LOOK_MS * 1_000;
        Action::Wait(Wait { until_us: Some(look_us.min(self.until_us)), then: self })
    }

    fn news(&self, view: &View<'_>, is_over: bool) -> Option<String> {
        let applied = view.applied();
        let state = applied.state::<BoardState>()?;
        let recent = state.recent();
        if recent.count() <= self.seen && !self.is_lost && !is_over {
            return None;
        }
        let mut text = format!("retry: {RETRY_MS}\nid: {}\n", place(self.start, recent.count()));
        if self.is_lost || !recent.reaches(self.seen) {
            text.push_str("event: reload\ndata: {}\n\n");
        }
        for event in recent.since(self.seen) {
            let _ = match event {
                Event::Posted(key, message) if state.has(key) => {
                    let message = with_time(message, key, &applied.heals);
                    writeln!(text, "data: {}\n", json::message(key, &message, &self.public_base))
                }
                Event::Posted(..) => Ok(()),
                Event::Deleted(id) => writeln!(text, "event: delete\ndata: {{\"id\":{id}}}\n"),
            };
        }
        text.push_str(":\n\n");
        Some(text)
    }
}

/// Returns a message with the time as of which it counts now.
fn with_time(message: &Message, key: &Key, heals: &Heals) -> Message {
    Message { time_us: heals.time_us(key.origin, key.seq, message.time_us), ..message.clone() }
}

impl Resume for Question {
    fn resume(mut self: Box<Self>, view: &View<'_>, news: News) -> Action {
        if news == News::Draining {
            self.until_us = 0;
        }
        self.ask(view)
    }
}

fn events(text: String) -> Response {
    Response::new(200, "text/event-stream; charset=utf-8", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_for_its_own_start_only() {
        assert_eq!(count_at(&place(0xAB, 17), 0xAB), Some(17));
        assert_eq!(count_at(" ab-17 ", 0xAB), Some(17));
        for other in ["", "ab", "ab-", "-17", "ac-17", "ab-x", "ab--1", "17", "ab-18446744073709551616"] {
            assert_eq!(count_at(other, 0xAB), None, "{other:?}");
        }
    }
}
