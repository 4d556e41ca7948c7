//! What hosts say to each other by way of the bucket and nobody keeps: beats, questions and answers.
//!
//! ```text
//! host --> its own object: beats, open questions           written each second, at once for a question
//!          read by all others, while it changes, each second; five times as often while somebody asks
//! asked host --> an object for the answer                  looked for by its name, removed by the asker
//! ```
//!
//! Questions stand in the object that is read anyway: looking for names that are not known would be a listing each time, which a
//! bucket asks twelve times as much for.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::asking::{Asking, Outcome};
use super::hearing::{Hearing, News};
use super::names::{Names, node_of};
use super::objects::{Entry, Objects, Tagged, Trouble};
use super::speaking::Speaking;
use crate::base::ids::NodeId;
use crate::base::limits::{
    SHARED_LOG_ANSWER_POLL_MS_MAX, SHARED_LOG_PAUSE_MS_MIN, SHARED_LOG_QUESTION_MS, SHARED_LOG_QUESTIONS_MAX,
    SHARED_LOG_VOICE_BYTES_MAX,
};
use crate::peer::relay::port::LogEvent;

/// Whom this host talks to, and who waits for its answer.
pub(super) struct Talking {
    objects: Objects,
    names: Names,
    own: NodeId,
    session: u64,
    speaking: Speaking,
    hearing: Hearing,
    asking: Asking,
    /// Names of the answers to other hosts' questions, the oldest first.
    asked: VecDeque<(u64, String)>,
    next_token: u64,
}

/// News of another host.
pub(super) struct Heard {
    /// The last message that it is known to have appended.
    pub(super) last: u64,
    /// Events for the relay.
    pub(super) events: Vec<LogEvent>,
}

impl Talking {
    /// Begins to talk, as the connection that chance has called `session`.
    pub(super) fn new(objects: Objects, names: Names, own: NodeId, session: u64, now: Instant) -> Self {
        Self {
            objects,
            names,
            own,
            session,
            speaking: Speaking::new(session, now),
            hearing: Hearing::new(own, now),
            asking: Asking::default(),
            asked: VecDeque::new(),
            next_token: 0,
        }
    }

    /// Takes a list of those who tell something; gives the nodes that were not known.
    pub(super) fn list(&mut self, entries: &[Entry], now: Instant) -> Vec<NodeId> {
        let tagged = entries.iter().filter_map(|entry| Some((node_of(&entry.name)?, entry.tag.as_deref())));
        tagged.filter(|(node, tag)| self.hearing.list(*node, *tag, now)).map(|(node, _)| node).collect()
    }

    /// Tells all others something.
    pub(super) fn say(&mut self, bytes: Vec<u8>) {
        self.speaking.say(bytes);
    }

    /// Returns the call that writes what this host tells, if that is due. `last` is the last message that it has appended.
    pub(super) fn tell(
        &mut self,
        last: u64,
        now: Instant,
    ) -> Option<impl Future<Output = Result<(), Trouble>> + Send + use<>> {
        let content = self.speaking.next(last, || self.asking.open(), now)?;
        let (objects, name) = (self.objects.clone(), self.names.voice(self.own));
        Some(async move { objects.put(&name, content).await })
    }

    /// Takes it that it was written, or could not be.
    pub(super) fn told(&mut self, is_done: bool) {
        self.speaking.written(is_done);
    }

    /// Returns the calls that read what others tell, as far as they are due.
    pub(super) fn listen(
        &mut self,
        now: Instant,
    ) -> Vec<(NodeId, impl Future<Output = Result<Option<Tagged>, Trouble>> + Send + use<>)> {
        let due = self.hearing.due(now).into_iter();
        due.map(|(node, tag)| {
            let (objects, name) = (self.objects.clone(), self.names.voice(node));
            (node, async move { objects.get_unless(&name, tag).await })
        })
        .collect()
    }

    /// Takes what another host tells, nothing if that is what it told before.
    pub(super) fn hear(&mut self, node: NodeId, content: Option<Tagged>, now: Instant) -> Option<Heard> {
        let sound = content.filter(|(content, _)| content.len() <= SHARED_LOG_VOICE_BYTES_MAX);
        let News { words, session, questions, last } = self.hearing.hear(node, sound, now)?;
        let mut events: Vec<LogEvent> =
            words.into_iter().map(|bytes| LogEvent::Said { node, bytes }).collect();
        if !questions.is_empty() {
            self.hearing.hurry(now);
        }
        for question in questions {
            let token = self.next_token;
            self.next_token += 1;
            if self.asked.len() >= SHARED_LOG_QUESTIONS_MAX {
                self.asked.pop_front();
            }
            self.asked.push_back((token, self.names.answer(node, session, question.number)));
            events.push(LogEvent::Asked { token, question: question.bytes });
        }
        Some(Heard { last, events })
    }

    /// Asks one host, or some host; gives what is answered at once, or the number of a question for which an answer is to be looked
    /// for.
    pub(super) fn ask(
        &mut self,
        token: u64,
        to: Option<NodeId>,
        question: Vec<u8>,
        now: Instant,
    ) -> (Option<LogEvent>, Option<u64>) {
        match self.asking.ask(token, to, question, &self.hearing.here(now), now) {
            Outcome::Answered(answer) => (Some(LogEvent::Answered { token, answer }), None),
            Outcome::New(number) => {
                self.speaking.hurry(now);
                self.hearing.hurry(now);
                (None, Some(number))
            }
            Outcome::Waits | Outcome::Nobody => (None, None),
        }
    }

    /// Returns the calls that look for an answer, until it is there or nobody waits for it any more.
    pub(super) fn look_for_answer(
        &self,
        number: u64,
    ) -> impl Future<Output = Option<Vec<u8>>> + Send + use<> {
        let (objects, name) = (self.objects.clone(), self.names.answer(self.own, self.session, number));
        async move {
            let begun = Instant::now();
            let mut pause = Duration::from_millis(2 * SHARED_LOG_PAUSE_MS_MIN);
            while begun.elapsed() < Duration::from_millis(SHARED_LOG_QUESTION_MS) {
                tokio::time::sleep(pause).await;
                if let Ok(Some(answer)) = objects.get(&name).await {
                    // One that stays is swept away later.
                    let _ = objects.remove(&name).await;
                    return Some(answer);
                }
                pause = (pause + pause / 4).min(Duration::from_millis(SHARED_LOG_ANSWER_POLL_MS_MAX));
            }
            None
        }
    }

    /// Takes an answer to this host's question, nothing if none came; gives what the relay is told.
    pub(super) fn answered(
        &mut self,
        number: u64,
        answer: Option<Vec<u8>>,
        now: Instant,
    ) -> Option<LogEvent> {
        let (token, answer) = self.asking.answered(number, answer, now)?;
        Some(LogEvent::Answered { token, answer })
    }

    /// Returns the call that answers another host's question.
    pub(super) fn answer(
        &mut self,
        token: u64,
        answer: Vec<u8>,
    ) -> Option<impl Future<Output = Result<(), Trouble>> + Send + use<>> {
        let at = self.asked.iter().position(|(asked, _)| *asked == token)?;
        let (_, name) = self.asked.remove(at)?;
        let objects = self.objects.clone();
        Some(async move { objects.put(&name, answer).await })
    }
}
