//! What the board keeps in memory: its messages, and what is needed to take one off before it has arrived.
//!
//! A message is named by the place of its post (origin and number), which every host knows alike. A delete that arrives
//! before its post leaves a tombstone, and the post takes that away. Which of them came first is known by the last post
//! seen of each stream, so that a second delete of one message leaves nothing behind, whatever the order. What was cut is gone:
//! neither a post at or below a floor nor what is said of it leaves anything.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::fields::{Fields, push_origin};
use crate::app::floors::{self, Floors};
use crate::app::heal::Heal;
use crate::app::references::References;
use crate::app::state::{Entry, RestoreError, Stamp, State};
use crate::app::trimming::{Item, Trimmed};
use crate::apps::board::tag::{BOARD_CUT, BOARD_POST};
use crate::apps::pictures::kind::Kind;
use crate::base::blob::BlobId;
use crate::base::folds::Folds;
use crate::base::ids::{Inc, NodeId, Origin, Seq};

use super::key::Key;
use super::recent::{Event, Recent};
use super::record::{self, Change, Post};

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What was posted.
    pub post: Post,
    /// When, microseconds since 1970.
    pub time_us: u64,
}

/// The board's state.
#[derive(Clone, Debug, Default)]
pub struct BoardState {
    messages: BTreeMap<Key, Message>,
    /// The largest number given.
    last_id: u64,
    /// For each stream its last post.
    seen: BTreeMap<Origin, Seq>,
    /// Posts that were taken off before they came.
    tombstones: BTreeSet<(Origin, Seq)>,
    floors: Floors,
    /// Streams of which every post was seen.
    folds: Folds,
    /// Below: nothing that is kept.
    by_place: BTreeMap<(Origin, Seq), Key>,
    by_uuid: BTreeMap<[u8; 16], Key>,
    references: References,
    recent: Recent,
    text_bytes: usize,
    picture_bytes: u64,
}

impl BoardState {
    /// Messages below the number `before`, the newest first.
    pub fn newest(&self, before: u64) -> impl Iterator<Item = (&Key, &Message)> {
        let origin = Origin { node: NodeId(0), inc: Inc(0) };
        self.messages.range(..Key { id: before, origin, seq: 0 }).rev()
    }

    /// Returns the message with a number.
    #[must_use]
    pub fn message(&self, id: u64) -> Option<(&Key, &Message)> {
        self.newest(id.checked_add(1)?).next().filter(|(key, _)| key.id == id)
    }

    /// Returns the message whose picture has this name.
    #[must_use]
    pub fn picture(&self, uuid: [u8; 16], name: &str) -> Option<&Message> {
        let message = self.messages.get(self.by_uuid.get(&uuid)?)?;
        (message.post.name == name).then_some(message)
    }

    /// Returns what happened lately.
    #[must_use]
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Returns the message that stands at `key`, unless it was deleted.
    #[must_use]
    pub fn at(&self, key: &Key) -> Option<&Message> {
        self.messages.get(key)
    }

