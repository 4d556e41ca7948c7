//! `bench diff`: two reports of `--json`, compared figure by figure, if they can be compared at all.

use crate::report::environment;
use crate::report::json::SCHEMA;
use crate::tools::bootstrap::{Better, Outcome, Ratio, unpaired, unpaired_means};
use crate::tools::judgement::{Errors, Judgement, judged, objection, outcome, overall};
use serde_json::Value;
use std::fmt::Write;

/// Keys of the scenario that have to agree.
const SCENARIO: [&str; 17] = [
    "load",
    "rate",
    "poisson",
    "method",
    "path",
    "headers",
    "body",
    "requests_in_turn",
    "connections",
    "threads",
    "agents",
    "pipeline",
    "requests_per_connection",
    "duration_ns",
    "requests",
    "warmup_ns",
    "timeout_ns",
];
/// Change of the server's CPU per request that counts although a single run has no interval.
const CPU_MATTERS: f64 = 0.05;

/// What a comparison of two reports says.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The table for people.
    pub text: String,
    /// What the figures that count say of the new run; nothing where errors forbid it.
    pub judgement: Option<Judgement>,
}

/// Looks whether this is a report that can be compared.
///
/// # Errors
/// Returns a sentence for what is no report of `--json`, and for one of another schema.
pub fn check_schema(report: &Value) -> Result<(), String> {
    match report["schema"] == SCHEMA {
        true => Ok(()),
        false => {
            Err(format!("not a report of `pixeld bench --json` that this version reads (schema {SCHEMA})"))
        }
    }
}

