//! One view on its way through the journal.

use std::sync::Arc;

use super::desk::OwnDesk;
use crate::app::applied::Batch;
use crate::app::state::Entry;
use crate::app::view::{Followed, LogView, Start, ViewDesk};
use crate::base::ids::Position;
use crate::base::limits::VIEWS_RETRY_MS;
use crate::log::read::scan::ReadError;

/// A view, and how far it has come.
pub struct Follower {
    view: Arc<dyn LogView>,
    /// Nothing while it has to be begun.
    at: Option<Start>,
    /// Records up to there.
    records: u64,
    /// It had everything when it was looked at last.
    is_whole: bool,
    /// When it may be begun, microseconds of the process's clock.
    begin_us: u64,
    /// When it was begun last.
    begun_us: u64,
    /// It had lost something soon after it was begun.
    was_lost_soon: bool,
}

impl Follower {
    /// Returns one that has to be begun.
    #[must_use]
    pub fn new(view: Arc<dyn LogView>) -> Self {
        Self { view, at: None, records: 0, is_whole: false, begin_us: 0, begun_us: 0, was_lost_soon: false }
    }

    /// Has the view take what was applied since; gives whether it has published something.
    pub fn look(&mut self, desk: &OwnDesk, may_publish: bool) -> bool {
        if let Err(error) = self.begin(desk).and_then(|()| self.follow(desk)) {
            let name = self.view.name();
            desk.warn(&format!("the view {name} can't be made: {error}; {}", error.advice()));
            self.at = None;
            self.begin_us = desk.clock_us() + VIEWS_RETRY_MS * 1_000;
        }
        if self.at.is_some() && self.view.is_lost() {
            self.begin_again(desk.clock_us());
        }
        let Some(at) = &self.at else { return false };
        let has_published = self.view.settle(desk, may_publish);
        // Whoever sees how far the view has come sees what it shows there, too.
        let standing = self.view.standing();
        standing.reach(at.position, self.records);
        if self.is_whole {
            standing.note_whole(desk.clock_us());
        }
        standing.take_served().into_iter().for_each(|ticket| desk.wake(ticket));
        has_published
    }

    /// Tells the view that the server ends.
    pub fn end(&self, desk: &OwnDesk) {
        if self.at.is_some() {
            self.view.end(desk);
        }
    }

    fn begin(&mut self, desk: &OwnDesk) -> Result<(), ReadError> {
        // What a joining host has is not yet the list of anything.
        let may_begin = !desk.shared().space.is_joining() && desk.clock_us() >= self.begin_us;
        if self.at.is_some() || !may_begin {
            return Ok(());
        }
        let start = self.view.begin(desk)?;
        if !desk.has_ended() {
            self.records = start.vector.records();
            self.at = Some(start);
            self.begun_us = desk.clock_us();
        }
        Ok(())
    }

    /// Has it begun again: at once, but later if it has lost something again, soon after it was begun for that. A disk that fails each
    /// read would have it drawn without end.
    fn begin_again(&mut self, clock_us: u64) {
        self.at = None;
        if !self.view.is_lost() {
            return;
        }
        let is_soon = clock_us < self.begun_us + VIEWS_RETRY_MS * 1_000;
        if is_soon && self.was_lost_soon {
            self.begin_us = clock_us + VIEWS_RETRY_MS * 1_000;
        }
        self.was_lost_soon = is_soon;
    }

    /// Takes what is applied now. What is applied meanwhile is for the next look.
    fn follow(&mut self, desk: &OwnDesk) -> Result<(), ReadError> {
        let Some(from) = self.at.as_ref().map(|at| at.position) else { return Ok(()) };
        let end = desk.applied().read().position;
        if from < end {
            self.follow_up_to(from, end, desk)?;
        }
        self.is_whole = self.at.as_ref().is_some_and(|at| at.position >= end);
        Ok(())
    }

    fn follow_up_to(&mut self, from: Position, end: Position, desk: &OwnDesk) -> Result<(), ReadError> {
        let mut scan = desk.reader().scan(from, end);
        while let (Some(at), Some(batch)) = (&mut self.at, scan.next_batch()?) {
            let due = at.vector.seq_of(batch.origin) + 1;
            at.position = batch.end;
            if batch.first_seq < due {
                // A snapshot of the peer's had brought it.
                continue;
            }
            let first = Entry { origin: batch.origin, seq: batch.first_seq, time_us: batch.time_us };
            let next = Batch { first, count: batch.count, body: batch.body, end: batch.end };
            // Segments in between that nobody lists any more are gone: what the view has counted is not what there is.
            if batch.first_seq > due || self.view.follow(&next, desk)? == Followed::Stale {
                self.begin_again(desk.clock_us());
                return Ok(());
            }
            at.vector.raise(batch.origin, batch.first_seq + u64::from(batch.count) - 1);
            self.records += u64::from(batch.count);
            if desk.has_ended() {
                return Ok(());
            }
        }
        if let Some(at) = &mut self.at {
            at.position = end;
        }
        Ok(())
    }
}
