//! Feeds: what a view tells those who watch it, frame by frame. Each frame is made once and sent to all of them from where it
//! lies; a watcher is a place in the feed and nothing else. A feed remembers its last frames for those who come back, and
//! for those whose sockets are slow. Who is further behind is told to load everything anew.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::ids::Position;
use crate::base::limits::{FEED_BYTES_MAX, FEED_FRAMES_MAX};
use crate::http::response::{close_chunk, open_chunk};

/// Bytes of a chunk's first line, before a frame.
const CHUNK_LINE_BYTES: usize = 10;
/// Bytes of a chunk's end, behind a frame.
const CHUNK_END_BYTES: usize = 2;

/// A frame, as a chunk of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(Arc<Vec<u8>>);

impl Frame {
    /// Returns the frame with these bytes, at least one.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut chunk = Vec::with_capacity(CHUNK_LINE_BYTES + bytes.len() + CHUNK_END_BYTES);
        let start = open_chunk(&mut chunk);
        chunk.extend_from_slice(bytes);
        close_chunk(&mut chunk, start);
        Self(Arc::new(chunk))
    }

    /// Returns its bytes as a chunk.
    #[must_use]
    pub fn chunk(&self) -> &Arc<Vec<u8>> {
        &self.0
    }

    /// Returns its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0[CHUNK_LINE_BYTES..self.0.len() - CHUNK_END_BYTES]
    }
}

/// A feed.
pub struct Feed {
    ring: Mutex<Ring>,
}

struct Ring {
    frames: VecDeque<Kept>,
    bytes: usize,
    /// Number of the next frame.
    next: u64,
    /// Up to where the journal is told, by what was published or passed over.
    told: Position,
    /// What is sent in place of frames that are not remembered: it leads to where the next frame begins.
    reload: Frame,
    /// The first thing that a watcher is sent who comes without a place.
    welcome: Frame,
}

struct Kept {
    number: u64,
    from: Position,
    frame: Frame,
}

/// What a watcher at a place is sent next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This; then it is at this place.
    Frame(Frame, u64),
    /// Nothing at the moment.
    Nothing,
}

impl Feed {
    /// Returns a feed that has told nothing, with what watchers are sent before there is anything.
    #[must_use]
    pub fn new(reload: Frame, welcome: Frame) -> Self {
        let frames = VecDeque::new();
        Self { ring: Mutex::new(Ring { frames, bytes: 0, next: 0, told: Position(0), reload, welcome }) }
    }

    /// Publishes the frame that tells what came behind the last one, up to `to`. Without a frame
    /// (what came is told to nobody), whoever stands before it has to load everything.
    pub fn publish(&self, to: Position, frame: Option<Frame>, reload: Frame, welcome: Frame) {
        let mut ring = self.ring();
        match frame {
            Some(frame) => {
                let (number, from) = (ring.next, ring.told);
                ring.bytes += frame.0.len();
                ring.frames.push_back(Kept { number, from, frame });
                while ring.bytes > FEED_BYTES_MAX || ring.frames.len() > FEED_FRAMES_MAX {
                    let Some(oldest) = ring.frames.pop_front() else { break };
                    ring.bytes -= oldest.frame.0.len();
                }
            }
            None => {
                ring.frames.clear();
                ring.bytes = 0;
            }
        }
        ring.next += 1;
        ring.told = to;
        (ring.reload, ring.welcome) = (reload, welcome);
    }

    /// Adds a frame that tells nothing new.
    pub fn remind(&self, frame: Frame) {
        let (told, reload, welcome) = {
            let ring = self.ring();
            (ring.told, ring.reload.clone(), ring.welcome.clone())
        };
        self.publish(told, Some(frame), reload, welcome);
    }

    /// Returns up to where the journal is told.
    #[must_use]
    pub fn told(&self) -> Position {
        self.ring().told
    }

    /// Returns the place of a new watcher, and what it is sent first.
    #[must_use]
    pub fn enter(&self) -> (Frame, u64) {
        let ring = self.ring();
        (ring.welcome.clone(), ring.next)
    }

