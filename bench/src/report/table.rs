//! The report for people.

use super::{Report, Step, agents, outcomes, spread};
use crate::driver::kinds::KindFigures;
use crate::quantity::{show_count, show_cpu, show_ns, show_rate};
use hdrhistogram::Histogram;
use std::fmt::Write;

/// The percentiles that are shown: name and quantile.
pub const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("p9999", 0.9999)];

/// Writes the report as a table.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    heading(&mut out, report);
    if report.steps.is_empty() {
        latency(&mut out, report);
        spread::render(&mut out, report);
        if !report.is_open {
            out.push_str("  a closed loop waits for the target: a stall holds back the requests that would have seen it (-r)\n");
        }
    } else {
        steps(&mut out, &report.steps);
    }
    kinds(&mut out, &report.kinds);
    outcomes::statuses(&mut out, report);
    outcomes::errors(&mut out, report);
    cost(&mut out, report);
    if let Some(growth) = &report.growth {
        let agree = if growth.stored == growth.acknowledged as i64 { "equal" } else { "NOT EQUAL" };
        let _ = writeln!(
            out,
            "total      acknowledged {}, the server's total grew by {}: {agree}",
            show_count(growth.acknowledged),
            growth.stored
        );
    }
    verified(&mut out, report);
    slow_stages(&mut out, report);
    agents::render(&mut out, &report.agents);
    verdict(&mut out, report);
    let of = if report.steps.is_empty() { "" } else { " over all steps" };
    for goal in &report.goals {
        let _ = writeln!(out, "goal       {}{of}: {}", goal.goal, if goal.is_met { "met" } else { "MISSED" });
    }
    if report.cut_off > 0 && !report.is_interrupted {
        let cut_off = show_count(report.cut_off);
        let _ = writeln!(out, "cut off    {cut_off} requests that had no answer long after the end");
    }
    if let Some((url, has_figures)) = &report.asked_metrics {
        let found = if *has_figures { "has figures of the server" } else { "has none" };
        let _ = writeln!(out, "probe      {url} was asked and {found}; --no-probe leaves it alone");
    }
    if report.is_interrupted {
        let _ = writeln!(
            out,
            "interrupted: the figures are of the time until then; {} requests in flight were cut off",
            show_count(report.cut_off)
        );
    }
    for fault in &report.faults {
        let _ = writeln!(out, "failed     {}", fault.trim_end());
    }
    out
}

fn heading(out: &mut String, report: &Report) {
    let scenario = &report.scenario;
    let rate = if report.verdict.wall.is_lower_bound() && !report.is_open { "at least " } else { "" };
    let load = match scenario["rate"].as_f64() {
        None => "closed loop".to_string(),
        Some(_) if !report.steps.is_empty() => "ramp, open loop".to_string(),
        Some(offered) => {
            let kind = if scenario["poisson"] == true { "Poisson" } else { "constant" };
            format!("open loop, {kind}, {} offered", show_rate(offered))
        }
    };
    let _ = writeln!(
        out,
        "{} {}\n{load}; {} connections, depth {}, {}{}, {}",
        scenario["method"].as_str().unwrap_or("several requests to"),
        report.url,
        scenario["connections"],
        scenario["pipeline"],
        if scenario["threads"] == 1 { "1 thread".into() } else { format!("{} threads", scenario["threads"]) },
        if report.agents.is_empty() { String::new() } else { format!(" of {} agents", report.agents.len()) },
        show_ns(report.window_ns),
    );
    let of = if report.steps.is_empty() { "" } else { " over all steps" };
    let _ = writeln!(
        out,
        "rate       {rate}{}{of}, {} answers, {} in, {} out",
        show_rate(report.rate),
        show_count(report.total.answers),
        show_bytes(report.total.bytes_in, report.window_ns),
        show_bytes(report.total.bytes_out, report.window_ns)
    );
}

