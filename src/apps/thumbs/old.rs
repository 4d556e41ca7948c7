//! Pictures on the disk, as they were at one moment.

use std::collections::BTreeMap;
use std::io;

use crate::app::heal::Heals;
use crate::app::old_times::{self, InTime};
use crate::app::old_view::OldView;
use crate::http::response::Response;
use crate::log::runs::item::Item as Stored;

use super::aging::{self, ORDERS, UUIDS};
use super::answers;
use super::item::{Item, Progress};
use super::record::{Place, Thumbnail};
use super::state::{Key, Order, ThumbsState, order_of};

/// See the module.
#[derive(Clone)]
pub struct OldPictures {
    view: OldView,
    heals: Heals,
    /// Later records about some of them.
    late: BTreeMap<Place, Progress>,
}

impl OldPictures {
    /// Returns those of a state; `heals` say as of when each counts.
    #[must_use]
    pub fn of(state: &ThumbsState, heals: &Heals) -> Self {
        Self { view: state.old.view(), heals: heals.clone(), late: state.late.clone() }
    }

    /// Returns whether one may stand behind a place in the list, or any at all without one: without reading.
    #[must_use]
    pub fn reach_behind(&self, key: Option<Key>) -> bool {
        old_times::reach_behind(&self.view, key.map(Key::in_time))
    }

    /// Returns whether one may have this name, without reading.
    #[must_use]
    pub fn may_have(&self, uuid: &[u8; 16]) -> bool {
        self.view.may_have(UUIDS, uuid)
    }

    /// Returns the one with this name.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn find(&self, uuid: &[u8; 16]) -> io::Result<Option<(Place, Item)>> {
        let mut reader = self.view.reader();
        let Some(place) = reader.find(UUIDS, uuid)?.pop() else { return Ok(None) };
        let stored = reader.item(place)?.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some((place, self.read(&stored)?)))
    }

    /// Returns whether one may have a thumbnail of this order, without reading.
    #[must_use]
    pub fn may_have_made(&self, order: &Order) -> bool {
        self.view.may_have(ORDERS, &aging::order_key(order))
    }

    /// Returns the thumbnail that one has of this order.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn made(&self, order: &Order) -> io::Result<Option<Thumbnail>> {
        let mut reader = self.view.reader();
        for place in reader.find(ORDERS, &aging::order_key(order))? {
            let item = self.read(&reader.item(place)?.ok_or(io::ErrorKind::InvalidData)?)?;
            if order_of(&item.picture) == *order
                && let Some(thumbnail) = item.progress.thumbnail()
            {
                return Ok(Some(thumbnail));
            }
        }
        Ok(None)
    }

    /// Returns who goes through those behind a place in the list, or through all of them without one, at most so many.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn behind(&self, key: Option<Key>, most: usize) -> io::Result<Row<'_>> {
        let walk = InTime::behind(&self.view, &self.heals, key.map(Key::in_time), most)?;
        Ok(Row { walk, old: self })
    }

    fn read(&self, stored: &Stored) -> io::Result<Item> {
        let (_, mut item) = aging::read(stored).ok_or(io::ErrorKind::InvalidData)?;
        if let Some(outcome) = self.late.get(&stored.place).and_then(|said| said.outcome.clone()) {
            item.progress.end(outcome);
        }
        Ok(item)
    }
}

/// Pictures on the disk in the order of the list.
pub struct Row<'a> {
    walk: InTime,
    old: &'a OldPictures,
}

impl Row<'_> {
    /// Returns where the next one stands.
    #[must_use]
    pub fn peek(&self) -> Option<Key> {
        self.walk.peek().map(|(time_us, place)| Key { time_us, place })
    }

    /// Gives the next one.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn step(&mut self) -> io::Result<Option<(Key, Item)>> {
        let Some((time_us, stored)) = self.walk.step()? else { return Ok(None) };
        Ok(Some((Key { time_us, place: stored.place }, self.old.read(&stored)?)))
    }
}

/// Returns the answer while old pictures can't be read.
pub fn unread(error: &io::Error) -> Response {
    answers::error(500, &format!("Old pictures can't be read on this host: {error}"))
}
