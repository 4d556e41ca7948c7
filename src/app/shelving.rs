//! Aging: the oldest items of an application leave the memory for runs on the disk.
//!
//! ```text
//! fold of a snapshot: the state of its position -> runs of the oldest items, merged -> the snapshot names them
//! state in force: takes over those runs, and what was removed since stays removed -> items leave the memory, some at a time
//! ```
//!
//! A snapshot is folded from files, so it is behind the state in force. Both say the same of every item, wherever it is.

use std::collections::BTreeMap;
use std::io;

use super::aging::Aging;
use super::applied::Applied;
use super::old::{Aged, Fresh, Held, Moving, Old};
use super::returning;
use crate::app::applied_lock::AppliedLock;
use crate::base::blob::BlobId;
use crate::base::limits::{
    RUN_ADOPT_ITEMS, RUN_BYTES_MAX, RUN_GONE_READ_ITEMS, RUN_GONE_SHARE, RUNS_MERGED, YOUNG_KEPT_SHARE,
};
use crate::base::places::{PLACE_BYTES, Place};
use crate::log::runs::item::Item;
use crate::log::runs::shelf::Shelf;

/// The runs that the fold of a snapshot has written for each application.
#[derive(Debug, Default)]
pub struct Ageing {
    apps: Vec<(u8, Vec<Aged>)>,
    /// Runs that were merged into others.
    pub merged: u64,
}

/// Items that are on their way out of the memory.
type Leaving = Vec<(u8, Moving)>;

impl Applied {
    /// Writes the oldest items of each application that takes more than `young_bytes` to a run, and merges runs: for the state
    /// that is folded for a snapshot.
    ///
    /// # Errors
    /// Returns the error of the disk. Runs that were written are named by nothing then.
    pub fn age(&mut self, young_bytes: u64) -> io::Result<Ageing> {
        let mut ageing = Ageing::default();
        let Some(shelf) = self.shelf.clone() else { return Ok(ageing) };
        let heals = self.heals.clone();
        for (id, aging) in self.aging_mut() {
            let mut fresh = BTreeMap::new();
            look_up_gone(aging.old_mut())?;
            returning::take_all_back(aging, &heals)?;
            if aging.young_bytes() > young_bytes {
                write_oldest(id, aging, &shelf, young_bytes / YOUNG_KEPT_SHARE, &mut fresh)?;
            }
            ageing.merged += merge(id, aging.old_mut(), &shelf)?;
            let aged = |held: &Held| {
                let is_in = |(place, _): &(&Place, &Fresh)| held.has(place);
                let of_run = fresh.iter().filter(is_in).map(|(place, fresh)| (*place, *fresh));
                Aged { held: held.clone(), fresh: of_run.collect() }
            };
            ageing.apps.push((id, aging.old().held().iter().map(aged).collect()));
        }
        Ok(ageing)
    }

    fn adopt(&mut self, ageing: &Ageing) -> Leaving {
        let mut leaving = Vec::new();
        for (id, aging) in self.aging_mut() {
            if let Some((_, aged)) = ageing.apps.iter().find(|(app, _)| *app == id) {
                leaving.push((id, aging.old_mut().adopt(aged)));
            }
        }
        leaving
    }

    /// Moves some items; gives whether there were any.
    fn move_some(&mut self, leaving: &mut Leaving) -> bool {
        let mut has_moved = false;
        for (id, aging) in self.aging_mut() {
            let Some((_, moving)) = leaving.iter_mut().find(|(app, _)| *app == id) else { continue };
            for (run, place, fresh) in moving.take(RUN_ADOPT_ITEMS) {
                has_moved = true;
                // One that is not in memory any more was removed meanwhile, and is gone of the run, too. One that has changed stays
                // until a fold has heard of that.
                let is_same = aging.young_at(place).is_some_and(|item| Fresh::of(&item) == fresh);
                if is_same && aging.forget(place) {
                    aging.old_mut().take_moved(&run, place, fresh.amounts);
                }
            }
        }
        has_moved
    }

    /// Returns the largest number of bytes that the items of one application take in memory which may go to the disk.
    #[must_use]
    pub fn young_bytes(&self) -> u64 {
        self.aging().map(|(_, aging)| aging.young_bytes()).max().unwrap_or(0)
    }
}

/// Has the state in force take over the runs of a fold. Locks it for some items at a time, and reads old items.
pub fn adopt(applied: &AppliedLock, ageing: &Ageing) {
    let lock = || applied.write();
    // An item in doubt would stay, and no later fold writes it once more. What can't be read is told when it is tried again.
    while returning::take_back(applied).is_ok_and(|may_be_more| may_be_more) {}
    let mut leaving = lock().adopt(ageing);
    while lock().move_some(&mut leaving) {}
}

/// Reads old items that were removed lately, and tells their applications what they were; gives whether there may be more.
/// Locks the state to ask and to tell, and reads in between.
///
/// # Errors
/// Returns the error of reading; what could not be read is tried again.
pub fn tell_gone(applied: &AppliedLock) -> io::Result<bool> {
    let asked: Vec<_> = {
        let applied = applied.read();
        let of_each = applied.aging().map(|(id, aging)| (id, aging.old().to_read(RUN_GONE_READ_ITEMS)));
        of_each.filter(|(_, asked)| !asked.is_empty()).collect()
    };
    let mut read: Vec<(u8, BlobId, Item)> = Vec::new();
    for (id, asked) in &asked {
        let mut last = None;
        for (run, place) in asked {
            if let Some(item) = run.item(*place, &mut last)? {
                read.push((*id, run.id(), item));
            }
        }
    }
    if !read.is_empty() {
        let mut applied = applied.write();
        for (app, aging) in applied.aging_mut() {
            for (_, run, item) in read.iter().filter(|(id, ..)| *id == app) {
                if aging.old_mut().take_read(run, item) {
                    aging.take_gone(item);
                }
            }
        }
    }
    Ok(asked.iter().any(|(_, asked)| asked.len() >= RUN_GONE_READ_ITEMS))
}

