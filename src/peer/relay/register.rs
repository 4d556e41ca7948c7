//! The register of a log: entries that are written once, in which it stands who has which seat.
//!
//! ```text
//! NUMBER            the first host of a seat
//! NUMBER-NODE       the host that has it after NODE, which is forgotten or has none after all
//! told-NODE, told-again-NODE    that all seats which NODE knows of are entered; a number that is another one each time
//! ```
//!
//! The host that stands last in a seat's row has it. So two that want one seat write the same entry, and the log gives it to one.
//!
//! A log may be made anew, and with it the register. The truth is what members have logged; so each of them enters all that it knows
//! before it says that it has told, and nobody is given a seat before all members that it knows have told. It is said twice, and looked
//! at before and behind a claim: else a register that is lost in between would have the end of a row and not what was before it.

use std::collections::BTreeMap;

use crate::base::ids::NodeId;
use crate::base::seat::Seat;

/// The members of a cluster as a host has them in its journal, and how it stands to seats itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// The host's own standing.
    pub own: Standing,
    /// All others of which something is logged.
    pub others: Vec<Listed>,
}

/// How a host stands to seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It needs none now.
    #[default]
    Aside,
    /// It wants one.
    Wants,
    /// It has logged this one.
    Has(Seat),
}

/// Another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its directory.
    pub node: NodeId,
    /// The seat that it has logged.
    pub seat: Seat,
    /// It has no seat to tell of: it is no member any more, or another one has that seat rather. Two that have lost theirs to a third one
    /// would wait for each other.
    pub is_out: bool,
}

/// The next thing to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Write this into the entry of this name, unless something stands there, or only look.
    Ask(String, Option<u64>),
    /// Nothing before the next round.
    Done,
    /// The seat is this host's.
    Claimed(Seat),
    /// This member has not told yet.
    Waits(NodeId),
    /// Everything may have changed: begin another round.
    Again,
    /// All seats are taken.
    Full,
}

/// Entries that were looked up, and the number that was found in each.
pub(super) type Known = BTreeMap<String, Option<u64>>;

/// One round through the register. What was found is kept for the round and not longer.
#[derive(Default)]
pub(super) struct Round {
    /// What was found before the decisive entry, and once more behind it.
    known: [Known; 2],
    phase: usize,
}

/// What a row says of a host.
enum Row {
    /// Not all of it is known.
    Ask(String, Option<u64>),
    /// The host stands in it, and is the last one.
    Last,
    /// It stands in it, and another one behind it.
    Before,
    /// It does not stand in it, nor may it.
    Taken,
}

/// The most hosts that a row is followed for.
const ROW_MAX: usize = 4_096;

impl Round {
    /// Takes what stands in an entry.
    pub(super) fn found(&mut self, name: String, value: Option<u64>) {
        self.known[self.phase].insert(name, value);
    }

    /// Returns what comes next for the host `own`; `number` is one that was never entered before.
    pub(super) fn step(&mut self, own: NodeId, number: u64, roster: &Roster) -> Step {
        match roster.own {
            Standing::Aside => Step::Done,
            Standing::Has(seat) => self.tell(own, seat, number, &roster.others),
            Standing::Wants => self.claim(own, &roster.others),
        }
    }

    fn value(&self, name: &str) -> Option<Option<u64>> {
        self.known[self.phase].get(name).copied()
    }

    /// Follows the row of a seat to the end; `enters` says whether the host is to be written behind this last one.
    fn row(&self, seat: Seat, node: NodeId, enters: impl Fn(Option<NodeId>) -> bool) -> Row {
        let (mut last, mut is_in) = (None, false);
        for _ in 0..ROW_MAX {
            let name = entry(seat, last);
            let may_enter = !is_in && enters(last);
            match self.value(&name) {
                None if is_in || may_enter => return Row::Ask(name, may_enter.then_some(node.0)),
                None => return Row::Taken,
                Some(None) if is_in => return if last == Some(node) { Row::Last } else { Row::Before },
                Some(None) => return Row::Taken,
                Some(Some(next)) => {
                    last = Some(NodeId(next));
                    is_in |= last == Some(node);
                }
            }
        }
        Row::Taken
    }

