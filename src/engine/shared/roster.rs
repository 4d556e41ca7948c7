//! The roster: which hosts there are, and whether they are there, by what is logged of them and what the link knows.

use std::sync::PoisonError;

use super::Shared;
use crate::app::hosts::Hosts;

/// Returns the hosts as of now. A member that this host has no link to counts as away since this process started.
#[must_use]
pub fn hosts(shared: &Shared) -> Hosts {
    let (alone, now_us) = (Hosts::alone(shared.node), shared.clock.now_us());
    let hosts = match &shared.peering {
        Some(peering) => peering.beside(alone, now_us),
        None => alone,
    };
    let applied = shared.applied.read().unwrap_or_else(PoisonError::into_inner);
    applied.members.iter().fold(hosts, |hosts, (node, _)| hosts.with(node, Some(now_us)))
}
