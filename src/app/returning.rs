//! Returning: old items come back into memory when something is said of them, or when an item in memory may have a key of theirs.
//!
//! ```text
//! apply: a filter says that an old item may have the key -> a doubt
//! whoever may wait: reads the tables of the runs -> the old items with that key are in memory again -> the doubt is over
//! ```
//!
//! While a doubt is open no item with its key goes to the disk, so what was read of it while the state was not locked stays right, but
//! for items that were removed or that somebody else has brought back.

use std::io;
use std::sync::Arc;

use super::aging::{Aging, Doubt};
use super::applied::Applied;
use super::heal::Heals;
use super::old_view::OldView;
use crate::app::applied_lock::AppliedLock;
use crate::base::blob::BlobId;
use crate::base::limits::RUN_GONE_READ_ITEMS;
use crate::base::places::Place;
use crate::log::runs::item::Item;
use crate::log::runs::run::{LastBlock, Run};

/// Places and names to be read for one application.
struct Asked {
    app: u8,
    wanted: Vec<(Arc<Run>, Place)>,
    doubts: Vec<Doubt>,
    view: OldView,
}

/// Items that were read for one application, and the doubts about which nothing is left to be read.
struct Read {
    app: u8,
    items: Vec<(BlobId, Item)>,
    /// Doubts about which everything could be read, and where the items with their keys were.
    doubts: Vec<(Doubt, Vec<Place>)>,
    error: Option<io::Error>,
}

/// Takes old items back into memory of which something was said since they went, and settles doubts; gives whether there may be more.
/// Locks the state to ask and to put them there, and reads in between.
///
/// # Errors
/// Returns the first error of reading; what could be read is done, and the rest is tried again.
pub fn take_back(applied: &AppliedLock) -> io::Result<bool> {
    take_back_amid(applied, || ())
}

/// Does the same; `meanwhile` stands for what other threads do between the reading and the putting.
///
/// # Errors
/// Fails as [`take_back`] does.
pub(crate) fn take_back_amid(applied: &AppliedLock, meanwhile: impl FnOnce()) -> io::Result<bool> {
    let asked: Vec<Asked> = {
        let applied = applied.read();
        applied.aging().filter_map(|(app, aging)| Asked::of(app, aging)).collect()
    };
    let read: Vec<Read> = asked.iter().map(Asked::read).collect();
    meanwhile();
    if !read.is_empty() {
        let mut applied = applied.write();
        let heals = applied.heals.clone();
        for (app, aging) in applied.aging_mut() {
            read.iter().filter(|read| read.app == app).for_each(|read| read.put(aging, &heals));
        }
    }
    end(read)
}

/// Does the same until there is no more, for states that nobody else has.
///
/// # Errors
/// Fails as [`take_back`] does.
pub fn take_all(applied: &mut Applied) -> io::Result<()> {
    let heals = applied.heals.clone();
    applied.aging_mut().try_for_each(|(_, aging)| take_all_back(aging, &heals))
}

/// Does the same for one application.
pub(super) fn take_all_back(aging: &mut dyn Aging, heals: &Heals) -> io::Result<()> {
    while let Some(asked) = Asked::of(0, aging) {
        let read = asked.read();
        read.put(aging, heals);
        end(vec![read])?;
    }
    Ok(())
}

fn end(read: Vec<Read>) -> io::Result<bool> {
    let may_be_more = !read.is_empty();
    read.into_iter().find_map(|read| read.error).map_or(Ok(may_be_more), Err)
}

impl Asked {
    /// Returns what is to be read; nothing if nothing is.
    fn of(app: u8, aging: &dyn Aging) -> Option<Self> {
        let places = aging.wanted(RUN_GONE_READ_ITEMS).into_iter();
        let wanted: Vec<_> = places.filter_map(|place| Some((aging.old().run_of(&place)?, place))).collect();
        let doubts = aging.doubts(RUN_GONE_READ_ITEMS);
        let is_asked = !wanted.is_empty() || !doubts.is_empty();
        is_asked.then(|| Self { app, wanted, doubts, view: aging.old().view() })
    }

    fn read(&self) -> Read {
        let (mut items, mut doubts, mut error, mut last) = (Vec::new(), Vec::new(), None, None);
        for (run, place) in &self.wanted {
            match item(run, *place, &mut last) {
                Ok(found) => items.push((run.id(), found)),
                Err(failed) => error = error.or(Some(failed)),
            }
        }
        for doubt in &self.doubts {
            match self.find(doubt, &mut last) {
                Ok(found) => {
                    doubts.push((doubt.clone(), found.iter().map(|(_, item)| item.place).collect()));
                    items.extend(found);
                }
                Err(failed) => error = error.or(Some(failed)),
            }
        }
        Read { app: self.app, items, doubts, error }
    }

    /// Returns the old items that have the key of a doubt, with their runs.
    fn find(&self, doubt: &Doubt, last: &mut Option<LastBlock>) -> io::Result<Vec<(BlobId, Item)>> {
        let places = self.view.reader().find(doubt.table, &doubt.key)?.into_iter();
        let parts = places.filter_map(|place| {
            let part = self.view.parts().iter().find(|part| part.has(&place))?;
            Some(item(&part.run, place, last).map(|item| (part.run.id(), item)))
        });
        parts.collect()
    }
}

impl Read {
    /// Puts into memory what is still in the run that it was read from.
    fn put(&self, aging: &mut dyn Aging, heals: &Heals) {
        for (run, item) in &self.items {
            if aging.old_mut().let_go(run, item) {
                aging.take_back(item, heals);
            }
        }
        for (doubt, places) in &self.doubts {
            // One that is in another run by now is found with the next look.
            if !places.iter().any(|place| aging.old().has(place)) {
                aging.settle(doubt);
            }
        }
    }
}

fn item(run: &Run, place: Place, last: &mut Option<LastBlock>) -> io::Result<Item> {
    run.item(place, last)?.ok_or_else(|| io::ErrorKind::InvalidData.into())
}
