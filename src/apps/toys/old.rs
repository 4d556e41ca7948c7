//! Answers that need toys and orders on the disk, joined with what is in memory.
//!
//! What a job reads is the shop as it was when the job looked at it.

use std::io;

use crate::app::heal::Heals;
use crate::app::old_times::{self, InTime};
use crate::app::old_view::OldView;
use crate::base::limits::CUT_ITEMS_MAX;
use crate::http::response::Response;
use crate::log::runs::item::Item;

use super::claims::Claim;
use super::html;
use super::item::{Order, Product};
use super::place::Place;
use super::record::{KeyId, OrderId};
use super::state::ToysState;
use super::stored::{self, KEYS, NUMBERS, ORDER_IDS, ORDER_TIMES, Stored};

/// Toys and orders on the disk, as they were at one moment.
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

    /// Returns the claim of the toy that has a key.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn claim(&self, key: &KeyId) -> io::Result<Option<Claim>> {
        match self.named(KEYS, key)? {
            Some(Stored::Toy(_, _, Some((of, _, claim)))) if of == *key => Ok(Some(claim)),
            None => Ok(None),
            Some(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Returns the order with an id.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn order(&self, id: &OrderId) -> io::Result<Option<Order>> {
        match self.named(ORDER_IDS, id)? {
            Some(Stored::Order(of, order)) if of == *id => Ok(Some(order)),
            None => Ok(None),
            Some(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Returns the item that a table has under a name, of which there is one at most.
    fn named(&self, table: u8, name: &[u8; 16]) -> io::Result<Option<Stored>> {
        let mut reader = self.view.reader();
        let Some(place) = reader.find(table, name)?.pop() else { return Ok(None) };
        let item = reader.item(place)?.ok_or(io::ErrorKind::InvalidData)?;
        stored::read(&item).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
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
    match stored::read(&item) {
        Some(Stored::Toy(product, written_us, _)) => {
            Ok((Place::at((counts_us(written_us), item.place)), product))
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Returns who gives old items in the order in which cuts take them, each with its place there. It reads nothing before the first call.
pub fn in_order_of_cuts(
    view: OldView,
    heals: Heals,
) -> impl FnMut() -> io::Result<Option<(Place, Stored)>> + Send {
    let (mut reader, mut walk) = (view.reader(), view.reader().ascending(ORDER_TIMES, &[]));
    let mut toys = old_times::lazily(view, heals, CUT_ITEMS_MAX);
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let mut next_toy = move || -> io::Result<Option<(Place, Stored)>> {
        let Some((time_us, item)) = toys()? else { return Ok(None) };
        Ok(Some((Place::at((time_us, item.place)), stored::read(&item).ok_or_else(damaged)?)))
    };
    let mut next_order = move || -> io::Result<Option<(Place, Stored)>> {
        let Some((_, place)) = walk.step()? else { return Ok(None) };
        let item = reader.item(place)?.ok_or_else(damaged)?;
        match stored::read(&item) {
            Some(Stored::Order(id, order)) => Ok(Some((order.place, Stored::Order(id, order)))),
            _ => Err(damaged()),
        }
    };
    let (mut toy, mut order) = (None, None);
    move || {
        if toy.is_none() {
            toy = next_toy()?;
        }
        if order.is_none() {
            order = next_order()?;
        }
        Ok(match (&toy, &order) {
            (Some((toy_at, _)), Some((order_at, _))) if order_at < toy_at => order.take(),
            (Some(_), _) => toy.take(),
            (None, _) => order.take(),
        })
    }
}

/// Returns the answer while old toys can't be read.
pub fn unread(error: &io::Error) -> Response {
    html::error(500, &format!("Old toys can't be read on this host: {}", html::escape(&error.to_string())))
}
