//! Cuts the oldest pixels: by what `--keep` says, and for `DELETE /pixels?before=`.
//!
//! One thread that follows the journal in [`Times`] while it is needed. Under load it cuts whole stretches of a segment, for
//! which it reads nothing again; once there was no write for a second it cuts exactly.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::asked::{Asked, Before, later};
use super::cut::{self, Floor};
use super::finder::{Finder, Measure};
use super::limits::{CUT_EXACT_EVERY_US, CUT_QUIET_US, CUT_WAITERS_MAX};
use super::state::{Floors, GONE, PixelState, Stream};
use super::times::{Key, Times};
use crate::app::answer;
use crate::app::applied::Applied;
use crate::app::applied_lock::{AppliedLock, Reading};
use crate::app::background::{Background, Desk, Figure, Unlogged};
use crate::app::believed::BelievedClock;
use crate::app::heal::Heals;
use crate::app::keep::{CUT_AWAY_US, Keep};
use crate::base::ids::{Origin, Position};
use crate::base::limits::CUT_LOOK_MS;
use crate::log::read::scan::ReadError;

/// Of an age, the part by which pixels may be kept longer while nothing is written.
const AGE_PARTS: u64 = 1_000;

/// The pixel service's background.
pub struct Cutter {
    keep: Keep,
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// Requests that wait, and whether the server stops.
#[derive(Default)]
struct Queue {
    asked: VecDeque<Arc<Asked>>,
    is_over: bool,
}

/// The state at the position up to which the times are known.
struct Moment {
    position: Position,
    streams: Vec<Stream>,
    floors: Floors,
    heals: Heals,
}

impl Moment {
    /// Adds the folded streams of which the journal still has batches and nothing is listed.
    fn add_gone(&mut self, times: &Times) {
        let nothing = Floor { seq: GONE, pixels: 0 };
        let gone = times.streams().map(|(origin, _)| origin).filter(|origin| self.floors.of(*origin) == GONE);
        let gone: Vec<_> = gone.map(|origin| Stream { origin, pixels: 0, floor: nothing }).collect();
        self.streams.extend(gone);
    }
}

/// Why nothing is cut.
enum Trouble {
    /// The server stops.
    Over,
    Unreadable(ReadError),
    Unlogged(Unlogged),
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Unlogged> for Trouble {
    fn from(error: Unlogged) -> Self {
        match error {
            Unlogged::Over => Self::Over,
            error => Self::Unlogged(error),
        }
    }
}

/// What the thread remembers from one look to the next.
#[derive(Default)]
struct Looks {
    /// The last position that was seen, and since when, microseconds of the desk's clock.
    seen: Position,
    seen_us: u64,
    /// Up to here nothing is left to be cut by count or bytes.
    settled: Option<Position>,
    exact_us: u64,
    aged_us: u64,
    /// After a trouble nothing is tried before this time.
    pause_until_us: u64,
    was_told: bool,
    clock: BelievedClock,
}

/// What a look is for.
struct Due {
    by_number: bool,
    by_age: bool,
    /// To the record, for which parts of the journal are read.
    is_exact: bool,
}

impl Cutter {
    /// Makes one that keeps what these limits say.
    #[must_use]
    pub fn new(keep: Keep) -> Self {
        Self { keep, queue: Mutex::default(), changed: Condvar::new() }
    }

