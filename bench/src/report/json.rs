//! The report for machines. Durations are whole nanoseconds; keys that scripts rely on keep their names and meanings
//! within one `schema`.

use super::agents::AgentReport;
use super::table::QUANTILES;
use super::{Report, Step, Verified};
use crate::driver::kinds::KindFigures;
use crate::driver::reasons::Reason;
use crate::driver::run::ThreadUse;
use crate::driver::statuses::{Example, Statuses};
use crate::driver::tally::{Failure, Failures, Point};
use crate::report::verdict::Inputs;
use base64::Engine;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde_json::{Map, Value, json};

/// Version of the keys.
pub const SCHEMA: u64 = 2;

/// Makes the document.
#[must_use]
pub fn document(report: &Report) -> Value {
    let mut document = Map::new();
    for part in [identity(report), figures(report), findings(report)] {
        if let Value::Object(part) = part {
            document.extend(part);
        }
    }
    Value::Object(document)
}

/// Returns what was run, where and how.
fn identity(report: &Report) -> Value {
    json!({
        "schema": SCHEMA,
        "command": report.command,
        "environment": report.environment,
        "url": report.url,
        "scenario": report.scenario,
    })
}

/// Returns what was counted and timed.
fn figures(report: &Report) -> Value {
    let total = &report.total;
    json!({
        "requests": total.answers,
        "requests_in_time": total.answers_in_time,
        "successes_in_time": total.successes_in_time,
        "errors": total.failures.total(),
        "errors_by_kind": by_kind(&total.failures),
        "reasons": report.reasons.iter().map(reason).collect::<Vec<_>>(),
        "status": by_status(&total.statuses),
        "examples": report.examples.iter().map(example).collect::<Vec<_>>(),
        "by_request": report.kinds.iter().map(kind).collect::<Vec<_>>(),
        "duration_ns": report.window_ns,
        "rate": report.rate,
        "sent": total.sent,
        "acknowledged": total.acknowledged,
        "reconnects": total.reconnects,
        "bytes_in": total.bytes_in,
        "bytes_out": total.bytes_out,
        "latency_ns": quantiles(&total.latency),
        "error_latency_ns": quantiles(&total.error_latency),
        "uncorrected_ns": quantiles(report.uncorrected()),
        "connect_ns": quantiles(report.connect_times.histogram()),
        "connects": report.connect_times.histogram().len(),
        "send_lag_ns": report.is_open.then(|| quantiles(&total.lag)),
        "histogram": encode(&total.latency),
        "uncorrected_histogram": encode(report.uncorrected()),
        "server_cpu_ns_per_request": report.server_cpu_ns_per_request,
        "client_cpu_ns_per_request": report.client_cpu_ns_per_request,
        "server": server(report),
        "client_threads": report.threads.iter().map(thread).collect::<Vec<_>>(),
        "agents": report.agents.iter().map(agent).collect::<Vec<_>>(),
        "calibrated_ceiling": report.ceiling,
        "steps": report.steps.iter().map(step).collect::<Vec<_>>(),
        "series": report.series.iter().map(point).collect::<Vec<_>>(),
    })
}

/// Returns what follows from it.
fn findings(report: &Report) -> Value {
    json!({
        "limit": {
            "verdict": report.verdict.wall.name(),
            "evidence": report.verdict.evidence,
            "is_lower_bound": report.verdict.wall.is_lower_bound(),
            "inputs": inputs(&report.inputs),
        },
        "goals": report.goals.iter().map(|goal| json!({
            "goal": goal.goal, "value": goal.value, "met": goal.is_met,
        })).collect::<Vec<_>>(),
        "growth": report.growth.map(|growth| json!({
            "acknowledged": growth.acknowledged, "stored": growth.stored,
        })),
        "verify": report.verified.as_ref().map(verify),
        "chaos": report.chaos.iter().map(|done| json!({
            "what": done.what, "at_ns": done.at_ns, "recovery_ns": done.recovery_ns,
        })).collect::<Vec<_>>(),
        "interrupted": report.is_interrupted,
        "cut_off": report.cut_off,
        "faults": report.faults,
    })
}

