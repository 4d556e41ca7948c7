//! `bench compare`: two or more targets in interleaved rounds, ratios with intervals, a verdict for each figure.

use crate::driver::run::{Watch, run};
use crate::driver::tally::{Failure, Tally};
use crate::output;
use crate::quantity::{show_cpu, show_ns, show_rate};
use crate::scenario::Scenario;
use crate::scenario::request::RequestForm;
use crate::tools::bootstrap::{Better, Outcome, Ratio, median, paired};
use crate::tools::foreign::{Foreign, WRK_CAVEATS, redis, wrk, wrk_can_reach};
use crate::tools::judgement::{self, Errors, Judgement, objection, overall};
use crate::tools::peers::{Contender, Ready};
use crate::tools::published;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a round measured; nanoseconds and requests per second. What is not known is NaN, which no ratio takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Answers per second that are no errors.
    pub rate: f64,
    /// CPU of the server per request.
    pub server_cpu: f64,
    /// CPU of the client per request.
    pub client_cpu: f64,
    /// Median latency.
    pub p50: f64,
    /// 99th percentile of the latency.
    pub p99: f64,
    /// Requests and those that failed.
    pub errors: Errors,
}

/// A figure of a round.
pub type Figure = (&'static str, Better, fn(&Round) -> f64, fn(f64) -> String);

/// The figures that are compared, in the order of their weight: CPU survives a noisy machine best.
pub const FIGURES: [Figure; 5] = [
    ("server CPU", Better::Lower, |round| round.server_cpu, show_cpu),
    ("rate", Better::Higher, |round| round.rate, show_rate),
    ("client CPU", Better::Lower, |round| round.client_cpu, show_cpu),
    ("p50", Better::Lower, |round| round.p50, |ns| show_ns(ns as u64)),
    ("p99", Better::Lower, |round| round.p99, |ns| show_ns(ns as u64)),
];

/// One target, or one client of it, and its rounds.
#[derive(Clone, Debug)]
pub struct Side {
    /// Name in the table.
    pub name: String,
    /// What is run.
    pub contender: Contender,
    /// What is asked of it.
    pub form: RequestForm,
    /// Whether wrk is the client.
    pub is_wrk: bool,
    /// What came out.
    pub rounds: Vec<Round>,
}

/// How a comparison is run.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Load of a round; its target and its requests are replaced by each side's.
    pub scenario: Scenario,
    /// Rounds of each side.
    pub rounds: usize,
    /// CPUs of the servers that bench starts.
    pub server_cpus: Vec<usize>,
    /// Folder for what the servers write.
    pub runs: PathBuf,
}

impl Comparison {
    /// Runs all rounds, A B B A A B ..., so that a drift of the machine hits all sides alike.
    ///
    /// # Errors
    /// Returns a sentence that names the next step.
    pub fn run(&self, sides: &mut [Side], stop: &Arc<AtomicBool>) -> Result<(), String> {
        for side in sides.iter().filter(|side| side.is_wrk) {
            wrk_can_reach(&side.contender.target)?;
        }
        let mut built = Vec::new();
        for contender in sides.iter().map(|side| &side.contender) {
            contender.build(&mut built, stop)?;
        }
        let number = sides.len();
        for round in 0..self.rounds {
            for place in 0..number {
                let at = if round % 2 == 0 { place } else { number - 1 - place };
                let measured = self.round(&sides[at], stop)?;
                if stop.load(Ordering::Relaxed) {
                    return Ok(()); // a cut-off round is no round
                }
                let (name, rate) = (&sides[at].name, show_rate(measured.rate));
                let (rounds, server_cpu) = (self.rounds, cpu(measured.server_cpu));
                output::report(format_args!(
                    "round {}/{rounds} {name}: {rate}, server CPU {server_cpu}",
                    round + 1
                ));
                sides[at].rounds.push(measured);
            }
        }
        Ok(())
    }

    fn scenario_of(&self, side: &Side) -> Scenario {
        Scenario { target: side.contender.target.clone(), form: side.form.clone(), ..self.scenario.clone() }
    }

