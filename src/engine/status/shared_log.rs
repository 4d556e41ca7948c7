//! How the log that many hosts share stands, for /health and /metrics.

use serde_json::{Value, json};

use super::page::Page;
use super::peer::Report;
use crate::base::ids::NodeId;
use crate::base::vector::VersionVector;
use crate::engine::shared::Shared;
use crate::engine::shared::shared_log::LogView;
use crate::peer::relay::Member;

/// Returns it as an object of JSON. `report` is what the link knows, whose peer the log is.
pub(super) fn json(shared: &Shared, report: &Report, log: &LogView) -> String {
    let now_us = shared.clock.now_us();
    let here = vector(shared);
    let mut object = json!({
        "state": report.state(),
        "server": log.server,
        "synced": log.synced.label(),
        "since_seconds": report.since_seconds,
        "lag_records": report.lag_records,
        "lag_bytes": report.lag_bytes,
        "lag_seconds": report.lag_seconds,
        "behind_records": report.behind_records,
        "hosts": log.hosts.iter().map(|(node, member)| host(*node, member, &here, now_us)).collect::<Vec<_>>(),
    });
    if !log.stuck.is_empty() {
        let stuck =
            log.stuck.iter().map(|(origin, seq)| json!({ "stream": origin.to_string(), "record": seq }));
        object["stuck"] = stuck.collect();
    }
    if !report.connected {
        object["why"] = report.why.as_str().into();
    }
    object.to_string()
}

fn host(node: NodeId, member: &Member, here: &VersionVector, now_us: u64) -> Value {
    let mut host = json!({
        "node": node.to_string(),
        "heard_seconds": now_us.saturating_sub(member.heard_us) as f64 / 1e6,
    });
    if let Some(lag_records) = lag(member, here) {
        host["lag_records"] = lag_records.into();
    }
    host
}

/// Returns how many records are here that a host did not have when it said so last; nothing before it has.
fn lag(member: &Member, here: &VersionVector) -> Option<u64> {
    let has = member.has.as_ref()?;
    Some(here.iter().map(|(origin, seq)| seq.saturating_sub(has.received.seq_of(origin))).sum())
}

fn vector(shared: &Shared) -> VersionVector {
    shared.applied.read().vector.clone()
}

/// Writes what is counted because of a shared log; nothing on a host that has none.
pub(super) fn shared_log(page: &mut Page, shared: &Shared) {
    let Some(standing) = &shared.shared_log else { return };
    let log = standing.look();
    let counters = log.counters;
    let help = "1 while this host is connected to a server of the log.";
    page.single("pixeld_log_connected", "gauge", help, u8::from(log.connected));
    let help = "Connections to servers of the log that were made.";
    page.single("pixeld_log_connections_total", "counter", help, log.connections);
    let help = "Records of this host that the log keeps.";
    page.single("pixeld_log_published_records_total", "counter", help, counters.published_records);
    let name = "pixeld_log_ack_seconds";
    page.family(
        name,
        "histogram",
        "From sending a message to the log to its acknowledgement by a quorum of servers.",
    );
    page.histogram(name, "", &standing.ack_us.copy());
    let help = "Bytes of this host's batches that were handed over for the log and are not acknowledged.";
    page.single("pixeld_log_unacked_bytes", "gauge", help, log.unacked_bytes);
    let help = "Records of other hosts that came through the log.";
    page.single("pixeld_log_received_records_total", "counter", help, counters.received_records);
    let help = "Messages of other hosts that were read from the log.";
    page.single("pixeld_log_messages_total", "counter", help, counters.messages);
    let help = "Messages of the log that were damaged.";
    page.single("pixeld_log_damaged_total", "counter", help, counters.damaged);
    let help = "Times that a message was refused or late, and what was under way was sent again.";
    page.single("pixeld_log_resyncs_total", "counter", help, counters.flights_ended);
    let help = "Times that the log had forgotten what it had acknowledged.";
    page.single("pixeld_log_regressions_total", "counter", help, counters.regressions);
    let help = "Gaps in other hosts' streams in the log.";
    page.single("pixeld_log_gaps_total", "counter", help, counters.gaps);
    let help = "Questions to other hosts for what the log does not have.";
    page.single("pixeld_log_asked_total", "counter", help, counters.asked);
    let help = "Pictures that neither the log nor a host had.";
    page.single("pixeld_log_pictures_gone_total", "counter", help, counters.pictures_gone);
    let help = "Streams of other hosts that stand still here because nobody gives the next record.";
    page.single("pixeld_log_stuck_streams", "gauge", help, log.stuck.len());
    hosts(page, shared, &log);
}

fn hosts(page: &mut Page, shared: &Shared, log: &LogView) {
    let (now_us, here) = (shared.clock.now_us(), vector(shared));
    let name = "pixeld_log_heard_seconds";
    page.family(name, "gauge", "Time since another host was heard.");
    for (node, member) in &log.hosts {
        let seconds = now_us.saturating_sub(member.heard_us) as f64 / 1e6;
        page.sample(name, &format!("node=\"{node}\""), seconds);
    }
    let name = "pixeld_log_lag_records";
    page.family(name, "gauge", "Records here that another host did not have when it said so last.");
    for (node, member) in &log.hosts {
        if let Some(records) = lag(member, &here) {
            page.sample(name, &format!("node=\"{node}\""), records);
        }
    }
}
