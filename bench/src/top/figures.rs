//! Figures of one host, from two pages of its `/metrics`.

use crate::driver::stages::{Exposition, Stage, Stages};

/// Stages of a write that are shown, in the order of its way, and what people call them.
const STAGES: [(&str, &str); 6] = [
    ("commit_wait", "commit wait"),
    ("peer_wait", "peer wait"),
    ("merge", "merge"),
    ("sync", "sync"),
    ("apply", "apply"),
    ("pixeld_replication_delay", "to the peer"),
];

/// What a host does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Version and commit; empty where it does not say so.
    pub build: String,
    /// Since its start, seconds.
    pub up_seconds: Option<f64>,
    /// What is wrong, a sentence each.
    pub troubles: Vec<String>,
    /// Answered requests per second.
    pub requests: Option<f64>,
    /// Of them with a status of 400 or more.
    pub errors: Option<f64>,
    /// Committed records per second.
    pub records: Option<f64>,
    /// Syncs per second.
    pub syncs: Option<f64>,
    /// Bytes of the journal written per second.
    pub journal_bytes: Option<f64>,
    /// Share of one core that the process used; above 1 with several.
    pub cpu: Option<f64>,
    /// Connections now open.
    pub connections: Option<f64>,
    /// Resident memory, bytes.
    pub memory_bytes: Option<f64>,
    /// Each worker.
    pub workers: Vec<Worker>,
    /// Stages of a write in the order of its way: with their name for people.
    pub stages: Vec<(&'static str, Stage)>,
    /// The other host; nothing on one that is alone.
    pub peer: Option<Peer>,
}

/// One worker of a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worker {
    /// Its number.
    pub name: String,
    /// Connections now open.
    pub connections: f64,
    /// Share of its core that it used.
    pub cpu: Option<f64>,
}

/// How the other host is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peer {
    /// Whether the two exchange.
    pub is_connected: bool,
    /// Records that it has not on its disk yet.
    pub lag_records: f64,
    /// Age of the oldest of them, seconds.
    pub lag_seconds: f64,
    /// Round trip of a heartbeat, seconds.
    pub round_trip_seconds: f64,
}

impl Figures {
    /// Returns what a host did between two pages that lie `seconds` apart; `now_s` is the time of the second one, seconds since
    /// 1970. Rates that its restart between the two makes meaningless are left out.
    #[must_use]
    pub fn between(before: &Exposition, now: &Exposition, seconds: f64, now_s: f64) -> Self {
        let rate = |name: &str| {
            let growth = now.sum(name)? - before.sum(name).unwrap_or(0.0);
            (growth >= 0.0 && seconds > 0.0).then(|| growth / seconds)
        };
        let counted = Stages::between(before, now).stages;
        let stage = |(name, shown): (&str, &'static str)| {
            Some((shown, counted.iter().find(|stage| stage.name == name)?.clone()))
        };
        Self {
            build: build(now),
            up_seconds: now.sum("process_start_time_seconds").map(|start| (now_s - start).max(0.0)),
            troubles: troubles(now),
            requests: rate("pixeld_http_requests_total"),
            errors: errors(before, now).map(|errors| errors / seconds),
            records: rate("pixeld_journal_records_total"),
            syncs: rate("pixeld_journal_syncs_total"),
            journal_bytes: rate("pixeld_journal_written_bytes_total"),
            cpu: rate("process_cpu_seconds_total"),
            connections: now.sum("pixeld_http_connections"),
            memory_bytes: now.sum("process_resident_memory_bytes"),
            workers: workers(before, now, seconds),
            stages: STAGES.into_iter().filter_map(stage).collect(),
            peer: peer(now),
        }
    }
}

fn build(now: &Exposition) -> String {
    let said = |label: &str| now.by("pixeld_build_info", label).first().map(|(value, _)| (*value).to_owned());
    match (said("version"), said("commit")) {
        (Some(version), Some(commit)) => format!("{version} ({commit})"),
        (Some(version), None) => version,
        _ => String::new(),
    }
}

fn troubles(now: &Exposition) -> Vec<String> {
    let is_set = |name: &str| now.sum(name).is_some_and(|value| value > 0.0);
    let mut found = Vec::new();
    for (reason, _) in now.by("pixeld_writes_refused", "reason").into_iter().filter(|(_, value)| *value > 0.0)
    {
        found.push(format!("writes are refused: {}; /health says why", reason.replace('_', " ")));
    }
    if is_set("pixeld_joining") {
        found.push("it joins the other host; /health says how far it is".to_owned());
    } else if now.sum("pixeld_ready") == Some(0.0) {
        found.push("not ready; /readyz says why".to_owned());
    }
    if is_set("pixeld_replication_apart") {
        found.push("the two hosts have parted; /health says what to do".to_owned());
    }
    found
}

/// Returns how many answers had a status of 400 or more.
fn errors(before: &Exposition, now: &Exposition) -> Option<f64> {
    let count = |page: &Exposition| -> Option<f64> {
        let codes = page.by("pixeld_http_requests_total", "code");
        let is_error = |code: &str| code.parse::<u16>().is_ok_and(|code| code >= 400);
        let errors = codes.iter().filter(|(code, _)| is_error(code)).map(|(_, count)| count).sum();
        (!codes.is_empty()).then_some(errors)
    };
    let growth = count(now)? - count(before).unwrap_or(0.0);
    (growth >= 0.0).then_some(growth)
}