    fn round(&self, side: &Side, stop: &Arc<AtomicBool>) -> Result<Round, String> {
        let scenario = self.scenario_of(side);
        let mut ready =
            side.contender.start(&self.server_cpus, &self.runs, self.scenario.asks_metrics, stop)?;
        let redis_command = side.contender.peer.as_ref().map_or(&[][..], |peer| &peer.redis_command);
        let round = if side.is_wrk {
            foreign_round(&ready, || wrk(&scenario, &self.runs))
        } else if redis_command.is_empty() {
            own_round(&scenario, &ready, stop)
        } else {
            let short = redis(&scenario, redis_command, None)?;
            foreign_round(&ready, || redis(&scenario, redis_command, Some(short.rate)))
        };
        ready.check_alive().map_err(|error| format!("{}: {error}", side.name))?;
        round
    }
}

fn own_round(scenario: &Scenario, ready: &Ready, stop: &Arc<AtomicBool>) -> Result<Round, String> {
    let mut watch = Watch {
        server: &ready.probe,
        stop,
        onlooker: &mut (),
        abort_if: &|_, _| None,
        on_start: &mut |_| {},
    };
    let measured = run(scenario, &mut watch)?;
    let latency = &measured.total.latency;
    Ok(Round {
        rate: measured.rate(),
        server_cpu: measured.server_cpu_ns_per_request().unwrap_or(f64::NAN),
        client_cpu: measured.client_cpu_ns_per_request().unwrap_or(f64::NAN),
        p50: latency.value_at_quantile(0.5) as f64,
        p99: latency.value_at_quantile(0.99) as f64,
        errors: errors_of(&measured.total),
    })
}

/// Requests of a run and those that failed; what never left is in the latency and the rate.
fn errors_of(total: &Tally) -> Errors {
    let unanswered = total.failures.of_sent() - total.failures.of(Failure::Status);
    Errors { requests: (total.answers + unanswered) as f64, failed: total.failures.of_sent() as f64 }
}

/// Returns a round of another client: its own figures, and what the server used meanwhile.
fn foreign_round(ready: &Ready, client: impl FnOnce() -> Result<Foreign, String>) -> Result<Round, String> {
    let before = ready.probe.read();
    let measured = client()?;
    let used = ready.probe.read().since(&before);
    let requests = measured.requests.max(1.0);
    Ok(Round {
        rate: measured.rate,
        server_cpu: used.map_or(f64::NAN, |used| used.process.cpu_ns() as f64 / requests),
        client_cpu: measured.client_cpu_ns / requests,
        p50: measured.p50_ns,
        p99: measured.p99_ns,
        errors: Errors { requests: measured.requests, failed: measured.errors },
    })
}

fn cpu(ns: f64) -> String {
    if ns.is_finite() { show_cpu(ns) } else { "not known".into() }
}

impl Side {
    /// Returns a figure of all rounds.
    #[must_use]
    pub fn values(&self, figure: &Figure) -> Vec<f64> {
        self.rounds.iter().map(figure.2).collect()
    }

    /// Returns a side's figure over the first side's, when both are known.
    #[must_use]
    pub fn ratio_to(&self, first: &Self, figure: &Figure) -> Option<Ratio> {
        paired(&first.values(figure), &self.values(figure))
    }

    /// Errors of all rounds.
    #[must_use]
    pub fn errors(&self) -> Errors {
        self.rounds.iter().fold(Errors::default(), |sum, round| sum.and(round.errors))
    }

    /// Returns why it can't be judged beside the first side, if it can't.
    #[must_use]
    pub fn objection(&self, first: &Self) -> Option<String> {
        objection((&first.name, first.errors()), (&self.name, self.errors()))
    }

    /// Returns what all figures together say of a load that is open or not; nothing with too few rounds.
    #[must_use]
    pub fn judgement(&self, first: &Self, is_open: bool) -> Option<Judgement> {
        // Two clients of one server are compared by their own cost.
        let names = if self.is_wrk || first.is_wrk { &["client CPU"] } else { judgement::judged(is_open) };
        let judged = FIGURES.iter().filter(|figure| names.contains(&figure.0));
        let known = judged.filter_map(|figure| Some((figure.0, self.outcome(first, figure)?)));
        overall(&known.collect::<Vec<_>>())
    }

