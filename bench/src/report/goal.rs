//! Goals such as `p99<2ms` or `errors=0`: what a run must reach, or it exits with 3.

use crate::driver::tally::{Failure, Tally};
use crate::quantity::{count, duration_ns};

/// What a goal looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Figure {
    /// A percentile of the latency, 0 to 100.
    Percentile(f64),
    Mean,
    Max,
    Errors,
    ErrorRate,
    Rate,
    ServerCpu,
    /// Answers whose status lies between the two.
    Status(u16, u16),
    /// Their share of all answers.
    StatusShare(u16, u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Below,
    AtMost,
    Equal,
    AtLeast,
    Above,
}

/// One goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// As it was written.
    pub text: String,
    figure: Figure,
    relation: Relation,
    bound: f64,
}

/// Whether a goal was reached.
#[derive(Clone, Debug, PartialEq)]
pub struct GoalOutcome {
    /// The goal as it was written.
    pub goal: String,
    /// What was measured: nanoseconds, a count, a share or a rate; `None` when that is not known.
    pub value: Option<f64>,
    /// Whether it holds; what is not known does not hold.
    pub is_met: bool,
    /// The bound, nanoseconds, if it is one of the latency.
    pub latency_bound_ns: Option<f64>,
}

/// What goals are checked against.
#[derive(Clone, Copy, Debug)]
pub struct Figures<'a> {
    /// Counters and latencies of the measured part.
    pub total: &'a Tally,
    /// Answers per second.
    pub rate: f64,
    /// CPU nanoseconds of the server per answer, when known.
    pub server_cpu_ns_per_request: Option<f64>,
}

impl Goal {
    /// Reads a goal.
    ///
    /// # Errors
    /// Returns a sentence with examples.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!(
                "goal `{text}`: {what}; write for example 'p99<2ms', 'errors=0', 'error_rate<0.1%', 'status_5xx=0' or 'rate>=50k'"
            )
        };
        let relations = [
            ("<=", Relation::AtMost),
            (">=", Relation::AtLeast),
            ("==", Relation::Equal),
            ("<", Relation::Below),
            (">", Relation::Above),
            ("=", Relation::Equal),
        ];
        let (sign, relation) = relations
            .into_iter()
            .filter_map(|(sign, relation)| Some((text.find(sign)?, sign, relation)))
            .min_by_key(|&(at, sign, _)| (at, std::cmp::Reverse(sign.len())))
            .map(|(_, sign, relation)| (sign, relation))
            .ok_or_else(|| wrong("it has no <, <=, =, >= or >"))?;
        let (name, value) = text.split_once(sign).unwrap_or((text, ""));
        let figure = match figure(name.trim()).ok_or_else(|| wrong("unknown figure"))? {
            Figure::Status(low, high) if value.contains('%') => Figure::StatusShare(low, high),
            figure => figure,
        };
        let bound = bound(figure, value.trim()).map_err(|what| wrong(&what))?;
        Ok(Self { text: text.to_string(), figure, relation, bound })
    }

    /// Returns whether it bounds errors, so that some of them may be within it.
    #[must_use]
    pub fn is_about_errors(&self) -> bool {
        matches!(
            self.figure,
            Figure::Errors | Figure::ErrorRate | Figure::Status(..) | Figure::StatusShare(..)
        )
    }

    /// Looks whether a run reached it.
    #[must_use]
    pub fn check(&self, run: &Figures<'_>) -> GoalOutcome {
        let value = self.value(run);
        let holds = |value: f64| match self.relation {
            Relation::Below => value < self.bound,
            Relation::AtMost => value <= self.bound,
            Relation::Equal => value == self.bound,
            Relation::AtLeast => value >= self.bound,
            Relation::Above => value > self.bound,
        };
        let is_latency = matches!(self.figure, Figure::Percentile(_) | Figure::Mean | Figure::Max);
        GoalOutcome {
            goal: self.text.clone(),
            value,
            is_met: value.is_some_and(holds),
            latency_bound_ns: is_latency.then_some(self.bound),
        }
    }

    fn value(&self, run: &Figures<'_>) -> Option<f64> {
        let total = run.total;
        let latency = |value: f64| (!total.latency.is_empty()).then_some(value);
        match self.figure {
            Figure::Percentile(share) => latency(total.latency.value_at_quantile(share / 100.0) as f64),
            Figure::Mean => latency(total.latency.mean()),
            Figure::Max => latency(total.latency.max() as f64),
            Figure::Errors => Some(total.failures.total() as f64),
            Figure::ErrorRate => {
                let unanswered = total.failures.total() - total.failures.of(Failure::Status);
                let all = total.answers + unanswered;
                (all > 0).then(|| total.failures.total() as f64 / all as f64)
            }
            Figure::Rate => Some(run.rate),
            Figure::Status(low, high) => Some(total.statuses.within(low..=high) as f64),
            Figure::StatusShare(low, high) => {
                (total.answers > 0).then(|| total.statuses.within(low..=high) as f64 / total.answers as f64)
            }
            Figure::ServerCpu => run.server_cpu_ns_per_request,
        }
    }

    /// Returns the value as a person reads it.
    #[must_use]
    pub fn show(&self, value: f64) -> String {
        match self.figure {
            Figure::Percentile(_) | Figure::Mean | Figure::Max | Figure::ServerCpu => {
                crate::quantity::show_ns(value as u64)
            }
            Figure::Errors | Figure::Status(..) => crate::quantity::show_count(value as u64),
            Figure::ErrorRate | Figure::StatusShare(..) => format!("{:.4} %", value * 100.0),
            Figure::Rate => crate::quantity::show_rate(value),
        }
    }
}

