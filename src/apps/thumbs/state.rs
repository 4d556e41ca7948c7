//! What the thumbnail service keeps in memory: its pictures, and what was said of some before they came.
//!
//! A picture is named by the place of its submit (origin and number), which every host knows alike. Words about one that
//! has not come yet wait for it. Which of them came first is known by the last picture seen of each stream, so that a word
//! about one that was deleted leaves nothing behind, whatever the order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app::fields::Fields;
use crate::app::floors::{self, Floors};
use crate::app::heal::Heal;
use crate::app::references::References;
use crate::app::state::{Entry, RestoreError, State};
use crate::app::trimming::{Item as Kept, Trimmed};
use crate::apps::pictures::size::Fit;
use crate::apps::thumbs::tag::THUMBS_CUT;
use crate::base::blob::BlobId;
use crate::base::folds::Folds;
use crate::base::ids::{NodeId, Origin, Seq};

use super::item::{Item, Joined, Outcome, Progress};
use super::media::{Frame, Media, Style};
use super::record::{Change, Picture, Place, Thumbnail, push_place, read_place};
use super::watch::Watch;

/// Where a picture stands among all: the order of both hosts' lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// When it was handed in, microseconds since 1970.
    pub time_us: u64,
    /// Where.
    pub place: Place,
}

/// What was said of a picture before it came.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Early {
    /// How far it came.
    Progress(Progress),
    /// It is deleted.
    Deleted,
}

/// What a thumbnail depends on: the content, how it is to be, what it has to fit.
pub type Order = (BlobId, Style, Frame);

/// The service's state.
#[derive(Default)]
pub struct ThumbsState {
    items: BTreeMap<Key, Item>,
    /// For each stream its last picture.
    seen: BTreeMap<Origin, Seq>,
    early: BTreeMap<Place, Early>,
    floors: Floors,
    /// Streams of which every picture was seen.
    folds: Folds,
    /// Below: nothing that is kept.
    by_place: BTreeMap<Place, Key>,
    by_uuid: BTreeMap<[u8; 16], Key>,
    /// Those without an end, by the host that took them.
    open: BTreeMap<NodeId, BTreeSet<Key>>,
    /// Thumbnails that there are, and how many pictures have each.
    made: BTreeMap<Order, BTreeMap<Thumbnail, usize>>,
    references: References,
    /// Bytes of the thumbnails of all pictures.
    bytes: u64,
    watch: Arc<Watch>,
}

impl ThumbsState {
    /// Returns a picture by its name.
    #[must_use]
    pub fn find(&self, uuid: [u8; 16]) -> Option<(&Key, &Item)> {
        self.items.get_key_value(self.by_uuid.get(&uuid)?)
    }

    /// Returns a picture by its place.
    #[must_use]
    pub fn at(&self, place: Place) -> Option<&Item> {
        self.items.get(self.by_place.get(&place)?)
    }

