//! `bench diff`: two reports of `--json`, compared figure by figure, if they can be compared at all.

use crate::report::environment;
use crate::report::json::SCHEMA;
use crate::tools::bootstrap::{Better, Outcome, Ratio, unpaired};
use serde_json::Value;
use std::fmt::Write;

/// Keys of the scenario that have to agree.
const SCENARIO: [&str; 7] = ["load", "rate", "poisson", "method", "connections", "threads", "pipeline"];
/// Change of the server's CPU per request that counts although a single run has no interval.
const CPU_MATTERS: f64 = 0.05;

/// What a comparison of two reports says.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The table for people.
    pub text: String,
    /// What the figure that counts says of the new run.
    pub outcome: Outcome,
}

/// Compares.
///
/// # Errors
/// A sentence with the first condition that differs, unless `is_forced`; or what is missing in a report.
pub fn compare(old: &Value, new: &Value, is_forced: bool) -> Result<Difference, String> {
    for report in [old, new] {
        if report["schema"] != SCHEMA {
            return Err(format!(
                "not a report of `pixeld bench --json` that this version reads (schema {SCHEMA})"
            ));
        }
    }
    if !is_forced {
        comparable(old, new)?;
    }
    let mut text = String::new();
    let rate = row(&mut text, "rate", Better::Higher, old, new, "rate");
    let p50 = row(&mut text, "p50", Better::Lower, old, new, "p50_ns");
    let p99 = row(&mut text, "p99", Better::Lower, old, new, "p99_ns");
    let cpu = cpu_row(&mut text, old, new);
    // A schedule fixes the rate of an open loop; there the latency tells.
    let timed = if new["scenario"]["load"] == "open" { p50.or(p99) } else { rate };
    let outcome = match (timed, cpu) {
        (Some(Outcome::NoDifference) | None, Some(outcome)) => outcome,
        (Some(outcome), _) => outcome,
        (None, None) => return Err("the reports are too short to be compared; run for at least 1 s".into()),
    };
    let _ = writeln!(text, "the new run is: {}", outcome.name());
    Ok(Difference { text, outcome })
}

fn comparable(old: &Value, new: &Value) -> Result<(), String> {
    let refused = |what: &str, one: String, other: String| {
        Err(format!(
            "these runs can't be compared: {what} was {one} and is {other}; --force compares them anyway"
        ))
    };
    if let Some((key, one, other)) = environment::difference(&old["environment"], &new["environment"]) {
        return refused(key, one, other);
    }
    for key in SCENARIO {
        let (one, other) = (&old["scenario"][key], &new["scenario"][key]);
        if one != other {
            return refused(key, one.to_string(), other.to_string());
        }
    }
    Ok(())
}

fn row(
    text: &mut String,
    name: &str,
    better: Better,
    old: &Value,
    new: &Value,
    key: &str,
) -> Option<Outcome> {
    let series = |report: &Value| -> Vec<f64> {
        let points = report["series"].as_array().map_or(&[][..], Vec::as_slice);
        points.iter().filter_map(|point| point[key].as_f64()).filter(|&value| value > 0.0).collect()
    };
    let Some(ratio) = unpaired(&series(old), &series(new)) else {
        let _ = writeln!(text, "{name:11} not known");
        return None;
    };
    let outcome = ratio.outcome(better);
    let Ratio { ratio, low, high, .. } = ratio;
    let _ = writeln!(text, "{name:11} {ratio:.3} (95 % {low:.3} to {high:.3})  {}", outcome.name());
    Some(outcome)
}

fn cpu_row(text: &mut String, old: &Value, new: &Value) -> Option<Outcome> {
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
    Some(outcome)
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
            assert_eq!(difference.outcome, outcome, "{}", difference.text);
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
}
