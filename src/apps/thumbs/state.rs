//! What the thumbnail service keeps in memory: its pictures, and what was said of some before they came.
//!
//! A picture is named by the place of its submit (origin and number), which every host knows alike. Words about one that
//! has not come yet wait for it. Which of them came first is known by the last picture seen of each stream, so that a word
//! about one that was deleted leaves nothing behind, whatever the order.
//!
//! The oldest pictures that have come to an end go to runs on the disk (`aging.rs`). Words about one that is there wait for it, too,
//! until it is in memory again, a moment later (`words.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app::floors::Floors;
use crate::app::old::Old;
use crate::app::old_times::TimePlace;
use crate::app::references::References;
use crate::base::blob::BlobId;
use crate::base::folds::Folds;
use crate::base::ids::{NodeId, Origin, Seq};

use super::item::{Item, Outcome, Progress};
use super::media::{Frame, Style};
use super::record::{Picture, Place, Thumbnail};
use super::watch::Watch;

/// Where a picture stands among all: the order of both hosts' lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// When it was handed in, microseconds since 1970.
    pub time_us: u64,
    /// Where.
    pub place: Place,
}

impl Key {
    /// Returns the place with the time in front, as old items have it.
    #[must_use]
    pub fn in_time(self) -> TimePlace {
        (self.time_us, self.place)
    }
}

/// What was said of a picture before it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Early {
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
    pub(super) items: BTreeMap<Key, Item>,
    /// For each stream its last picture.
    pub(super) seen: BTreeMap<Origin, Seq>,
    pub(super) early: BTreeMap<Place, Early>,
    /// Later records about pictures that are on the disk.
    pub(super) late: BTreeMap<Place, Progress>,
    pub(super) floors: Floors,
    /// Streams of which every picture was seen.
    pub(super) folds: Folds,
    /// Below: nothing that is kept.
    pub(super) by_place: BTreeMap<Place, Key>,
    by_uuid: BTreeMap<[u8; 16], Key>,
    /// Those without an end, by the host that took them.
    open: BTreeMap<NodeId, BTreeSet<Key>>,
    /// Thumbnails that there are, and how many pictures have each.
    made: BTreeMap<Order, BTreeMap<Thumbnail, usize>>,
    pub(super) references: References,
    /// Bytes of the thumbnails of all pictures.
    pub(super) bytes: u64,
    pub(super) watch: Arc<Watch>,
    pub(super) old: Old,
}

impl ThumbsState {
    /// Returns a picture in memory by its name.
    #[must_use]
    pub fn find(&self, uuid: [u8; 16]) -> Option<(&Key, &Item)> {
        self.items.get_key_value(self.by_uuid.get(&uuid)?)
    }

    /// Returns a picture by its place.
    #[must_use]
    pub fn at(&self, place: Place) -> Option<&Item> {
        self.items.get(self.by_place.get(&place)?)
    }

    /// Pictures in memory behind `after`, the oldest first; all of them without it.
    pub fn list(&self, after: Option<Key>) -> impl Iterator<Item = (&Key, &Item)> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.items.range((from, std::ops::Bound::Unbounded))
    }

    /// Returns the number of pictures.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.items.len() as u64 + self.old.count()
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

    /// Returns the thumbnail that another picture in memory with the same content has.
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
    pub(super) fn insert(&mut self, key: Key, item: Item) -> bool {
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

    pub(super) fn name(&mut self, picture: &Picture, thumbnail: Thumbnail) {
        self.references.add(thumbnail.blob);
        // Whatever a record says: what is added is taken away again.
        self.bytes = self.bytes.wrapping_add(thumbnail.bytes);
        *self.made.entry(order_of(picture)).or_default().entry(thumbnail).or_default() += 1;
    }

    /// Ceases to count a thumbnail that a picture has, or had in memory.
    pub(super) fn uncount(&mut self, picture: &Picture, thumbnail: Thumbnail) {
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
    pub(super) fn move_to(&mut self, key: Key, time_us: u64) {
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
    pub(super) fn close(&mut self, key: &Key) {
        if let Some(of_node) = self.open.get_mut(&key.place.0.node) {
            of_node.remove(key);
            if of_node.is_empty() {
                self.open.remove(&key.place.0.node);
            }
        }
    }

    /// Takes a picture out of the lists; what it names is still counted.
    pub(super) fn take_out(&mut self, place: Place) -> Option<(Key, Item)> {
        let key = self.by_place.remove(&place)?;
        let item = self.items.remove(&key)?;
        if self.by_uuid.get(&item.picture.uuid) == Some(&key) {
            self.by_uuid.remove(&item.picture.uuid);
        }
        Some((key, item))
    }
}

/// Returns what the thumbnail of a picture depends on.
#[must_use]
pub fn order_of(picture: &Picture) -> Order {
    (picture.raw, picture.style, picture.frame)
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
