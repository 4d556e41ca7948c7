//! Server-sent events: a visitor's question for news is held until there are some.
//!
//! An answer ends with the news that it tells. The browser asks again at once by itself and says where it stood, so a
//! waiting visitor is a held request like any other: no thread, no open stream, nothing that a proxy has to be told.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use crate::apps::app::{Action, Resume, View, Wait};
use crate::apps::wait::{News, Ticket, Wake};
use crate::base::limits::{BOARD_NEWS_HOLD_MS, BOARD_NEWS_LOOK_MS};
use crate::http::response::Response;

use super::json;
use super::state::BoardState;

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

/// Wakes the visitors when it goes: once the message that it is held for is applied.
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
    /// How many messages had come when the visitor was told last.
    pub arrived: u64,
    /// When it is answered although there are none, microseconds of the process's clock.
    pub until_us: u64,
    /// What addresses of pictures start with.
    pub public_base: Arc<str>,
    /// Where it waits.
    pub visitors: Arc<Visitors>,
}

/// How long a question may be held from now on, microseconds of the process's clock.
#[must_use]
pub fn until_us(clock_us: u64) -> u64 {
    clock_us + BOARD_NEWS_HOLD_MS * 1_000
}

/// Reads the number of the last event that a visitor has: nothing if it is of another start of the process.
#[must_use]
pub fn last_event(text: &str, start: u64) -> Option<u64> {
    let (of, arrived) = text.trim().split_once('-')?;
    (u64::from_str_radix(of, 16).ok()? == start).then(|| arrived.parse().ok())?
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
        let arrived = state.arrived();
        if arrived <= self.arrived && !is_over {
            return None;
        }
        let mut text = String::from("retry: 100\n");
        let _ = writeln!(text, "id: {:x}-{arrived}", self.start);
        for (key, message) in state.news(self.arrived) {
            let _ = writeln!(text, "data: {}\n", json::message(key, message, &self.public_base));
        }
        text.push_str(":\n\n");
        Some(text)
    }
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
