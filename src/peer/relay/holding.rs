//! What the relay says the log has.

use crate::base::ids::{Origin, Seq};
use crate::peer::session::{Holding, Session};

/// Tells the host that the log has a stream up to here; what was said before is not taken back.
pub(super) fn hold(
    session: &mut Session,
    origin: Origin,
    received: Seq,
    durable: Seq,
    chain: u64,
    now_us: u64,
) {
    let before = session.held(origin);
    let (had, was_durable) = before.map_or((0, 0), |held| (held.received, held.durable));
    let (received, chain) = match before {
        Some(held) if had > received => (held.received, held.chain),
        _ => (received, chain),
    };
    let durable = durable.max(was_durable);
    session.hold(&Holding { origin, received, durable, first: 1, chain }, now_us);
}
