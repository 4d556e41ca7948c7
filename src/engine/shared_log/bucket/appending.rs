//! Appending to this host's own stream: one object at a time, made only if there is none of its name, with all messages that came
//! while the one before it was on its way.
//!
//! An object's name is the number of its first message, which follows from the objects before it. So two processes that append to one
//! stream make an object of the same name, and one of them is refused. Nothing is made whose place is not known.

use std::collections::VecDeque;

use super::joined;
use super::objects::Trouble;
use crate::peer::relay::port::LogEvent;

/// A message that is not appended yet.
struct Waiting {
    token: u64,
    message: Vec<u8>,
}

/// Messages on their way.
#[derive(Default)]
pub(super) struct Appending {
    /// Those of the object that is on its way, and behind them those that wait for it.
    queue: VecDeque<Waiting>,
    /// Number of those in the object.
    flying: usize,
    /// The number of the last message before the queue; nothing while that is not known.
    last: Option<u64>,
}

impl Appending {
    /// Notes where the stream ends, as was seen just now; messages on their way know better.
    pub(super) fn note_end(&mut self, last: u64) {
        if self.queue.is_empty() {
            self.last = Some(last);
        }
    }

    /// Returns the number of the last message that is known to be appended; 0 if none is.
    pub(super) fn end(&self) -> u64 {
        self.last.unwrap_or(0)
    }

    /// Takes a message, to be appended behind the number `after`; refuses one that has another place.
    pub(super) fn append(&mut self, token: u64, after: u64, message: Vec<u8>) -> Option<LogEvent> {
        if self.last.map(|last| last + self.queue.len() as u64) != Some(after) {
            let why = "another message is the last one, or it is not known which is".to_owned();
            return Some(LogEvent::Refused { token, why });
        }
        self.queue.push_back(Waiting { token, message });
        None
    }

    /// Returns the next object, if one is to be made now: the number of its first message, and its content.
    pub(super) fn next(&mut self) -> Option<(u64, Vec<u8>)> {
        if self.flying > 0 || self.queue.is_empty() {
            return None;
        }
        let messages = || self.queue.iter().map(|waiting| &waiting.message[..]);
        let count = joined::fitting(messages());
        let content = joined::join(messages().take(count));
        self.flying = count;
        Some((self.last? + 1, content))
    }

    /// Takes it what became of that object; gives what the relay is to be told.
    pub(super) fn done(&mut self, outcome: Result<(), Trouble>) -> Vec<LogEvent> {
        let flying = std::mem::take(&mut self.flying);
        let why = match outcome {
            Ok(()) => {
                let first = self.end() + 1;
                self.last = Some(self.end() + flying as u64);
                let numbered = (first..).zip(self.queue.drain(..flying));
                return numbered
                    .map(|(number, Waiting { token, .. })| LogEvent::Appended { token, number })
                    .collect();
            }
            Err(Trouble::Taken) => "another message is the last one".to_owned(),
            Err(Trouble::Unfit(why)) => why,
            Err(Trouble::Away(why)) => format!("whether it was appended is not known: {why}"),
        };
        // What waits behind them has no place any more either.
        self.last = None;
        let refused = self.queue.drain(..);
        refused.map(|Waiting { token, .. }| LogEvent::Refused { token, why: why.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(events: &[LogEvent]) -> Vec<(u64, Option<u64>)> {
        let told = events.iter().map(|event| match event {
            LogEvent::Appended { token, number } => (*token, Some(*number)),
            LogEvent::Refused { token, .. } => (*token, None),
            other => panic!("{other:?}"),
        });
        told.collect()
    }

    fn append(appending: &mut Appending, token: u64, after: u64) -> bool {
        appending.append(token, after, vec![token as u8]).is_none()
    }

    #[test]
    fn what_comes_while_an_object_is_made_goes_into_the_next_one() {
        let mut appending = Appending::default();
        assert!(!append(&mut appending, 1, 0), "nobody has looked where the stream ends");
        appending.note_end(7);
        assert!(append(&mut appending, 2, 7));
        assert_eq!(appending.next(), Some((8, joined::join([&[2_u8][..]].into_iter()))));
        assert!(append(&mut appending, 3, 8) && append(&mut appending, 4, 9));
        assert!(!append(&mut appending, 5, 9), "not behind the last one");
        appending.note_end(3);
        assert_eq!(appending.next(), None, "one at a time");
        assert_eq!(tokens(&appending.done(Ok(()))), [(2, Some(8))]);
        assert_eq!(appending.next().map(|(first, _)| first), Some(9));
        assert_eq!(tokens(&appending.done(Ok(()))), [(3, Some(9)), (4, Some(10))]);
        assert_eq!((appending.next(), appending.end()), (None, 10));
    }

    #[test]
    fn after_a_refusal_nothing_is_made_before_the_end_was_looked_at() {
        for trouble in [Trouble::Taken, Trouble::Away("silence".to_owned())] {
            let mut appending = Appending::default();
            appending.note_end(0);
            assert!(append(&mut appending, 1, 0));
            assert!(appending.next().is_some());
            assert!(append(&mut appending, 2, 1));
            assert_eq!(tokens(&appending.done(Err(trouble))), [(1, None), (2, None)]);
            assert!(!append(&mut appending, 3, 2) && appending.next().is_none());
            appending.note_end(1);
            assert!(append(&mut appending, 4, 1));
        }
    }
}
