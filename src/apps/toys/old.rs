//! Answers that need toys on the disk, joined with what is in memory.
//!
//! What a job reads is the shop as it was when the job looked at it.

use std::io;

use crate::app::heal::Heals;
use crate::app::old_times::{self, InTime};
use crate::app::old_view::OldView;
use crate::http::response::Response;
use crate::log::runs::item::Item;

use super::changes::{self, NUMBERS};
use super::html;
use super::place::Place;
use super::state::{Product, ToysState};

/// Toys on the disk, as they were at one moment.
#[derive(Clone)]
pub struct OldToys {
    view: OldView,
    heals: Heals,
}

impl OldToys {
    /// Returns those of a shop; `heals` say as of when each counts.
    #[must_use]
    pub fn of(shop: &ToysState, heals: &Heals) -> Self {
        Self { view: shop.old.view(), heals: heals.clone() }
    }

    /// Returns whether one may stand behind a place, or any at all without one: without reading.
    #[must_use]
    pub fn reach_behind(&self, place: Option<Place>) -> bool {
        old_times::reach_behind(&self.view, place.map(Place::in_time))
    }

    /// Returns whether one may have this number, without reading.
    #[must_use]
    pub fn may_have(&self, id: u64) -> bool {
        self.view.spans(NUMBERS, &id.to_be_bytes())
    }

    /// Returns the first toy with this number.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn numbered(&self, id: u64) -> io::Result<Option<(Place, Product)>> {
        let mut reader = self.view.reader();
        let mut first: Option<(Place, Product)> = None;
        for (origin, seq) in reader.find(NUMBERS, &id.to_be_bytes())? {
            let found =
                read(reader.item((origin, seq))?, |written_us| self.heals.time_us(origin, seq, written_us))?;
            if first.as_ref().is_none_or(|(place, _)| found.0 < *place) {
                first = Some(found);
            }
        }
        Ok(first)
    }

    /// Returns the one that came last.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn latest(&self) -> io::Result<Option<(Place, Product)>> {
        let latest = old_times::latest(&self.view, &self.heals)?;
        latest.map(|(time_us, item)| read(Some(item), |_| time_us)).transpose()
    }

    /// Returns who goes through those behind a place, or through all of them without one, at most so many.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn behind(&self, place: Option<Place>, most: usize) -> io::Result<Row> {
        let walk = InTime::behind(&self.view, &self.heals, place.map(Place::in_time), most)?;
        Ok(Row(walk))
    }
}

/// Toys on the disk in their order.
pub struct Row(InTime);

impl Row {
    /// Returns where the next one stands.
    #[must_use]
    pub fn peek(&self) -> Option<Place> {
        self.0.peek().map(Place::at)
    }

    /// Gives the next one.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn step(&mut self) -> io::Result<Option<Product>> {
        let next = self.0.step()?;
        next.map(|(time_us, item)| Ok(read(Some(item), |_| time_us)?.1)).transpose()
    }
}

/// Reads a toy; `counts_us` says as of when one counts that was written with a time.
fn read(item: Option<Item>, counts_us: impl FnOnce(u64) -> u64) -> io::Result<(Place, Product)> {
    let item = item.ok_or(io::ErrorKind::InvalidData)?;
    let product = changes::read(&item).ok_or(io::ErrorKind::InvalidData)?;
    let written_us = item.value.first_chunk().map_or(0, |time| u64::from_le_bytes(*time));
    Ok((Place::at((counts_us(written_us), item.place)), product))
}

/// Returns the answer while old toys can't be read.
pub fn unread(error: &io::Error) -> Response {
    html::error(500, &format!("Old toys can't be read on this host: {}", html::escape(&error.to_string())))
}