/// Returns p50, p90, p99, p999, p9999, max and mean of a histogram, `null` each when it is empty.
#[must_use]
pub fn quantiles(histogram: &Histogram<u64>) -> Value {
    let mut map = Map::new();
    let known = |value: u64| if histogram.is_empty() { Value::Null } else { value.into() };
    for (name, quantile) in QUANTILES {
        map.insert(name.into(), known(histogram.value_at_quantile(quantile)));
    }
    map.insert("max".into(), known(histogram.max()));
    map.insert("mean".into(), known(histogram.mean() as u64));
    Value::Object(map)
}

/// Returns a histogram in HdrHistogram's V2 encoding, compressed, base64: what its tools in all languages exchange.
#[must_use]
pub fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).expect("a Vec takes what is written");
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Reads back what [`encode`] wrote.
///
/// # Errors
/// Returns a sentence for what is not a base64 or no V2 histogram.
pub fn decode(text: &str) -> Result<Histogram<u64>, String> {
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|error| format!("the histogram is no base64: {error}"))?;
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| format!("the histogram is not in V2 encoding: {error}"))
}

fn by_kind(failures: &Failures) -> Value {
    Failure::ALL
        .into_iter()
        .map(|kind| (kind.name().to_string(), failures.of(kind).into()))
        .collect::<Map<_, _>>()
        .into()
}

fn by_status(statuses: &Statuses) -> Value {
    statuses
        .sorted()
        .into_iter()
        .map(|(status, count)| (status.to_string(), count.into()))
        .collect::<Map<_, _>>()
        .into()
}

fn reason(reason: &Reason) -> Value {
    json!({ "kind": reason.kind.name(), "reason": reason.text, "count": reason.count })
}

fn kind((name, figures): &(String, KindFigures)) -> Value {
    json!({
        "name": name,
        "requests": figures.statuses.within(0..=u16::MAX),
        "errors": figures.failures.total(),
        "errors_by_kind": by_kind(&figures.failures),
        "status": by_status(&figures.statuses),
        "latency_ns": quantiles(&figures.latency),
    })
}

fn example(example: &Example) -> Value {
    json!({ "status": example.status, "text": example.text })
}

fn thread(thread: &ThreadUse) -> Value {
    json!({
        "cpu_ns": thread.cpu_ns,
        "waited_for_cpu_ns": thread.waited_for_cpu_ns,
        "stalls": thread.stalls.count,
        "stalled_ns": thread.stalls.total_ns,
        "longest_stall_ns": thread.stalls.longest_ns,
    })
}

fn agent(agent: &AgentReport) -> Value {
    json!({
        "name": agent.name,
        "host": agent.host,
        "key": agent.key,
        "threads": agent.threads,
        "connections": agent.connections,
        "requests": agent.total.answers,
        "successes_in_time": agent.total.successes_in_time,
        "sent": agent.total.sent,
        "acknowledged": agent.total.acknowledged,
        "errors": agent.total.failures.total(),
        "errors_by_kind": by_kind(&agent.total.failures),
        "status": by_status(&agent.total.statuses),
        "rate": agent.rate(),
        "latency_ns": quantiles(&agent.total.latency),
        "histogram": encode(&agent.total.latency),
        "client_cpu_ns_per_request": agent.cpu_ns_per_request(),
        "start_error_ns": agent.start_error_ns,
        "limit": {
            "verdict": agent.verdict.wall.name(),
            "evidence": agent.verdict.evidence,
            "is_lower_bound": agent.verdict.wall.is_lower_bound(),
        },
    })
}