    /// Returns the number of messages, and bytes of their texts.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.messages.len(), self.text_bytes)
    }

    fn insert(&mut self, key: Key, message: Message) {
        self.references.add(message.post.blob);
        self.by_uuid.insert(message.post.uuid, key);
        self.by_place.insert((key.origin, key.seq), key);
        self.text_bytes += text_bytes(&message);
        // Whatever a record says: what is added is taken away again.
        self.picture_bytes = self.picture_bytes.wrapping_add(message.post.size_bytes);
        self.messages.insert(key, message);
    }

    fn post(&mut self, at: &Entry, post: Post) {
        self.last_id = self.last_id.max(post.id);
        let seen = self.seen.entry(at.origin).or_default();
        *seen = at.seq.max(*seen);
        // A stream is in order: one that names an earlier place named no post.
        while let Some(&passed) = self.tombstones.range((at.origin, 0)..(at.origin, at.seq)).next() {
            self.tombstones.remove(&passed);
        }
        if self.tombstones.remove(&(at.origin, at.seq)) || self.floors.cover(at.origin, at.seq) {
            self.references.pass(post.blob);
            return;
        }
        let key = Key { id: post.id, origin: at.origin, seq: at.seq };
        self.recent.push(Event::Posted(key));
        self.insert(key, Message { post, time_us: at.time_us });
    }

    fn delete(&mut self, origin: Origin, seq: Seq) {
        let is_early = || !self.folds.contains(origin);
        if self.floors.cover(origin, seq) {
            return;
        }
        if self.seen.get(&origin).map_or_else(is_early, |seen| *seen < seq) {
            self.tombstones.insert((origin, seq));
            return;
        }
        self.take_off((origin, seq));
    }

    fn take_off(&mut self, place: (Origin, Seq)) {
        if let Some(key) = self.by_place.remove(&place)
            && let Some(message) = self.messages.remove(&key)
        {
            self.recent.push(Event::Deleted(key.id));
            self.by_uuid.remove(&message.post.uuid);
            self.text_bytes -= text_bytes(&message);
            self.picture_bytes = self.picture_bytes.wrapping_sub(message.post.size_bytes);
            self.references.remove(message.post.blob);
        }
    }

    fn cut(&mut self, record: &[u8]) {
        for (origin, floor) in self.floors.raise(record) {
            let range = (origin, 0)..=(origin, floor);
            self.tombstones.retain(|place| !range.contains(place));
            let gone: Vec<_> = self.by_place.range(range).map(|(place, _)| *place).collect();
            gone.into_iter().for_each(|place| self.take_off(place));
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut state, mut fields) = (Self::default(), Fields::of(bytes));
        state.last_id = fields.u64()?;
        for _ in 0..fields.u64()? {
            state.seen.insert(fields.origin()?, fields.u64()?);
        }
        for _ in 0..fields.u64()? {
            state.tombstones.insert((fields.origin()?, fields.u64()?));
        }
        for _ in 0..fields.u64()? {
            let (origin, seq, time_us) = (fields.origin()?, fields.u64()?, fields.u64()?);
            let post = Post::read(&mut fields)?;
            state.insert(Key { id: post.id, origin, seq }, Message { post, time_us });
        }
        state.floors = Floors::read(&mut fields)?;
        Some(state)
    }
}

fn text_bytes(message: &Message) -> usize {
    message.post.name.len() + message.post.message.len()
}

impl State for BoardState {
    fn kinds(&self) -> &'static [(u8, &'static str)] {
        crate::apps::board::tag::KINDS
    }

    fn record_bytes_max(&self) -> usize {
        crate::apps::board::tag::RECORD_BYTES_MAX
    }

    /// Gives a post its number.
    fn stamp(&self, at: &Stamp<'_>, record: &[u8], out: &mut Vec<u8>) {
        if record.first() != Some(&BOARD_POST) {
            return out.extend_from_slice(record);
        }
        let id = at.new_id(self.last_id.max(at.ahead.get()));
        at.ahead.set(id);
        record::push_stamped(record, id, out);
    }

    /// Gives 0 for a delete, whose answer has nothing to tell.
    fn apply(&mut self, at: &Entry, record: &[u8]) -> Option<u64> {
        if record.first() == Some(&BOARD_CUT) {
            self.cut(record);
            return None;
        }
        match record::read(record)? {
            Change::Post(post) => {
                self.post(at, post);
                None
            }
            Change::Delete(origin, seq) => {
                self.delete(origin, seq);
                Some(0)
            }
        }
    }

    fn blobs_of(&self, record: &[u8], visit: &mut dyn FnMut(BlobId)) {
        if let Some(Change::Post(post)) = record::read(record) {
            visit(post.blob);
        }
    }

    fn references(&self) -> Option<&References> {
        Some(&self.references)
    }

    fn references_mut(&mut self) -> Option<&mut References> {
        Some(&mut self.references)
    }

    fn heal(&mut self, heal: &Heal, _just: Option<&Entry>) {
        let range = (heal.origin, heal.first)..=(heal.origin, heal.last);
        for key in self.by_place.range(range).map(|(_, key)| key) {
            if let Some(message) = self.messages.get_mut(key) {
                message.time_us = message.time_us.min(heal.time_us);
            }
        }
    }

    fn data_bytes(&self) -> u64 {
        self.picture_bytes.saturating_add(self.text_bytes as u64)
    }

    fn contents_bytes(&self) -> u64 {
        self.picture_bytes
    }

    fn take_folds(&mut self, streams: &[Origin], all: &Folds) {
        self.folds = all.clone();
        self.floors.take_folds(all);
        for origin in streams {
            self.seen.remove(origin);
        }
        // What names a place of theirs that holds no post names nothing.
        self.tombstones.retain(|(origin, _)| streams.binary_search(origin).is_err());
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        let count = |count: usize| (count as u64).to_le_bytes();
        out.extend_from_slice(&self.last_id.to_le_bytes());
        out.extend_from_slice(&count(self.seen.len()));
        for (origin, seq) in &self.seen {
            push_origin(out, *origin);
            out.extend_from_slice(&seq.to_le_bytes());
        }
        out.extend_from_slice(&count(self.tombstones.len()));
        for (origin, seq) in &self.tombstones {
            push_origin(out, *origin);
            out.extend_from_slice(&seq.to_le_bytes());
        }
        out.extend_from_slice(&count(self.messages.len()));
        for (key, message) in &self.messages {
            push_origin(out, key.origin);
            out.extend_from_slice(&key.seq.to_le_bytes());
            out.extend_from_slice(&message.time_us.to_le_bytes());
            message.post.push(out);
        }
        self.floors.push(out);
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        *self = Self::read(bytes).ok_or(RestoreError)?;
        Ok(())
    }

    fn sample(&self, seed: u64) -> Vec<u8> {
        // Deletes of what is there, of what was there, and of what is yet to come.
        let origins: Vec<_> = self.seen.iter().collect();
        if seed.is_multiple_of(3) && !origins.is_empty() {
            let (origin, seen) = origins[(seed / 3) as usize % origins.len()];
            return record::delete_record(*origin, 1 + (seed / 7) % (seen + 3));
        }
        if seed.is_multiple_of(7) && !self.by_place.is_empty() {
            let place = self.by_place.keys().nth((seed / 7) as usize % self.by_place.len());
            return place.map_or_else(Vec::new, |(origin, seq)| record::delete_record(*origin, *seq));
        }
        if seed.is_multiple_of(13) {
            return floors::sample(BOARD_CUT, seed, &self.seen.keys().copied().collect::<Vec<_>>());
        }
        Post {
            id: 0,
            uuid: [seed.to_le_bytes(), (!seed).to_le_bytes()].concat().try_into().expect("16 bytes"),
            blob: BlobId([(seed % 5) as u8; 32]),
            kind: Kind::Png,
            size_bytes: seed,
            name: format!("{seed}.png"),
            message: "hi".to_owned(),
        }
        .record()
    }
}

