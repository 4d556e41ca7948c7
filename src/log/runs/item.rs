//! An item as a run holds it.

use crate::base::places::Place;

/// Table of the items themselves, by their places.
pub const ITEMS: u8 = 0;
/// Table of the blobs that items name.
pub const BLOBS: u8 = 1 | LOOKED_UP;
/// Table of items by the times as of which they counted when they were written: u64 microseconds since 1970, big endian. Such an
/// item's value begins with that time, little endian.
pub const TIMES: u8 = 4;
/// In the number of a table whose keys are looked up one by one: it has a filter.
pub const LOOKED_UP: u8 = 0x80;

/// Bytes before the value in the table of items.
const AMOUNTS_BYTES: usize = 16;

/// An item of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The place of the record that made it.
    pub place: Place,
    /// What it takes, as the application counts.
    pub bytes: u64,
    /// How many of those are in blobs.
    pub contents_bytes: u64,
    /// The item itself, as the application writes it.
    pub value: Vec<u8>,
    /// Keys under which other tables have it, each behind its table's number. Empty where it was read from a run.
    pub keys: Vec<(u8, Vec<u8>)>,
}

impl Item {
    /// Appends what the table of items holds of it.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.contents_bytes.to_le_bytes());
        out.extend_from_slice(&self.value);
    }

    /// Reads what the table of items holds of the item at `place`; nothing for bytes of another form.
    pub(super) fn read(place: Place, stored: &[u8]) -> Option<Self> {
        let (amounts, value) = stored.split_first_chunk::<AMOUNTS_BYTES>()?;
        let (bytes, contents) = amounts.split_at(8);
        let word = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
        let (bytes, contents_bytes) = (word(bytes)?, word(contents)?);
        Some(Self { place, bytes, contents_bytes, value: value.to_vec(), keys: Vec::new() })
    }
}

/// What items come to. Sums wrap: what a record says is added, and taken away again, whatever it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Bytes of all items.
    pub bytes: u64,
    /// How many of those are in blobs.
    pub contents_bytes: u64,
}

impl Amounts {
    /// Returns those of one item.
    #[must_use]
    pub fn of(item: &Item) -> Self {
        Self { bytes: item.bytes, contents_bytes: item.contents_bytes }
    }

    /// Adds an item.
    pub fn add(&mut self, item: &Item) {
        self.join(Self::of(item));
    }

    /// Adds what others come to.
    pub fn join(&mut self, other: Self) {
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.contents_bytes = self.contents_bytes.wrapping_add(other.contents_bytes);
    }

    /// Returns what is left without others that are among them.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.wrapping_sub(other.bytes),
            contents_bytes: self.contents_bytes.wrapping_sub(other.contents_bytes),
        }
    }
}
