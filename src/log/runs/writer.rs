//! Writes a run, table by table, entry by entry in the order of keys.

use std::io;

use super::block::Builder;
use super::filter::Filter;
use super::footer::{self, Footer, HEAD_BYTES};
use super::item::{ITEMS, Item, LOOKED_UP};
use super::run::split_key;
use super::table::Table;
use crate::base::limits::RUN_BLOCK_BYTES;
use crate::base::places::{Place, place_bytes};
use crate::log::blobs::{Pin, Writer};

/// A run that is being written.
pub struct RunWriter {
    out: Writer,
    offset: u64,
    footer: Footer,
    table: Option<Table>,
    block: Builder,
    /// The first key of the block, the last one of the block before, and the last one.
    first: Vec<u8>,
    before: Vec<u8>,
    last: Vec<u8>,
}

impl RunWriter {
    /// Begins a run of an application.
    ///
    /// # Errors
    /// Returns the error of writing.
    pub fn new(mut out: Writer, app: u8) -> io::Result<Self> {
        out.write(&footer::head(app))?;
        let keys = || Vec::new();
        Ok(Self {
            out,
            offset: HEAD_BYTES as u64,
            footer: Footer::default(),
            table: None,
            block: Builder::default(),
            first: keys(),
            before: keys(),
            last: keys(),
        })
    }

    /// Begins a table, which will have at most so many entries.
    ///
    /// # Errors
    /// Returns the error of writing the one before it.
    pub fn begin_table(&mut self, number: u8, entries_max: u64) -> io::Result<()> {
        self.end_table()?;
        let filter = if number & LOOKED_UP == 0 { Filter::default() } else { Filter::with_room(entries_max) };
        self.table = Some(Table::new(number, self.offset, filter));
        Ok(())
    }

    /// Appends an entry to the table.
    ///
    /// # Errors
    /// Returns the error of writing.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let Some(table) = &mut self.table else { return Err(io::ErrorKind::InvalidInput.into()) };
        table.entries += 1;
        if table.number & LOOKED_UP != 0
            && let Some((name, _)) = split_key(key)
        {
            table.filter.add(name);
        }
        if self.block.is_empty() {
            self.first.clear();
            self.first.extend_from_slice(key);
        }
        self.block.push(key, value);
        self.last.clear();
        self.last.extend_from_slice(key);
        if self.block.len() >= RUN_BLOCK_BYTES { self.end_block() } else { Ok(()) }
    }

    /// Appends an item to the table of items, as that holds it, and counts it.
    ///
    /// # Errors
    /// Returns the error of writing; `InvalidData` for what is no item.
    pub fn push_item(&mut self, place: Place, stored: &[u8]) -> io::Result<()> {
        let item = Item::read(place, stored).ok_or(io::ErrorKind::InvalidData)?;
        self.footer.amounts.add(&item);
        self.footer.places.insert(place);
        self.push(&place_bytes(place), stored)
    }

    /// Makes the run durable.
    ///
    /// # Errors
    /// Returns the error of writing; nothing is left of it then.
    pub fn finish(mut self) -> io::Result<Pin> {
        self.end_table()?;
        self.out.write(&self.footer.encode(self.offset))?;
        self.out.finish()
    }

    fn end_block(&mut self) -> io::Result<()> {
        let Some(table) = self.table.as_mut().filter(|_| !self.block.is_empty()) else { return Ok(()) };
        let stored = self.block.take();
        self.out.write(&stored)?;
        self.offset += stored.len() as u64;
        table.add_block(&self.before, &self.first, self.offset);
        std::mem::swap(&mut self.before, &mut self.last);
        Ok(())
    }

    fn end_table(&mut self) -> io::Result<()> {
        self.end_block()?;
        if let Some(mut table) = self.table.take() {
            table.last = std::mem::take(&mut self.before);
            // A table without entries has no block to look into.
            if table.entries > 0 {
                self.footer.tables.push(table);
            }
        }
        Ok(())
    }
}

/// Writes these items, which are at different places.
///
/// # Errors
/// Returns the error of writing; nothing is left then.
pub fn write(out: Writer, app: u8, items: &[Item]) -> io::Result<Pin> {
    let mut writer = RunWriter::new(out, app)?;
    let mut by_place: Vec<&Item> = items.iter().collect();
    by_place.sort_unstable_by_key(|item| item.place);
    writer.begin_table(ITEMS, items.len() as u64)?;
    let mut stored = Vec::new();
    for item in by_place {
        stored.clear();
        item.push(&mut stored);
        writer.push_item(item.place, &stored)?;
    }
    for number in 1..=u8::MAX {
        let of_table = items.iter().flat_map(|item| {
            let keys = item.keys.iter().filter(move |(table, _)| *table == number);
            keys.map(|(_, key)| [&key[..], &place_bytes(item.place)].concat())
        });
        let mut keys: Vec<Vec<u8>> = of_table.collect();
        if !keys.is_empty() {
            keys.sort_unstable();
            writer.begin_table(number, keys.len() as u64)?;
            keys.iter().try_for_each(|key| writer.push(key, &[]))?;
        }
    }
    writer.finish()
}
