//! Seating: how this host stands to seats.

use super::Shared;
use super::refused::Refused;
use crate::app::members::{Member, Ties};
use crate::base::ids::NodeId;
use crate::peer::relay::{Listed, Roster, Standing};

/// Returns what this host has logged of the members of its cluster, and whether it wants a seat.
#[must_use]
pub fn roster(shared: &Shared) -> Roster {
    let is_joining = shared.space.is_joining();
    let applied = shared.applied.read();
    let (members, seating) = (&applied.members, applied.seating);
    let own = match members.seat_of(shared.node) {
        _ if !matches!(seating.ties, Ties::Log { .. }) => Standing::Aside,
        Some(seat) => Standing::Has(seat),
        None if is_joining || seating.is_seated(members) => Standing::Aside,
        None => Standing::Wants,
    };
    let listed = |(node, member): (NodeId, &Member)| Listed {
        node,
        seat: member.seat,
        is_out: member.is_forgotten || members.seat_of(node).is_none(),
    };
    let others = members.all().filter(|(node, _)| *node != shared.node).map(listed);
    Roster { own, others: others.collect() }
}

/// Looks whether this host has a seat; without one it takes no writes of requests.
pub fn look(shared: &Shared) {
    let applied = shared.applied.read();
    let is_seated = applied.seating.is_seated(&applied.members);
    drop(applied);
    let waits_for = shared.claim.waits_for();
    shared.space.set_seatless((!is_seated).then(|| Refused::seatless(waits_for)));
}
