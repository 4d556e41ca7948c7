//! A place between two entries of a run's table.

use std::io;
use std::sync::Arc;

use super::block::Block;
use super::run::{Run, damaged};
use super::table::Table;

/// Goes through a table in either direction.
pub struct Cursor {
    run: Arc<Run>,
    table: u8,
    /// The number of the block, and the block.
    block: (usize, Block),
    /// The entry of the block that stands behind the cursor.
    at: usize,
}

impl Cursor {
    /// Returns a cursor before the first entry whose key is not before `key`; nothing if the run has no such table.
    ///
    /// # Errors
    /// Fails as [`Run::block`] does.
    pub fn at(run: &Arc<Run>, number: u8, key: &[u8]) -> io::Result<Option<Self>> {
        let Some(table) = run.table(number) else { return Ok(None) };
        let first = table.block_of(key);
        let block = run.block(table, first)?;
        let at = block.count_before(key);
        Ok(Some(Self { run: run.clone(), table: number, block: (first, block), at }))
    }

    /// Returns the run.
    #[must_use]
    pub fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// Returns the entry behind the cursor, nothing at the end; goes to it if a block ends here.
    ///
    /// # Errors
    /// Fails as [`Run::block`] does.
    pub fn next(&mut self) -> io::Result<Option<(&[u8], &[u8])>> {
        while self.at >= self.block.1.len() {
            if self.block.0 + 1 >= self.table()?.blocks() {
                return Ok(None);
            }
            self.enter(self.block.0 + 1)?;
            self.at = 0;
        }
        Ok(self.block.1.entry(self.at))
    }

    /// Returns the entry before the cursor, nothing at the beginning; goes to it if a block begins here.
    ///
    /// # Errors
    /// Fails as [`Run::block`] does.
    pub fn previous(&mut self) -> io::Result<Option<(&[u8], &[u8])>> {
        while self.at == 0 {
            let Some(before) = self.block.0.checked_sub(1) else { return Ok(None) };
            self.enter(before)?;
            self.at = self.block.1.len();
        }
        Ok(self.block.1.entry(self.at - 1))
    }

    /// Passes over the entry that [`Cursor::next`] gave.
    pub fn advance(&mut self) {
        self.at += 1;
    }

    /// Passes over the entry that [`Cursor::previous`] gave.
    pub fn retreat(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    fn enter(&mut self, number: usize) -> io::Result<()> {
        self.block = (number, self.run.block(self.table()?, number)?);
        Ok(())
    }

    fn table(&self) -> io::Result<&Table> {
        self.run.table(self.table).ok_or_else(|| damaged(&self.run.id(), "a table is missing"))
    }
}
