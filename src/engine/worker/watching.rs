//! Connections that watch a feed: each has a place in it, and the frame that is being sent to it from where it lies.

use std::sync::Arc;

use crate::app::feed::{Feed, Next};
use crate::base::limits::WATCHERS_PER_TURN;
use crate::engine::shared::table::Key;
use crate::http::response::{Content, LAST_CHUNK, Pieces, Rest};

/// What a connection watches.
pub struct Watching {
    feed: Arc<Feed>,
    place: u64,
    pieces: Pieces,
    /// What is left of the frame under way.
    pub rest: Option<Rest>,
    /// The server ends: nothing follows the frame under way.
    ends: bool,
}

/// What there is to be sent to a watcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A frame, in `rest` or in the output.
    Frame,
    /// Nothing at the moment.
    Nothing,
    /// Nothing any more: the answer's end is in the output.
    End,
}

impl Watching {
    /// Returns a watcher at a place of a feed, whose answer is written in such pieces.
    #[must_use]
    pub fn new(feed: Arc<Feed>, place: u64, pieces: Pieces) -> Self {
        Self { feed, place, pieces, rest: None, ends: false }
    }

    /// Ends the answer behind the frame under way.
    pub fn end(&mut self) {
        self.ends = true;
    }

    /// Sees to it that the next frame is in `rest`, unless one is under way; that of an answer without chunks goes to `output`.
    pub fn look(&mut self, output: &mut Vec<u8>) -> Due {
        if self.rest.is_some() {
            return Due::Frame;
        }
        if self.ends {
            if self.pieces == Pieces::Chunks {
                output.extend_from_slice(LAST_CHUNK);
            }
            return Due::End;
        }
        let Next::Frame(frame, place) = self.feed.next(self.place) else { return Due::Nothing };
        self.place = place;
        if self.pieces == Pieces::Chunks {
            self.rest = Some(Rest::of(Content::Shared(frame.chunk().clone())));
        } else {
            output.extend_from_slice(frame.bytes());
        }
        Due::Frame
    }
}

/// The connections of one worker that watch, and how far a round through them is.
#[derive(Default)]
pub struct Watchers {
    keys: Vec<Key>,
    /// The next one of the round under way.
    at: Option<usize>,
}

impl Watchers {
    /// Adds one.
    pub fn add(&mut self, key: Key) {
        self.keys.push(key);
    }

    /// Begins a round: there are new frames.
    pub fn begin_round(&mut self) {
        self.at = Some(0);
    }

    /// Returns whether a round is under way.
    #[inline]
    #[must_use]
    pub fn is_in_round(&self) -> bool {
        self.at.is_some()
    }

    /// Takes those that are next in the round; gives whether the
    /// round is over with them.
    pub fn take_share(&mut self, share: &mut Vec<Key>) -> bool {
        let Some(at) = self.at else { return false };
        let end = self.keys.len().min(at + WATCHERS_PER_TURN);
        share.extend_from_slice(&self.keys[at..end]);
        let is_over = end == self.keys.len();
        self.at = (!is_over).then_some(end);
        is_over
    }

    /// Takes one off that does not watch any more. Called for those of the last share only.
    pub fn remove(&mut self, key: Key) {
        let Some(place) = self.keys.iter().position(|known| *known == key) else { return };
        self.keys.remove(place);
        self.at = self.at.map(|at| at - usize::from(place < at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::feed::Frame;
    use crate::base::ids::Position;

    fn feed() -> Arc<Feed> {
        let frame = |text: &str| Frame::new(text.as_bytes());
        let feed = Feed::new(frame("reload"), frame("hello"));
        feed.publish(Position(1), Some(frame("one")), frame("reload"), frame("hello"));
        Arc::new(feed)
    }

    #[test]
    fn frames_come_in_the_pieces_of_the_answer_and_end_with_it() {
        let mut output = Vec::new();
        let mut chunked = Watching::new(feed(), 0, Pieces::Chunks);
        assert_eq!(chunked.look(&mut output), Due::Frame);
        assert_eq!(
            chunked.rest.as_ref().map(|rest| rest.bytes().to_vec()),
            Some(b"00000003\r\none\r\n".to_vec())
        );
        chunked.end();
        assert_eq!(chunked.look(&mut output), Due::Frame, "the frame is finished first");
        chunked.rest = None;
        assert_eq!((chunked.look(&mut output), &output[..]), (Due::End, LAST_CHUNK));
        output.clear();
        let mut plain = Watching::new(feed(), 0, Pieces::UntilClose);
        assert_eq!((plain.look(&mut output), &output[..]), (Due::Frame, &b"one"[..]));
        assert_eq!(plain.look(&mut output), Due::Nothing);
        plain.end();
        assert_eq!((plain.look(&mut output), &output[..]), (Due::End, &b"one"[..]));
    }

    #[test]
    fn a_round_goes_through_all_in_shares_and_forgets_who_has_left() {
        let mut watchers = Watchers::default();
        let key = |place| Key { place, generation: 1 };
        let all: Vec<Key> = (0..WATCHERS_PER_TURN as u32 * 2 + 1).map(key).collect();
        all.iter().for_each(|key| watchers.add(*key));
        let mut seen = Vec::new();
        watchers.begin_round();
        for is_last in [false, false, true] {
            let mut share = Vec::new();
            assert_eq!(watchers.take_share(&mut share), is_last);
            watchers.remove(share[0]);
            seen.extend(share);
        }
        assert_eq!(seen, all);
        assert!(!watchers.is_in_round());
        watchers.begin_round();
        let mut left = Vec::new();
        while !watchers.take_share(&mut left) {}
        assert_eq!(left.len(), all.len() - 3);
    }
}
