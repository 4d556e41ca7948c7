//! Old items as they were at one moment, to be read by threads that may wait for the disk.

use std::io;
use std::sync::Arc;

use super::old_later::Later;
use crate::base::places::{Place, Places};
use crate::log::runs::cursor::Cursor;
use crate::log::runs::item::Item;
use crate::log::runs::run::{LastBlock, Run, split_key};
use crate::log::runs::table::Table;

/// A run without what is gone of it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) run: Arc<Run>,
    pub(super) gone: Arc<Places>,
    pub(super) later: Arc<Later>,
}

impl Part {
    pub(super) fn has(&self, place: &Place) -> bool {
        self.run.places().contains(place) && !self.gone.contains(place)
    }
}

/// Old items of one application. A clone costs nothing.
#[derive(Clone, Debug, Default)]
pub struct OldView {
    parts: Arc<[Part]>,
}

impl OldView {
    pub(super) fn of(parts: impl Iterator<Item = Part>) -> Self {
        Self { parts: parts.collect() }
    }

    /// Returns whether there are no runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Returns whether a table may have a key, without reading: of keys that it does not have, it says so of nearly all.
    #[must_use]
    pub fn may_have(&self, table: u8, key: &[u8]) -> bool {
        self.parts.iter().any(|part| part.run.may_have(table, key))
    }

    /// Returns whether a table may have a key as long as all of its keys, by the first and the last key of each run, without reading.
    #[must_use]
    pub fn spans(&self, table: u8, key: &[u8]) -> bool {
        self.tables(table).any(|table| {
            let [first, last] = [&table.first, &table.last].map(|edge| edge.get(..key.len()).unwrap_or(edge));
            (first..=last).contains(&key)
        })
    }

    /// Returns the highest key of a table, its place included, whether it is gone or not.
    #[must_use]
    pub fn highest(&self, table: u8) -> Option<&[u8]> {
        self.tables(table).map(|table| &table.last[..]).max()
    }

    /// Returns the numbers of a stream's items up to a number, without reading.
    #[must_use]
    pub fn places_up_to(&self, place: Place) -> Places {
        let mut found = Places::default();
        for part in &*self.parts {
            found.add_all(&part.run.places().up_to(place.0, place.1).minus(&part.gone));
        }
        found
    }

    /// Returns who reads them.
    #[must_use]
    pub fn reader(&self) -> OldReader {
        OldReader { view: self.clone(), last: None }
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn tables(&self, number: u8) -> impl Iterator<Item = &Table> {
        self.parts.iter().filter_map(move |part| part.run.table(number))
    }
}

/// Reads old items. Every call may wait for the disk: a block of some 16 KiB for each item that does not stand beside the last.
#[derive(Debug)]
pub struct OldReader {
    view: OldView,
    last: Option<LastBlock>,
}

impl OldReader {
    /// Returns the item at a place.
    ///
    /// # Errors
    /// Fails with `InvalidData` if its run is damaged, or with the error of the disk.
    pub fn item(&mut self, place: Place) -> io::Result<Option<Item>> {
        match self.view.parts.iter().find(|part| part.has(&place)) {
            Some(part) => part.run.item(place, &mut self.last),
            None => Ok(None),
        }
    }

