//! The roster: which hosts there are, and whether they are there, by what is logged of them and what the link knows.

use std::sync::PoisonError;

use super::Shared;
use crate::app::hosts::Hosts;
use crate::app::members::Ties;

/// Returns the hosts as of now. A member that this host has no link to is there while it is heard.
#[must_use]
pub fn hosts(shared: &Shared) -> Hosts {
    let (alone, now_us) = (Hosts::alone(shared.node), shared.clock.now_us());
    let applied = shared.applied.read().unwrap_or_else(PoisonError::into_inner);
    let hosts = match (&shared.peering, applied.seating.ties) {
        // What is connected there is the log, and no host.
        (Some(_), Ties::Log(_)) | (None, _) => alone,
        (Some(peering), _) => peering.beside(alone, now_us),
    };
    let others = applied.members.iter().map(|(node, _)| node);
    others.fold(hosts, |hosts, node| hosts.with(node, shared.roll.away_us(node, now_us)))
}
