//! What is counted because of a peer, as Prometheus reads it.

use super::page::Page;
use super::peer::Report;
use crate::engine::shared::Shared;
use crate::engine::shared::peering::counters::{Counters, FAILURES};
use crate::engine::shared::peering::standing::Bond;

/// Writes what is counted because of a peer; nothing on a host that is alone.
pub(super) fn replication(page: &mut Page, shared: &Shared) {
    let (Some(report), Some(peering)) = (Report::of(shared), &shared.peering) else { return };
    state(page, shared, &report);
    lag(page, &report);
    exchange(page, &report, &peering.counters);
    records(page, &report);
    received(page, shared);
    let name = "pixeld_replication_delay_seconds";
    page.family(name, "histogram", "From a batch's commit here to its being on the peer's disk.");
    page.histogram(name, "", &peering.counters.delay_us.copy());
}

fn state(page: &mut Page, shared: &Shared, report: &Report) {
    let name = "pixeld_replication_state";
    page.family(name, "gauge", "1 for the state that the exchange with the peer is in.");
    for state in ["connected", "away"] {
        page.sample(name, &format!("state=\"{state}\""), u8::from(report.state() == state));
    }
    let name = "pixeld_replication_apart";
    page.family(
        name,
        "gauge",
        "1 where a host can't bring the other one forward any more, by which of them.",
    );
    for bond in Bond::UNSOUND {
        page.sample(name, &format!("kind=\"{}\"", bond.label()), u8::from(report.bond == bond));
    }
    let help = "1 while this host joins and answers no application's requests.";
    page.single("pixeld_joining", "gauge", help, u8::from(shared.space.is_joining()));
}

fn lag(page: &mut Page, report: &Report) {
    let help = "Records that the peer is known to have and that are not here.";
    page.single("pixeld_replication_behind_records", "gauge", help, report.behind_records);
    let help = "The same in bytes, by the mean of what has come since the start.";
    page.single("pixeld_replication_behind_bytes", "gauge", help, report.behind_bytes);
    let help = "Journal position before which everything was sent to the peer, bytes.";
    page.single("pixeld_replication_sent_offset", "gauge", help, report.sent_offset);
    let help = "Journal position before which everything is on the peer's disk, bytes.";
    page.single("pixeld_replication_acked_offset", "gauge", help, report.acked_offset);
    let help = "Bytes of the journal behind the first that is not on the peer's disk.";
    page.single("pixeld_replication_lag_bytes", "gauge", help, report.lag_bytes);
    let help = "Records that are not on the peer's disk.";
    page.single("pixeld_replication_lag_records", "gauge", help, report.lag_records);
    let help = "Age of the oldest record that is not on the peer's disk.";
    page.single("pixeld_replication_lag_seconds", "gauge", help, report.lag_seconds);
}

fn exchange(page: &mut Page, report: &Report, counters: &Counters) {
    if let Some(seconds) = report.heard_seconds {
        let help = "Time since anything was heard from the peer.";
        page.single("pixeld_replication_heard_seconds", "gauge", help, seconds);
    }
    let help = "Round trip of the last heartbeat.";
    page.single("pixeld_replication_rtt_seconds", "gauge", help, counters.rtt_us.value() as f64 / 1e6);
    let help = "Exchanges with the peer that were begun after the first one.";
    let reconnects = counters.sessions.value().saturating_sub(1);
    page.single("pixeld_replication_reconnects_total", "counter", help, reconnects);
    let name = "pixeld_replication_failures_total";
    page.family(name, "counter", "Connections to the peer that failed, by reason.");
    for (reason, counter) in FAILURES.iter().zip(&counters.failures) {
        page.sample(name, &format!("reason=\"{reason}\""), counter.value());
    }
    let name = "pixeld_replication_strangers_total";
    let help = "Connections to the peer port that were not made by the peer.";
    page.single(name, "counter", help, counters.strangers.value());
    let name = "pixeld_replication_bytes_total";
    page.family(
        name,
        "counter",
        "Bytes exchanged with the peer: what was sent before encryption, what came behind it.",
    );
    page.sample(name, "direction=\"sent\"", counters.sent_bytes.value());
    page.sample(name, "direction=\"received\"", counters.received_bytes.value());
}

fn records(page: &mut Page, report: &Report) {
    let name = "pixeld_replication_records";
    page.family(
        name,
        "gauge",
        "Records of each host's streams: here, received by the peer, on the peer's disk.",
    );
    for (stream, records) in [("own", report.own), ("peer", report.peer)] {
        page.sample(name, &format!("stream=\"{stream}\",at=\"here\""), records.here);
        page.sample(name, &format!("stream=\"{stream}\",at=\"peer_received\""), records.received);
        page.sample(name, &format!("stream=\"{stream}\",at=\"peer_durable\""), records.durable);
    }
}

fn received(page: &mut Page, shared: &Shared) {
    let commit = &shared.metrics.commit;
    let help = "Batches of the peer that were committed here.";
    page.single("pixeld_replication_received_batches_total", "counter", help, commit.peer_batches.value());
    let help = "Records of the peer that were committed here.";
    page.single("pixeld_replication_received_records_total", "counter", help, commit.peer_records.value());
    let help = "Writes at `both` or `cluster` that were answered 504, because the peer, or the log, did not have them in time.";
    let late: u64 = shared.metrics.workers.iter().map(|worker| worker.peer_late.value()).sum();
    page.single("pixeld_replication_late_total", "counter", help, late);
}