fn server(report: &Report) -> Value {
    let Some(server) = &report.server else { return Value::Null };
    let answers = report.total.answers_in_time.max(1) as f64;
    json!({
        "user_ns": server.process.user_ns,
        "system_ns": server.process.system_ns,
        "busiest_thread_ns": server.process.busiest_thread_ns,
        "waited_for_cpu_ns": server.process.waited_for_cpu_ns,
        "syscalls_per_request": per(server.stages.as_ref().and_then(|s| s.syscalls), answers),
        "syncs_per_request": per(server.stages.as_ref().and_then(|s| s.syncs), answers),
        "journal_bytes_per_request": per(server.stages.as_ref().and_then(|s| s.journal_bytes), answers),
        "stages": server.stages.iter().flat_map(|stages| &stages.stages).map(|stage| json!({
            "name": stage.name,
            "count": stage.count,
            "mean_ns": stage.mean_ns,
            "p50_ns": stage.p50_ns,
            "p99_ns": stage.p99_ns,
        })).collect::<Vec<_>>(),
    })
}

fn per(number: Option<u64>, answers: f64) -> Option<f64> {
    number.map(|number| number as f64 / answers)
}

fn inputs(inputs: &Inputs) -> Value {
    json!({
        "offered": inputs.offered,
        "client_busy": inputs.client_busy,
        "client_waited": inputs.client_waited,
        "client_stalled": inputs.client_stalled,
        "longest_stall_ns": inputs.longest_stall_ns,
        "window_ns": inputs.window_ns,
        "send_lag_p99_ns": inputs.lag_p99_ns,
        "server_busy": inputs.server_busy,
        "server_waited": inputs.server_waited,
        "host_idle": inputs.host_idle,
        "host_stolen": inputs.host_stolen,
        "host_softirq": inputs.host_softirq,
        "retransmits": inputs.retransmits,
        "round_trip_ns": inputs.round_trip_ns,
        "is_remote": inputs.is_remote,
        "failed": inputs.failed,
        "local_faults": inputs.local_faults,
    })
}

fn point(point: &Point) -> Value {
    json!({
        "start_ns": point.start_ns,
        "duration_ns": point.length_ns,
        "rate": point.rate,
        "p50_ns": point.p50_ns,
        "p99_ns": point.p99_ns,
        "max_ns": point.max_ns,
        "errors": point.failures.total(),
        "errors_by_kind": by_kind(&point.failures),
        "status": by_status(&point.statuses),
    })
}

fn step(step: &Step) -> Value {
    json!({
        "offered": step.offered,
        "rate": step.rate,
        "requests": step.total.answers,
        "requests_in_time": step.total.answers_in_time,
        "successes_in_time": step.total.successes_in_time,
        "errors": step.total.failures.total(),
        "errors_by_kind": by_kind(&step.total.failures),
        "status": by_status(&step.total.statuses),
        "acknowledged": step.total.acknowledged,
        "duration_ns": step.window_ns,
        "latency_ns": quantiles(&step.total.latency),
        "uncorrected_ns": quantiles(&step.total.uncorrected),
        "send_lag_ns": quantiles(&step.total.lag),
        "server_cpu_ns_per_request": step.server_cpu_ns_per_request,
        "client_cpu_ns_per_request": step.client_cpu_ns_per_request,
        "limit": step.wall.name(),
    })
}

fn verify(verified: &Verified) -> Value {
    json!({
        "acked": verified.acked,
        "stored": verified.stored,
        "lost": verified.lost,
        "lost_examples": verified.lost_examples,
        "duplicated": verified.duplicated,
        "stored_without_ack": verified.stored_without_ack,
        "altered": verified.altered,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::tally::histogram;

    #[test]
    fn histograms_come_back() {
        let mut one = histogram();
        for value in [1, 1_000, 1_000_000, 3_000_000_000] {
            one.record(value).unwrap();
        }
        let back = decode(&encode(&one)).unwrap();
        assert_eq!(
            (back.len(), back.max(), back.value_at_quantile(0.5)),
            (4, one.max(), one.value_at_quantile(0.5))
        );
        assert!(decode("!").is_err() && decode("AAAA").is_err());
    }

    #[test]
    fn quantiles_of_nothing_are_null() {
        assert!(quantiles(&histogram())["p99"].is_null());
    }
}
