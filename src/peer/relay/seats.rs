//! Seats: a host of a log has one that nobody else has. It asks the log's register for one when it wants one, and tells the register
//! what it knows when it has one. One question at a time; what is not answered is asked again.

use super::calls::Calls;
use super::port::LogCall;
use super::register::{Roster, Round, Standing, Step};
use crate::base::ids::{NodeId, Origin};
use crate::base::limits::{RELAY_LATE_US, RELAY_PAUSE_US_MAX, RELAY_PAUSE_US_MIN, RELAY_REGISTER_LOOK_US};
use crate::base::seat::Seat;

/// A host's dealings with the register.
pub(super) struct Seats {
    host: Origin,
    roster: Roster,
    round: Round,
    /// The entry that was asked for last: the call's token, its name, and when an answer is late.
    asked: Option<(u64, String, u64)>,
    due_us: u64,
    /// Numbers that were entered by this process.
    numbers: u64,
    claimed: Option<Seat>,
    waits_for: Option<NodeId>,
}

impl Seats {
    /// Returns those of a process that knows nothing of its host yet.
    pub(super) fn new(host: Origin) -> Self {
        Self {
            host,
            roster: Roster::default(),
            round: Round::default(),
            asked: None,
            due_us: 0,
            numbers: 0,
            claimed: None,
            waits_for: None,
        }
    }

    /// Takes what the host has logged. A claim stands until the host has a seat, or another one has logged that seat.
    pub(super) fn take(&mut self, roster: Roster, now_us: u64) {
        if roster == self.roster {
            return;
        }
        let is_anothers = |seat: Seat| roster.others.iter().any(|other| !other.is_out && other.seat == seat);
        self.claimed.take_if(|seat| roster.own != Standing::Wants || is_anothers(*seat));
        self.roster = roster;
        self.begin(now_us);
    }

    /// Forgets what was asked and found: the log can't be reached, or something has changed.
    pub(super) fn begin(&mut self, due_us: u64) {
        (self.round, self.asked, self.due_us) = (Round::default(), None, due_us);
    }

    /// Returns the seat that the log has given to this host, which has not logged it yet.
    pub(super) fn claimed(&self) -> Option<Seat> {
        self.claimed
    }

    /// Returns the member that has to tell before this host gets a seat.
    pub(super) fn waits_for(&self) -> Option<NodeId> {
        self.waits_for
    }

    /// Returns when the next turn is due, microseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        let is_idle = self.claimed.is_some() || self.roster.own == Standing::Aside;
        let due_us = self.asked.as_ref().map_or(self.due_us, |(.., late_us)| *late_us);
        (!is_idle).then_some(due_us)
    }

    /// Takes what stands in an entry, if it was asked for with this token; whether it was.
    pub(super) fn entered(&mut self, token: u64, value: Option<u64>) -> bool {
        let Some((_, name, _)) = self.asked.take_if(|(asked, ..)| *asked == token) else { return false };
        self.round.found(name, value);
        true
    }

    /// Asks what is due.
    pub(super) fn turn(&mut self, calls: &mut Calls, now_us: u64) {
        if self.deadline().is_none_or(|due_us| due_us > now_us) {
            return;
        }
        // An answer that is late is as good as none: the entry may have been written.
        self.asked = None;
        let number = self.host.inc.0.wrapping_add(self.numbers);
        match self.round.step(self.host.node, number, &self.roster) {
            Step::Ask(name, value) => {
                self.numbers += 1;
                let token = calls.token();
                calls.push(LogCall::Enter { token, name: name.clone(), value });
                self.asked = Some((token, name, now_us + RELAY_LATE_US));
            }
            Step::Claimed(seat) => (self.claimed, self.waits_for) = (Some(seat), None),
            Step::Done => self.pause(RELAY_REGISTER_LOOK_US, None, now_us),
            Step::Again => self.pause(RELAY_PAUSE_US_MIN, None, now_us),
            Step::Full => self.pause(RELAY_PAUSE_US_MAX, None, now_us),
            Step::Waits(node) => self.pause(RELAY_PAUSE_US_MAX, Some(node), now_us),
        }
    }

    /// Begins another round after a pause.
    fn pause(&mut self, pause_us: u64, waits_for: Option<NodeId>, now_us: u64) {
        self.waits_for = waits_for;
        self.begin(now_us + pause_us);
    }
}