fn show_bytes(bytes: u64, window_ns: u64) -> String {
    match window_ns {
        // Interrupted before the measured part: there is no time that the bytes belong to.
        0 => "-".into(),
        _ => format!("{:.2} MB/s", bytes as f64 * 1e3 / window_ns as f64),
    }
}

fn latency(out: &mut String, report: &Report) {
    let _ = write!(out, "{:11}", "");
    for (name, _) in QUANTILES {
        let _ = write!(out, "{name:>10}");
    }
    let _ = writeln!(out, "{:>10}", "max");
    row(out, "latency", &report.total.latency);
    if !report.total.error_latency.is_empty() {
        row(out, "of errors", &report.total.error_latency);
    }
    if report.is_open {
        row(out, "uncorrected", report.uncorrected());
        row(out, "send lag", &report.total.lag);
    }
    if report.total.reconnects > 0 || report.url.starts_with("https:") {
        row(out, "connect", report.connect_times.histogram());
    }
}

fn row(out: &mut String, name: &str, histogram: &Histogram<u64>) {
    let _ = write!(out, "{name:11}");
    for (_, quantile) in QUANTILES {
        let shown =
            if histogram.is_empty() { "-".into() } else { show_ns(histogram.value_at_quantile(quantile)) };
        let _ = write!(out, "{shown:>10}");
    }
    let _ = writeln!(out, "{:>10}", if histogram.is_empty() { "-".into() } else { show_ns(histogram.max()) });
}

fn steps(out: &mut String, steps: &[Step]) {
    let _ = writeln!(
        out,
        "{:>10}{:>12}{:>12}{:>8}{:>10}{:>10}{:>10}{:>10}{:>12}  limit",
        "offered", "rate", "answers", "errors", "p50", "p99", "p999", "max", "server CPU"
    );
    for step in steps {
        let latency = &step.total.latency;
        let quantile =
            |q: f64| if latency.is_empty() { "-".into() } else { show_ns(latency.value_at_quantile(q)) };
        let _ = writeln!(
            out,
            "{:>10}{:>12}{:>12}{:>8}{:>10}{:>10}{:>10}{:>10}{:>12}  {}",
            show_rate(step.offered),
            show_rate(step.rate),
            show_count(step.total.answers),
            step.total.failures.total(),
            quantile(0.5),
            quantile(0.99),
            quantile(0.999),
            show_ns(latency.max()),
            step.server_cpu_ns_per_request.map_or("-".into(), show_cpu),
            step.wall.name()
        );
    }
}

/// Kinds that are shown; those that have fewer requests are in the report for machines.
const KINDS_SHOWN: usize = 20;

/// Figures by kind of request, the most frequent first.
fn kinds(out: &mut String, kinds: &[(String, KindFigures)]) {
    if kinds.is_empty() {
        return;
    }
    let shown = &kinds[..kinds.len().min(KINDS_SHOWN)];
    let width = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).clamp(20, 60);
    let _ = writeln!(
        out,
        "requests   {:width$}{:>14}{:>10}{:>10}{:>10}{:>10}",
        "", "answers", "errors", "p50", "p99", "max"
    );
    for (name, figures) in shown {
        let latency = &figures.latency;
        let value = |ns: u64| if latency.is_empty() { "-".into() } else { show_ns(ns) };
        let short: String = name.chars().take(width).collect();
        let _ = writeln!(
            out,
            "           {short:width$}{:>14}{:>10}{:>10}{:>10}{:>10}",
            show_count(figures.statuses.within(0..=u16::MAX)),
            show_count(figures.failures.total()),
            value(latency.value_at_quantile(0.5)),
            value(latency.value_at_quantile(0.99)),
            value(latency.max())
        );
    }
    if kinds.len() > shown.len() {
        let _ = writeln!(out, "           and {} more in --json", kinds.len() - shown.len());
    }
}

