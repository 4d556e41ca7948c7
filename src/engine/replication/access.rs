//! What all parts of a replica need of the server.

use crate::base::ids::Position;
use crate::engine::shared::Shared;
use crate::engine::shared::peering::Peering;

/// Returns the parts between link and commit step.
pub(super) fn peering_of(shared: &Shared) -> &Peering {
    shared.peering.as_ref().expect("a replica belongs to a server with a peer")
}

/// Returns how far the journal can be read: behind the last batch that was applied.
pub(super) fn readable_to(shared: &Shared) -> Position {
    shared.applied.read().position
}
