//! Who gives numbers with which seat.

use std::collections::{BTreeMap, BTreeSet};

use pixeld::base::ids::NodeId;

use super::super::host::Up;

/// What was seen of seats.
#[derive(Default)]
pub struct Seats {
    /// The host that gives numbers with a seat, or has.
    of: BTreeMap<u16, NodeId>,
    /// Hosts of which no other one had heard when the register was lost: they may meet another one.
    pub excused: BTreeSet<NodeId>,
}

impl Seats {
    /// Notes with which seat a host gives numbers. No two ever do with the same one, at whatever time.
    pub fn note(&mut self, seed: u64, up: &Up) {
        if !up.is_open() {
            return;
        }
        let (own, applied) = (up.origin().node, up.shared.applied.read());
        let seat = applied.seating.seat(&applied.members).expect("an open host has one").number();
        let other = *self.of.entry(seat).or_insert(own);
        let is_excused = [own, other].iter().any(|node| self.excused.contains(node));
        assert!(
            other == own || is_excused,
            "seed {seed}: {other} and {own} give numbers with the seat {seat}"
        );
    }
}
