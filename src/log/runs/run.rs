//! A run that is open.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use super::block::Block;
use super::footer::{self, END_BYTES, Footer, HEAD_BYTES};
use super::item::{Amounts, ITEMS, Item};
use super::table::Table;
use crate::base::blob::BlobId;
use crate::base::places::{PLACE_BYTES, Place, Places, place_bytes, place_of};
use crate::log::blobs::Pin;
use crate::log::blobs::store::BlobReader;

/// A run. It stays on the disk while anybody has it.
pub struct Run {
    app: u8,
    size_bytes: u64,
    footer: Footer,
    /// Another one once the file was mended.
    reader: RwLock<Arc<dyn BlobReader>>,
    pin: Pin,
}

/// Returns the error of a run that is not what it should be.
pub(super) fn damaged(id: &BlobId, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the run {id}: {what}"))
}

impl Run {
    /// Reads what is in memory of a run.
    pub(super) fn open(pin: Pin, reader: Box<dyn BlobReader>) -> io::Result<Self> {
        let (id, size_bytes) = (pin.id(), reader.size_bytes());
        let wrong = |what: &str| damaged(&id, what);
        if size_bytes < (HEAD_BYTES + END_BYTES) as u64 {
            return Err(wrong("it is cut off"));
        }
        let (mut head, mut end) = ([0; HEAD_BYTES], [0; END_BYTES]);
        reader.read_at(&mut head, 0)?;
        reader.read_at(&mut end, size_bytes - END_BYTES as u64)?;
        let app = footer::app_of(&head).map_err(|what| wrong(&what))?;
        let (offset, length) = Footer::span(&end, size_bytes).ok_or_else(|| wrong("its end is damaged"))?;
        let mut stored = vec![0; length];
        reader.read_at(&mut stored, offset)?;
        let footer = Footer::decode(&stored, &end).ok_or_else(|| wrong("its index is damaged"))?;
        Ok(Self { app, size_bytes, footer, reader: RwLock::new(reader.into()), pin })
    }

    /// Returns its name.
    #[must_use]
    pub fn id(&self) -> BlobId {
        self.pin.id()
    }

    /// Returns the application whose items it has.
    #[must_use]
    pub fn app(&self) -> u8 {
        self.app
    }

    /// Returns the places of its items.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.footer.places
    }

    /// Returns what its items come to.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        self.footer.amounts
    }

    /// Returns the length of its file, bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns about how much memory it takes, bytes, without its places.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.footer.tables.iter().map(Table::memory_bytes).sum()
    }

    /// Returns one of its tables.
    #[must_use]
    pub fn table(&self, number: u8) -> Option<&Table> {
        self.footer.tables.iter().find(|table| table.number == number)
    }

    /// Returns the numbers of its tables.
    pub fn tables(&self) -> impl Iterator<Item = u8> + '_ {
        self.footer.tables.iter().map(|table| table.number)
    }

    /// Returns whether a table may have a key, without reading.
    #[must_use]
    pub fn may_have(&self, table: u8, key: &[u8]) -> bool {
        self.table(table).is_some_and(|table| table.filter.may_have(key))
    }

    /// Reads from this file from now on: one with the same name was put in the place of a damaged one.
    pub(super) fn renew(&self, reader: Box<dyn BlobReader>) {
        *self.reader.write().unwrap_or_else(PoisonError::into_inner) = reader.into();
    }

    /// Reads a block of a table. That it is damaged is noted, so that it is mended.
    ///
    /// # Errors
    /// Fails with `InvalidData` if it is damaged, or with the error of reading.
    pub fn block(&self, table: &Table, block: usize) -> io::Result<Block> {
        self.read_block(table, block).inspect_err(|error| self.pin.note_fault(error))
    }

    fn read_block(&self, table: &Table, block: usize) -> io::Result<Block> {
        let span = table.span(block).ok_or_else(|| damaged(&self.id(), "its index leads nowhere"))?;
        let length = usize::try_from(span.end - span.start).map_err(io::Error::other)?;
        let mut stored = vec![0; length];
        let reader = self.reader.read().unwrap_or_else(PoisonError::into_inner).clone();
        reader.read_at(&mut stored, span.start)?;
        Block::read(&stored).ok_or_else(|| damaged(&self.id(), "a block is damaged"))
    }

    /// Reads the item at a place; nothing where there is none.
    ///
    /// # Errors
    /// Fails as [`Run::block`] does.
    pub fn item(&self, place: Place, last: &mut Option<LastBlock>) -> io::Result<Option<Item>> {
        let Some(table) = self.table(ITEMS).filter(|_| self.places().contains(&place)) else {
            return Ok(None);
        };
        let key = place_bytes(place);
        let number = table.block_of(&key);
        let is_read = last.as_ref().is_some_and(|last| last.run == self.id() && last.number == number);
        if !is_read {
            let block = Arc::new(self.block(table, number)?);
            *last = Some(LastBlock { run: self.id(), number, block });
        }
        let found = last.as_ref().and_then(|last| {
            let (found, stored) = last.block.entry(last.block.count_before(&key))?;
            (found == key).then_some(stored)
        });
        found
            .and_then(|stored| Item::read(place, stored))
            .map(Some)
            .ok_or_else(|| damaged(&self.id(), "an item is missing"))
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("id", &self.id())
            .field("items", &self.places().len())
            .finish_non_exhaustive()
    }
}

/// The block of items that was read last: its neighbours are often asked for next.
#[derive(Clone, Debug)]
pub struct LastBlock {
    run: BlobId,
    number: usize,
    block: Arc<Block>,
}

/// Returns the key before the place behind it, and that place; nothing for a key without one.
#[must_use]
pub fn split_key(key: &[u8]) -> Option<(&[u8], Place)> {
    let (key, place) = key.split_last_chunk::<PLACE_BYTES>()?;
    Some((key, place_of(place)))
}
