//! Trimming: an application cuts the oldest of its items, as an operator's limits say. Those on the disk are read by the thread that
//! cuts, while nobody waits for the state.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::applied::Applied;
use super::background::{Background, Desk, Figure, Unlogged};
use super::believed::BelievedClock;
use super::floors;
use super::heal::Heals;
use super::hosts::Hosts;
use super::keep::{CUT_AWAY_US, Keep};
use super::state::State;
use crate::app::applied_lock::AppliedLock;
use crate::base::ids::{Origin, Seq};
use crate::base::limits::{CUT_HELD_LOOKS, CUT_ITEMS_MAX, CUT_LOOK_MS};

/// An item of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it stands among all; of those with one number the earlier place comes first.
    pub order: u64,
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

    /// Returns its items in memory, the oldest first, in an order that all hosts share. `now_us` is the wall clock, microseconds
    /// since 1970.
    fn oldest(&self, now_us: u64) -> Box<dyn Iterator<Item = Item> + '_>;

    /// Returns the numbers of the items of a stream, in their order, wherever they are.
    fn numbers(&self, origin: Origin) -> Box<dyn Iterator<Item = Seq> + '_>;

    /// Returns its items on the disk at the wall clock `now_us`, or `None` if all are in memory.
    fn old_list(&self, _heals: &Heals, _now_us: u64) -> Option<OldList> {
        None
    }
}

/// Returns the numbers of items in memory and on the disk together, in their order.
pub fn joined<'a>(
    young: impl Iterator<Item = Seq> + 'a,
    old: impl Iterator<Item = Seq> + 'a,
) -> Box<dyn Iterator<Item = Seq> + 'a> {
    let (mut young, mut old) = (young.peekable(), old.peekable());
    Box::new(std::iter::from_fn(move || match (young.peek(), old.peek()) {
        (Some(first), Some(second)) if second < first => old.next(),
        (None, _) => old.next(),
        _ => young.next(),
    }))
}

/// Items on the disk, in their order.
pub struct OldList {
    /// Gives the next one, which it reads.
    pub next: Box<dyn FnMut() -> io::Result<Option<Item>>>,
    /// Whether it is known what all of them take: a limit in bytes waits for that.
    pub is_read: bool,
}

/// Who looks, and when.
#[derive(Clone, Debug)]
pub struct Look {
    /// The wall clock as far as it is believed, microseconds since 1970.
    pub now_us: u64,
    /// The hosts that there are, this one among them.
    pub hosts: Hosts,
}

/// Returns the floors of a cut that leaves what `keep` says of items in memory, as far as [`CUT_ITEMS_MAX`] items go; more are
/// for the next one.
///
/// The oldest that are too many go, and those that are too old and whose age is this host's to judge. A floor takes all of its
/// stream that comes before it, so it stops where one of those has to stay.
#[cfg(test)]
#[must_use]
pub fn floors(state: &impl Trimmed, keep: &Keep, look: &Look) -> Vec<(Origin, Seq)> {
    let mut items = state.oldest(look.now_us);
    let going = going(state.extent(), keep, look, &mut || Ok(items.next())).expect("memory is read");
    floors_below(state, going)
}

/// Items that go, by their streams.
type Going = BTreeMap<Origin, BTreeSet<Seq>>;

