//! Apart: where one host can't bring the other one forward any more, because it has removed what that one lacks.
//!
//! If only one lacks something, it can be made anew without loss once the other one has everything that it has itself: so
//! it takes no writes, and says when that is so. If both do, or the other one is away again, both go on.

use super::Replica;
use super::access::peering_of;
use crate::base::ids::Origin;
use crate::engine::shared::peering::standing::Bond;
use crate::engine::shared::refused::Refused;
use crate::peer::fault::{ByeCode, Close, ErrorCode};

impl Replica {
    /// Looks whether the two hosts have parted, now that the peer has said what it has and what it can still send.
    pub(super) fn look_whether_apart(&mut self) {
        let peering = peering_of(&self.shared);
        let session = &self.session;
        // A host that is empty gets a snapshot.
        let takes_batches =
            !(self.shared.space.is_joining() && session.holdings().all(|held| held.received == 0));
        let lacks = takes_batches
            && session.holdings().any(|held| {
                held.origin != peering.own && session.peer_first(held.origin) > held.received + 1
            });
        let bond = match (lacks, self.shipping.is_refusing()) {
            (false, false) => Bond::Sound,
            (true, false) => Bond::LeftBehind,
            (false, true) => Bond::PeerLeftBehind,
            (true, true) => Bond::Parted,
        };
        let before = peering.standing.set_bond(bond);
        if before != bond {
            match bond {
                Bond::Parted => tracing::error!(
                    "the two hosts have parted: each lacks records that the other one does not keep any more. Both go on taking \
                     writes; keep one of them, and copy to it what only the other one has (`pixeld inspect A B` names it)"
                ),
                Bond::LeftBehind => tracing::error!(
                    "this host is left behind: the peer has removed what this one lacks. Writes are refused while the peer is \
                     there; writes_refused in /health says what to do"
                ),
                Bond::Sound | Bond::PeerLeftBehind => {}
            }
        }
        let refused = (bond == Bond::LeftBehind).then(|| self.left_behind());
        self.shared.space.set_left_behind(refused);
    }

    /// Notes that the session is over. A host that is left behind takes writes again when it is not because of that.
    pub(super) fn part(&self, close: &Close) {
        if peering_of(&self.shared).standing.bond() != Bond::LeftBehind {
            return;
        }
        let is_because = match close {
            Close::Refused { code, .. } => *code == ErrorCode::RangeGone as u16,
            Close::Bye { code, .. } => *code == ByeCode::Replaced as u16,
            Close::Violation(violation) => violation.code() == ErrorCode::RangeGone,
            Close::Left(code) => *code == ByeCode::Replaced,
            Close::Failed(_) | Close::Lost(_) | Close::NoHello | Close::Silent => false,
        };
        self.shared.space.set_left_behind(is_because.then(|| self.left_behind()));
    }

    /// Returns why this host takes no writes, and what of its own the other one has by now.
    fn left_behind(&self) -> Refused {
        let there = peering_of(&self.shared).standing.look().durable;
        let applied = self.shared.applied.read();
        let here = applied.vector.clone();
        drop(applied);
        let missing: u64 = here.iter().map(|(origin, seq)| seq.saturating_sub(there.seq_of(origin))).sum();
        let is_own = |&(origin, _): &(Origin, u64)| origin.node == self.shared.node;
        let last = here.iter().filter(is_own).max_by_key(|(origin, _)| origin.inc);
        Refused::left_behind(missing, last)
    }
}
