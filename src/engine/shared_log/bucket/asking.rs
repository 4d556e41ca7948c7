//! This host's questions to others. A bucket may take longer for an answer than the relay waits: it then asks the same again, and
//! gets the answer that was on its way.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::voice;
use crate::base::ids::NodeId;
use crate::base::limits::{
    RELAY_LATE_US, SHARED_LOG_ANSWERS_HELD_MAX, SHARED_LOG_OPEN_QUESTIONS_MAX, SHARED_LOG_QUESTION_MS,
};

/// Whom a question is for, as the relay has said, and the question.
type Asked = (Option<NodeId>, Vec<u8>);

/// Questions, and answers that came too late for the call that asked.
#[derive(Default)]
pub(super) struct Asking {
    open: VecDeque<Open>,
    held: VecDeque<Held>,
    next_number: u64,
}

struct Open {
    number: u64,
    asked: Asked,
    whom: NodeId,
    /// The relay's last call for it, and when that came.
    token: u64,
    called: Instant,
    begun: Instant,
}

struct Held {
    asked: Asked,
    answer: Vec<u8>,
    came: Instant,
}

/// The fate of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The answer is there already.
    Answered(Vec<u8>),
    /// It was asked already.
    Waits,
    /// It is to be asked under this number.
    New(u64),
    /// Nobody is there to be asked.
    Nobody,
}

impl Asking {
    /// Takes a question; one to whichever host answers goes to one of those that are `here`.
    pub(super) fn ask(
        &mut self,
        token: u64,
        to: Option<NodeId>,
        question: Vec<u8>,
        here: &[NodeId],
        now: Instant,
    ) -> Outcome {
        self.forget(now);
        let asked = (to, question);
        if let Some(at) = self.held.iter().position(|held| held.asked == asked) {
            return self.held.remove(at).map_or(Outcome::Nobody, |held| Outcome::Answered(held.answer));
        }
        if let Some(open) = self.open.iter_mut().find(|open| open.asked == asked) {
            (open.token, open.called) = (token, now);
            return Outcome::Waits;
        }
        let number = self.next_number;
        let any = || here.get(usize::try_from(number).unwrap_or(0) % here.len().max(1)).copied();
        let Some(whom) = to.or_else(any) else { return Outcome::Nobody };
        if self.open.len() >= SHARED_LOG_OPEN_QUESTIONS_MAX {
            self.open.pop_front();
        }
        self.next_number += 1;
        self.open.push_back(Open { number, asked, whom, token, called: now, begun: now });
        Outcome::New(number)
    }

    fn forget(&mut self, now: Instant) {
        let is_young = |begun: Instant| {
            now.saturating_duration_since(begun) < Duration::from_millis(SHARED_LOG_QUESTION_MS)
        };
        self.open.retain(|open| is_young(open.begun));
        self.held.retain(|held| is_young(held.came));
    }

    /// Returns the questions that wait for an answer.
    pub(super) fn open(&self) -> Vec<voice::Question> {
        let question = |open: &Open| voice::Question {
            number: open.number,
            whom: open.whom,
            bytes: open.asked.1.clone(),
        };
        self.open.iter().map(question).collect()
    }

    /// Takes an answer, nothing if none came; gives it back with the call that waits for it, if one does.
    pub(super) fn answered(
        &mut self,
        number: u64,
        answer: Option<Vec<u8>>,
        now: Instant,
    ) -> Option<(u64, Vec<u8>)> {
        let at = self.open.iter().position(|open| open.number == number)?;
        let (open, answer) = (self.open.remove(at)?, answer?);
        if now.saturating_duration_since(open.called) < Duration::from_micros(RELAY_LATE_US) {
            return Some((open.token, answer));
        }
        if self.held.len() >= SHARED_LOG_ANSWERS_HELD_MAX {
            self.held.pop_front();
        }
        self.held.push_back(Held { asked: open.asked, answer, came: now });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOM: NodeId = NodeId(5);

    #[test]
    fn an_answer_that_comes_late_is_given_to_whoever_asks_the_same_again() {
        let now = Instant::now();
        let at = |ms: u64| now + Duration::from_millis(ms);
        let mut asking = Asking::default();
        let ask =
            |asking: &mut Asking, token, ms| asking.ask(token, Some(WHOM), b"why".to_vec(), &[], at(ms));
        assert_eq!(ask(&mut asking, 1, 0), Outcome::New(0));
        assert_eq!(ask(&mut asking, 2, 1_100), Outcome::Waits);
        assert_eq!(asking.answered(0, Some(b"so".to_vec()), at(1_500)), Some((2, b"so".to_vec())));
        assert_eq!(ask(&mut asking, 3, 2_000), Outcome::New(1));
        assert_eq!(asking.answered(1, Some(b"late".to_vec()), at(3_100)), None);
        assert_eq!(ask(&mut asking, 4, 3_200), Outcome::Answered(b"late".to_vec()));
        assert_eq!(ask(&mut asking, 5, 3_300), Outcome::New(2), "an answer is given once");
        assert_eq!((asking.answered(2, None, at(3_400)), asking.open().len()), (None, 0));
    }

    #[test]
    fn whoever_is_there_is_asked_in_turn_and_of_many_questions_the_newest_stand() {
        let now = Instant::now();
        let mut asking = Asking::default();
        assert_eq!(asking.ask(1, None, Vec::new(), &[], now), Outcome::Nobody);
        for question in 0..=SHARED_LOG_OPEN_QUESTIONS_MAX as u8 {
            asking.ask(1, None, vec![question], &[WHOM, NodeId(6)], now);
        }
        let open = asking.open();
        assert_eq!((open.len(), open[0].bytes[0]), (SHARED_LOG_OPEN_QUESTIONS_MAX, 1));
        assert_ne!(open[0].whom, open[1].whom);
        let later = now + Duration::from_millis(SHARED_LOG_QUESTION_MS);
        asking.ask(1, Some(WHOM), Vec::new(), &[], later);
        assert_eq!(asking.open().len(), 1);
    }
}
