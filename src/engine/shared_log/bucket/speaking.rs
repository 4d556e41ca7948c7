//! What this host tells all others: its newest beats and its open questions, in one object that is written again and again.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::voice::{Question, Voice};
use crate::base::limits::{SHARED_LOG_PAUSE_MS_MIN, SHARED_LOG_VOICE_MS, SHARED_LOG_WORDS_MAX};

/// The host's words.
pub(super) struct Speaking {
    /// Which connection it is.
    session: u64,
    /// The number of the first word.
    first: u64,
    words: VecDeque<Vec<u8>>,
    /// When it is written next, and when at the earliest.
    due: Instant,
    earliest: Instant,
    is_writing: bool,
    has_news: bool,
}

impl Speaking {
    pub(super) fn new(session: u64, now: Instant) -> Self {
        let (words, is_writing, has_news) = (VecDeque::new(), false, false);
        Self { session, first: 0, words, due: now, earliest: now, is_writing, has_news }
    }

    /// Adds a word; of many the newest are told.
    pub(super) fn say(&mut self, word: Vec<u8>) {
        if self.words.len() >= SHARED_LOG_WORDS_MAX {
            self.words.pop_front();
            self.first += 1;
        }
        self.words.push_back(word);
        self.has_news = true;
    }

    /// Has it written at once: somebody is asked something.
    pub(super) fn hurry(&mut self, now: Instant) {
        (self.due, self.has_news) = (now, true);
    }

    /// Returns the content of the object, if it is to be written now. `last` is the last message that the host has appended.
    pub(super) fn next(
        &mut self,
        last: u64,
        questions: impl FnOnce() -> Vec<Question>,
        now: Instant,
    ) -> Option<Vec<u8>> {
        if self.is_writing || !self.has_news || now < self.due.max(self.earliest) {
            return None;
        }
        (self.is_writing, self.has_news) = (true, false);
        self.due = now + Duration::from_millis(SHARED_LOG_VOICE_MS);
        self.earliest = now + Duration::from_millis(SHARED_LOG_PAUSE_MS_MIN);
        let words = self.words.iter().cloned().collect();
        let Self { session, first, .. } = *self;
        Some(Voice { session, last, first, words, questions: questions() }.encode())
    }

    /// Takes it that the object was written, or could not be.
    pub(super) fn written(&mut self, is_done: bool) {
        self.is_writing = false;
        self.has_news |= !is_done;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_numbers_and_a_question_does_not_wait_for_the_next_time() {
        let now = Instant::now();
        let at = |ms: u64| now + Duration::from_millis(ms);
        let mut speaking = Speaking::new(9, now);
        assert!(speaking.next(0, Vec::new, now).is_none(), "there is nothing to tell");
        (0..=SHARED_LOG_WORDS_MAX as u8).for_each(|word| speaking.say(vec![word]));
        let voice = Voice::decode(&speaking.next(5, Vec::new, now).expect("due")).expect("a voice");
        assert_eq!((voice.session, voice.last, voice.first), (9, 5, 1));
        assert_eq!((voice.words.len(), &voice.words[0][..]), (SHARED_LOG_WORDS_MAX, &[1][..]));
        speaking.say(Vec::new());
        assert!(speaking.next(5, Vec::new, at(SHARED_LOG_VOICE_MS)).is_none(), "one at a time");
        speaking.written(true);
        assert!(speaking.next(5, Vec::new, at(SHARED_LOG_VOICE_MS - 1)).is_none(), "not yet");
        speaking.hurry(at(100));
        assert!(speaking.next(5, Vec::new, at(100)).is_some());
        speaking.written(false);
        assert!(speaking.next(5, Vec::new, at(100 + SHARED_LOG_VOICE_MS)).is_some(), "again after a failure");
    }
}