    /// Pictures behind `after`, the oldest first; all of them without it.
    pub fn list(&self, after: Option<Key>) -> impl Iterator<Item = (&Key, &Item)> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.items.range((from, std::ops::Bound::Unbounded))
    }

    /// Returns the number of pictures.
    #[must_use]
    pub fn count(&self) -> usize {
        self.items.len()
    }

    /// Returns the number of pictures without an end.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open.values().map(BTreeSet::len).sum()
    }

    /// Pictures without an end that `node` took, the oldest first.
    pub fn open_of(&self, node: NodeId) -> impl Iterator<Item = Key> + '_ {
        self.open.get(&node).into_iter().flatten().copied()
    }

    /// Hosts that took pictures that have no end yet.
    pub fn open_nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.open.keys().copied()
    }

    /// Returns the thumbnail that another picture with the same content has.
    #[must_use]
    pub fn made(&self, order: &Order) -> Option<Thumbnail> {
        let of_order = self.made.get(order)?;
        of_order.first_key_value().map(|(thumbnail, _)| *thumbnail)
    }

    /// Returns who waits for what.
    #[must_use]
    pub fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }

    /// Puts a picture in its place; gives whether its content is still to be kept.
    fn insert(&mut self, key: Key, item: Item) -> bool {
        self.by_uuid.insert(item.picture.uuid, key);
        self.by_place.insert(key.place, key);
        let is_open = item.progress.outcome.is_none();
        if is_open {
            self.references.add(item.picture.raw);
            self.open.entry(key.place.0.node).or_default().insert(key);
        }
        let thumbnail = item.progress.outcome.as_ref().and_then(Outcome::thumbnail);
        if let Some(thumbnail) = thumbnail {
            self.name(&item.picture, thumbnail);
        }
        self.items.insert(key, item);
        is_open
    }

    fn name(&mut self, picture: &Picture, thumbnail: Thumbnail) {
        self.references.add(thumbnail.blob);
        // Whatever a record says: what is added is taken away again.
        self.bytes = self.bytes.wrapping_add(thumbnail.bytes);
        *self.made.entry(order_of(picture)).or_default().entry(thumbnail).or_default() += 1;
    }

    fn release(&mut self, picture: &Picture, thumbnail: Thumbnail) {
        self.references.remove(thumbnail.blob);
        self.bytes = self.bytes.wrapping_sub(thumbnail.bytes);
        let order = order_of(picture);
        let Some(of_order) = self.made.get_mut(&order) else { return };
        if let Some(count) = of_order.get_mut(&thumbnail) {
            *count -= 1;
            if *count == 0 {
                of_order.remove(&thumbnail);
            }
        }
        if of_order.is_empty() {
            self.made.remove(&order);
        }
    }

    /// Puts the picture at `key` where it would stand if it had been handed in at `time_us`.
    fn move_to(&mut self, key: Key, time_us: u64) {
        let Some(item) = self.items.remove(&key) else { return };
        let moved = Key { time_us, ..key };
        if let Some(named) = self.by_uuid.get_mut(&item.picture.uuid).filter(|named| **named == key) {
            *named = moved;
        }
        self.by_place.insert(key.place, moved);
        if let Some(of_node) = self.open.get_mut(&key.place.0.node)
            && of_node.remove(&key)
        {
            of_node.insert(moved);
        }
        self.items.insert(moved, item);
    }

    /// Ends the picture at `key`.
    fn close(&mut self, key: &Key) {
        if let Some(of_node) = self.open.get_mut(&key.place.0.node) {
            of_node.remove(key);
            if of_node.is_empty() {
                self.open.remove(&key.place.0.node);
            }
        }
    }

    /// Takes a picture that was handed in. `known` is its thumbnail, if there is one already: nobody keeps its content then.
    fn submit(&mut self, at: &Entry, picture: Picture, known: Option<Thumbnail>) {
        let place = (at.origin, at.seq);
        let seen = self.seen.entry(at.origin).or_default();
        *seen = at.seq.max(*seen);
        // A stream is in order: what was said of an earlier place was said of no picture.
        while let Some((&passed, _)) = self.early.range((at.origin, 0)..place).next() {
            self.forget_early(passed);
        }
        if self.floors.cover(at.origin, at.seq) {
            return self.references.pass(known.map_or(picture.raw, |known| known.blob));
        }
        let mut progress = match self.early.remove(&place) {
            None => Progress::default(),
            Some(Early::Progress(progress)) => progress,
            Some(Early::Deleted) => {
                let brought = known.map_or(picture.raw, |known| known.blob);
                return self.references.pass(brought);
            }
        };
        // The item counts it from now on.
        let early = progress.outcome.as_ref().and_then(Outcome::thumbnail);
        let joined = known.map(|known| progress.end(Outcome::Done(known)));
        let is_open = self.insert(Key { time_us: at.time_us, place }, Item { picture, progress });
        if let Some(early) = early {
            self.references.remove(early.blob);
        }
        match joined {
            Some(Joined { named: None, released: Some(released) }) => self.references.pass(released.blob),
            Some(_) => {}
            None if is_open => self.watch.notify(),
            None => self.references.pass(picture.raw),
        }
    }

    fn forget_early(&mut self, place: Place) {
        if let Some(Early::Progress(Progress { outcome: Some(Outcome::Done(thumbnail)), .. })) =
            self.early.remove(&place)
        {
            self.references.remove(thumbnail.blob);
        }
    }

    /// Returns whether a word about `place` comes before its picture.
    fn is_early(&self, (origin, seq): Place) -> bool {
        self.seen.get(&origin).map_or_else(|| !self.folds.contains(origin), |seen| *seen < seq)
    }

    fn early_progress(&mut self, place: Place) -> Option<&mut Progress> {
        match self.early.entry(place).or_insert_with(|| Early::Progress(Progress::default())) {
            Early::Progress(progress) => Some(progress),
            Early::Deleted => None,
        }
    }

    fn attempt(&mut self, place: Place, node: NodeId) {
        if self.is_cut(place) {
            return;
        }
        if self.is_early(place) {
            if let Some(progress) = self.early_progress(place) {
                progress.attempt(node);
            }
        } else if let Some(item) = self.by_place.get(&place).and_then(|key| self.items.get_mut(key)) {
            item.progress.attempt(node);
        }
    }

    fn end(&mut self, place: Place, outcome: Outcome) {
        if !self.is_cut(place) && self.is_early(place) {
            return self.end_early(place, outcome);
        }
        let Some(key) = self.by_place.get(&place).copied() else {
            // It was deleted, or never was.
            if let Some(thumbnail) = outcome.thumbnail() {
                self.references.pass(thumbnail.blob);
            }
            return;
        };
        let Some(item) = self.items.get_mut(&key) else { return };
        let (picture, was_open) = (item.picture, item.progress.outcome.is_none());
        let Joined { named, released } = item.progress.end(outcome);
        if let Some(named) = named {
            self.name(&picture, named);
        }
        match (named, released) {
            (Some(_), Some(released)) => self.release(&picture, released),
            (None, Some(released)) => self.references.pass(released.blob),
            _ => {}
        }
        if was_open {
            self.references.remove(picture.raw);
            self.close(&key);
            self.watch.ended(picture.uuid);
        }
    }

    fn end_early(&mut self, place: Place, outcome: Outcome) {
        let came = outcome.thumbnail();
        match self.early_progress(place).map(|progress| progress.end(outcome)) {
            Some(Joined { named, released }) => {
                if let Some(named) = named {
                    self.references.add(named.blob);
                }
                match (named, released) {
                    (Some(_), Some(released)) => self.references.remove(released.blob),
                    (None, Some(released)) => self.references.pass(released.blob),
                    _ => {}
                }
            }
            None => {
                if let Some(came) = came {
                    self.references.pass(came.blob);
                }
            }
        }
    }

    fn delete(&mut self, place: Place) {
        if !self.is_cut(place) && self.is_early(place) {
            self.forget_early(place);
            self.early.insert(place, Early::Deleted);
            return;
        }
        self.take_away(place);
    }

    fn take_away(&mut self, place: Place) {
        let Some(key) = self.by_place.remove(&place) else { return };
        let Some(item) = self.items.remove(&key) else { return };
        if self.by_uuid.get(&item.picture.uuid) == Some(&key) {
            self.by_uuid.remove(&item.picture.uuid);
        }
        match item.progress.outcome {
            None => {
                self.references.remove(item.picture.raw);
                self.close(&key);
            }
            Some(Outcome::Done(thumbnail)) => self.release(&item.picture, thumbnail),
            Some(Outcome::Failed(_)) => {}
        }
        self.watch.ended(item.picture.uuid);
    }

    fn is_cut(&self, (origin, seq): Place) -> bool {
        self.floors.cover(origin, seq)
    }

    fn cut(&mut self, record: &[u8]) {
        for (origin, floor) in self.floors.raise(record) {
            let range = (origin, 0)..=(origin, floor);
            let said: Vec<Place> = self.early.range(range.clone()).map(|(place, _)| *place).collect();
            said.into_iter().for_each(|place| self.forget_early(place));
            let gone: Vec<Place> = self.by_place.range(range).map(|(place, _)| *place).collect();
            gone.into_iter().for_each(|place| self.take_away(place));
        }
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (mut state, mut fields) = (Self::default(), Fields::of(bytes));
        for _ in 0..fields.u64()? {
            state.seen.insert(fields.origin()?, fields.u64()?);
        }
        for _ in 0..fields.u64()? {
            let place = read_place(&mut fields)?;
            let early = match fields.byte()? {
                0 => Early::Deleted,
                1 => Early::Progress(Progress::read(&mut fields)?),
                _ => return None,
            };
            if let Early::Progress(Progress { outcome: Some(Outcome::Done(thumbnail)), .. }) = &early {
                state.references.add(thumbnail.blob);
            }
            state.early.insert(place, early);
        }
        for _ in 0..fields.u64()? {
            let (place, time_us) = (read_place(&mut fields)?, fields.u64()?);
            let (picture, progress) = (Picture::read(&mut fields)?, Progress::read(&mut fields)?);
            state.insert(Key { time_us, place }, Item { picture, progress });
        }
        state.floors = Floors::read(&mut fields)?;
        Some(state)
    }
}

