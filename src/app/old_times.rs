//! Old items in the order of the times as of which they count.
//!
//! A run has them by the times with which they were written. Heals that came since move some of them to an earlier time;
//! `old_later` knows which.

use std::collections::BTreeSet;
use std::io;

use super::heal::Heals;
use super::old_view::{OldReader, OldView, Walk};
use crate::base::ids::{Origin, Seq};
use crate::base::places::{Place, Places, place_bytes};
use crate::log::runs::item::{Item, TIMES};

/// A part of a stream whose items count as of one time, unless they are earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    time_us: u64,
    origin: Origin,
    first: Seq,
    last: Seq,
}

/// Returns them by their times.
fn spans(heals: &Heals) -> Vec<Span> {
    let origins: BTreeSet<Origin> = heals.iter().map(|heal| heal.origin).collect();
    let mut spans = Vec::new();
    for origin in origins {
        let of_stream = heals.iter().filter(|heal| heal.origin == origin);
        let edges: BTreeSet<Seq> =
            of_stream.flat_map(|heal| [Some(heal.first), heal.last.checked_add(1)]).flatten().collect();
        let mut edges = edges.into_iter().peekable();
        while let Some(first) = edges.next() {
            let last = edges.peek().map_or(Seq::MAX, |next| next - 1);
            let time_us = heals.time_us(origin, first, u64::MAX);
            if time_us < u64::MAX {
                spans.push(Span { time_us, origin, first, last });
            }
        }
    }
    spans.sort_unstable();
    spans
}

/// Where an item stands in the order of times.
pub type TimePlace = (u64, Place);

/// Returns the key of the table of times behind which an item stands.
#[must_use]
pub fn time_key((time_us, place): TimePlace) -> Vec<u8> {
    [&time_us.to_be_bytes()[..], &place_bytes(place)].concat()
}

fn of_key(key: &[u8], place: Place) -> io::Result<TimePlace> {
    let time = key.first_chunk().ok_or(io::ErrorKind::InvalidData)?;
    Ok((u64::from_be_bytes(*time), place))
}

/// Returns whether any item may stand behind a place in the order of times, or there is one at all without: without reading.
#[must_use]
pub fn reach_behind(view: &OldView, after: Option<TimePlace>) -> bool {
    // What was healed stands before where it was written.
    view.highest(TIMES).is_some_and(|highest| after.is_none_or(|after| highest > &time_key(after)[..]))
}

/// Goes through old items in the order of times.
pub struct InTime {
    reader: OldReader,
    plain: Walk,
    /// The next one of the table that no heal has moved.
    ahead: Option<TimePlace>,
    moved: Places,
    /// Those that were moved, in their order, the next one last.
    healed: Vec<TimePlace>,
}

impl InTime {
    /// Begins behind a place, or with the first item without one; goes on for at most `most` items.
    ///
    /// # Errors
    /// Fails as [`OldReader::item`] does.
    pub fn behind(view: &OldView, heals: &Heals, after: Option<TimePlace>, most: usize) -> io::Result<Self> {
        let moved = moved(view, heals)?;
        let mut healed = Vec::new();
        for span in spans(heals) {
            let of_span = moved.between(span.origin, span.first, span.last);
            let places = of_span.iter().map(|place| (span.time_us, place));
            let missing = most.saturating_sub(healed.len());
            healed.extend(places.filter(|at| after.is_none_or(|after| *at > after)).take(missing));
        }
        healed.reverse();
        let reader = view.reader();
        // Behind the key itself.
        let from = after.map_or_else(Vec::new, |after| [&time_key(after)[..], &[0]].concat());
        let plain = reader.ascending(TIMES, &from);
        let mut walk = Self { reader, plain, ahead: None, moved, healed };
        walk.look_ahead()?;
        Ok(walk)
    }

    fn look_ahead(&mut self) -> io::Result<()> {
        self.ahead = None;
        while let Some((key, place)) = self.plain.step()? {
            if !self.moved.contains(&place) {
                self.ahead = Some(of_key(&key, place)?);
                break;
            }
        }
        Ok(())
    }

    /// Returns where the next item stands; nothing at the end.
    #[must_use]
    pub fn peek(&self) -> Option<TimePlace> {
        [self.ahead, self.healed.last().copied()].into_iter().flatten().min()
    }

    /// Gives the next item, and the time as of which it counts.
    ///
    /// # Errors
    /// Fails as [`OldReader::item`] does.
    pub fn step(&mut self) -> io::Result<Option<(u64, Item)>> {
        let Some(next) = self.peek() else { return Ok(None) };
        if self.ahead == Some(next) {
            self.look_ahead()?;
        } else {
            self.healed.pop();
        }
        let item = self.reader.item(next.1)?.ok_or(io::ErrorKind::InvalidData)?;
        Ok(Some((next.0, item)))
    }
}

/// Returns who gives items in the order of times, at most so many that heals have moved. It reads nothing before the first call,
/// so that it can be made while others wait for the state.
pub fn lazily(
    view: OldView,
    heals: Heals,
    most: usize,
) -> impl FnMut() -> io::Result<Option<(u64, Item)>> + Send {
    let mut walk = None;
    move || {
        let walk = match &mut walk {
            Some(walk) => walk,
            none => none.insert(InTime::behind(&view, &heals, None, most)?),
        };
        walk.step()
    }
}

/// Returns the last item in the order of times, and the time as of which it counts.
///
/// # Errors
/// Fails as [`OldReader::item`] does.
pub fn latest(view: &OldView, heals: &Heals) -> io::Result<Option<(u64, Item)>> {
    let moved = moved(view, heals)?;
    let mut reader = view.reader();
    let mut plain = reader.descending(TIMES, &[0xFF; 40]);
    let mut latest = None;
    while let Some((key, place)) = plain.step()? {
        if !moved.contains(&place) {
            latest = Some(of_key(&key, place)?);
            break;
        }
    }
    let last_of = |span: &Span| {
        let of_span = moved.between(span.origin, span.first, span.last);
        of_span.iter().last().map(|place| (span.time_us, place))
    };
    let healed = spans(heals).iter().rev().find_map(last_of);
    let Some(latest) = latest.max(healed) else { return Ok(None) };
    let item = reader.item(latest.1)?.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Some((latest.0, item)))
}

/// Returns the items that heals have moved.
fn moved(view: &OldView, heals: &Heals) -> io::Result<Places> {
    let mut moved = Places::default();
    if !heals.is_empty() {
        for part in view.parts() {
            moved.add_all(&part.later.places(&part.run, heals)?.minus(&part.gone));
        }
    }
    Ok(moved)
}
