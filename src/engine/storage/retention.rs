//! Which segments that nobody here needs wait for other hosts, and when they have waited long enough.

use std::collections::BTreeSet;

use crate::app::members::{Members, Ties};
use crate::base::folds::Folds;
use crate::base::ids::NodeId;
use crate::base::vector::VersionVector;
use crate::engine::shared::Shared;
use crate::engine::shared::settings::Retention;
use crate::log::files::known_peer::KnownPeer;
use crate::log::read::reader::SegmentInfo;
use crate::os::disk::Disk;

/// Looks after which what the peer has is written down, should it have changed: ten seconds.
const LOOKS_PER_STORE: u32 = 50;

/// What other hosts are known to have, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// For each of them, what is durable there of each stream.
    pub durable: Vec<(NodeId, VersionVector)>,
    /// The bound on what waits for nobody else.
    pub retention: Retention,
}

/// What may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removable {
    /// This many of the oldest segments may be removed.
    pub segments: usize,
    /// With the last of them something goes that this host does not have: the first one of those.
    pub leaves_behind: Option<NodeId>,
}

/// Returns how many of `unneeded` may go: the oldest segments, which nobody on this host needs, as many as there are. `waiting`
/// is nothing where there is no other host.
#[must_use]
pub fn removable(
    unneeded: &[SegmentInfo],
    waiting: Option<&Waiting>,
    segment_bytes: u64,
    free_bytes: u64,
) -> Removable {
    let Some(Waiting { durable, retention }) = waiting else {
        return Removable { segments: unneeded.len(), leaves_behind: None };
    };
    let lacks = |segment: &SegmentInfo| {
        let has =
            |durable: &VersionVector| segment.end_vector.as_ref().is_some_and(|end| durable.covers(end));
        durable.iter().find(|(_, durable)| !has(durable)).map(|(node, _)| *node)
    };
    let shipped = unneeded.iter().take_while(|segment| lacks(segment).is_none()).count();
    let kept = (unneeded.len() - shipped) as u64;
    let may_be_kept = retention.bytes(kept * segment_bytes, free_bytes) / segment_bytes;
    let excess = usize::try_from(kept.saturating_sub(may_be_kept)).unwrap_or(usize::MAX);
    let segments = shipped + excess;
    Removable { segments, leaves_behind: unneeded[shipped..segments].last().and_then(lacks) }
}

/// What the keeper knows of the peer, in memory and in the file `peer`.
pub struct PeerRetention {
    retention: Retention,
    known: Option<KnownPeer>,
    /// Looks since something changed that is not in the file.
    unstored: Option<u32>,
    left_behind: Option<NodeId>,
}

impl PeerRetention {
    /// Goes on from what the file says.
    #[must_use]
    pub fn new(retention: Retention, known: Option<KnownPeer>) -> Self {
        Self { retention, known, unstored: None, left_behind: None }
    }

    /// Takes over what the link has heard, and writes it down: another directory or program at once, progress every ten
    /// seconds.
    pub fn look_at_peer(&mut self, shared: &Shared, disk: &dyn Disk) {
        let Some(peering) = &shared.peering else { return };
        let picture = peering.look();
        let Some(node) = picture.node else { return };
        let kinds = shared.understanding.of(node);
        let now = KnownPeer { node, kinds, durable: picture.durable };
        if self.known.as_ref() != Some(&now) {
            let is_same = |known: &KnownPeer| (known.node, known.kinds) == (node, kinds);
            let is_other = !self.known.as_ref().is_some_and(is_same);
            let looks = if is_other { LOOKS_PER_STORE } else { self.unstored.unwrap_or(0) };
            (self.known, self.unstored) = (Some(now), Some(looks));
        }
        if let (Some(looks), Some(known)) = (&mut self.unstored, &self.known) {
            *looks += 1;
            if *looks < LOOKS_PER_STORE {
                return;
            }
            match known.store(disk) {
                Ok(()) => self.unstored = None,
                Err(error) => {
                    *looks = 0;
                    tracing::warn!(%error, "can't note what the peer has; trying again");
                }
            }
        }
    }

    /// Returns the peer's data directory, if one is known.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        self.known.as_ref().map(|known| known.node)
    }

    /// Returns the peer that is known.
    #[must_use]
    pub fn into_known(self) -> Option<KnownPeer> {
        self.known
    }

    /// Returns the hosts that segments and folds wait for, in rising order: the peer, if it is known, and all other members. A log is
    /// no host: what it has says nothing of what members have. Of its hosts those are waited for too that are heard and are
    /// no members yet: a newcomer's history is not to go before it has it.
    #[must_use]
    pub fn hosts(&self, shared: &Shared) -> Vec<NodeId> {
        let heard = shared.roll.heard(shared.clock.now_us());
        let applied = shared.applied.read();
        others(&applied.members, applied.seating.ties, shared.node, self.node(), &heard)
    }

    /// Returns what segments wait for; nothing on a host that never had a peer and is not told to have one.
    #[must_use]
    pub fn waiting(&self, shared: &Shared) -> Option<Waiting> {
        let hosts = self.hosts(shared);
        let folds = shared.applied.read().vector.folds().clone();
        let of_host = |node: NodeId| {
            let known = self.known.as_ref().filter(|known| known.node == node);
            (node, known.map_or_else(|| said(shared, node, &folds), |known| known.durable.clone()))
        };
        let mut durable: Vec<(NodeId, VersionVector)> = hosts.into_iter().map(of_host).collect();
        if durable.is_empty() {
            // One that is not known yet has nothing.
            let peering = shared.peering.as_ref()?;
            durable.push((peering.look().node.unwrap_or(NodeId(0)), VersionVector::new()));
        }
        Some(Waiting { durable, retention: self.retention })
    }

    /// Says once that a host can't catch up any more.
    pub fn note(&mut self, verdict: &Removable) {
        if let Some(node) = verdict.leaves_behind.filter(|node| self.left_behind != Some(*node)) {
            tracing::error!(
                %node,
                "a host has been away for longer than --peer-retention allows: segments that it lacks are removed. Unless another \
                 host keeps them, it has to be set up afresh (an empty directory, `pixeld init --join`); `pixeld forget-host \
                 NODE` (of two hosts: `pixeld forget-peer`) here stops the waiting for good"
            );
        }
        self.left_behind = verdict.leaves_behind;
    }
}