fn workers(before: &Exposition, now: &Exposition, seconds: f64) -> Vec<Worker> {
    let used = |page: &Exposition, worker: &str| {
        let times = page.by("pixeld_worker_cpu_seconds_total", "worker");
        times.iter().find(|(name, _)| *name == worker).map(|(_, seconds)| *seconds)
    };
    let worker = |(name, connections): (&str, f64)| {
        let grew = used(now, name).zip(used(before, name)).map(|(now, before)| (now - before) / seconds);
        Worker { name: name.to_owned(), connections, cpu: grew.filter(|share| *share >= 0.0) }
    };
    now.by("pixeld_worker_connections", "worker").into_iter().map(worker).collect()
}

fn peer(now: &Exposition) -> Option<Peer> {
    let states = now.by("pixeld_replication_state", "state");
    let is_connected = states.iter().any(|(state, value)| *state == "connected" && *value > 0.0);
    let value = |name: &str| now.sum(name).unwrap_or(0.0);
    (!states.is_empty()).then(|| Peer {
        is_connected,
        lag_records: value("pixeld_replication_lag_records"),
        lag_seconds: value("pixeld_replication_lag_seconds"),
        round_trip_seconds: value("pixeld_replication_rtt_seconds"),
    })
}

/// Pages of a host with a peer, ten seconds apart, as tests of what is drawn use them.
#[cfg(test)]
pub(super) mod example {
    use super::*;

    pub const BEFORE: &str = "pixeld_http_requests_total{route=\"POST /pixel\",code=\"200\"} 1000\n\
        pixeld_http_requests_total{route=\"POST /pixel\",code=\"422\"} 5\npixeld_journal_records_total 900\n\
        process_cpu_seconds_total 1.5\npixeld_worker_cpu_seconds_total{worker=\"0\",mode=\"user\"} 1\n\
        pixeld_worker_cpu_seconds_total{worker=\"0\",mode=\"system\"} 1\n";
    pub const NOW: &str = "pixeld_build_info{version=\"0.1.0\",commit=\"abc\"} 1\nprocess_start_time_seconds 1000\n\
        pixeld_http_requests_total{route=\"POST /pixel\",code=\"200\"} 21000\n\
        pixeld_http_requests_total{route=\"POST /pixel\",code=\"422\"} 25\npixeld_journal_records_total 20900\n\
        process_cpu_seconds_total 16.5\npixeld_http_connections 64\nprocess_resident_memory_bytes 41943040\n\
        pixeld_worker_connections{worker=\"0\"} 40\npixeld_worker_connections{worker=\"1\"} 24\n\
        pixeld_worker_cpu_seconds_total{worker=\"0\",mode=\"user\"} 4\npixeld_worker_cpu_seconds_total{worker=\"0\",mode=\"system\"} 5\n\
        pixeld_stage_seconds_bucket{stage=\"sync\",le=\"0.00025\"} 90\npixeld_stage_seconds_bucket{stage=\"sync\",le=\"0.001\"} 100\n\
        pixeld_stage_seconds_bucket{stage=\"sync\",le=\"+Inf\"} 100\npixeld_stage_seconds_sum{stage=\"sync\"} 0.02\n\
        pixeld_stage_seconds_count{stage=\"sync\"} 100\n\
        pixeld_replication_state{state=\"connected\"} 1\npixeld_replication_state{state=\"away\"} 0\n\
        pixeld_replication_lag_records 12\npixeld_replication_lag_seconds 0.004\npixeld_replication_rtt_seconds 0.0003\n\
        pixeld_writes_refused{reason=\"no_space\"} 0\npixeld_ready 1\npixeld_joining 0\n";

    pub fn figures() -> Figures {
        let page = |text| Exposition::parse(text).expect("a page");
        Figures::between(&page(BEFORE), &page(NOW), 10.0, 4600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_ten_seconds() {
        let figures = example::figures();
        assert_eq!((figures.build.as_str(), figures.up_seconds), ("0.1.0 (abc)", Some(3600.0)));
        assert_eq!(
            (figures.requests, figures.errors, figures.records),
            (Some(2002.0), Some(2.0), Some(2000.0))
        );
        assert_eq!((figures.cpu, figures.connections, figures.syncs), (Some(1.5), Some(64.0), None));
        let workers: Vec<_> = figures
            .workers
            .iter()
            .map(|worker| (worker.name.as_str(), worker.connections, worker.cpu))
            .collect();
        assert_eq!(workers, [("0", 40.0, Some(0.7)), ("1", 24.0, None)]);
        let (name, stage) = &figures.stages[0];
        assert_eq!((*name, stage.p50_ns, stage.p99_ns), ("sync", 250_000, 1_000_000));
        assert_eq!(
            figures.peer.as_ref().map(|peer| (peer.is_connected, peer.lag_records)),
            Some((true, 12.0))
        );
        assert!(figures.troubles.is_empty());
    }

    #[test]
    fn a_restart_gives_no_rates_and_troubles_are_told() {
        let page = |text: &str| Exposition::parse(text).expect("a page");
        let now = example::NOW
            .replace("\"no_space\"} 0", "\"no_space\"} 1")
            .replace("pixeld_ready 1", "pixeld_ready 0");
        let figures = Figures::between(&page(example::NOW), &page(example::BEFORE), 1.0, 0.0);
        assert_eq!((figures.requests, figures.errors, figures.cpu), (None, None, None));
        let troubles = Figures::between(&page(example::BEFORE), &page(&now), 1.0, 0.0).troubles;
        assert_eq!(
            troubles,
            ["writes are refused: no space; /health says why", "not ready; /readyz says why"]
        );
        assert_eq!(Figures::between(&page("a 1"), &page("a 1"), 1.0, 0.0), Figures::default());
    }
}