/// Chooses among items, of which `next` gives the oldest first, those that are beyond what is to be kept.
fn going(
    (count, bytes): (u64, u64),
    keep: &Keep,
    look: &Look,
    next: &mut dyn FnMut() -> io::Result<Option<Item>>,
) -> io::Result<Going> {
    let mut too_many = keep.count.map_or(0, |most| count.saturating_sub(most));
    let mut too_large = keep.bytes.map_or(0, |most| bytes.saturating_sub(most));
    let old_us = keep.age_us.map_or(0, |age_us| look.now_us.saturating_sub(age_us));
    let mut going = Going::new();
    for _ in 0..CUT_ITEMS_MAX {
        // Nobody reads where nothing can be beyond.
        let may_go = too_many > 0 || too_large > 0 || old_us > 0;
        let Some(item) = (if may_go { next()? } else { None }) else { break };
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
    Ok(going)
}

/// Returns for each stream the last number up to which all of its items go.
fn floors_below(state: &impl Trimmed, going: Going) -> Vec<(Origin, Seq)> {
    let floor = |(origin, going): (Origin, BTreeSet<Seq>)| {
        let numbers = state.numbers(origin).take_while(|seq| going.contains(seq));
        numbers.last().map(|seq| (origin, seq))
    };
    going.into_iter().filter_map(floor).collect()
}

/// Merges items on the disk with those in memory, in their order.
struct Merged {
    young: std::iter::Peekable<std::vec::IntoIter<Item>>,
    old: Option<OldList>,
    /// The next one of the disk, once it was read.
    ahead: Option<Item>,
}

impl Merged {
    fn next(&mut self) -> io::Result<Option<Item>> {
        if self.ahead.is_none()
            && let Some(old) = &mut self.old
        {
            self.ahead = (old.next)()?;
            if self.ahead.is_none() {
                self.old = None;
            }
        }
        let place = |item: &Item| (item.order, item.origin, item.seq);
        let is_young = match (&self.ahead, self.young.peek()) {
            (Some(old), Some(young)) => place(young) < place(old),
            (old, _) => old.is_none(),
        };
        Ok(if is_young { self.young.next() } else { self.ahead.take() })
    }
}

/// Result of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Something goes.
    Cut,
    /// Nothing is beyond what is kept.
    Nothing,
    /// As many items as a look may see have to stay for now.
    Held,
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

    /// Cuts once.
    fn cut(&self, desk: &dyn Desk, clock: &mut BelievedClock) -> Result<Outcome, Unlogged> {
        let hosts = desk.hosts(&desk.applied().read());
        let look = Look { now_us: clock.look(desk), hosts };
        let (found, seen) = match self.found(desk, &look) {
            Ok(found) => found,
            Err(error) => {
                let name = self.name;
                desk.warn(&format!("can't read what {name} has beyond --keep: {error}; trying again"));
                return Ok(Outcome::Nothing);
            }
        };
        floors::records(self.tag, &found).into_iter().try_for_each(|record| desk.log(record))?;
        Ok(match (found.is_empty(), seen >= CUT_ITEMS_MAX) {
            (false, _) => Outcome::Cut,
            (true, true) => Outcome::Held,
            (true, false) => Outcome::Nothing,
        })
    }

    /// Finds the floors of a cut, and says how many items it has seen for that. Between two looks at the state old items are read.
    fn found(&self, desk: &dyn Desk, look: &Look) -> io::Result<(Vec<(Origin, Seq)>, usize)> {
        let lock = || desk.applied().read();
        let (mut extent, young, old) = {
            let applied = lock();
            let Some(state) = applied.state::<S>() else { return Ok((Vec::new(), 0)) };
            let young: Vec<Item> = state.oldest(look.now_us).take(CUT_ITEMS_MAX).collect();
            (state.extent(), young, state.old_list(&applied.heals, look.now_us))
        };
        if old.as_ref().is_some_and(|old| !old.is_read) {
            // What was removed a moment ago still counts: by bytes too much would go.
            extent.1 = 0;
        }
        let mut items = Merged { young: young.into_iter().peekable(), old, ahead: None };
        let mut seen = 0;
        let mut next = || items.next().inspect(|item| seen += usize::from(item.is_some()));
        let going = going(extent, &self.keep, look, &mut next)?;
        Ok((lock().state::<S>().map(|state| floors_below(state, going)).unwrap_or_default(), seen))
    }

    /// Returns whether the server stops, after a pause of so many looks.
    fn pauses(&self, looks: u32) -> bool {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = Duration::from_millis(CUT_LOOK_MS) * looks;
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
        let (mut clock, mut was_told) = (BelievedClock::default(), false);
        loop {
            let outcome = self.cut(desk, &mut clock);
            // Whoever reads so many items in vain does not do so all the time.
            let looks = if matches!(outcome, Ok(Outcome::Held)) { CUT_HELD_LOOKS } else { 1 };
            match outcome {
                Ok(Outcome::Cut) => was_told = false,
                Ok(Outcome::Held | Outcome::Nothing) | Err(Unlogged::Over) => {}
                Err(why) => {
                    if !std::mem::replace(&mut was_told, true) {
                        let name = self.name;
                        desk.warn(&format!("can't cut what {name} has beyond --keep: {why}; trying again"));
                    }
                }
            }
            if self.pauses(looks) || desk.is_over() {
                return;
            }
        }
    }

    fn stop(&self, _: &AppliedLock) {
        *self.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn figures(&self, _: &Applied) -> Vec<Figure> {
        Vec::new()
    }
}
