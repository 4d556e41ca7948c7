//! The old items of an application: they are in runs on the disk, and only what is known of their places is in memory.
//!
//! Nothing here reads. What is removed is noted, so that counts are right at once; what it was, and which blobs it named, is read
//! a moment later by somebody who may wait ([`Old::to_read`]).

use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::old_later::Later;
use super::old_view::{OldView, Part};
use super::stored_run::StoredRun;
pub use super::stored_run::named_in;
use crate::base::blob::BlobId;
use crate::base::ids::{Origin, Seq};
use crate::base::places::{Place, Places};
use crate::log::runs::item::{Amounts, Item};
use crate::log::runs::run::Run;
use crate::log::runs::shelf::Shelf;

/// A run, and what of it is gone.
#[derive(Clone, Debug)]
pub struct Held {
    /// The run.
    pub(super) run: Arc<Run>,
    /// Items of it that were removed, or that have not been moved here yet.
    pub(super) gone: Arc<Places>,
    /// The amounts of the items in `gone`, without those in `unread`.
    pub(super) gone_amounts: Amounts,
    /// Removed items whose amounts are not known, because nobody has read them.
    pub(super) unread: Places,
    /// Removed items whose content the application has not been told.
    untold: Places,
    /// Items of the run that count as of an earlier time than they were written with.
    later: Arc<Later>,
}

impl Held {
    /// Returns a run of which nothing is gone.
    pub(super) fn whole(run: Arc<Run>) -> Self {
        let (gone, gone_amounts, later) = (Arc::default(), Amounts::default(), Arc::default());
        Self { run, gone, gone_amounts, unread: Places::default(), untold: Places::default(), later }
    }

    /// Returns how many items it has.
    pub(super) fn count(&self) -> u64 {
        self.run.places().len() - self.gone.len()
    }

    /// Returns the places of its items.
    fn alive(&self) -> Places {
        self.run.places().minus(&self.gone)
    }

    pub(super) fn has(&self, place: &Place) -> bool {
        self.run.places().contains(place) && !self.gone.contains(place)
    }

    fn numbers(&self, origin: Origin) -> impl Iterator<Item = Seq> + '_ {
        let all = self.run.places().numbers(origin);
        all.filter(move |seq| !self.gone.contains(&(origin, *seq)))
    }

    fn take_out(&mut self, places: &Places) {
        self.leave(places);
        self.untold.add_all(places);
    }

    /// Leaves items to another run.
    fn leave(&mut self, places: &Places) {
        Arc::make_mut(&mut self.gone).add_all(places);
        self.unread.add_all(places);
    }
}

/// An item that a fold has written to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// Its bytes, and how many of them are in blobs.
    pub(super) amounts: Amounts,
    /// Of what it says: one in memory that says something else has changed since.
    hash: u64,
}

impl Fresh {
    /// Returns what is remembered of an item.
    pub(super) fn of(item: &Item) -> Self {
        // The time in front is what heals said by then.
        let said = item.value.get(8..).unwrap_or_default();
        Self { amounts: Amounts::of(item), hash: xxh3_64(said) }
    }
}

/// A run as the fold of a snapshot leaves it, for the state that is served from.
#[derive(Clone, Debug)]
pub struct Aged {
    pub(super) held: Held,
    /// Items that were in memory before.
    pub(super) fresh: Vec<(Place, Fresh)>,
}

impl Aged {
    /// Returns the run for a state that has these of its items on the disk already.
    fn taken_over(&self, stays: &Places) -> Held {
        let mut new = Held::whole(self.held.run.clone());
        let fresh: Places = self.fresh.iter().map(|(place, _)| *place).collect();
        new.gone = Arc::new(new.run.places().minus(stays));
        new.unread = self.held.unread.clone();
        new.unread.add_all(&self.held.alive().minus(stays).minus(&fresh));
        new.gone_amounts = self.held.gone_amounts;
        let young = self.fresh.iter().filter(|(place, _)| !stays.contains(place));
        young.for_each(|(_, fresh)| new.gone_amounts.join(fresh.amounts));
        new
    }
}

/// Items that are in a run and still in memory, too: they move one by one.
#[derive(Debug, Default)]
pub struct Moving(Vec<(BlobId, Place, Fresh)>);

impl Moving {
    /// Takes up to so many.
    pub(super) fn take(&mut self, most: usize) -> Vec<(BlobId, Place, Fresh)> {
        self.0.split_off(self.0.len().saturating_sub(most))
    }
}

/// The old items of one application.
#[derive(Clone, Debug, Default)]
pub struct Old {
    held: Vec<Held>,
    count: u64,
    amounts: Amounts,
    /// Runs that were merged before the application was told what these items of them were.
    leaving: Vec<(Arc<Run>, Places)>,
}