    /// Returns the place of a watcher who was told everything up to `position`; nothing if that is not remembered.
    #[must_use]
    pub fn place_behind(&self, position: Position) -> Option<u64> {
        let ring = self.ring();
        if position == ring.told {
            return Some(ring.next);
        }
        // Several may begin there: a frame that told nothing, and the one that goes on.
        ring.frames.iter().find(|kept| kept.from == position).map(|kept| kept.number)
    }

    /// Returns the place of a watcher who has to load everything, and what tells so.
    #[must_use]
    pub fn lost(&self) -> (Frame, u64) {
        let ring = self.ring();
        (ring.reload.clone(), ring.next)
    }

    /// Returns what a watcher at `place` is sent next.
    #[must_use]
    pub fn next(&self, place: u64) -> Next {
        let ring = self.ring();
        if place >= ring.next {
            return Next::Nothing;
        }
        match ring.frames.front().and_then(|first| place.checked_sub(first.number)) {
            Some(at) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                ring.frames.get(at).map_or(Next::Nothing, |kept| Next::Frame(kept.frame.clone(), place + 1))
            }
            None => Next::Frame(ring.reload.clone(), ring.next),
        }
    }

    /// Returns how many watch it, or are about to. `feed` is held once by its view.
    #[must_use]
    pub fn watchers(feed: &Arc<Self>) -> usize {
        Arc::strong_count(feed) - 1
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Frame {
        Frame::new(text.as_bytes())
    }

    fn feed() -> Feed {
        Feed::new(frame("reload"), frame("hello"))
    }

    fn publish(feed: &Feed, to: u64, text: Option<&str>) {
        feed.publish(Position(to), text.map(frame), frame(&format!("reload {to}")), frame("hello"));
    }

    #[test]
    fn who_comes_back_misses_nothing_and_sees_nothing_twice() {
        let feed = feed();
        let (hello, mut place) = feed.enter();
        assert_eq!((hello.bytes(), &hello.chunk()[..]), (&b"hello"[..], &b"00000005\r\nhello\r\n"[..]));
        assert_eq!(feed.next(place), Next::Nothing);
        for (to, text) in [(10, "a"), (20, "b"), (30, "c")] {
            publish(&feed, to, Some(text));
        }
        for text in ["a", "b", "c"] {
            let Next::Frame(sent, next) = feed.next(place) else { panic!("no {text}") };
            assert_eq!(sent, frame(text));
            place = next;
        }
        assert_eq!(feed.next(place), Next::Nothing);
        assert_eq!([10, 20, 30].map(|to| feed.place_behind(Position(to))), [Some(1), Some(2), Some(3)]);
        assert_eq!(feed.place_behind(Position(15)), None, "nobody was told so far");
        feed.remind(frame("still here"));
        assert_eq!(feed.place_behind(Position(30)), Some(4));
        publish(&feed, 40, Some("d"));
        assert_eq!(feed.next(feed.place_behind(Position(30)).unwrap()), Next::Frame(frame("still here"), 4));
        assert_eq!(feed.next(4), Next::Frame(frame("d"), 5));
    }

    #[test]
    fn who_is_too_far_behind_is_told_to_load_everything() {
        let feed = feed();
        let large = "x".repeat(FEED_BYTES_MAX / 3);
        for to in 1..=4 {
            publish(&feed, to, Some(&large));
        }
        assert_eq!(feed.next(0), Next::Frame(frame("reload 4"), 4), "the first two are forgotten");
        assert_eq!(feed.next(2), Next::Frame(frame(&large), 3));
        assert_eq!((feed.place_behind(Position(0)), feed.place_behind(Position(2))), (None, Some(2)));
        publish(&feed, 5, None);
        assert_eq!(feed.next(4), Next::Frame(frame("reload 5"), 5));
        assert_eq!((feed.next(5), feed.place_behind(Position(5))), (Next::Nothing, Some(5)));
        for to in 0..=FEED_FRAMES_MAX as u64 {
            publish(&feed, 10 + to, Some("y"));
        }
        assert_eq!(feed.place_behind(Position(5)), None, "a bounded number of them");
    }
}
