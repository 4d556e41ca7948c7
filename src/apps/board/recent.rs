//! What happened on the board lately, in the order in which it came to this host.

use std::collections::VecDeque;

use crate::apps::board::limits::BOARD_NEWS_MAX;

use super::key::Key;
use super::record::Message;

/// What happened to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was posted, and read so.
    Posted(Key, Box<Message>),
    /// The message with this number was deleted.
    Deleted(u64),
}

/// The latest events, and the number of all since the process started.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    events: VecDeque<Event>,
    count: u64,
}

impl Recent {
    /// Takes up an event; the oldest one is forgotten when there are more than [`BOARD_NEWS_MAX`].
    pub fn push(&mut self, event: Event) {
        self.count += 1;
        self.events.push_back(event);
        if self.events.len() > BOARD_NEWS_MAX {
            self.events.pop_front();
        }
    }

    /// Returns how many events there were since the process started.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns whether every event behind the first `count` ones is still remembered.
    #[must_use]
    pub fn reaches(&self, count: u64) -> bool {
        self.count - self.events.len() as u64 <= count
    }

    /// Returns the events behind the first `count` ones, as far as they are remembered.
    pub fn since(&self, count: u64) -> impl Iterator<Item = &Event> {
        let wanted = usize::try_from(self.count.saturating_sub(count)).unwrap_or(usize::MAX);
        self.events.range(self.events.len().saturating_sub(wanted)..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_from_where_one_stands_and_a_gap_is_known() {
        let mut recent = Recent::default();
        assert!(recent.reaches(0) && recent.since(0).next().is_none());
        let all = BOARD_NEWS_MAX as u64 + 5;
        (1..=all).for_each(|id| recent.push(Event::Deleted(id)));
        let since = |count| recent.since(count).cloned().collect::<Vec<_>>();
        assert_eq!((recent.count(), since(all), since(all + 9)), (all, vec![], vec![]));
        assert_eq!(since(all - 2), [Event::Deleted(all - 1), Event::Deleted(all)]);
        assert_eq!((since(5).len(), since(4).len(), since(0).len()), (64, 64, 64));
        assert!(recent.reaches(all) && recent.reaches(5) && !recent.reaches(4) && !recent.reaches(0));
    }
}