impl Old {
    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns what they come to; a little more while some that were removed are to be read.
    #[must_use]
    pub fn amounts(&self) -> Amounts {
        self.amounts
    }

    /// Returns whether all amounts are known.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.held.iter().all(|held| held.unread.is_empty())
    }

    /// Returns whether there is no run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Returns the names of its runs.
    pub fn runs(&self) -> impl Iterator<Item = BlobId> + '_ {
        self.held.iter().map(|held| held.run.id())
    }

    /// Returns number of runs, their bytes on the disk, and bytes of memory that their indexes take.
    #[must_use]
    pub fn extent(&self) -> (u64, u64, u64) {
        self.held.iter().fold((0, 0, 0), |(runs, bytes, memory), held| {
            (runs + 1, bytes + held.run.size_bytes(), memory + held.run.memory_bytes() as u64)
        })
    }

    /// Returns whether there is an item at a place.
    #[must_use]
    pub fn has(&self, place: &Place) -> bool {
        self.held.iter().any(|held| held.has(place))
    }

    /// Returns whether an item may have a key of a table that is looked up, without reading: a run that has it says so, and about one
    /// in a hundred that do not.
    #[must_use]
    pub fn may_have(&self, table: u8, key: &[u8]) -> bool {
        self.held.iter().any(|held| held.run.may_have(table, key))
    }

    /// Returns the items as they are now, to be read without the state.
    #[must_use]
    pub fn view(&self) -> OldView {
        let part = |held: &Held| {
            let (run, gone, later) = (held.run.clone(), held.gone.clone(), held.later.clone());
            Part { run, gone, later }
        };
        OldView::of(self.held.iter().map(part))
    }

    /// Returns the numbers of a stream's items, in their order.
    pub fn numbers(&self, origin: Origin) -> impl Iterator<Item = Seq> + '_ {
        let mut of_each: Vec<_> = self.held.iter().map(|held| held.numbers(origin).peekable()).collect();
        std::iter::from_fn(move || {
            let next = of_each.iter_mut().filter_map(|seqs| seqs.peek().copied()).min()?;
            of_each.iter_mut().filter_map(|seqs| seqs.next_if_eq(&next)).last()
        })
    }

    /// Removes the item at a place; gives whether there was one.
    pub fn remove(&mut self, place: Place) -> bool {
        let Some(held) = self.held.iter_mut().find(|held| held.has(&place)) else { return false };
        held.take_out(&std::iter::once(place).collect());
        self.count -= 1;
        true
    }

    /// Returns the run that has the item at a place.
    #[must_use]
    pub(super) fn run_of(&self, place: &Place) -> Option<Arc<Run>> {
        self.held.iter().find(|held| held.has(place)).map(|held| held.run.clone())
    }

    /// Lets an item of a run go that comes back into memory; gives whether it was there. Nobody is told that it went.
    pub(super) fn let_go(&mut self, run: &BlobId, item: &Item) -> bool {
        let holds = |held: &&mut Held| held.run.id() == *run && held.has(&item.place);
        let Some(held) = self.held.iter_mut().find(holds) else { return false };
        Arc::make_mut(&mut held.gone).insert(item.place);
        held.gone_amounts.add(item);
        self.amounts = self.amounts.without(Amounts::of(item));
        self.count -= 1;
        true
    }

    /// Removes the items of a stream up to a number.
    pub fn remove_up_to(&mut self, origin: Origin, last: Seq) {
        for held in &mut self.held {
            let going = held.run.places().up_to(origin, last).minus(&held.gone);
            if !going.is_empty() {
                self.count -= going.len();
                held.take_out(&going);
            }
        }
    }

    /// Returns up to so many items that were removed and are to be read, each with its run.
    #[must_use]
    pub fn to_read(&self, most: usize) -> Vec<(Arc<Run>, Place)> {
        let of_held = self.held.iter().map(|held| {
            let mut places = held.unread.clone();
            places.add_all(&held.untold);
            (held.run.clone(), places)
        });
        let all = of_held.chain(self.leaving.iter().cloned());
        let each = |(run, places): (Arc<Run>, Places)| {
            places.iter().take(most).map(|place| (run.clone(), place)).collect::<Vec<_>>()
        };
        all.flat_map(each).take(most).collect()
    }

    /// Takes an item of a run that was removed and read; gives whether the application is to be told of it.
    pub fn take_read(&mut self, run: &BlobId, item: &Item) -> bool {
        for (_, untold) in self.leaving.iter_mut().filter(|(leaving, _)| leaving.id() == *run) {
            if untold.remove(item.place) {
                self.leaving.retain(|(_, untold)| !untold.is_empty());
                return true;
            }
        }
        let Some(held) = self.held.iter_mut().find(|held| held.run.id() == *run) else { return false };
        if held.unread.remove(item.place) {
            held.gone_amounts.add(item);
            self.amounts = self.amounts.without(Amounts::of(item));
        }
        held.untold.remove(item.place)
    }

    /// Returns the runs.
    pub(super) fn held(&self) -> &[Held] {
        &self.held
    }

    /// Puts others in their place.
    pub(super) fn replace(&mut self, held: Vec<Held>) {
        self.held = held;
        self.count = self.held.iter().map(Held::count).sum();
        self.amounts = Amounts::default();
        for held in &self.held {
            self.amounts.join(held.run.amounts().without(held.gone_amounts));
        }
    }

    /// Takes over the runs of a fold that began from an earlier state of this application: what was removed since stays so. Items
    /// that are still in memory count as gone until they have moved, and those that only the fold has taken back stay where they are.
    pub(super) fn adopt(&mut self, aged: &[Aged]) -> Moving {
        let (mut moving, mut held) = (Moving::default(), Vec::new());
        let (mut here, mut there) = (Places::default(), Places::default());
        self.held.iter().for_each(|held| here.add_all(&held.alive()));
        aged.iter().for_each(|one| there.add_all(&one.held.alive()));
        for one in aged {
            let known = self.held.iter().find(|held| held.run.id() == one.held.run.id());
            let in_both = here.and(&one.held.alive());
            let new = match known.filter(|known| known.gone.and(&in_both).is_empty()) {
                Some(known) => {
                    let mut kept = known.clone();
                    // The fold has taken these back and written them to another run.
                    kept.leave(&known.alive().minus(&one.held.alive()).and(&there));
                    kept
                }
                None => one.taken_over(&in_both),
            };
            // One that was known may have been written once more, of items that had come back and have not changed.
            let is_young = |(place, _): &&(Place, Fresh)| new.gone.contains(place);
            let young = one.fresh.iter().filter(is_young);
            moving.0.extend(young.map(|(place, fresh)| (new.run.id(), *place, *fresh)));
            held.push(new);
        }
        let goes_on = |old: &Held, held: &[Held]| held.iter().any(|new| new.run.id() == old.run.id());
        for old in &self.held {
            if !goes_on(old, &held) && !old.alive().minus(&there).is_empty() {
                let mut kept = old.clone();
                kept.leave(&old.alive().and(&there));
                held.push(kept);
            }
            let untold = |new: &Held| new.run.id() == old.run.id() && new.untold == old.untold;
            if !old.untold.is_empty() && !held.iter().any(untold) {
                self.leaving.push((old.run.clone(), old.untold.clone()));
            }
        }
        self.replace(held);
        moving
    }

    /// Takes an item that has left the memory.
    pub(super) fn take_moved(&mut self, run: &BlobId, place: Place, amounts: Amounts) {
        let Some(held) = self.held.iter_mut().find(|held| held.run.id() == *run) else { return };
        if Arc::make_mut(&mut held.gone).remove(place) {
            held.untold.remove(place);
            // What nobody has read was not taken off.
            if !held.unread.remove(place) {
                held.gone_amounts = held.gone_amounts.without(amounts);
                self.amounts.join(amounts);
            }
            self.count += 1;
        }
    }

    /// Appends what a snapshot holds of it.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&u32::try_from(self.held.len()).expect("bounded runs").to_le_bytes());
        for held in &self.held {
            out.extend_from_slice(&held.run.id().0);
            out.extend_from_slice(&held.gone_amounts.bytes.to_le_bytes());
            out.extend_from_slice(&held.gone_amounts.contents_bytes.to_le_bytes());
            held.gone.push(out);
            held.unread.push(out);
        }
    }

    /// Reads what [`Old::push`] has written at the start of `bytes`; gives how many bytes that were.
    ///
    /// # Errors
    /// Fails with `InvalidData` for other bytes, and as [`Shelf::open`] does.
    pub(super) fn read(bytes: &[u8], app: u8, shelf: &Shelf) -> io::Result<(Self, usize)> {
        let (stored, length) = StoredRun::read_all(bytes).ok_or(io::ErrorKind::InvalidData)?;
        let open = |stored: StoredRun| {
            let run = shelf.open(&stored.id)?;
            let StoredRun { gone, gone_amounts, unread, .. } = stored;
            if run.app() != app || !gone.minus(run.places()).is_empty() || !unread.minus(&gone).is_empty() {
                let what = format!("the run {} is not the one that the snapshot means", run.id());
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            Ok(Held { gone: Arc::new(gone), gone_amounts, unread, ..Held::whole(run) })
        };
        let mut old = Self::default();
        old.replace(stored.into_iter().map(open).collect::<io::Result<_>>()?);
        Ok((old, length))
    }
}
