//! The time series as comma-separated values; of a ramp, its steps.

use super::Report;
use std::fmt::Write;

/// Writes one line per interval, or per step when there are steps.
#[must_use]
pub fn render(report: &Report) -> String {
    if report.steps.is_empty() { series(report) } else { steps(report) }
}

fn series(report: &Report) -> String {
    let mut out = String::from("start_ns,rate,p50_ns,p99_ns,max_ns,errors\n");
    for point in &report.series {
        let _ = writeln!(
            out,
            "{},{:.1},{},{},{},{}",
            point.start_ns, point.rate, point.p50_ns, point.p99_ns, point.max_ns, point.failures
        );
    }
    out
}

fn steps(report: &Report) -> String {
    let mut out = String::from(
        "offered,rate,requests,errors,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,server_cpu_ns_per_request,limit\n",
    );
    for step in &report.steps {
        let latency = &step.total.latency;
        let _ = writeln!(
            out,
            "{},{:.1},{},{},{},{},{},{},{},{},{}",
            step.offered,
            step.rate,
            step.total.answers,
            step.total.failures.total(),
            latency.value_at_quantile(0.5),
            latency.value_at_quantile(0.9),
            latency.value_at_quantile(0.99),
            latency.value_at_quantile(0.999),
            latency.max(),
            step.server_cpu_ns_per_request.map_or(String::new(), |ns| format!("{ns:.0}")),
            step.wall.name()
        );
    }
    out
}