/// Returns what a host of a log has said to have durably. One that calls anything durable has what is folded, or it would not
/// be folded.
fn said(shared: &Shared, node: NodeId, folds: &Folds) -> VersionVector {
    let mut durable = shared.roll.durable(node);
    if !durable.is_empty() {
        let named = durable.clone();
        durable.join_folds(folds, |origin| named.seq_of(origin) > 0);
    }
    durable
}

fn others(members: &Members, ties: Ties, own: NodeId, peer: Option<NodeId>, heard: &[NodeId]) -> Vec<NodeId> {
    let is_log = matches!(ties, Ties::Log { .. });
    let unlisted = heard.iter().copied().filter(|node| is_log && members.get(*node).is_none());
    let listed = members.iter().map(|(node, _)| node);
    let all = listed.chain(peer.filter(|_| !is_log)).chain(unlisted).filter(|node| *node != own);
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::ids::{Inc, NodeId, Origin, Position};
    use crate::base::seat::Seat;
    use crate::log::format::record;

    const ORIGIN: Origin = Origin { node: NodeId(1), inc: Inc(1) };

    fn vector(seq: u64) -> VersionVector {
        let mut vector = VersionVector::new();
        vector.raise(ORIGIN, seq);
        vector
    }

    /// Ten records in each.
    fn segments(count: u64) -> Vec<SegmentInfo> {
        let segment = |number: u64| SegmentInfo {
            number: number as u32,
            start_vector: Arc::new(vector(10 * (number - 1))),
            end_vector: Some(Arc::new(vector(10 * number))),
            end: Some(Position(number)),
            is_pinned: false,
        };
        (1..=count).map(segment).collect()
    }

    fn verdict(count: u64, durable: u64, retention: Retention, free_bytes: u64) -> (usize, bool) {
        let durable = vec![(NodeId(2), vector(50)), (NodeId(3), vector(durable))];
        let waiting = Waiting { durable, retention };
        let Removable { segments, leaves_behind } =
            removable(&segments(count), Some(&waiting), 100, free_bytes);
        assert!(leaves_behind.is_none_or(|node| node == NodeId(3)));
        (segments, leaves_behind.is_some())
    }

    #[test]
    fn all_members_are_waited_for_and_a_log_is_not() {
        let ([own, peer, other], seat) = ([1, 2, 3].map(NodeId), Seat::of_pair(true));
        let mut members = Members::default();
        assert_eq!(others(&members, Ties::Pair(seat), own, Some(peer), &[NodeId(8)]), [peer]);
        for node in [other, own, peer] {
            let said = members.join_record(node, seat, "").unwrap();
            members.hear(1, record::payload(&said));
        }
        assert_eq!(others(&members, Ties::Pair(seat), own, Some(peer), &[NodeId(8)]), [peer, other]);
        assert_eq!(
            others(&members, Ties::Log { is_first: true }, own, Some(NodeId(9)), &[own, NodeId(8)]),
            [peer, other, NodeId(8)]
        );
        let said = members.forget_record(other).unwrap();
        members.hear(1, record::payload(&said));
        assert_eq!(others(&members, Ties::Alone, own, None, &[]), [peer]);
        assert_eq!(
            others(&members, Ties::Log { is_first: true }, own, None, &[other]),
            [peer],
            "it is forgotten, and still runs"
        );
    }

    #[test]
    fn what_the_peer_has_may_go_and_the_rest_waits_up_to_the_bound() {
        let alone = removable(&segments(4), None, 100, 0);
        assert_eq!(alone, Removable { segments: 4, leaves_behind: None });
        let plenty = Retention::Bytes(1000);
        assert_eq!(verdict(4, 0, plenty, 0), (0, false));
        assert_eq!(verdict(4, 29, plenty, 0), (2, false), "all of a segment, or it stays");
        assert_eq!(verdict(4, 40, plenty, 0), (4, false));
        assert_eq!(verdict(4, 10, Retention::Bytes(250), 0), (2, true), "one it has, one too many");
        assert_eq!(verdict(4, 10, Retention::Bytes(0), 0), (4, true));
        assert_eq!(verdict(4, 0, Retention::Usual, 400), (0, false));
        assert_eq!(verdict(4, 0, Retention::Usual, 200), (1, true), "three of six hundred bytes");
    }
}
