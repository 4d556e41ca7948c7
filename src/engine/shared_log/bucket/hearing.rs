//! What other hosts tell: whose object is to be read when, and what in it is new.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::voice::{Question, Voice};
use crate::base::ids::NodeId;
use crate::base::limits::{
    RELAY_MEMBERS_MAX, SHARED_LOG_VOICE_BUSY_FOR_MS, SHARED_LOG_VOICE_BUSY_MS, SHARED_LOG_VOICE_MS,
    SHARED_LOG_VOICE_SILENT_MS,
};

/// The other hosts.
pub(super) struct Hearing {
    own: NodeId,
    others: HashMap<NodeId, Other>,
    /// Hosts ask each other something until then, or have done so just before.
    busy_until: Instant,
}

/// One of them.
struct Other {
    /// The tag of the object that was read last; nothing before the first one.
    tag: Option<String>,
    /// Which of its connections that was, the number of the first word that was not heard, and of the first question.
    session: u64,
    next_word: u64,
    next_question: u64,
    due: Instant,
    changed: Instant,
    is_asked: bool,
}

/// The news in an object.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) words: Vec<Vec<u8>>,
    /// The connection that questions are of.
    pub(super) session: u64,
    /// Those to this host.
    pub(super) questions: Vec<Question>,
    /// The last message that the other host is known to have appended.
    pub(super) last: u64,
}

impl Hearing {
    pub(super) fn new(own: NodeId, now: Instant) -> Self {
        Self { own, others: HashMap::new(), busy_until: now }
    }

    /// Takes it that there is an object of this node, with this tag; gives whether it was not known.
    pub(super) fn list(&mut self, node: NodeId, tag: Option<&str>, now: Instant) -> bool {
        if node == self.own || (!self.others.contains_key(&node) && self.others.len() >= RELAY_MEMBERS_MAX) {
            return false;
        }
        let is_new = !self.others.contains_key(&node);
        let other = self.others.entry(node).or_insert(Other {
            tag: None,
            session: 0,
            next_word: 0,
            next_question: 0,
            due: now,
            changed: now,
            is_asked: false,
        });
        if tag != other.tag.as_deref() {
            (other.due, other.changed) = (now, now);
        }
        is_new
    }

