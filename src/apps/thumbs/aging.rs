//! How the oldest pictures go to the disk that have come to an end, and how they are found there.
//!
//! ```text
//! item     u64 time  the picture and how far it has come, as in a snapshot
//! TIMES    the order of the list
//! UUIDS    16 bytes: a picture's name
//! ORDERS   what a thumbnail depends on: 16 bytes of the picture's hash  u8 kind  u8 fit  u16 width  u16 height
//! ```

use crate::app::aging::Aging;
use crate::app::fields::Fields;
use crate::app::heal::Heals;
use crate::app::old::Old;
use crate::app::old_times;
use crate::app::state::State;
use crate::app::trimming::{self, Item as Kept, OldList, Trimmed};
use crate::base::ids::{Origin, Seq};
use crate::base::limits::CUT_ITEMS_MAX;
use crate::log::runs::item::{BLOBS, Item as Stored, LOOKED_UP, TIMES};

use super::item::{Item, Progress};
use super::record::{Picture, Place};
use super::snapshot;
use super::state::{Key, Order, ThumbsState, order_of};

/// Table of pictures by their names.
pub const UUIDS: u8 = 3 | LOOKED_UP;
/// Table of pictures with a thumbnail by what that depends on.
pub const ORDERS: u8 = 5 | LOOKED_UP;

/// About what a picture that has come to its end takes in memory, in five maps, bytes.
const PICTURE_BYTES: u64 = 800;

/// Returns the key of an order, which another one may have, too.
#[must_use]
pub fn order_key((raw, style, frame): &Order) -> Vec<u8> {
    let mut key = raw.0[..16].to_vec();
    style.push(&mut key);
    key.extend_from_slice(&frame.width.to_le_bytes());
    key.extend_from_slice(&frame.height.to_le_bytes());
    key
}

/// Reads a picture that comes from a run, and the time with which it was written; nothing for what is none.
#[must_use]
pub fn read(stored: &Stored) -> Option<(u64, Item)> {
    let mut fields = Fields::of(&stored.value);
    let (time_us, picture) = (fields.u64()?, Picture::read(&mut fields)?);
    Some((time_us, Item { picture, progress: Progress::read(&mut fields)? }))
}

fn stored(place: Place, time_us: u64, item: &Item) -> Stored {
    let mut value = time_us.to_le_bytes().to_vec();
    item.picture.push(&mut value);
    item.progress.push(&mut value);
    let mut keys = vec![(TIMES, time_us.to_be_bytes().to_vec()), (UUIDS, item.picture.uuid.to_vec())];
    let thumbnail = item.progress.thumbnail();
    if let Some(thumbnail) = thumbnail {
        keys.push((BLOBS, thumbnail.blob.0.to_vec()));
        keys.push((ORDERS, order_key(&order_of(&item.picture))));
    }
    let bytes = thumbnail.map_or(0, |thumbnail| thumbnail.bytes);
    Stored { place, bytes, contents_bytes: bytes, value, keys }
}

impl Aging for ThumbsState {
    fn old(&self) -> &Old {
        &self.old
    }

    fn old_mut(&mut self) -> &mut Old {
        &mut self.old
    }

    fn young_bytes(&self) -> u64 {
        PICTURE_BYTES * (self.items.len() - self.open_count()) as u64
    }

    fn oldest(&self, keep_bytes: u64) -> Vec<Stored> {
        let staying = (keep_bytes / PICTURE_BYTES) as usize;
        let going = (self.items.len() - self.open_count()).saturating_sub(staying);
        let ended = self.items.iter().filter(|(_, item)| item.progress.outcome.is_some());
        ended.take(going).map(|(key, item)| stored(key.place, key.time_us, item)).collect()
    }

    fn young_at(&self, place: Place) -> Option<Stored> {
        let key = self.by_place.get(&place)?;
        let item = self.items.get(key).filter(|item| item.progress.outcome.is_some())?;
        Some(stored(key.place, key.time_us, item))
    }

