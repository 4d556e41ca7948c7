//! How the board's oldest messages go to the disk, and how they are found there.
//!
//! ```text
//! item     u64 time  the post, as in a snapshot
//! LIST     u64 number, big endian: the order of lists
//! UUIDS    16 bytes: the first part of a picture's name
//! ```

use std::io;

use crate::app::aging::Aging;
use crate::app::fields::Fields;
use crate::app::heal::Heals;
use crate::app::old::Old;
use crate::app::state::State;
use crate::app::trimming::{self, OldList, Trimmed};
use crate::base::ids::{Origin, Seq};
use crate::base::places::{Place, place_bytes};
use crate::log::runs::item::{BLOBS, Item, LOOKED_UP};

use super::key::Key;
use super::recent::Event;
use super::record::Post;
use super::state::{BoardState, Message, text_bytes};

/// Table of messages by their numbers.
pub const LIST: u8 = 2;
/// Table of messages by the UUIDs of their pictures.
pub const UUIDS: u8 = 3 | LOOKED_UP;

/// About what a message takes in memory beside its texts, with its places in four maps, bytes.
const MESSAGE_BYTES: u64 = 600;

/// Returns the key of a message in the list, its place included.
#[must_use]
pub fn list_key(key: &Key) -> Vec<u8> {
    [&key.id.to_be_bytes()[..], &place_bytes((key.origin, key.seq))].concat()
}

/// Reads a message that comes from a run; nothing for what is none.
#[must_use]
pub fn read(item: &Item) -> Option<(Key, Message)> {
    let mut fields = Fields::of(&item.value);
    let (time_us, post) = (fields.u64()?, Post::read(&mut fields)?);
    let (origin, seq) = item.place;
    Some((Key { id: post.id, origin, seq }, Message { post, time_us }))
}

fn item(key: &Key, message: &Message) -> Item {
    let mut value = message.time_us.to_le_bytes().to_vec();
    message.post.push(&mut value);
    let post = &message.post;
    let keys = vec![
        (BLOBS, post.blob.0.to_vec()),
        (LIST, key.id.to_be_bytes().to_vec()),
        (UUIDS, post.uuid.to_vec()),
    ];
    let bytes = post.size_bytes.wrapping_add(text_bytes(message) as u64);
    Item { place: (key.origin, key.seq), bytes, contents_bytes: post.size_bytes, value, keys }
}

fn memory_bytes(text_bytes: usize, messages: usize) -> u64 {
    text_bytes as u64 + MESSAGE_BYTES * messages as u64
}

impl Aging for BoardState {
    fn old(&self) -> &Old {
        &self.old
    }

    fn old_mut(&mut self) -> &mut Old {
        &mut self.old
    }

    fn young_bytes(&self) -> u64 {
        let (_, text_bytes) = self.size();
        memory_bytes(text_bytes, self.messages.len())
    }

    fn oldest(&self, keep_bytes: u64) -> Vec<Item> {
        let mut left = self.young_bytes();
        let goes = |(_, message): &(&Key, &Message)| {
            let is_too_much = left > keep_bytes;
            left = left.saturating_sub(memory_bytes(text_bytes(message), 1));
            is_too_much
        };
        self.messages.iter().take_while(goes).map(|(key, message)| item(key, message)).collect()
    }

    fn young_at(&self, place: Place) -> Option<Item> {
        let key = self.by_place.get(&place)?;
        Some(item(key, self.messages.get(key)?))
    }

    fn keys(&self, stored: &Item) -> Vec<(u8, Vec<u8>)> {
        read(stored).map_or_else(Vec::new, |(key, message)| item(&key, &message).keys)
    }

    fn forget(&mut self, place: Place) -> bool {
        let found = self.take_out(place);
        if let Some((_, message)) = &found {
            self.references.forget(&message.post.blob);
        }
        found.is_some()
    }

    fn young(&self) -> Box<dyn Iterator<Item = Item> + '_> {
        Box::new(self.by_place.keys().filter_map(|place| self.young_at(*place)))
    }

    fn beside_items(&self, out: &mut Vec<u8>) {
        self.push_beside(out);
    }

    /// Gives it with the time as of which it counts.
    fn current(&self, mut item: Item, heals: &Heals) -> Item {
        let (origin, seq) = item.place;
        if let Some(time) = item.value.first_chunk_mut::<8>() {
            *time = heals.time_us(origin, seq, u64::from_le_bytes(*time)).to_le_bytes();
        }
        item
    }

    fn take_gone(&mut self, item: &Item) {
        if let Some((key, message)) = read(item) {
            self.recent.push(Event::Deleted(key.id));
            self.references.release(message.post.blob);
        }
    }
}

/// Messages in the order of their numbers, which is that of both hosts.
impl Trimmed for BoardState {
    fn extent(&self) -> (u64, u64) {
        (self.size().0, self.data_bytes())
    }

    fn oldest(&self, _: u64) -> Box<dyn Iterator<Item = trimming::Item> + '_> {
        Box::new(self.messages.iter().map(|(key, message)| kept(key, message)))
    }

    fn numbers(&self, origin: Origin) -> Box<dyn Iterator<Item = Seq> + '_> {
        let young = self.by_place.range((origin, 0)..=(origin, Seq::MAX)).map(|((_, seq), _)| *seq);
        trimming::joined(young, self.old.numbers(origin))
    }

    fn old_list(&self, heals: &Heals, _: u64) -> Option<OldList> {
        let view = self.old.view();
        let (mut reader, heals) = (view.reader(), heals.clone());
        let mut list = reader.ascending(LIST, &[]);
        let next = move || {
            let Some((_, place)) = list.step()? else { return Ok(None) };
            let item = reader.item(place)?.as_ref().and_then(read).ok_or(io::ErrorKind::InvalidData)?;
            let (key, mut message) = item;
            message.time_us = heals.time_us(key.origin, key.seq, message.time_us);
            Ok(Some(kept(&key, &message)))
        };
        (!view.is_empty()).then(|| OldList { next: Box::new(next), is_read: self.old.is_read() })
    }
}

fn kept(key: &Key, message: &Message) -> trimming::Item {
    trimming::Item {
        order: key.id,
        time_us: message.time_us,
        origin: key.origin,
        seq: key.seq,
        bytes: message.post.size_bytes.saturating_add(text_bytes(message) as u64),
        is_open: false,
    }
}