    /// Enters the seats of all hosts that this one knows of, and that it has; twice.
    fn tell(&mut self, own: NodeId, seat: Seat, number: u64, others: &[Listed]) -> Step {
        let own_seat = Listed { node: own, seat, is_out: false };
        for (phase, told) in [told(own), told_again(own)].into_iter().enumerate() {
            self.phase = phase;
            match self.value(&told) {
                None => return Step::Ask(told, None),
                Some(Some(_)) => continue,
                Some(None) => {}
            }
            for listed in others.iter().chain([&own_seat]) {
                // Whoever stands there already, this one is a member too and stands behind him.
                if let Row::Ask(name, value) = self.row(listed.seat, listed.node, |_| true) {
                    return Step::Ask(name, value);
                }
            }
            self.known[phase].remove(&told);
            return Step::Ask(told, Some(number));
        }
        Step::Done
    }

    /// Looks for a seat that nobody has, and takes it.
    fn claim(&mut self, own: NodeId, others: &[Listed]) -> Step {
        self.phase = 0;
        if let Some(step) = self.ask_told(others) {
            return step;
        }
        for seat in candidates(own, others) {
            // One that is out of another seat may have come for this one, and not have logged it yet.
            let is_left = |node: NodeId| {
                others.iter().any(|other| other.node == node && other.is_out && other.seat == seat)
            };
            match self.row(seat, own, |last| last.is_none_or(is_left)) {
                Row::Ask(name, value) => return Step::Ask(name, value),
                Row::Before | Row::Taken => {}
                Row::Last => return self.look_again(seat, others),
            }
        }
        Step::Full
    }

    /// Returns the question whether all members have told, or that one has not.
    fn ask_told(&self, others: &[Listed]) -> Option<Step> {
        let members = others.iter().filter(|other| !other.is_out);
        for (node, name) in members
            .flat_map(|other| [told(other.node), told_again(other.node)].map(|name| (other.node, name)))
        {
            match self.value(&name) {
                None => return Some(Step::Ask(name, None)),
                Some(None) => return Some(Step::Waits(node)),
                Some(Some(_)) => {}
            }
        }
        None
    }

    /// Looks whether the register is still the one in which the members have told.
    fn look_again(&mut self, seat: Seat, others: &[Listed]) -> Step {
        self.phase = 1;
        if let Some(step) = self.ask_told(others) {
            return step;
        }
        let [before, behind] = &self.known;
        let is_same = behind.iter().all(|(name, value)| before.get(name) == Some(value));
        if is_same { Step::Claimed(seat) } else { Step::Again }
    }
}

/// Returns the seats that a host may ask for, in the order in which it does: those that nobody had come first.
fn candidates(own: NodeId, others: &[Listed]) -> impl Iterator<Item = Seat> + '_ {
    let usual = Seat::of_node(own);
    let is_free =
        |seat: &Seat| *seat != Seat::FIRST && others.iter().all(|other| other.is_out || other.seat != *seat);
    let was_free = move |seat: &Seat| is_free(seat) && others.iter().all(|other| other.seat != *seat);
    let unused = [usual].into_iter().chain(Seat::all().filter(move |seat| *seat != usual)).filter(was_free);
    let left = Seat::all().filter(move |seat| is_free(seat) && !was_free(seat));
    unused.chain(left)
}

fn entry(seat: Seat, after: Option<NodeId>) -> String {
    after.map_or_else(|| seat.to_string(), |node| format!("{seat}-{node}"))
}

fn told(node: NodeId) -> String {
    format!("told-{node}")
}

fn told_again(node: NodeId) -> String {
    format!("told-again-{node}")
}

#[cfg(test)]
#[path = "register_tests.rs"]
mod tests;