fn cost(out: &mut String, report: &Report) {
    let server = match (&report.server, report.server_cpu_ns_per_request) {
        (Some(server), Some(per_request)) => {
            let share = |ns: u64| per_request * ns as f64 / server.process.cpu_ns().max(1) as f64;
            let split = if server.has_threads {
                let (user, system) = (server.process.user_ns, server.process.system_ns);
                format!(" ({} user, {} system)", show_cpu(share(user)), show_cpu(share(system)))
            } else {
                String::new()
            };
            format!("server {}{split}", show_cpu(per_request))
        }
        _ if report.was_restarted => "server not known, it was started again meanwhile".to_string(),
        _ => "server not known".to_string(),
    };
    let client = report.client_cpu_ns_per_request.map_or("not known".to_string(), show_cpu);
    let _ = writeln!(out, "CPU/request  {server}; generator {client}");
    if let Some(stages) = report.server.as_ref().and_then(|server| server.stages.as_ref()) {
        let answers = report.total.answers_in_time.max(1) as f64;
        let figures = [
            ("system calls", stages.syscalls.map(|n| format!("{:.2}", n as f64 / answers))),
            ("syncs", stages.syncs.map(|n| format!("{:.4}", n as f64 / answers))),
            ("journal bytes", stages.journal_bytes.map(|n| format!("{:.1}", n as f64 / answers))),
        ];
        let shown: Vec<String> =
            figures.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?))).collect();
        if !shown.is_empty() {
            let _ = writeln!(out, "per request  {}", shown.join(", "));
        }
    }
    if let Some(ceiling) = report.ceiling {
        let _ = writeln!(
            out,
            "instrument   {:.0} % of what the generator can do here ({}, calibrated)",
            report.rate / ceiling * 100.0,
            show_rate(ceiling)
        );
    }
}

fn verified(out: &mut String, report: &Report) {
    for disturbance in &report.chaos {
        let recovery = disturbance
            .recovery_ns
            .map_or("no answer after it".to_string(), |ns| format!("first answer after {}", show_ns(ns)));
        let at = show_ns(disturbance.at_ns);
        let _ = writeln!(out, "chaos      {} (done at {at}): {recovery}", disturbance.what);
    }
    let Some(verified) = &report.verified else { return };
    let _ = writeln!(out, "verify     {} acknowledged", show_count(verified.acked));
    for (host, stored) in &verified.stored {
        let _ = writeln!(out, "           {} stored on {host}", show_count(*stored));
    }
    let _ = writeln!(
        out,
        "           lost {}, duplicated {}, stored without an answer {}, altered {}",
        verified.lost, verified.duplicated, verified.stored_without_ack, verified.altered
    );
    if !verified.lost_examples.is_empty() {
        let _ = writeln!(out, "           first lost: {:?}", verified.lost_examples);
    }
}

/// Writes the stages that the slowest requests went through, from the server's own histograms.
fn slow_stages(out: &mut String, report: &Report) {
    let Some(stages) = report.server.as_ref().and_then(|server| server.stages.as_ref()) else { return };
    for stage in stages.stages.iter().take(5) {
        let p99 = if stage.p99_ns == u64::MAX { "above its buckets".into() } else { show_ns(stage.p99_ns) };
        let mean = show_ns(stage.mean_ns);
        let of = if report.steps.is_empty() { "" } else { " of the last step" };
        let _ = writeln!(
            out,
            "stage      {}{of}: mean {mean}, p99 {p99}, {} times",
            stage.name,
            show_count(stage.count)
        );
    }
}

fn verdict(out: &mut String, report: &Report) {
    let of = report
        .steps
        .last()
        .map_or(String::new(), |step| format!(" (of the last step, {})", show_rate(step.offered)));
    let _ = writeln!(out, "limit: {}{of}", report.verdict.wall.name());
    for line in &report.verdict.evidence {
        let _ = writeln!(out, "  {line}");
    }
}