    fn outcome(&self, first: &Self, figure: &Figure) -> Option<Outcome> {
        Some(judgement::outcome(figure.0, &self.ratio_to(first, figure)?, figure.1))
    }
}

/// Returns the comparison for people; `is_open` says how the load was.
#[must_use]
pub fn render(sides: &[Side], is_open: bool) -> String {
    let mut out = String::new();
    let Some((first, others)) = sides.split_first() else { return out };
    for side in sides {
        let _ = write!(out, "{:24}", side.name);
        for figure in &FIGURES {
            let value = median(&side.values(figure));
            let shown = if value.is_finite() && value > 0.0 { (figure.3)(value) } else { "-".into() };
            let _ = write!(out, "  {} {shown}", figure.0);
        }
        let _ = writeln!(out, "  errors {}  ({} rounds, medians)", side.errors().failed, side.rounds.len());
    }
    for side in others {
        ratios(&mut out, first, side, is_open);
    }
    if sides.iter().any(|side| side.is_wrk) {
        let _ = writeln!(out, "\nabout wrk's figures:");
        for caveat in WRK_CAVEATS {
            let _ = writeln!(out, "- {caveat}");
        }
    }
    out
}

fn ratios(out: &mut String, first: &Side, side: &Side, is_open: bool) {
    let objection = side.objection(first);
    let _ = writeln!(out, "\n{} over {}:", side.name, first.name);
    for figure in &FIGURES {
        let Some(Ratio { ratio, low, high, detectable }) = side.ratio_to(first, figure) else {
            let _ = writeln!(out, "  {:11} not known", figure.0);
            continue;
        };
        let outcome = side.outcome(first, figure).filter(|_| objection.is_none());
        let _ = writeln!(
            out,
            "  {:11} {ratio:.3} (95 % {low:.3} to {high:.3}; a difference of {:.1} % would have been seen)  {}",
            figure.0,
            detectable * 100.0,
            outcome.map_or("not judged", Outcome::name)
        );
    }
    let overall = match (objection, side.judgement(first, is_open)) {
        (Some(why), _) => format!("NOT JUDGED, {why}"),
        (None, Some(judgement)) => judgement.to_string(),
        (None, None) => "too few rounds to say".into(),
    };
    let _ = writeln!(out, "  {}: {overall}", side.name);
}

/// Returns a line for `bench/results` for each side.
#[must_use]
pub fn lines(
    sides: &[Side],
    comparison: &Comparison,
    environment: &Value,
    commit: &str,
    command: &str,
) -> Vec<Value> {
    let Some(first) = sides.first() else { return Vec::new() };
    let line = |side: &Side| {
        let mut medians = serde_json::Map::new();
        let mut ratios = serde_json::Map::new();
        for figure in &FIGURES {
            let key = figure.0.replace(' ', "_").to_lowercase();
            let value = median(&side.values(figure));
            medians.insert(key.clone(), if value.is_finite() { value.into() } else { Value::Null });
            let ratio = side.ratio_to(first, figure);
            ratios.insert(key, ratio.map_or(Value::Null, |r| json!([r.ratio, r.low, r.high])));
        }
        let peer = side.contender.peer.as_ref();
        json!({
            "schema": published::SCHEMA,
            "commit": commit,
            "command": command,
            "environment": environment,
            "server_cpus": comparison.server_cpus,
            "scenario": comparison.scenario_of(side).describe(),
            "rounds": side.rounds.len(),
            "name": side.name,
            "about": peer.map(|peer| peer.about.clone()),
            "keeps": peer.map(|peer| peer.keeps.clone()),
            "client": if side.is_wrk { "wrk" } else if peer.is_some_and(|p| !p.redis_command.is_empty()) { "redis-benchmark" } else { "pixeld bench" },
            "medians": medians,
            "ratios_to": first.name,
            "ratios": ratios,
            "requests": side.errors().requests,
            "errors": side.errors().failed,
            "values": side.rounds.iter().map(|round| json!({
                "rate": round.rate, "server_cpu": known(round.server_cpu), "client_cpu": known(round.client_cpu),
                "p50": round.p50, "p99": round.p99,
            })).collect::<Vec<_>>(),
        })
    };
    sides.iter().map(line).collect()
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
