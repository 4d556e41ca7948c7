//! What is known of the peer, for /health and /metrics.

use crate::base::ids::NodeId;
use crate::base::vector::VersionVector;
use crate::engine::shared::Shared;
use crate::engine::shared::peering::Peering;
use crate::engine::shared::peering::standing::Bond;
use crate::os::clock::wall_us;

/// Records of one host's streams, added up over all starts of its process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Committed and applied here.
    pub here: u64,
    /// Committed at the peer, as far as it has said so.
    pub received: u64,
    /// On the peer's disk, as far as it has said so.
    pub durable: u64,
}

/// The peer as of now.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Whether the two hosts exchange.
    pub connected: bool,
    /// The peer's data directory, once it was seen.
    pub node: Option<NodeId>,
    /// Why they don't exchange; empty while they do.
    pub why: String,
    /// Time since they began or ceased to, seconds; since the start before the first time.
    pub since_seconds: f64,
    /// Time since anything was heard from the peer, seconds; nothing before the first word.
    pub heard_seconds: Option<f64>,
    /// Records that the peer is known to have and that are not here.
    pub behind_records: u64,
    /// The same in bytes, by the mean of what has come so far.
    pub behind_bytes: u64,
    /// Whether each of the two can bring the other one forward.
    pub bond: Bond,
    /// Records that are not on the peer's disk.
    pub lag_records: u64,
    /// Bytes of this host's journal behind the first that is not on the peer's disk.
    pub lag_bytes: u64,
    /// Age of the oldest record that is not on the peer's disk, seconds; while the peer is away, at most the time since
    /// then.
    pub lag_seconds: f64,
    /// Journal position before which all was sent.
    pub sent_offset: u64,
    /// Journal position before which all is on the peer's disk.
    pub acked_offset: u64,
    /// This host's records.
    pub own: Records,
    /// The peer's records.
    pub peer: Records,
}

impl Report {
    /// Returns what is known now; nothing on a host that is alone.
    #[must_use]
    pub fn of(shared: &Shared) -> Option<Self> {
        shared.peering.as_ref().map(|peering| Self::now(shared, peering))
    }

    fn now(shared: &Shared, peering: &Peering) -> Self {
        let picture = peering.standing.look();
        let applied = shared.applied.read();
        let (end, vector) = (applied.position.0, applied.vector.clone());
        drop(applied);
        let (mut own, mut peer, mut lag_records) = (Records::default(), Records::default(), 0);
        // What is folded both have.
        for folds in vector.folds().iter() {
            let records = if folds.node == shared.node { &mut own } else { &mut peer };
            records.here += folds.records;
            records.received += folds.records;
            records.durable += folds.records;
        }
        for (origin, seq) in vector.iter() {
            let records = if origin.node == shared.node { &mut own } else { &mut peer };
            let durable = picture.durable.seq_of(origin);
            records.here += seq;
            records.received += picture.received.seq_of(origin);
            records.durable += durable;
            // What the peer made itself it has; it says so with its STATE only.
            if picture.node != Some(origin.node) {
                lag_records += seq.saturating_sub(durable);
            }
        }
        let (sent_offset, acked_offset, oldest_us) = {
            let delays = peering.delays();
            (delays.reached().0.min(end), delays.acked_before().0.min(end), delays.oldest_us())
        };
        let seconds = |us: u64| us as f64 / 1e6;
        let now_us = shared.clock.now_us();
        let since_seconds = seconds(now_us.saturating_sub(picture.since_us));
        let lag_seconds = match oldest_us {
            _ if lag_records == 0 => 0.0,
            Some(oldest_us) => seconds(wall_us().saturating_sub(oldest_us)),
            None if picture.connected => 0.0,
            None => since_seconds,
        };
        let heard = picture.heard_us;
        let mut due = picture.received.clone();
        peering.joining.goal().iter().filter(|_| shared.space.is_joining()).for_each(|goal| due.join(goal));
        let behind_records = lacks(&due, &vector);
        Self {
            connected: picture.connected,
            node: picture.node,
            why: picture.why,
            since_seconds,
            heard_seconds: (heard > 0).then(|| seconds(now_us.saturating_sub(heard))),
            behind_records,
            behind_bytes: bytes_of(behind_records, shared, peering),
            bond: peering.standing.bond(),
            lag_records,
            lag_bytes: if lag_records == 0 { 0 } else { end - acked_offset },
            lag_seconds,
            sent_offset,
            acked_offset,
            own,
            peer,
        }
    }

    /// Returns the state in one word.
    #[must_use]
    pub fn state(&self) -> &'static str {
        if self.connected { "connected" } else { "away" }
    }

    /// Returns it as an object of JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let mut object = serde_json::json!({
            "state": self.state(),
            "since_seconds": self.since_seconds,
            "lag_records": self.lag_records,
            "lag_bytes": self.lag_bytes,
            "lag_seconds": self.lag_seconds,
            "behind_records": self.behind_records,
            "behind_bytes": self.behind_bytes,
        });
        if self.bond != Bond::Sound {
            object["apart"] = self.bond.label().into();
        }
        if let Some(node) = self.node {
            object["node"] = node.to_string().into();
        }
        if let Some(heard_seconds) = self.heard_seconds {
            object["heard_seconds"] = heard_seconds.into();
        }
        if !self.connected {
            object["why"] = self.why.as_str().into();
        }
        object.to_string()
    }
}

/// Returns records of `due` that are not in `here`.
fn lacks(due: &VersionVector, here: &VersionVector) -> u64 {
    due.iter().map(|(origin, seq)| seq.saturating_sub(here.seq_of(origin))).sum()
}

/// Returns how many bytes so many records of the peer will be, by those that have come since the start.
fn bytes_of(records: u64, shared: &Shared, peering: &Peering) -> u64 {
    let (bytes, came) = (peering.counters.received_bytes.value(), shared.metrics.commit.peer_records.value());
    let bytes = u128::from(records) * u128::from(bytes) / u128::from(came.max(1));
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Returns how far joining is, as an object of JSON.
pub(super) fn joining_json(shared: &Shared, peering: &Peering) -> String {
    let applied = shared.applied.read();
    let here = applied.vector.clone();
    drop(applied);
    let mut object = serde_json::json!({ "has_met": false });
    if let Some(goal) = peering.joining.goal() {
        let goal_records: u64 = goal.iter().map(|(_, seq)| seq).sum();
        let lag_records = lacks(&goal, &here);
        object = serde_json::json!({
            "has_met": true,
            "goal_records": goal_records,
            "lag_records": lag_records,
            "lag_bytes": bytes_of(lag_records, shared, peering),
        });
    }
    object.to_string()
}
