//! Asking: what the log does not have any more, or never delivered, is asked from hosts, a stream at a time.
//!
//! A stream is missing where the log goes on behind a gap, or where another host has more of it and nothing comes. The host that
//! makes it is asked first, then those that have said they have it, then whichever answers.

use std::collections::{BTreeMap, VecDeque};

use super::calls::Calls;
use super::members::Members;
use super::message::{self, Batch};
use super::port::LogCall;
use super::words::{Answer, Question};
use crate::base::ids::{NodeId, Origin, Seq};
use crate::base::limits::{
    RELAY_ASK_PAUSE_US_MAX, RELAY_ASKS_MAX, RELAY_LAG_US, RELAY_LATE_US, RELAY_PAUSE_US_MIN,
};

/// What is missing.
#[derive(Default)]
pub(super) struct Asking {
    lacks: BTreeMap<Origin, Lack>,
    asked: u64,
}

/// One stream that stands still.
struct Lack {
    /// A host or the log goes up to here, at least.
    to: Seq,
    /// Where the stream stood when it was looked at last.
    stood: Seq,
    /// When the next question is due.
    due_us: u64,
    /// The question that waits for an answer, and until when.
    question: Option<(u64, u64)>,
    tries: u64,
    /// The log goes on behind it, so that nothing of it will come from there.
    is_gap: bool,
    /// The last question was answered with records.
    is_answered: bool,
    /// What came, and was not handed to the host yet.
    came: VecDeque<Batch>,
}

impl Asking {
    /// Returns questions that were asked.
    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    /// Returns streams for which more than one question came to nothing.
    pub(super) fn stuck(&self) -> impl Iterator<Item = (Origin, Seq)> {
        self.lacks.iter().filter(|(_, lack)| lack.tries > 2).map(|(origin, lack)| (*origin, lack.stood + 1))
    }

    /// Notes that a stream goes on up to `to` and stands at `stood` here. Behind a gap of the log nothing will come, otherwise it
    /// may still.
    pub(super) fn note(&mut self, origin: Origin, to: Seq, stood: Seq, is_gap: bool, now_us: u64) {
        let due_us = if is_gap { now_us } else { now_us + RELAY_LAG_US };
        let lack = self.lacks.entry(origin).or_insert(Lack {
            to,
            stood,
            due_us,
            question: None,
            tries: 0,
            is_gap,
            is_answered: false,
            came: VecDeque::new(),
        });
        (lack.to, lack.is_gap) = (lack.to.max(to), lack.is_gap || is_gap);
        if is_gap && lack.tries == 0 {
            lack.due_us = lack.due_us.min(now_us);
        }
    }

    /// Returns when the next turn is due, microseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        let due = |lack: &Lack| lack.question.map_or(lack.due_us, |(_, late_us)| late_us);
        let idle = self.lacks.values().filter(|lack| lack.came.is_empty());
        let can_ask = self.questions() < RELAY_ASKS_MAX;
        idle.filter(|lack| can_ask || lack.question.is_some()).map(due).min()
    }

    fn questions(&self) -> usize {
        self.lacks.values().filter(|lack| lack.question.is_some()).count()
    }

    /// Asks what is due; gives the nodes whose streams in the log are worth another look.
    pub(super) fn turn(
        &mut self,
        handed: impl Fn(Origin) -> Seq,
        members: &Members,
        own: NodeId,
        calls: &mut Calls,
        now_us: u64,
    ) -> Vec<NodeId> {
        let mut look_again = Vec::new();
        self.lacks.retain(|origin, lack| !lack.came.is_empty() || handed(*origin) < lack.to);
        let mut questions = self.questions();
        for (&origin, lack) in &mut self.lacks {
            let stands = handed(origin);
            if stands > lack.stood {
                // It moves again, by answers or by the log.
                let pause_us = if lack.is_answered { 0 } else { RELAY_LAG_US };
                (lack.stood, lack.tries, lack.due_us) = (stands, 0, now_us + pause_us);
                (lack.is_gap, lack.is_answered) = (false, false);
            }
            if lack.question.is_some_and(|(_, late_us)| late_us <= now_us) {
                lack.pause(now_us);
            }
            if lack.question.is_some() || !lack.came.is_empty() || lack.due_us > now_us {
                continue;
            }
            if questions >= RELAY_ASKS_MAX {
                break;
            }
            questions += 1;
            if lack.tries == 0 && !lack.is_gap {
                look_again.push(origin.node);
            }
            let to = whom(origin, lack.tries, stands, members, own, now_us);
            let question = Question::Records { origin, seq: stands + 1 }.encode();
            let token = calls.token();
            calls.push(LogCall::Ask { token, to, question });
            lack.question = Some((token, now_us + RELAY_LATE_US));
            self.asked += 1;
        }
        look_again
    }

    /// Takes an answer, if it is one to these questions.
    pub(super) fn answered(&mut self, token: u64, answer: &[u8], now_us: u64) {
        let asked = |lack: &Lack| lack.question.is_some_and(|(asked, _)| asked == token);
        let Some((&origin, lack)) = self.lacks.iter_mut().find(|(_, lack)| asked(lack)) else { return };
        let batches = match Answer::decode(answer) {
            Some(Answer::Records(bytes)) => message::cut(&bytes).unwrap_or_default(),
            _ => Vec::new(),
        };
        lack.came.extend(batches.into_iter().filter(|batch| batch.header.origin == origin));
        // If these bring the stream forward, the next question is due at once.
        lack.is_answered = !lack.came.is_empty();
        lack.pause(now_us);
    }

    /// Returns streams of which something came.
    pub(super) fn arrived(&self) -> Vec<Origin> {
        self.lacks.iter().filter(|(_, lack)| !lack.came.is_empty()).map(|(origin, _)| *origin).collect()
    }

    /// Returns the first batch that came of a stream.
    pub(super) fn first(&self, origin: Origin) -> Option<&Batch> {
        self.lacks.get(&origin).and_then(|lack| lack.came.front())
    }

    /// Takes it.
    pub(super) fn take_first(&mut self, origin: Origin) -> Option<Batch> {
        self.lacks.get_mut(&origin).and_then(|lack| lack.came.pop_front())
    }
}

impl Lack {
    /// Ends a question; a pause comes before the next one.
    fn pause(&mut self, now_us: u64) {
        let pause_us = (RELAY_PAUSE_US_MIN << self.tries.min(10)).min(RELAY_ASK_PAUSE_US_MAX);
        (self.question, self.due_us) = (None, now_us + pause_us);
        self.tries += 1;
    }
}

/// Returns whom to ask at this try; nothing for whichever host answers.
fn whom(
    origin: Origin,
    tries: u64,
    stands: Seq,
    members: &Members,
    own: NodeId,
    now_us: u64,
) -> Option<NodeId> {
    if tries == 0 && origin.node != own && members.is_here(origin.node, now_us) {
        return Some(origin.node);
    }
    let holders = members.holders(origin, stands, now_us);
    let at = usize::try_from(tries).unwrap_or_default();
    holders.get(at % (holders.len() + 1)).copied()
}