/// Returns what the thumbnail of a picture depends on.
#[must_use]
pub fn order_of(picture: &Picture) -> Order {
    (picture.raw, picture.style, picture.frame)
}

impl State for ThumbsState {
    fn kinds(&self) -> &'static [(u8, &'static str)] {
        crate::apps::thumbs::tag::KINDS
    }

    fn record_bytes_max(&self) -> usize {
        crate::apps::thumbs::tag::RECORD_BYTES_MAX
    }

    fn apply(&mut self, at: &Entry, record: &[u8]) -> Option<u64> {
        if record.first() == Some(&THUMBS_CUT) {
            self.cut(record);
            return None;
        }
        match Change::read(record)? {
            Change::Submit(picture) => self.submit(at, picture, None),
            Change::Known(picture, thumbnail) => self.submit(at, picture, Some(thumbnail)),
            Change::Attempt(place) => self.attempt(place, at.origin.node),
            Change::Done(place, thumbnail) => self.end(place, Outcome::Done(thumbnail)),
            Change::Failed(place, reason) => self.end(place, Outcome::Failed(reason)),
            Change::Delete(place) => self.delete(place),
        }
        None
    }

    fn blobs_of(&self, record: &[u8], visit: &mut dyn FnMut(BlobId)) {
        match Change::read(record) {
            Some(Change::Submit(picture)) => visit(picture.raw),
            Some(Change::Known(_, thumbnail) | Change::Done(_, thumbnail)) => visit(thumbnail.blob),
            _ => {}
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
        let is_later = |key: &Key| key.time_us > heal.time_us;
        let moved: Vec<Key> = self.by_place.range(range).map(|(_, key)| *key).filter(is_later).collect();
        moved.into_iter().for_each(|key| self.move_to(key, heal.time_us));
    }

    fn data_bytes(&self) -> u64 {
        self.bytes
    }

    fn contents_bytes(&self) -> u64 {
        self.bytes
    }

    fn take_folds(&mut self, streams: &[Origin], all: &Folds) {
        self.folds = all.clone();
        self.floors.take_folds(all);
        for origin in streams {
            self.seen.remove(origin);
            // What was said of a place of theirs that holds no picture was said of none.
            let of_stream = self.early.range((*origin, 0)..=(*origin, Seq::MAX)).map(|(place, _)| *place);
            let passed: Vec<Place> = of_stream.collect();
            passed.into_iter().for_each(|place| self.forget_early(place));
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        let count = |count: usize| (count as u64).to_le_bytes();
        out.extend_from_slice(&count(self.seen.len()));
        for (origin, seq) in &self.seen {
            push_place(out, (*origin, *seq));
        }
        out.extend_from_slice(&count(self.early.len()));
        for (place, early) in &self.early {
            push_place(out, *place);
            match early {
                Early::Deleted => out.push(0),
                Early::Progress(progress) => {
                    out.push(1);
                    progress.push(out);
                }
            }
        }
        out.extend_from_slice(&count(self.items.len()));
        for (key, item) in &self.items {
            push_place(out, key.place);
            out.extend_from_slice(&key.time_us.to_le_bytes());
            item.picture.push(out);
            item.progress.push(out);
        }
        self.floors.push(out);
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        // Those who wait go on waiting at the same place.
        let watch = self.watch.clone();
        *self = Self { watch, ..Self::read(bytes).ok_or(RestoreError)? };
        self.watch.notify();
        Ok(())
    }

    fn sample(&self, seed: u64) -> Vec<u8> {
        if seed.is_multiple_of(13) {
            return floors::sample(THUMBS_CUT, seed, &self.seen.keys().copied().collect::<Vec<_>>());
        }
        let thumbnail = Thumbnail { blob: BlobId([(seed % 3) as u8; 32]), bytes: 7 };
        // Words about what is there, about what was there, and about what is yet to come.
        let origins: Vec<_> = self.seen.iter().collect();
        if !seed.is_multiple_of(3) && !origins.is_empty() {
            let (origin, seen) = origins[(seed / 3) as usize % origins.len()];
            let place = (*origin, 1 + (seed / 7) % (seen + 3));
            let reason = || if seed.is_multiple_of(2) { "a reason" } else { "the reason" }.to_owned();
            return match seed / 11 % 4 {
                0 => Change::Attempt(place),
                1 => Change::Done(place, thumbnail),
                2 => Change::Failed(place, reason()),
                _ => Change::Delete(place),
            }
            .record();
        }
        let media = Media::ALL[seed as usize % Media::ALL.len()];
        let usual = Style::usual(media);
        let picture = Picture {
            uuid: [seed.to_le_bytes(), (!seed).to_le_bytes()].concat().try_into().expect("16 bytes"),
            media,
            frame: Frame::USUAL,
            style: if (seed / 13).is_multiple_of(3) { Style { fit: Fit::Cover, ..usual } } else { usual },
            raw: BlobId([(seed % 5) as u8 + 100; 32]),
            raw_bytes: seed,
        };
        let change =
            if seed.is_multiple_of(4) { Change::Known(picture, thumbnail) } else { Change::Submit(picture) };
        change.record()
    }
}

impl Trimmed for ThumbsState {
    fn extent(&self) -> (u64, u64) {
        (self.items.len() as u64, self.bytes)
    }

    /// Gives pictures in the order in which they were handed in. One without an end stays.
    fn oldest(&self, _: u64) -> Box<dyn Iterator<Item = Kept> + '_> {
        Box::new(self.items.iter().map(|(key, item)| {
            let thumbnail = item.progress.outcome.as_ref().and_then(Outcome::thumbnail);
            Kept {
                order: key.time_us,
                time_us: key.time_us,
                origin: key.place.0,
                seq: key.place.1,
                bytes: thumbnail.map_or(0, |thumbnail| thumbnail.bytes),
                is_open: item.progress.outcome.is_none(),
            }
        }))
    }

    fn numbers(&self, origin: Origin) -> Box<dyn Iterator<Item = Seq> + '_> {
        Box::new(self.by_place.range((origin, 0)..=(origin, Seq::MAX)).map(|((_, seq), _)| *seq))
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