    /// Takes up a question; false if there are too many.
    pub fn ask(&self, asked: Arc<Asked>) -> bool {
        let mut queue = self.queue();
        queue.asked.retain(|asked| asked.is_open());
        if queue.asked.len() >= CUT_WAITERS_MAX || queue.is_over {
            return false;
        }
        queue.asked.push_back(asked);
        drop(queue);
        self.changed.notify_one();
        true
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next question; nothing when it is time for a look.
    fn next(&self) -> Option<Arc<Asked>> {
        let mut queue = self.queue();
        loop {
            if let Some(asked) = queue.asked.pop_front() {
                return Some(asked);
            }
            if queue.is_over {
                return None;
            }
            if self.keep.is_all() {
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            } else {
                let look = Duration::from_millis(CUT_LOOK_MS);
                let waited = self.changed.wait_timeout(queue, look).unwrap_or_else(PoisonError::into_inner);
                if waited.1.timed_out() {
                    return None;
                }
                queue = waited.0;
            }
        }
    }

    fn answer(&self, desk: &dyn Desk, times: &mut Times, asked: &Asked) {
        if !asked.is_open() {
            return;
        }
        asked.settle(match find_before(desk, times, asked.before) {
            Ok(records) => Ok(records),
            Err(Trouble::Unreadable(error)) => {
                desk.warn(&format!("the journal can't be read: {error}; {}", error.advice()));
                Err(answer::detail(500, "The journal can't be read; nothing was removed"))
            }
            Err(Trouble::Over | Trouble::Unlogged(_)) => Err(later()),
        });
    }

    /// Looks whether there is more than is to be kept, and cuts it.
    fn look(&self, desk: &dyn Desk, times: &mut Times, looks: &mut Looks) {
        let now_us = desk.now_us();
        if now_us < looks.pause_until_us {
            return;
        }
        match self.cut(desk, times, looks, now_us) {
            Ok(()) => looks.was_told = false,
            Err(Trouble::Over) => {}
            Err(trouble) => {
                looks.pause_until_us = now_us + CUT_QUIET_US;
                let why = match trouble {
                    Trouble::Unreadable(error) => format!("{error}; {}", error.advice()),
                    Trouble::Unlogged(error) => error.to_string(),
                    Trouble::Over => return,
                };
                if !std::mem::replace(&mut looks.was_told, true) {
                    desk.warn(&format!("can't cut the oldest pixels, as --keep says: {why}; trying again"));
                }
            }
        }
    }

    fn cut(&self, desk: &dyn Desk, times: &mut Times, looks: &mut Looks, now_us: u64) -> Result<(), Trouble> {
        let position = applied(desk).position;
        let due = self.due(looks, position, now_us);
        if !due.by_number && !due.by_age {
            return Ok(());
        }
        let moment = catch_up(desk, times)?;
        let finder = Finder::new(times, desk.reader(), &moment.streams);
        let mut floors = BTreeMap::new();
        if due.by_number {
            self.by_number(&finder, due.is_exact, &mut floors)?;
        }
        if let Some(age_us) = self.keep.age_us.filter(|_| due.by_age) {
            let key = Key::of_time(looks.clock.look(desk).saturating_sub(age_us));
            let hosts = desk.hosts(&applied(desk));
            let is_of = |origin: Origin| hosts.falls_here(origin.node, CUT_AWAY_US);
            let has_old = finder.oldest_us(&is_of).is_some_and(|oldest_us| oldest_us < key.time_us);
            join(&mut floors, finder.floors(key, due.is_exact && has_old, &is_of)?);
        }
        let is_worth = finder.is_worth(&floors);
        if is_worth {
            let floors: Vec<_> = floors.into_iter().collect();
            cut::records(&floors).into_iter().try_for_each(|record| desk.log(record))?;
        }
        if due.is_exact {
            looks.exact_us = now_us;
            looks.aged_us = if due.by_age { now_us } else { looks.aged_us };
            // Its own records are looked at like any others.
            looks.settled = (!is_worth).then_some(moment.position);
        }
        Ok(())
    }

    /// Returns what is to be looked at while the journal is applied up to `position`.
    fn due(&self, looks: &mut Looks, position: Position, now_us: u64) -> Due {
        if position != looks.seen {
            (looks.seen, looks.seen_us) = (position, now_us);
        }
        let is_quiet = now_us >= looks.seen_us + CUT_QUIET_US;
        let by_number = self.keep.count.is_some() || self.keep.bytes.is_some();
        let by_age = self.keep.age_us.is_some_and(|age_us| {
            let pause_us = (age_us / AGE_PARTS).clamp(CUT_QUIET_US, CUT_EXACT_EVERY_US);
            !is_quiet || now_us >= looks.aged_us + pause_us
        });
        Due {
            by_number: by_number && looks.settled != Some(position),
            by_age,
            is_exact: is_quiet || now_us >= looks.exact_us + CUT_EXACT_EVERY_US,
        }
    }

    /// Adds the floors of what is beyond the number and the bytes that are kept.
    fn by_number(
        &self,
        finder: &Finder<'_>,
        is_exact: bool,
        floors: &mut BTreeMap<Origin, Floor>,
    ) -> Result<(), Trouble> {
        for (measure, most) in [(Measure::Pixels, self.keep.count), (Measure::Bytes, self.keep.bytes)] {
            let excess = most.map_or(0, |most| finder.listed(measure).saturating_sub(most));
            if excess == 0 {
                continue;
            }
            let key =
                if is_exact { finder.exactly(measure, excess)? } else { finder.roughly(measure, excess) };
            join(floors, finder.floors(key, is_exact, &|_| true)?);
        }
        Ok(())
    }
}

fn join(floors: &mut BTreeMap<Origin, Floor>, others: BTreeMap<Origin, Floor>) {
    for (origin, floor) in others {
        let joined = floors.entry(origin).or_default();
        *joined = floor.max(*joined);
    }
}

/// Returns the records that clear what stands before a moment. All but the last one are logged; the request logs that.
fn find_before(desk: &dyn Desk, times: &mut Times, before: Before) -> Result<Vec<u8>, Trouble> {
    let moment = catch_up(desk, times)?;
    let finder = Finder::new(times, desk.reader(), &moment.streams);
    let floors = match before {
        Before::Time(time_us) => finder.floors(Key::of_time(time_us), true, &|_| true)?,
        Before::Place(place) => finder.floors_at(place.batch, place.index)?,
    };
    if !finder.is_worth(&floors) {
        return Ok(Vec::new());
    }
    let mut records = cut::records(&floors.into_iter().collect::<Vec<_>>());
    let last = records.pop().unwrap_or_default();
    records.into_iter().try_for_each(|record| desk.log(record))?;
    Ok(last)
}

/// Reads on up to what is applied; returns the state there.
fn catch_up(desk: &dyn Desk, times: &mut Times) -> Result<Moment, Trouble> {
    loop {
        let mut moment = {
            let applied = applied(desk);
            let state = applied.state::<PixelState>();
            let streams = state.map(|state| state.streams().to_vec());
            let floors = state.map(PixelState::floors).unwrap_or_default();
            let (position, heals) = (applied.position, applied.heals.clone());
            Moment { position, streams: streams.unwrap_or_default(), floors, heals }
        };
        // What is written meanwhile is for the next look, unless there is much of it.
        if times.follow(desk.reader(), moment.position, &moment.heals)? {
            moment.add_gone(times);
            return Ok(moment);
        }
        if desk.is_over() {
            return Err(Trouble::Over);
        }
    }
}

fn applied(desk: &dyn Desk) -> Reading<'_> {
    desk.applied().read()
}

impl Background for Cutter {
    fn name(&self) -> &'static str {
        "keep"
    }

    fn threads(&self, _: usize) -> usize {
        1
    }

    fn run(&self, desk: &dyn Desk) {
        let (mut times, mut looks) = (Times::default(), Looks::default());
        while !desk.is_over() {
            match self.next() {
                Some(asked) => self.answer(desk, &mut times, &asked),
                None => self.look(desk, &mut times, &mut looks),
            }
        }
    }

    fn stop(&self, _: &AppliedLock) {
        let mut queue = self.queue();
        queue.is_over = true;
        for asked in queue.asked.drain(..) {
            asked.settle(Err(later()));
        }
        drop(queue);
        self.changed.notify_all();
    }

    fn figures(&self, _: &Applied) -> Vec<Figure> {
        Vec::new()
    }
}
