//! What the board keeps in memory: its messages, and what is needed to take one off before it has arrived.
//!
//! A message is named by the place of its post (origin and number), which every host knows alike. A delete that arrives
//! before its post leaves a tombstone, and the post takes that away. Which of them came first is known by the last post
//! seen of each stream, so that a second delete of one message leaves nothing behind, whatever the order. What was cut is gone:
//! neither a post at or below a floor nor what is said of it leaves anything.
//!
//! The oldest messages go to runs on the disk (`aging.rs`); whether one is there is known without reading.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::aging::Aging;
use crate::app::fields::{Fields, push_origin};
use crate::app::floors::{self, Floors};
use crate::app::heal::Heal;
use crate::app::old::Old;
use crate::app::references::References;
use crate::app::state::{Entry, RestoreError, Stamp, State};
use crate::apps::board::tag::{BOARD_CUT, BOARD_POST};
use crate::apps::pictures::kind::Kind;
use crate::base::blob::BlobId;
use crate::base::folds::Folds;
use crate::base::ids::{Inc, NodeId, Origin, Seq};

use super::key::Key;
use super::recent::{Event, Recent};
pub use super::record::Message;
use super::record::{self, Change, Post};

/// The board's state.
#[derive(Clone, Debug, Default)]
pub struct BoardState {
    pub(super) messages: BTreeMap<Key, Message>,
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
    pub(super) by_place: BTreeMap<(Origin, Seq), Key>,
    by_uuid: BTreeMap<[u8; 16], Key>,
    pub(super) references: References,
    pub(super) recent: Recent,
    text_bytes: usize,
    picture_bytes: u64,
    pub(super) old: Old,
}

impl BoardState {
    /// Messages in memory below the number `before`, the newest first.
    pub fn newest(&self, before: u64) -> impl Iterator<Item = (&Key, &Message)> {
        let origin = Origin { node: NodeId(0), inc: Inc(0) };
        self.messages.range(..Key { id: before, origin, seq: 0 }).rev()
    }

    /// Returns the message with a number, if it is in memory.
    #[must_use]
    pub fn message(&self, id: u64) -> Option<(&Key, &Message)> {
        self.newest(id.checked_add(1)?).next().filter(|(key, _)| key.id == id)
    }

    /// Returns the message whose picture has this name, if it is in memory.
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

    /// Returns whether the message at `key` was not deleted, wherever it is.
    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        self.messages.contains_key(key) || self.old.has(&(key.origin, key.seq))
    }

    /// Returns the number of messages, and bytes of the texts that are in memory.
    #[must_use]
    pub fn size(&self) -> (u64, usize) {
        (self.messages.len() as u64 + self.old.count(), self.text_bytes)
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
        let message = Message { post, time_us: at.time_us };
        self.recent.push(Event::Posted(key, Box::new(message.clone())));
        self.insert(key, message);
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
        match self.take_out(place) {
            Some((key, message)) => {
                self.recent.push(Event::Deleted(key.id));
                self.references.remove(message.post.blob);
            }
            None => drop(self.old.remove(place)),
        }
    }

    /// Takes a message out of memory; its picture is still counted as named.
    pub(super) fn take_out(&mut self, place: (Origin, Seq)) -> Option<(Key, Message)> {
        let key = self.by_place.remove(&place)?;
        let message = self.messages.remove(&key)?;
        if self.by_uuid.get(&message.post.uuid) == Some(&key) {
            self.by_uuid.remove(&message.post.uuid);
        }
        self.text_bytes -= text_bytes(&message);
        self.picture_bytes = self.picture_bytes.wrapping_sub(message.post.size_bytes);
        Some((key, message))
    }

    fn cut(&mut self, record: &[u8]) {
        for (origin, floor) in self.floors.raise(record) {
            let range = (origin, 0)..=(origin, floor);
            self.tombstones.retain(|place| !range.contains(place));
            let gone: Vec<_> = self.by_place.range(range).map(|(place, _)| *place).collect();
            gone.into_iter().for_each(|place| self.take_off(place));
            self.old.remove_up_to(origin, floor);
        }
    }

    /// Appends the largest number, the last posts and the tombstones.
    fn push_places(&self, out: &mut Vec<u8>) {
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
    }

    /// Appends all that is kept beside messages.
    pub(super) fn push_beside(&self, out: &mut Vec<u8>) {
        self.push_places(out);
        self.floors.push(out);
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

/// Returns the bytes of a message's texts.
pub(super) fn text_bytes(message: &Message) -> usize {
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
        let old = self.old.amounts();
        let text_bytes = (self.text_bytes as u64).wrapping_add(old.bytes.wrapping_sub(old.contents_bytes));
        self.contents_bytes().saturating_add(text_bytes)
    }

    fn contents_bytes(&self) -> u64 {
        // As the sum of all of them in memory would wrap.
        self.picture_bytes.wrapping_add(self.old.amounts().contents_bytes)
    }

    fn aging(&self) -> Option<&dyn Aging> {
        Some(self)
    }

    fn aging_mut(&mut self) -> Option<&mut dyn Aging> {
        Some(self)
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
        self.push_places(out);
        out.extend_from_slice(&(self.messages.len() as u64).to_le_bytes());
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

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
