//! Membership: what the keeper has logged of which hosts there are.

use crate::app::members::{Members, Ties};
use crate::base::ids::NodeId;
use crate::base::tag::MEMBER;
use crate::engine::shared::Shared;
use crate::os::address;

/// Returns the record that is due: this host is a member once it has met its peer and knows everything of it, or the host that the
/// peer has replaced is forgotten. Nothing while `peer` is not known, or does not understand that.
pub(super) fn due(shared: &Shared, peer: Option<NodeId>) -> Option<Vec<u8>> {
    let (_, peer) = shared.peering.as_ref().zip(peer)?;
    shared.understanding.admits_kinds(&[MEMBER]).ok()?;
    let applied = shared.applied.read();
    let (members, ties) = (&applied.members, applied.seating.ties);
    let (own, name) = (shared.node, address::name_of_this_machine());
    let joined = || match ties {
        Ties::Log { .. } => {
            let seat = members.seat_of(own).or(shared.claim.seat()).or(ties.usual())?;
            members.seated_record(own, seat, &name)
        }
        Ties::Pair(usual) => members.join_record(own, usual, &name),
        Ties::Alone => None,
    };
    joined().or_else(|| members.forget_record(replaced(members, ties, shared.node, peer)?))
}

/// Returns a member that is none of the two hosts of a link: their cluster has no other one.
fn replaced(members: &Members, ties: Ties, own: NodeId, peer: NodeId) -> Option<NodeId> {
    if !matches!(ties, Ties::Pair(_)) {
        return None;
    }
    members.iter().map(|(node, _)| node).find(|node| ![own, peer].contains(node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seat::Seat;
    use crate::log::format::record;

    #[test]
    fn a_third_member_is_forgotten_on_a_link_and_not_on_a_log() {
        let ([own, peer, other], seat) = ([1, 2, 3].map(NodeId), Seat::of_pair(true));
        let mut members = Members::default();
        for node in [own, peer, other] {
            let said = members.join_record(node, seat, "").unwrap();
            members.hear(1, record::payload(&said));
        }
        assert_eq!(replaced(&members, Ties::Pair(seat), own, peer), Some(other));
        assert_eq!(replaced(&members, Ties::Log { is_first: true }, own, NodeId(9)), None);
        let said = members.forget_record(other).unwrap();
        members.hear(1, record::payload(&said));
        assert_eq!(replaced(&members, Ties::Pair(seat), own, peer), None);
    }
}
