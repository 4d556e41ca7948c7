//! Whether a write is taken, and the answer to one that is not.

use super::context::Context;
use super::held::Asked;
use super::route;
use crate::base::tag;
use crate::engine::shared::metrics::Reject;
use crate::engine::shared::refused::Cause;
use crate::engine::shared::space::Intake;
use crate::http::response::Response;

/// Says whether the intake takes this write, and at the level it asks for; `is_peer_behind` when too many wait for the peer.
///
/// # Errors
/// Returns the answer to a write that is not taken.
pub(super) fn may_write(asked: &Asked, is_peer_behind: bool, context: &Context) -> Result<(), Response> {
    if asked.names_no_level {
        return Err(route::no_level());
    }
    if asked.durability.waits_for_others() {
        if asked.durability != context.shared.durability_max {
            context.reject(Reject::Durability);
            return Err(route::out_of_reach(asked.durability));
        }
        if is_peer_behind {
            context.reject(Reject::Busy);
            return Err(route::peer_behind(asked.durability));
        }
        hurry_link(context);
    }
    intake_takes(asked, context)
}

/// Says whether the intake takes this write.
///
/// # Errors
/// Returns the answer to a write that is not taken.
pub(super) fn intake_takes(asked: &Asked, context: &Context) -> Result<(), Response> {
    match context.shared.space.intake() {
        Intake::Open | Intake::Waiting => Ok(()),
        Intake::FreeingOnly if asked.frees_space => Ok(()),
        Intake::Joining => {
            context.reject(Reject::Joining);
            Err(route::joining())
        }
        Intake::FreeingOnly | Intake::Closed => {
            context.reject(Reject::DiskFull);
            Err(route::no_space())
        }
        Intake::Refused | Intake::Seatless => Err(refusal(context)),
    }
}

/// Says whether the peer understands these records.
///
/// # Errors
/// Returns the answer to a write of a kind that it does not know.
pub(super) fn is_understood(records: &[u8], context: &Context) -> Result<(), Response> {
    // Short records every program understands.
    if records.first().is_none_or(|tag| tag::is_short(*tag)) {
        return Ok(());
    }
    context.shared.understanding.admits(records).map_err(|too_old| route::too_old(&too_old))
}

/// Has batches go to the peer as they come, since somebody waits for that.
fn hurry_link(context: &Context) {
    if let Some(peering) = &context.shared.peering {
        peering.hurry();
    }
}

/// Returns the answer to a write of a host that takes none, whatever room there is.
#[cold]
fn refusal(context: &Context) -> Response {
    let Some(refused) = context.shared.space.refused() else { return route::lane_full() };
    context.reject(match refused.cause {
        Cause::NoSpace => Reject::DiskFull,
        Cause::ReadOnly => Reject::ReadOnly,
        Cause::DiskFault => Reject::DiskFault,
        Cause::LeftBehind => Reject::LeftBehind,
        Cause::Seatless => Reject::Seatless,
    });
    route::refused(&refused)
}
