//! Trimming: an application whose items are in memory cuts the oldest of them, as an operator's limits say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::applied::Applied;
use super::background::{Background, Desk, Figure, Unlogged};
use super::floors;
use super::hosts::Hosts;
use super::keep::{CUT_AWAY_US, Keep};
use super::state::State;
use crate::base::ids::{Origin, Seq};
use crate::base::limits::{CUT_ITEMS_MAX, CUT_LOOK_MS};

/// An item of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// As of when it counts, microseconds since 1970.
    pub time_us: u64,
    /// The place of its record.
    pub origin: Origin,
    /// Its number there.
    pub seq: Seq,
    /// What it takes.
    pub bytes: u64,
    /// It has to stay for now, and so does what comes behind it in its stream.
    pub is_open: bool,
}

/// A state whose items can be cut.
pub trait Trimmed: State {
    /// Returns the number of its items, and the bytes of all of them.
    fn extent(&self) -> (u64, u64);

    /// Returns its items, the oldest first, in an order that all hosts share. `now_us` is the wall clock, microseconds since
    /// 1970.
    fn oldest(&self, now_us: u64) -> Box<dyn Iterator<Item = Item> + '_>;

    /// Returns the numbers of the items of a stream, in their order.
    fn numbers(&self, origin: Origin) -> Box<dyn Iterator<Item = Seq> + '_>;
}

/// Who looks, and when.
#[derive(Clone, Debug)]
pub struct Look {
    /// The wall clock, microseconds since 1970.
    pub now_us: u64,
    /// The hosts that there are, this one among them.
    pub hosts: Hosts,
}

/// Returns the floors of a cut that leaves what `keep` says, as far as [`CUT_ITEMS_MAX`] items go; more are for the next one.
///
/// The oldest that are too many go, and those that are too old and whose age is this host's to judge. A floor takes all of its
/// stream that comes before it, so it stops where one of those has to stay.
#[must_use]
pub fn floors(state: &impl Trimmed, keep: &Keep, look: &Look) -> Vec<(Origin, Seq)> {
    let (count, bytes) = state.extent();
    let mut too_many = keep.count.map_or(0, |most| count.saturating_sub(most));
    let mut too_large = keep.bytes.map_or(0, |most| bytes.saturating_sub(most));
    let old_us = keep.age_us.map_or(0, |age_us| look.now_us.saturating_sub(age_us));
    let mut going: BTreeMap<Origin, BTreeSet<Seq>> = BTreeMap::new();
    for item in state.oldest(look.now_us).take(CUT_ITEMS_MAX) {
        // The last bytes that are asked for lie within an item: that stays.
        let is_beyond = too_many > 0 || too_large >= item.bytes.max(1);
        let is_old = item.time_us < old_us;
        if !is_beyond && !is_old {
            break;
        }
        too_many = too_many.saturating_sub(1);
        too_large = too_large.saturating_sub(item.bytes);
        let is_due = is_beyond || look.hosts.falls_here(item.origin.node, CUT_AWAY_US);
        if is_due && !item.is_open {
            going.entry(item.origin).or_default().insert(item.seq);
        }
    }
    let floor = |(origin, going): (Origin, BTreeSet<Seq>)| {
        let numbers = state.numbers(origin).take_while(|seq| going.contains(seq));
        numbers.last().map(|seq| (origin, seq))
    };
    going.into_iter().filter_map(floor).collect()
}

/// The thread that does it.
pub struct Trimmer<S> {
    keep: Keep,
    tag: u8,
    name: &'static str,
    is_over: Mutex<bool>,
    changed: Condvar,
    state: std::marker::PhantomData<fn() -> S>,
}

impl<S: Trimmed> Trimmer<S> {
    /// Makes one for the state `S` of the application `name`, whose cuts have the tag `tag`.
    #[must_use]
    pub fn new(name: &'static str, tag: u8, keep: Keep) -> Self {
        let (is_over, changed) = (Mutex::default(), Condvar::new());
        Self { keep, tag, name, is_over, changed, state: std::marker::PhantomData }
    }

    /// Cuts once; gives whether there may be more.
    fn cut(&self, desk: &dyn Desk) -> Result<bool, Unlogged> {
        let look = Look { now_us: desk.wall_us(), hosts: desk.hosts() };
        let found = {
            let applied = desk.applied().read().unwrap_or_else(PoisonError::into_inner);
            applied.state::<S>().map(|state| floors(state, &self.keep, &look)).unwrap_or_default()
        };
        floors::records(self.tag, &found).into_iter().try_for_each(|record| desk.log(record))?;
        Ok(!found.is_empty())
    }

    /// Returns whether the server stops, after a pause.
    fn pauses(&self) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = Duration::from_millis(CUT_LOOK_MS);
        let waited = self.changed.wait_timeout_while(is_over, pause, |is_over| !*is_over);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<S: Trimmed> Background for Trimmer<S> {
    fn name(&self) -> &'static str {
        "keep"
    }

    fn threads(&self, _: usize) -> usize {
        usize::from(!self.keep.is_all())
    }

    fn run(&self, desk: &dyn Desk) {
        let mut was_told = false;
        loop {
            match self.cut(desk) {
                Ok(true) => was_told = false,
                Ok(false) | Err(Unlogged::Over) => {}
                Err(why) => {
                    if !std::mem::replace(&mut was_told, true) {
                        let name = self.name;
                        desk.warn(&format!("can't cut what {name} has beyond --keep: {why}; trying again"));
                    }
                }
            }
            if self.pauses() || desk.is_over() {
                return;
            }
        }
    }

    fn stop(&self, _: &RwLock<Applied>) {
        *self.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn figures(&self, _: &Applied) -> Vec<Figure> {
        Vec::new()
    }
}