/// Compares two reports; `is_forced` also those of other conditions.
///
/// # Errors
/// Returns a sentence with the first condition that differs, unless `is_forced`; or what is missing in a report.
pub fn compare(old: &Value, new: &Value, is_forced: bool) -> Result<Difference, String> {
    [old, new].into_iter().try_for_each(check_schema)?;
    if !is_forced {
        comparable(old, new)?;
    }
    let is_known = !old["requests"].is_null() && !new["requests"].is_null();
    let objection = objection(("the old run", errors(old)), ("the new run", errors(new)));
    let mut text = String::new();
    for (name, report) in [("old", old), ("new", new)] {
        let Errors { requests, failed } = errors(report);
        let _ = writeln!(text, "errors      {failed} of {requests} requests of the {name} run");
    }
    let mut figures: Vec<(&'static str, Outcome)> = Vec::new();
    figures.extend(cpu_row(&mut text, old, new));
    for (name, better, key) in
        [("rate", Better::Higher, "rate"), ("p50", Better::Lower, "p50_ns"), ("p99", Better::Lower, "p99_ns")]
    {
        figures.extend(row(&mut text, name, better, (old, new), key));
    }
    if let Some(why) = objection.filter(|_| is_known) {
        let _ = writeln!(text, "the new run is: NOT JUDGED, {why}");
        return Ok(Difference { text, judgement: None });
    }
    figures.retain(|(name, _)| judged(new["scenario"]["load"] == "open").contains(name));
    let judgement =
        overall(&figures).ok_or("the reports are too short to be compared; run for at least 1 s")?;
    let _ = writeln!(text, "the new run is: {judgement}");
    Ok(Difference { text, judgement: Some(judgement) })
}

/// Requests of a report and those that failed; what never left is in the latency and the rate.
fn errors(report: &Value) -> Errors {
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let kinds = &report["errors_by_kind"];
    let failed = number(&report["errors"]) - number(&kinds["unsent"]);
    Errors { requests: number(&report["requests"]) + failed - number(&kinds["status"]), failed }
}

/// Looks whether two runs had the same conditions.
///
/// # Errors
/// Returns a sentence with the first one that differs.
pub fn comparable(old: &Value, new: &Value) -> Result<(), String> {
    let refused = |what: &str, one: String, other: String| {
        Err(format!(
            "these runs can't be compared: {what} was {one} and is {other}; --force compares them anyway"
        ))
    };
    if let Some((key, one, other)) = environment::difference(&old["environment"], &new["environment"]) {
        return refused(key, one, other);
    }
    if old["interrupted"] == true || new["interrupted"] == true {
        let told =
            |report: &Value| (if report["interrupted"] == true { "cut off" } else { "whole" }).to_string();
        return refused("the run", told(old), told(new));
    }
    let offered = |report: &Value| -> Vec<Value> {
        report["steps"].as_array().into_iter().flatten().map(|step| step["offered"].clone()).collect()
    };
    if offered(old) != offered(new) {
        let shown = |report: &Value| Value::from(offered(report)).to_string();
        return refused("the ramp", shown(old), shown(new));
    }
    let scheme =
        |report: &Value| report["url"].as_str().and_then(|url| url.split("://").next()).map(String::from);
    if scheme(old) != scheme(new) {
        let shown = |report: &Value| scheme(report).unwrap_or_default();
        return refused("the scheme", shown(old), shown(new));
    }
    for key in SCENARIO {
        let (one, other) = (&old["scenario"][key], &new["scenario"][key]);
        if one != other {
            return refused(key, one.to_string(), other.to_string());
        }
    }
    Ok(())
}

/// Writes the row of a figure of the intervals and returns what it says.
fn row(
    text: &mut String,
    name: &'static str,
    better: Better,
    (old, new): (&Value, &Value),
    key: &str,
) -> Option<(&'static str, Outcome)> {
    // A median is that of the middle; a tail, and intervals that stood still, are in what the middle leaves out.
    let ratio_of = if name == "p50" { unpaired } else { unpaired_means };
    let Some(ratio) = ratio_of(&series(old, key), &series(new, key)) else {
        let _ = writeln!(text, "{name:11} not known");
        return None;
    };
    let outcome = outcome(name, &ratio, better);
    let Ratio { ratio, low, high, .. } = ratio;
    let _ = writeln!(text, "{name:11} {ratio:.3} (95 % {low:.3} to {high:.3})  {}", outcome.name());
    Some((name, outcome))
}

/// Returns the ratio of a figure (cpu, rate, p50 or p99) of the new run to that of the old one, with its interval. CPU is known once
/// for each run: below 5 % nothing is established.
#[must_use]
pub fn ratio(old: &Value, new: &Value, figure: &str) -> Option<Ratio> {
    let of = |key: &str| (series(old, key), series(new, key));
    match figure {
        "cpu" => {
            let cpu = |report: &Value| report["server_cpu_ns_per_request"].as_f64();
            let ratio = cpu(new)? / cpu(old)?;
            let (low, high) = (ratio * (1.0 - CPU_MATTERS), ratio * (1.0 + CPU_MATTERS));
            Some(Ratio { ratio, low, high, detectable: CPU_MATTERS })
        }
        "rate" => unpaired_means(&of("rate").0, &of("rate").1),
        "p50" => unpaired(&of("p50_ns").0, &of("p50_ns").1),
        "p99" => unpaired_means(&of("p99_ns").0, &of("p99_ns").1),
        _ => None,
    }
}

/// Returns a figure of all intervals; one without an answer has a rate, which is 0, and no latency.
fn series(report: &Value, key: &str) -> Vec<f64> {
    let points = report["series"].as_array().map_or(&[][..], Vec::as_slice);
    points
        .iter()
        .filter_map(|point| point[key].as_f64())
        .filter(|&value| value > 0.0 || key == "rate")
        .collect()
}

fn cpu_row(text: &mut String, old: &Value, new: &Value) -> Option<(&'static str, Outcome)> {
    let cpu = |report: &Value| report["server_cpu_ns_per_request"].as_f64();
    let ratio = cpu(new)? / cpu(old)?;
    let outcome = match ratio {
        r if r > 1.0 + CPU_MATTERS => Outcome::Slower,
        r if r < 1.0 - CPU_MATTERS => Outcome::Faster,
        _ => Outcome::NoDifference,
    };
    let _ = writeln!(
        text,
        "server CPU  {ratio:.3} (one run each: below 5 % nothing is established)  {}",
        outcome.name()
    );
    Some(("server CPU", outcome))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(rate: f64, cpu: f64) -> Value {
        let series: Vec<Value> = (0..20)
            .map(|k| json!({"rate": rate * (1.0 + 0.002 * f64::from(k % 5)), "p50_ns": 1000 + k % 3, "p99_ns": 2000 + k % 7}))
            .collect();
        json!({
            "schema": SCHEMA,
            "environment": {"host": "h", "kernel": "k"},
            "scenario": {"load": "closed", "connections": 64},
            "series": series,
            "requests": 1000,
            "errors": 0,
            "server_cpu_ns_per_request": cpu,
        })
    }

    #[test]
    fn outcomes_by_table() {
        for (old, new, outcome) in [
            (report(1e5, 4e3), report(1e5, 4e3), Outcome::NoDifference),
            (report(1e5, 4e3), report(0.9e5, 4e3), Outcome::Slower),
            (report(1e5, 4e3), report(1.1e5, 4e3), Outcome::Faster),
            (report(1e5, 4e3), report(1e5, 4.4e3), Outcome::Slower),
        ] {
            let difference = compare(&old, &new, false).unwrap();
            let said = difference.judgement.map(|judgement| judgement.outcome);
            assert_eq!(said, Some(outcome), "{}", difference.text);
        }
    }

    #[test]
    fn other_conditions_are_refused_unless_forced() {
        let (old, mut new) = (report(1e5, 4e3), report(1e5, 4e3));
        new["environment"]["kernel"] = "other".into();
        let error = compare(&old, &new, false).unwrap_err();
        assert!(error.contains("kernel") && error.contains("--force"), "{error}");
        assert!(compare(&old, &new, true).is_ok());
        let mut new = report(1e5, 4e3);
        new["scenario"]["connections"] = 1.into();
        assert!(compare(&old, &new, false).unwrap_err().contains("connections"));
        assert!(compare(&old, &json!({}), true).unwrap_err().contains("schema 2"));
    }

    #[test]
    fn every_condition_counts() {
        let old = report(1e5, 4e3);
        for key in SCENARIO {
            let mut new = old.clone();
            new["scenario"][key] = "other".into();
            assert!(compare(&old, &new, false).unwrap_err().contains(key), "{key}");
        }
        for (key, value) in [
            ("interrupted", json!(true)),
            ("steps", json!([{"offered": 5.0}])),
            ("url", json!("https://h/x")),
        ] {
            let mut new = old.clone();
            new[key] = value;
            assert!(compare(&old, &new, false).is_err() && compare(&old, &new, true).is_ok(), "{key}");
        }
    }

    #[test]
    fn the_tail_of_an_open_loop_counts() {
        for (load, outcome) in [("open", Outcome::Slower), ("closed", Outcome::NoDifference)] {
            let (mut old, mut new) = (report(1e5, 4e3), report(1e5, 4e3));
            for report in [&mut old, &mut new] {
                report["scenario"]["load"] = load.into();
            }
            for point in new["series"].as_array_mut().unwrap() {
                point["p99_ns"] = (207 * point["p99_ns"].as_u64().unwrap()).into();
            }
            let difference = compare(&old, &new, false).unwrap();
            assert_eq!(
                difference.judgement.map(|judgement| judgement.outcome),
                Some(outcome),
                "{}",
                difference.text
            );
        }
    }

    #[test]
    fn an_interval_without_answers_counts() {
        let (old, mut new) = (report(1e5, 4e3), report(1e5, 4e3));
        for point in new["series"].as_array_mut().unwrap().iter_mut().step_by(2) {
            point["rate"] = 0.into();
        }
        let difference = compare(&old, &new, false).unwrap();
        assert!(
            difference.text.contains("rate") && difference.text.contains("SLOWER in"),
            "{}",
            difference.text
        );
    }

    #[test]
    fn errors_that_the_other_run_has_not_forbid_a_verdict() {
        let (old, mut new) = (report(1e5, 4e3), report(2e5, 2e3));
        new["errors"] = 100.into();
        for (kind, is_judged) in [("status", false), ("reset", false), ("timeout", false), ("unsent", true)] {
            new["errors_by_kind"] = json!({kind: 100});
            for (one, other) in [(&old, &new), (&new, &old)] {
                let difference = compare(one, other, false).unwrap();
                assert_eq!(difference.judgement.is_some(), is_judged, "{kind}: {}", difference.text);
            }
        }
    }
}