    fn keys(&self, item: &Stored) -> Vec<(u8, Vec<u8>)> {
        read(item).map_or_else(Vec::new, |(time_us, picture)| stored(item.place, time_us, &picture).keys)
    }

    fn forget(&mut self, place: Place) -> bool {
        let is_ended = self.at(place).is_some_and(|item| item.progress.outcome.is_some());
        let Some((_, item)) = (if is_ended { self.take_out(place) } else { None }) else { return false };
        if let Some(thumbnail) = item.progress.thumbnail() {
            self.references.forget(&thumbnail.blob);
            self.uncount(&item.picture, thumbnail);
        }
        true
    }

    fn young(&self) -> Box<dyn Iterator<Item = Stored> + '_> {
        Box::new(self.by_place.keys().filter_map(|place| self.young_at(*place)))
    }

    fn beside_items(&self, out: &mut Vec<u8>) {
        snapshot::push_beside(self, out);
    }

    /// Gives it with the time as of which it counts, and with the end that counts.
    fn current(&self, item: Stored, heals: &Heals) -> Stored {
        let Some((key, picture)) = self.as_it_is(&item, heals) else { return item };
        Stored { keys: Vec::new(), ..stored(key.place, key.time_us, &picture) }
    }

    fn take_gone(&mut self, item: &Stored) {
        if let Some(thumbnail) = read(item).and_then(|(_, item)| item.progress.thumbnail()) {
            self.references.release(thumbnail.blob);
        }
    }

    fn wanted(&self, most: usize) -> Vec<Place> {
        self.late.keys().take(most).copied().collect()
    }

    fn take_back(&mut self, item: &Stored, heals: &Heals) {
        if let Some((time_us, picture)) = read(item) {
            let (origin, seq) = item.place;
            let time_us = heals.time_us(origin, seq, time_us);
            self.bring_back(Key { time_us, place: item.place }, picture);
        }
    }
}

impl ThumbsState {
    fn as_it_is(&self, stored: &Stored, heals: &Heals) -> Option<(Key, Item)> {
        let (time_us, mut item) = read(stored)?;
        if let Some(outcome) = self.late.get(&stored.place).and_then(|said| said.outcome.clone()) {
            item.progress.end(outcome);
        }
        let (origin, seq) = stored.place;
        Some((Key { time_us: heals.time_us(origin, seq, time_us), place: stored.place }, item))
    }
}

impl Trimmed for ThumbsState {
    fn extent(&self) -> (u64, u64) {
        (self.count(), self.data_bytes())
    }

    /// Gives pictures in the order in which they were handed in. One without an end stays.
    fn oldest(&self, _: u64) -> Box<dyn Iterator<Item = Kept> + '_> {
        Box::new(self.items.iter().map(|(key, item)| {
            let bytes = item.progress.thumbnail().map_or(0, |thumbnail| thumbnail.bytes);
            kept(key, bytes, item.progress.outcome.is_none())
        }))
    }

    fn numbers(&self, origin: Origin) -> Box<dyn Iterator<Item = Seq> + '_> {
        let young = self.by_place.range((origin, 0)..=(origin, Seq::MAX)).map(|((_, seq), _)| *seq);
        trimming::joined(young, self.old.numbers(origin))
    }

    fn old_list(&self, heals: &Heals, _: u64) -> Option<OldList> {
        let view = self.old.view();
        if view.is_empty() {
            return None;
        }
        let mut step = old_times::lazily(view, heals.clone(), CUT_ITEMS_MAX);
        let next = move || {
            Ok(step()?.map(|(time_us, item)| kept(&Key { time_us, place: item.place }, item.bytes, false)))
        };
        Some(OldList { next: Box::new(next), is_read: self.old.is_read() && self.late.is_empty() })
    }
}

fn kept(key: &Key, bytes: u64, is_open: bool) -> Kept {
    let (time_us, (origin, seq)) = (key.time_us, key.place);
    Kept { order: time_us, time_us, origin, seq, bytes, is_open }
}
