//! What a request of `DELETE /pixels?before=` asks the thread that cuts, and what comes of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::app::answer;
use crate::app::wait::{Ticket, Wake};
use crate::http::response::Response;

use super::cursor::Cursor;

/// Up to where pixels are cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Those kept before this time, microseconds since 1970.
    Time(u64),
    /// Those that this host lists up to a place, the pixel there included.
    Place(Cursor),
}

/// What a request asks the cutter.
pub struct Asked {
    /// Up to where.
    pub before: Before,
    ticket: Ticket,
    waker: Arc<dyn Wake>,
    outcome: Mutex<Outcome>,
}

/// What has come of it.
enum Outcome {
    Open,
    /// Nobody waits for it any more.
    Forgotten,
    /// The records to be logged, which may be none.
    Found(Vec<u8>),
    Failed(Response),
}

impl Asked {
    /// Returns the question of a request that waits with this ticket.
    #[must_use]
    pub fn new(before: Before, ticket: Ticket, waker: Arc<dyn Wake>) -> Arc<Self> {
        Arc::new(Self { before, ticket, waker, outcome: Mutex::new(Outcome::Open) })
    }

    /// Gives the records that the request has to log, or the answer to one that can't be served.
    pub fn settle(&self, found: Result<Vec<u8>, Response>) {
        let mut outcome = self.outcome();
        if matches!(*outcome, Outcome::Open) {
            *outcome = found.map_or_else(Outcome::Failed, Outcome::Found);
        }
        drop(outcome);
        self.waker.wake(self.ticket);
    }

    /// Takes what has come of it; nothing if that is not known. Nobody waits for it any more.
    pub fn take(&self) -> Option<Result<Vec<u8>, Response>> {
        match std::mem::replace(&mut *self.outcome(), Outcome::Forgotten) {
            Outcome::Open | Outcome::Forgotten => None,
            Outcome::Found(records) => Some(Ok(records)),
            Outcome::Failed(response) => Some(Err(response)),
        }
    }

    /// Returns whether the request still waits.
    pub fn is_open(&self) -> bool {
        matches!(*self.outcome(), Outcome::Open)
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the answer to a request that is not served now; nothing was removed.
#[must_use]
pub fn later() -> Response {
    let why = "It is not known yet what was kept before that; nothing was removed. Send it again";
    answer::detail(503, why).with("Retry-After", "10")
}
