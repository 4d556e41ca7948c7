//! The time series as comma-separated values; of a ramp, its steps.
//!
//! The last columns count errors by kind (`errors_timeout`) and answers by code (`status_200`), for each code that came.

use super::Report;
use crate::driver::statuses::Statuses;
use crate::driver::tally::{Failure, Failures};
use std::fmt::Write;

/// Writes one line per interval, or per step when there are steps.
#[must_use]
pub fn render(report: &Report) -> String {
    if report.steps.is_empty() { series(report) } else { steps(report) }
}

fn series(report: &Report) -> String {
    let mut out = String::from("start_ns,rate,p50_ns,p99_ns,max_ns,errors");
    let codes = counted_columns(&mut out, report);
    for point in &report.series {
        let _ = write!(
            out,
            "{},{:.1},{},{},{},{}",
            point.start_ns,
            point.rate,
            point.p50_ns,
            point.p99_ns,
            point.max_ns,
            point.failures.total()
        );
        counts(&mut out, &point.failures, &point.statuses, &codes);
    }
    out
}

fn steps(report: &Report) -> String {
    let mut out = String::from(
        "offered,rate,requests,errors,p50_ns,p90_ns,p99_ns,p999_ns,max_ns,server_cpu_ns_per_request,limit",
    );
    let codes = counted_columns(&mut out, report);
    for step in &report.steps {
        let latency = &step.total.latency;
        let _ = write!(
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
        counts(&mut out, &step.total.failures, &step.total.statuses, &codes);
    }
    out
}

/// Ends the line of names with those of the counts; returns the codes that came in the whole run.
fn counted_columns(out: &mut String, report: &Report) -> Vec<u16> {
    for kind in Failure::ALL {
        let _ = write!(out, ",errors_{}", kind.name());
    }
    let codes: Vec<u16> = report.total.statuses.sorted().into_iter().map(|(status, _)| status).collect();
    for status in &codes {
        let _ = write!(out, ",status_{status}");
    }
    out.push('\n');
    codes
}

fn counts(out: &mut String, failures: &Failures, statuses: &Statuses, codes: &[u16]) {
    for kind in Failure::ALL {
        let _ = write!(out, ",{}", failures.of(kind));
    }
    for &status in codes {
        let _ = write!(out, ",{}", statuses.within(status..=status));
    }
    out.push('\n');
}
