//! What is known of the members, for /health: who they are, who is away, and what waits for one that is.

use serde_json::{Value, json};

use crate::app::members::Member;
use crate::base::ids::NodeId;
use crate::base::vector::VersionVector;
use crate::engine::shared::{Shared, roster};
use crate::engine::storage::starts;

/// Returns the members as a list of JSON; nothing while none is listed.
pub(super) fn json(shared: &Shared) -> Option<String> {
    let view = shared.peering.as_ref().map(|peering| peering.look());
    let starts = starts::waiting(shared);
    let applied = shared.applied.read();
    let hosts = roster::hosts(shared, &applied);
    let members = &applied.members;
    let entry = |(node, member): (NodeId, &Member)| {
        let mut object = json!({
            "node": node.to_string(),
            "name": member.name,
            "seat": members.seat_of(node).map(|seat| seat.number()),
            "since": member.since_us / 1_000_000,
        });
        let away_us = hosts.away_us(node);
        object["state"] = if away_us.is_some() { "away" } else { "here" }.into();
        if let Some(away_us) = away_us {
            let known = view.as_ref().filter(|view| view.node == Some(node)).map(|view| view.durable.clone());
            let durable = known.unwrap_or_else(|| shared.roll.durable(node));
            object["away_seconds"] = (away_us as f64 / 1e6).into();
            let records = lacks(&applied.vector, &durable, node);
            object["waits"] = json!({ "records": records, "starts": starts });
        }
        object
    };
    let listed: Vec<Value> = members.iter().map(entry).collect();
    (!listed.is_empty()).then(|| Value::from(listed).to_string())
}

/// Returns how many records of `here`, but those of its own, a host is not known to have durably.
fn lacks(here: &VersionVector, durable: &VersionVector, node: NodeId) -> u64 {
    let others = here.iter().filter(|(origin, _)| origin.node != node);
    others.map(|(origin, seq)| seq.saturating_sub(durable.seq_of(origin))).sum()
}