/// Lets runs go that are gone as a whole, and finds out what is gone of the others.
fn look_up_gone(old: &mut Old) -> io::Result<()> {
    let left: Vec<Held> = old.held().iter().filter(|held| held.count() > 0).cloned().collect();
    old.replace(left);
    loop {
        let unread = old.to_read(RUN_GONE_READ_ITEMS);
        let mut last = None;
        for (run, place) in &unread {
            let item = run.item(*place, &mut last)?.ok_or(io::ErrorKind::InvalidData)?;
            // The state in force tells its application.
            old.take_read(&run.id(), &item);
        }
        if unread.is_empty() {
            return Ok(());
        }
    }
}

fn write_oldest(
    id: u8,
    aging: &mut dyn Aging,
    shelf: &Shelf,
    keep_bytes: u64,
    fresh: &mut BTreeMap<Place, Fresh>,
) -> io::Result<()> {
    let items = aging.oldest(keep_bytes);
    if items.is_empty() {
        return Ok(());
    }
    for items in parts(&items, RUN_BYTES_MAX / 2) {
        let run = shelf.write(id, items)?;
        for item in items {
            aging.forget(item.place);
            fresh.insert(item.place, Fresh::of(item));
        }
        let mut held = aging.old().held().to_vec();
        // The same items may have been in one before, and have come back from there as they were.
        held.retain(|other| other.run.id() != run.id());
        held.push(Held::whole(run));
        aging.old_mut().replace(held);
    }
    Ok(())
}

/// Cuts items into parts of which each takes at most about so many bytes in a run: many may have gathered, as in a directory of a
/// program that kept them in memory, and a run has to be sent as a blob.
fn parts(items: &[Item], most: u64) -> impl Iterator<Item = &[Item]> {
    let stored_bytes = |item: &Item| {
        let keys: usize = item.keys.iter().map(|(_, key)| key.len() + PLACE_BYTES).sum();
        (item.value.len() + PLACE_BYTES + keys) as u64
    };
    let mut bytes = 0;
    items.chunk_by(move |one, _| {
        bytes += stored_bytes(one);
        let goes_on = bytes < most;
        if !goes_on {
            bytes = 0;
        }
        goes_on
    })
}

/// Merges runs until there is nothing to be merged; gives how many were.
fn merge(id: u8, old: &mut Old, shelf: &Shelf) -> io::Result<u64> {
    let mut merged = 0;
    while let Some(chosen) = chosen(old.held()) {
        let parts: Vec<_> = chosen.iter().map(|at| (&old.held()[*at].run, &*old.held()[*at].gone)).collect();
        let run = shelf.merge(id, &parts)?;
        merged += parts.len() as u64;
        let mut held = old.held().to_vec();
        held[chosen[0]] = Held::whole(run);
        chosen[1..].iter().rev().for_each(|at| drop(held.remove(*at)));
        old.replace(held);
    }
    Ok(merged)
}

/// Returns the runs to be merged next, in their order: one of which much is gone, or several of about one size.
fn chosen(held: &[Held]) -> Option<Vec<usize>> {
    let is_holey = |held: &Held| held.gone.len() * RUN_GONE_SHARE > held.run.places().len();
    if let Some(holey) = held.iter().position(is_holey) {
        return Some(vec![holey]);
    }
    let mut by_size: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, one) in held.iter().enumerate().filter(|(_, one)| one.run.size_bytes() < RUN_BYTES_MAX / 2) {
        // Runs of which the largest is at most eight times the smallest.
        by_size.entry(one.run.size_bytes().ilog2() / 3).or_default().push(at);
    }
    let mut many = by_size.into_values().find(|of_size| of_size.len() >= RUNS_MERGED)?;
    let mut bytes = 0;
    many.retain(|at| {
        bytes += held[*at].run.size_bytes();
        bytes <= RUN_BYTES_MAX
    });
    (many.len() > 1).then_some(many)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, NodeId, Origin};

    #[test]
    fn many_items_become_several_runs() {
        let item = |seq| Item {
            place: (Origin { node: NodeId(1), inc: Inc(1) }, seq),
            bytes: 0,
            contents_bytes: 0,
            value: vec![0; 10],
            keys: vec![(2, vec![0; 8])],
        };
        let items: Vec<Item> = (1..=7).map(item).collect();
        let lengths = |most| parts(&items, most).map(<[Item]>::len).collect::<Vec<_>>();
        // Each takes 10 + 24 and 8 + 24 bytes.
        assert_eq!((lengths(1_000), lengths(132), lengths(133)), (vec![7], vec![2, 2, 2, 1], vec![3, 3, 1]));
        assert_eq!(lengths(1), vec![1; 7], "one that is larger is a run by itself");
        assert_eq!(parts(&[], 9).count(), 0);
    }
}
