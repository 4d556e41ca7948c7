//! The roster: which hosts there are, and whether they are there, by what is logged of them and what the link knows.

use super::Shared;
use crate::app::applied::Applied;
use crate::app::hosts::Hosts;
use crate::app::members::Ties;

/// Returns the hosts as of now. A member that this host has no link to is there while it is heard. The state comes
/// from the caller, who may have it in hand.
#[must_use]
pub fn hosts(shared: &Shared, applied: &Applied) -> Hosts {
    let (alone, now_us) = (Hosts::alone(shared.node), shared.clock.now_us());
    let hosts = match (&shared.peering, applied.seating.ties) {
        // What is connected there is the log, and no host.
        (Some(_), Ties::Log { .. }) | (None, _) => alone,
        (Some(peering), _) => peering.beside(alone, now_us),
    };
    let others = applied.members.iter().map(|(node, _)| node);
    others.fold(hosts, |hosts, node| hosts.with(node, shared.roll.away_us(node, now_us)))
}