    /// Notes that hosts ask each other something: answers are not to wait.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.busy_until = now + Duration::from_millis(SHARED_LOG_VOICE_BUSY_FOR_MS);
        let soon = now + self.pause(now);
        self.others.values_mut().for_each(|other| other.due = other.due.min(soon));
    }

    fn pause(&self, now: Instant) -> Duration {
        let is_busy = now < self.busy_until;
        Duration::from_millis(if is_busy { SHARED_LOG_VOICE_BUSY_MS } else { SHARED_LOG_VOICE_MS })
    }

    /// Returns whose objects are to be read now, each with the tag that is known. One that has been silent for long is read when a
    /// listing shows another tag.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(NodeId, Option<String>)> {
        let silent = Duration::from_millis(SHARED_LOG_VOICE_SILENT_MS);
        let mut due = Vec::new();
        for (node, other) in &mut self.others {
            let is_silent = now.saturating_duration_since(other.changed) > silent;
            if !other.is_asked && other.due <= now && !is_silent {
                other.is_asked = true;
                due.push((*node, other.tag.clone()));
            }
        }
        due
    }

    /// Takes what an object has, nothing if it is the same as before or could not be read. What it has when it is read for the first
    /// time may be years old: its words are told once it changes.
    pub(super) fn hear(
        &mut self,
        node: NodeId,
        content: Option<(Vec<u8>, Option<String>)>,
        now: Instant,
    ) -> Option<News> {
        let (own, pause) = (self.own, self.pause(now));
        let other = self.others.get_mut(&node)?;
        (other.is_asked, other.due) = (false, now + pause);
        let (content, tag) = content?;
        let voice = Voice::decode(&content);
        let is_first = other.tag.is_none();
        (other.tag, other.changed) = (tag, now);
        let Voice { session, last, first, words, questions } = voice?;
        if std::mem::replace(&mut other.session, session) != session {
            (other.next_word, other.next_question) = (0, 0);
        }
        if is_first {
            return Some(News { last, ..News::default() });
        }
        let end = first + words.len() as u64;
        let words = (first..).zip(words).filter(|(number, _)| *number >= other.next_word);
        let words = words.map(|(_, word)| word).collect();
        other.next_word = end;
        let is_new = |question: &Question| question.whom == own && question.number >= other.next_question;
        let questions: Vec<Question> = questions.into_iter().filter(is_new).collect();
        let asked_up_to = questions.iter().map(|question| question.number + 1).max();
        other.next_question = asked_up_to.unwrap_or(other.next_question);
        Some(News { words, session, questions, last })
    }

    /// Returns hosts that have told something lately, in the order of their names.
    pub(super) fn here(&self, now: Instant) -> Vec<NodeId> {
        let lately = Duration::from_millis(3 * SHARED_LOG_VOICE_MS);
        let is_here =
            |other: &Other| other.tag.is_some() && now.saturating_duration_since(other.changed) < lately;
        let mut here: Vec<NodeId> =
            self.others.iter().filter(|(_, other)| is_here(other)).map(|(node, _)| *node).collect();
        here.sort_unstable();
        here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: NodeId = NodeId(1);
    const OTHER: NodeId = NodeId(2);

    fn object(
        session: u64,
        first: u64,
        words: &[u8],
        questions: &[(u64, NodeId)],
    ) -> Option<(Vec<u8>, Option<String>)> {
        let questions =
            questions.iter().map(|&(number, whom)| Question { number, whom, bytes: Vec::new() }).collect();
        let words = words.iter().map(|word| vec![*word]).collect();
        let voice = Voice { session, last: 5, first, words, questions };
        Some((voice.encode(), Some(format!("{session}-{first}"))))
    }

    #[test]
    fn words_are_heard_once_and_those_of_a_dead_host_never() {
        let now = Instant::now();
        let mut hearing = Hearing::new(OWN, now);
        assert!(!hearing.list(OWN, Some("x"), now), "not itself");
        assert!(hearing.list(OTHER, Some("x"), now) && !hearing.list(OTHER, Some("x"), now));
        assert_eq!(hearing.due(now), [(OTHER, None)]);
        assert_eq!(hearing.due(now), [], "it is being read");
        let first = hearing.hear(OTHER, object(7, 0, &[1, 2], &[(0, OWN)]), now).expect("an object");
        assert_eq!((first.words.len(), first.questions.len(), first.last), (0, 0, 5));
        let later = now + Duration::from_millis(SHARED_LOG_VOICE_MS);
        assert_eq!(hearing.due(later), [(OTHER, Some("7-0".to_owned()))]);
        assert_eq!(hearing.hear(OTHER, None, later), None, "the same as before");
        let told = |news: Option<News>| news.expect("an object").words.concat();
        assert_eq!(told(hearing.hear(OTHER, object(7, 1, &[2, 3], &[]), later)), [2, 3], "it lives");
        assert_eq!(told(hearing.hear(OTHER, object(7, 1, &[2, 3, 4], &[]), later)), [4]);
        assert_eq!(told(hearing.hear(OTHER, object(8, 0, &[9], &[]), later)), [9], "another start");
        assert_eq!(hearing.here(later), [OTHER]);
    }

    #[test]
    fn questions_are_heard_once_by_whom_they_are_for_and_then_objects_are_read_often() {
        let now = Instant::now();
        let mut hearing = Hearing::new(OWN, now);
        hearing.list(OTHER, None, now);
        hearing.hear(OTHER, object(7, 0, &[1], &[]), now);
        let asked = |hearing: &mut Hearing, questions| {
            let news = hearing.hear(OTHER, object(7, 0, &[1], questions), now).expect("an object");
            news.questions.iter().map(|question| question.number).collect::<Vec<_>>()
        };
        assert_eq!(asked(&mut hearing, &[(0, OWN), (1, NodeId(3)), (2, OWN)]), [0, 2]);
        assert_eq!(asked(&mut hearing, &[(0, OWN), (2, OWN)]), [0; 0]);
        hearing.hurry(now);
        assert_eq!(hearing.due(now + Duration::from_millis(SHARED_LOG_VOICE_BUSY_MS)).len(), 1);
    }

    #[test]
    fn a_host_that_is_silent_for_long_is_read_when_a_listing_shows_a_change() {
        let now = Instant::now();
        let mut hearing = Hearing::new(OWN, now);
        hearing.list(OTHER, None, now);
        hearing.hear(OTHER, object(7, 0, &[1], &[]), now);
        let late = now + Duration::from_millis(SHARED_LOG_VOICE_SILENT_MS + 1);
        assert_eq!(hearing.due(late), []);
        hearing.list(OTHER, Some("7-0"), late);
        assert_eq!((hearing.due(late), hearing.here(late)), (Vec::new(), Vec::new()));
        hearing.list(OTHER, Some("7-9"), late);
        assert_eq!(hearing.due(late).len(), 1);
    }
}