    /// Returns the places that a table has under a key, in their order.
    ///
    /// # Errors
    /// Fails as [`OldReader::item`] does.
    pub fn find(&self, table: u8, key: &[u8]) -> io::Result<Vec<Place>> {
        let mut found = Vec::new();
        for part in self.view.parts.iter().filter(|part| part.run.may_have(table, key)) {
            let Some(mut cursor) = Cursor::at(&part.run, table, key)? else { continue };
            while let Some((name, place)) = cursor.next()?.and_then(|(stored, _)| split_key(stored)) {
                if name != key {
                    break;
                }
                if part.has(&place) {
                    found.push(place);
                }
                cursor.advance();
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Goes up a table, from the first key on that is not before `from`; a key ends with its place.
    #[must_use]
    pub fn ascending(&self, table: u8, from: &[u8]) -> Walk {
        Walk::new(self.view.clone(), table, from, Way::Up)
    }

    /// Goes down a table, from the last key on that is before `below`; a key ends with its place.
    #[must_use]
    pub fn descending(&self, table: u8, below: &[u8]) -> Walk {
        Walk::new(self.view.clone(), table, below, Way::Down)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// Goes through one table of several runs at once. A run is read from when its turn has come.
pub struct Walk {
    view: OldView,
    table: u8,
    bound: Vec<u8>,
    way: Way,
    /// Runs whose turn has not come, the next one last.
    waiting: Vec<usize>,
    open: Vec<(usize, Cursor)>,
}

impl Walk {
    fn new(view: OldView, table: u8, bound: &[u8], way: Way) -> Self {
        let mut walk =
            Self { view, table, bound: bound.to_vec(), way, waiting: Vec::new(), open: Vec::new() };
        let is_meant = |at: &usize| {
            walk.view.parts[*at].run.table(table).is_some_and(|table| match way {
                Way::Up => &table.last[..] >= bound,
                Way::Down => &table.first[..] < bound,
            })
        };
        let mut waiting: Vec<usize> = (0..walk.view.parts.len()).filter(is_meant).collect();
        waiting.sort_by(|one, other| match way {
            Way::Up => walk.edge(*other).cmp(walk.edge(*one)),
            Way::Down => walk.edge(*one).cmp(walk.edge(*other)),
        });
        walk.waiting = waiting;
        walk
    }

    /// Returns the key with which a run begins on this way.
    fn edge(&self, part: usize) -> &[u8] {
        let table = self.view.parts[part].run.table(self.table);
        table.map_or(&[], |table| match self.way {
            Way::Up => &table.first,
            Way::Down => &table.last,
        })
    }

    /// Returns whether one key comes before another on this way, or is it.
    fn is_first(&self, one: &[u8], other: &[u8]) -> bool {
        match self.way {
            Way::Up => one <= other,
            Way::Down => one >= other,
        }
    }

    /// Returns the next key and its place; nothing at the end.
    ///
    /// # Errors
    /// Fails as [`OldReader::item`] does.
    pub fn step(&mut self) -> io::Result<Option<(Vec<u8>, Place)>> {
        loop {
            let first = self.first()?;
            if let Some(&part) = self.waiting.last()
                && first.as_ref().is_none_or(|(_, key)| self.is_first(self.edge(part), key))
            {
                self.waiting.pop();
                if let Some(cursor) = Cursor::at(&self.view.parts[part].run, self.table, &self.bound)? {
                    self.open.push((part, cursor));
                }
                continue;
            }
            let Some((at, key)) = first else { return Ok(None) };
            let (part, cursor) = &mut self.open[at];
            match self.way {
                Way::Up => cursor.advance(),
                Way::Down => cursor.retreat(),
            }
            let place = split_key(&key).map(|(_, place)| place).ok_or(io::ErrorKind::InvalidData)?;
            if self.view.parts[*part].has(&place) {
                return Ok(Some((key, place)));
            }
        }
    }

    /// Returns which of the open runs has the next key, and that.
    fn first(&mut self) -> io::Result<Option<(usize, Vec<u8>)>> {
        let (mut open, mut first) = (std::mem::take(&mut self.open), None);
        for (at, (_, cursor)) in open.iter_mut().enumerate() {
            let entry = match self.way {
                Way::Up => cursor.next()?,
                Way::Down => cursor.previous()?,
            };
            if let Some((key, _)) = entry
                && first.as_ref().is_none_or(|(_, other): &(usize, Vec<u8>)| self.is_first(key, other))
            {
                first = Some((at, key.to_vec()));
            }
        }
        self.open = open;
        Ok(first)
    }
}
