//! Membership: what the keeper has logged of which hosts there are.

use std::sync::PoisonError;

use crate::app::members::Members;
use crate::base::ids::NodeId;
use crate::base::tag::MEMBER;
use crate::engine::shared::Shared;
use crate::os::address;

/// Returns the record that is due: this host is a member once it has met its peer and knows everything of it, or the host that the
/// peer has replaced is forgotten. Nothing while `peer` is not known, or does not understand that.
pub(super) fn due(shared: &Shared, peer: Option<NodeId>) -> Option<Vec<u8>> {
    let (_, peer) = shared.peering.as_ref().zip(peer)?;
    shared.understanding.admits_kinds(&[MEMBER]).ok()?;
    let applied = shared.applied.read().unwrap_or_else(PoisonError::into_inner);
    let (members, usual) = (&applied.members, applied.seating.of_pair?);
    let joined = || members.join_record(shared.node, usual, &address::name_of_this_machine());
    joined().or_else(|| members.forget_record(replaced(members, shared.node, peer)?))
}

/// Returns a member that is none of the two hosts of a link: their cluster has no other one.
fn replaced(members: &Members, own: NodeId, peer: NodeId) -> Option<NodeId> {
    members.iter().map(|(node, _)| node).find(|node| ![own, peer].contains(node))
}