/// Reads `p50`, `p99`, `p99.9`, `p999`, `p9999` and the names of the other figures.
fn figure(name: &str) -> Option<Figure> {
    match name {
        "mean" => Some(Figure::Mean),
        "max" => Some(Figure::Max),
        "errors" => Some(Figure::Errors),
        "error_rate" => Some(Figure::ErrorRate),
        "rate" => Some(Figure::Rate),
        "server_cpu" => Some(Figure::ServerCpu),
        _ if name.starts_with("status_") => status(&name["status_".len()..]),
        _ => {
            let digits = name.strip_prefix('p')?;
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
                return None;
            }
            // p999 means 99.9: digits after the second are behind the point.
            let text = match digits.len() {
                3.. if !digits.contains('.') && digits.starts_with("99") => {
                    format!("{}.{}", &digits[..2], &digits[2..])
                }
                _ => digits.to_string(),
            };
            text.parse().ok().filter(|&share| (0.0..=100.0).contains(&share)).map(Figure::Percentile)
        }
    }
}

/// Reads `404` or, for all codes of a class, `4xx`.
fn status(text: &str) -> Option<Figure> {
    let is_class = text.len() == 3 && text.ends_with("xx");
    let low: u16 = if is_class { text[..1].parse::<u16>().ok()? * 100 } else { text.parse().ok()? };
    let high = if is_class { low + 99 } else { low };
    (200..=599).contains(&low).then_some(Figure::Status(low, high))
}

/// Reads a share such as `0.1%` or `0.001`.
fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(percent) => (percent.trim(), 100.0),
        None => (text, 1.0),
    };
    let share = number.parse::<f64>().map_err(|error| format!("`{text}`: {error}"))? / scale;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("`{text}` is not between 0% and 100%")) }
}

fn bound(figure: Figure, text: &str) -> Result<f64, String> {
    match figure {
        Figure::Percentile(_) | Figure::Mean | Figure::Max | Figure::ServerCpu => {
            duration_ns(text).map(|ns| ns as f64)
        }
        Figure::ErrorRate | Figure::StatusShare(..) => share(text),
        Figure::Errors | Figure::Rate | Figure::Status(..) if text == "0" => Ok(0.0),
        Figure::Errors | Figure::Rate | Figure::Status(..) => count(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_by_table() {
        for (text, figure, relation, bound) in [
            ("p99<2ms", Figure::Percentile(99.0), Relation::Below, 2e6),
            ("p99.9 <= 10ms", Figure::Percentile(99.9), Relation::AtMost, 1e7),
            ("p999<1s", Figure::Percentile(99.9), Relation::Below, 1e9),
            ("status_5xx=0", Figure::Status(500, 599), Relation::Equal, 0.0),
            ("status_404<=10", Figure::Status(404, 404), Relation::AtMost, 10.0),
            ("status_2xx>=99%", Figure::StatusShare(200, 299), Relation::AtLeast, 0.99),
            ("p9999<1s", Figure::Percentile(99.99), Relation::Below, 1e9),
            ("p100<1s", Figure::Percentile(100.0), Relation::Below, 1e9),
            ("max<1s", Figure::Max, Relation::Below, 1e9),
            ("errors=0", Figure::Errors, Relation::Equal, 0.0),
            ("errors==0", Figure::Errors, Relation::Equal, 0.0),
            ("error_rate<=100%", Figure::ErrorRate, Relation::AtMost, 1.0),
            ("error_rate<0.1%", Figure::ErrorRate, Relation::Below, 0.001),
            ("rate>=50k", Figure::Rate, Relation::AtLeast, 50e3),
            ("server_cpu<5us", Figure::ServerCpu, Relation::Below, 5e3),
        ] {
            let goal = Goal::parse(text).unwrap();
            assert_eq!((goal.figure, goal.relation), (figure, relation), "{text}");
            assert!((goal.bound - bound).abs() < 1e-9, "{text}");
        }
        let total = Tally::default();
        let run = Figures { total: &total, rate: 10.0, server_cpu_ns_per_request: None };
        for (text, is_met) in [
            ("errors=0", true),
            ("rate>9", true),
            ("rate<9", false),
            ("p99<1s", false),
            ("server_cpu<1s", false),
        ] {
            assert_eq!(
                Goal::parse(text).unwrap().check(&run).is_met,
                is_met,
                "{text}: what is not known does not hold"
            );
        }
        for text in [
            "",
            "p99",
            "p99<2",
            "p99<",
            "<2ms",
            "p101<2ms",
            "latency<2ms",
            "rate>fast",
            "error_rate<5",
            "error_rate<=-1%",
            "error_rate<101%",
            "error_rate<nan",
            "pp<1ms",
            "status_6xx=0",
            "status_99=0",
            "status_=0",
            "status_äx=0",
        ] {
            let error = Goal::parse(text).unwrap_err();
            assert!(error.contains("p99<2ms"), "{error}");
        }
    }
}