/// Messages in the order of their numbers, which is that of both hosts.
impl Trimmed for BoardState {
    fn extent(&self) -> (u64, u64) {
        (self.messages.len() as u64, self.picture_bytes.saturating_add(self.text_bytes as u64))
    }

    fn oldest(&self, _: u64) -> Box<dyn Iterator<Item = Item> + '_> {
        Box::new(self.messages.iter().map(|(key, message)| Item {
            time_us: message.time_us,
            origin: key.origin,
            seq: key.seq,
            bytes: message.post.size_bytes.saturating_add(text_bytes(message) as u64),
            is_open: false,
        }))
    }

    fn numbers(&self, origin: Origin) -> Box<dyn Iterator<Item = Seq> + '_> {
        Box::new(self.by_place.range((origin, 0)..=(origin, Seq::MAX)).map(|((_, seq), _)| *seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Origin = Origin { node: NodeId(1), inc: Inc(1) };

    fn post(id: u64, blob: u8) -> Vec<u8> {
        let (name, message) = ("a.png".to_owned(), format!("message {id}"));
        let (blob, kind) = (BlobId([blob; 32]), Kind::Png);
        Post { id, uuid: [id as u8; 16], blob, kind, size_bytes: 9, name, message }.record()
    }

    fn at(seq: Seq) -> Entry {
        Entry { origin: ONE, seq, time_us: seq * 1_000_000 }
    }

    #[test]
    fn newest_first_below_a_number_and_by_name() {
        let mut state = BoardState::default();
        for seq in 1..=7 {
            state.apply(&at(seq), &post(seq, 1));
        }
        let ids = |before| state.newest(before).map(|(key, _)| key.id).collect::<Vec<_>>();
        assert_eq!(ids(u64::MAX), [7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(ids(3), [2, 1]);
        assert_eq!(state.message(4).map(|(_, message)| &*message.post.message), Some("message 4"));
        assert!(
            state.message(8).is_none() && state.message(0).is_none() && state.message(u64::MAX).is_none()
        );
        assert!(state.picture([3; 16], "a.png").is_some());
        assert!(state.picture([3; 16], "b.png").is_none() && state.picture([9; 16], "a.png").is_none());
    }

    #[test]
    fn a_delete_in_any_order_leaves_nothing() {
        let (post, delete) = (post(1, 1), record::delete_record(ONE, 1));
        for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [0, 2, 1], [2, 0, 1], [2, 1, 0]] {
            let mut state = BoardState::default();
            for step in order {
                state.apply(&at(1), if step == 0 { &post } else { &delete });
            }
            assert_eq!((state.size(), state.tombstones.len()), ((0, 0), 0), "{order:?}");
            assert_eq!(state.take_released(), [BlobId([1; 32])], "{order:?}");
        }
    }

    #[test]
    fn a_blob_is_released_by_the_last_message_that_names_it() {
        let mut state = BoardState::default();
        state.apply(&at(1), &post(1, 1));
        state.apply(&at(2), &post(2, 1));
        state.apply(&at(3), &record::delete_record(ONE, 1));
        assert!(!state.has_released() && state.names_blob(&BlobId([1; 32])));
        state.apply(&at(4), &record::delete_record(ONE, 2));
        assert!(!state.names_blob(&BlobId([1; 32])));
        assert_eq!(state.take_released(), [BlobId([1; 32])]);
        assert!(!state.has_released());
    }

    #[test]
    fn a_post_that_was_deleted_before_it_came_leaves_another_ones_blob() {
        let mut state = BoardState::default();
        state.apply(&at(1), &post(1, 1));
        state.apply(&at(1), &record::delete_record(ONE, 2));
        state.apply(&at(2), &post(2, 1));
        assert!(state.names_blob(&BlobId([1; 32])) && !state.has_released());
    }

    #[test]
    fn what_is_cut_leaves_nothing_in_any_order() {
        let (post, delete) = (post(1, 1), record::delete_record(ONE, 1));
        let cut = floors::records(BOARD_CUT, &[(ONE, 1)]).concat();
        for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [0, 2, 1], [2, 0, 1], [2, 1, 0]] {
            let mut state = BoardState::default();
            for step in order {
                state.apply(&at(1), [&post, &delete, &cut][step]);
            }
            assert_eq!((state.size(), state.tombstones.len()), ((0, 0), 0), "{order:?}");
            assert_eq!((state.extent(), state.last_id), ((0, 0), 1), "its number is not given again");
            assert_eq!(state.take_released(), [BlobId([1; 32])], "{order:?}");
        }
    }

    #[test]
    fn the_oldest_are_cut_as_far_as_is_asked_for() {
        use crate::app::hosts::Hosts;
        use crate::app::keep::Keep;
        use crate::app::trimming::{Look, floors};
        let mut state = BoardState::default();
        for seq in 1..=7 {
            state.apply(&at(seq), &post(seq, 1));
        }
        let alone = || Hosts::alone(NodeId(2));
        let beside_another = || alone().with(NodeId(1), None);
        let cut = |texts: &[&str], now_s: u64, hosts| {
            let keep = Keep::of(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
            let look = Look { now_us: now_s * 1_000_000, hosts };
            floors(&state, &keep, &look).first().map_or(0, |(_, seq)| *seq)
        };
        assert_eq!(cut(&["5"], 10, alone()), 2);
        assert_eq!(cut(&["9"], 10, alone()), 0);
        assert_eq!(cut(&["4s"], 8, alone()), 3, "those of before the fourth second");
        assert_eq!(cut(&["4s"], 8, beside_another()), 0, "the other host cuts its own by age");
        assert_eq!(cut(&["4s", "5"], 8, beside_another()), 2, "by number either does");
        let (_, bytes) = state.extent();
        assert_eq!(cut(&[&format!("{}B", bytes * 3 / 7 + 1)], 8, alone()), 3, "no less than so many bytes");
    }

    #[test]
    fn posts_and_deletes_are_events_in_their_order() {
        let mut state = BoardState::default();
        state.apply(&at(1), &post(1, 1));
        state.apply(&at(2), &post(2, 1));
        // The second delete of one message and one of what never came are no events.
        for seq in [1, 1, 9] {
            state.apply(&at(3), &record::delete_record(ONE, seq));
        }
        let key = |id| Key { id, origin: ONE, seq: id };
        let events: Vec<_> = state.recent().since(0).copied().collect();
        assert_eq!(events, [Event::Posted(key(1)), Event::Posted(key(2)), Event::Deleted(1)]);
        assert!(state.at(&key(1)).is_none() && state.at(&key(2)).is_some());
    }
}
