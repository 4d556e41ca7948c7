//! Answers that wait for their commit, in the order of the worker's lane.
//!
//! The usual answer (of an express lane) is the same bytes for every request, so a run of them that one connection
//! sent in one read is one entry with a count. Any other answer is kept as it was made.

use std::collections::VecDeque;

use super::route::NO_ROUTE;
use crate::app::application::Resume;
use crate::app::form_page::FormPage;
use crate::app::upload::Hold;
use crate::base::durability::Durability;
use crate::engine::shared::table::Key;
use crate::http::response::Response;

/// An answer that waits for its commit and is not the usual one.
pub struct Late {
    /// Where it comes from.
    pub answer: LateAnswer,
    /// The request; its records have to reach its level.
    pub asked: Asked,
    /// What ends when its records are applied.
    pub hold: Option<Hold>,
}

/// Where a late answer comes from.
pub enum LateAnswer {
    /// It was made before the commit.
    Made(Response),
    /// The same for a request that was stopped half way. It says itself how much is stored, so it is given as well when the
    /// peer does not confirm that in time.
    Partial(Response),
    /// It is made from what a command comes to.
    Command(Box<dyn Resume>),
    /// The same, and this is what it came to.
    Applied(Box<dyn Resume>, u64),
}

impl Late {
    /// Returns an answer to `asked`.
    #[must_use]
    pub fn new(answer: LateAnswer, asked: &Asked) -> Box<Self> {
        Box::new(Self { answer, asked: *asked, hold: None })
    }
}

/// A request as far as its answer depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// For the answer's head.
    pub framing: AnswerFraming,
    /// The row of the route in the count of requests.
    pub route: usize,
    /// The level its records have to reach.
    pub durability: Durability,
    /// Its `Durability` is no level: a write is refused, since less might be kept than it asked for.
    pub names_no_level: bool,
    /// The level they have reached; the answer says so.
    pub reached: Option<Durability>,
    /// Its record makes room on the disk.
    pub frees_space: bool,
    /// A browser's form sent it: what refuses it is shown on this page.
    pub form: Option<&'static FormPage>,
}

impl Asked {
    /// Returns a request that no route takes.
    #[must_use]
    pub fn unrouted(framing: AnswerFraming, durability: Durability) -> Self {
        let (route, names_no_level, reached) = (NO_ROUTE, false, None);
        Self { framing, route, durability, names_no_level, reached, frees_space: false, form: None }
    }

    /// Returns the page of an answer, if it refuses what a browser's form sent.
    #[must_use]
    pub fn page_of(&self, response: &Response) -> Option<Response> {
        self.form.filter(|_| response.status >= 400).map(|form| form.of(response))
    }
}

/// What of a request the head of its answer depends on.
#[derive(Clone, Copy, Debug)]
pub struct AnswerFraming {
    /// HTTP/1.0 gets no chunks.
    pub version: crate::http::request::Version,
    /// Whether the connection stays open afterwards.
    pub keep_alive: bool,
    /// HEAD: the head of the answer only.
    pub head_only: bool,
}

/// One entry: `count` answers to `key` once the lane is committed up to `position`.
pub struct Held {
    /// Whose answers.
    pub key: Key,
    /// How many requests they answer.
    pub count: u32,
    /// The lane's position behind their records.
    pub position: u64,
    /// When they were read, microseconds of the worker's clock, for the histogram of waits.
    pub read_us: u64,
    /// The route of the usual answer.
    pub route: usize,
    /// Not the usual answer but this one.
    pub late: Option<Box<Late>>,
}

/// The held answers of one worker.
#[derive(Default)]
pub struct HeldAnswers {
    queue: VecDeque<Held>,
}

impl HeldAnswers {
    /// Holds an answer; positions never fall.
    #[inline]
    pub fn push(&mut self, held: Held) {
        debug_assert!(self.queue.back().is_none_or(|last| last.position <= held.position));
        debug_assert!(held.count > 0);
        self.queue.push_back(held);
    }

    /// Returns the next entry whose records are all committed.
    #[inline]
    pub fn pop(&mut self, committed: u64) -> Option<Held> {
        if self.queue.front()?.position > committed {
            return None;
        }
        self.queue.pop_front()
    }

    /// Returns the next entry whose request was read before `us`, unless its records are all committed: its own answer is due then.
    pub fn pop_older(&mut self, us: u64, committed: u64) -> Option<Held> {
        let first = self.queue.front()?;
        if first.read_us >= us || first.position <= committed {
            return None;
        }
        self.queue.pop_front()
    }

    /// Returns whether an entry's records are all committed. That of a request that logged nothing is from the start.
    #[inline]
    #[must_use]
    pub fn is_due(&self, committed: u64) -> bool {
        self.queue.front().is_some_and(|first| first.position <= committed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_before_its_position_is_committed() {
        let mut answers = HeldAnswers::default();
        for position in [2, 4, 4, 6] {
            let key = Key { place: position as u32, generation: 0 };
            answers.push(Held { key, count: 1, position, read_us: 0, route: 0, late: None });
        }
        assert!(answers.pop(1).is_none());
        assert_eq!(answers.pop(4).map(|held| held.position), Some(2));
        assert_eq!(answers.pop(4).map(|held| held.position), Some(4));
        assert_eq!(answers.pop(4).map(|held| held.position), Some(4));
        assert!(answers.pop(5).is_none() && !answers.queue.is_empty());
    }

    #[test]
    fn only_what_is_old_and_not_committed_is_given_up() {
        let mut answers = HeldAnswers::default();
        for (position, read_us) in [(2, 10), (4, 20), (6, 30)] {
            let key = Key { place: position as u32, generation: 0 };
            answers.push(Held { key, count: 1, position, read_us, route: 0, late: None });
        }
        assert!(answers.pop_older(10, 0).is_none(), "it is not older");
        assert!(answers.pop_older(100, 2).is_none(), "it is committed");
        assert_eq!(answers.pop(2).map(|held| held.position), Some(2));
        assert_eq!(answers.pop_older(30, 2).map(|held| held.position), Some(4));
        assert!(answers.pop_older(30, 2).is_none());
    }
}
