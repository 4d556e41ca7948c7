//! `bench compare`: two or more targets in interleaved rounds, ratios with intervals, a verdict for each figure.

use crate::driver::run::{Watch, run};
use crate::output;
use crate::quantity::{show_cpu, show_ns, show_rate};
use crate::scenario::Scenario;
use crate::tools::bootstrap::{Better, Outcome, Ratio, median, paired};
use crate::tools::foreign::{Foreign, WRK_CAVEATS, redis, wrk, wrk_can_reach};
use crate::tools::peers::{Contender, Ready};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a round measured; nanoseconds and requests per second. What is not known is NaN, which no ratio takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Answers per second.
    pub rate: f64,
    /// CPU of the server per request.
    pub server_cpu: f64,
    /// CPU of the client per request.
    pub client_cpu: f64,
    /// Median latency.
    pub p50: f64,
    /// 99th percentile of the latency.
    pub p99: f64,
    /// Failures.
    pub errors: f64,
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
    /// Whether wrk is the client.
    pub is_wrk: bool,
    /// What came out.
    pub rounds: Vec<Round>,
}

/// How a comparison is run.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Load of a round; its target is replaced by each side's.
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
    /// A sentence that names the next step.
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
                output::tell(format_args!(
                    "round {}/{rounds} {name}: {rate}, server CPU {server_cpu}",
                    round + 1
                ));
                sides[at].rounds.push(measured);
            }
        }
        Ok(())
    }

    fn round(&self, side: &Side, stop: &Arc<AtomicBool>) -> Result<Round, String> {
        let target = side.contender.target.clone();
        let mut scenario = Scenario { target, ..self.scenario.clone() };
        scenario.form.path.clone_from(&scenario.target.path);
        scenario.form.host.clone_from(&scenario.target.host);
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
    let mut watch = Watch { server: &ready.probe, stop, is_live: false, on_start: &mut |_| {} };
    let measured = run(scenario, &mut watch)?;
    let latency = &measured.total.latency;
    Ok(Round {
        rate: measured.rate(),
        server_cpu: measured.server_cpu_ns_per_request().unwrap_or(f64::NAN),
        client_cpu: measured.client_cpu_ns_per_request().unwrap_or(f64::NAN),
        p50: latency.value_at_quantile(0.5) as f64,
        p99: latency.value_at_quantile(0.99) as f64,
        errors: measured.total.failures.total() as f64,
    })
}

/// A round of another client: its own figures, and what the server used meanwhile.
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
        errors: measured.errors,
    })
}

fn cpu(ns: f64) -> String {
    if ns.is_finite() { show_cpu(ns) } else { "not known".into() }
}

impl Side {
    /// A figure of all rounds.
    #[must_use]
    pub fn values(&self, figure: &Figure) -> Vec<f64> {
        self.rounds.iter().map(figure.2).collect()
    }

    /// A side's figure over the first side's, when both are known.
    #[must_use]
    pub fn ratio_to(&self, first: &Self, figure: &Figure) -> Option<Ratio> {
        paired(&first.values(figure), &self.values(figure))
    }

    /// What all figures together say: the one of the greatest weight that is known.
    #[must_use]
    pub fn outcome(&self, first: &Self) -> Option<Outcome> {
        // Two clients of one server are compared by their own cost.
        let figures = if self.is_wrk || first.is_wrk { &FIGURES[2..3] } else { &FIGURES[..2] };
        figures.iter().find_map(|figure| Some(self.ratio_to(first, figure)?.outcome(figure.1)))
    }
}

/// The comparison for people.
#[must_use]
pub fn render(sides: &[Side]) -> String {
    let mut out = String::new();
    let Some((first, others)) = sides.split_first() else { return out };
    for side in sides {
        let _ = write!(out, "{:24}", side.name);
        for figure in &FIGURES {
            let value = median(&side.values(figure));
            let shown = if value.is_finite() && value > 0.0 { (figure.3)(value) } else { "-".into() };
            let _ = write!(out, "  {} {shown}", figure.0);
        }
        let errors: f64 = side.rounds.iter().fold(0.0, |sum, round| sum + round.errors);
        let _ = writeln!(out, "  errors {errors}  ({} rounds, medians)", side.rounds.len());
    }
    for side in others {
        let _ = writeln!(out, "\n{} over {}:", side.name, first.name);
        for figure in &FIGURES {
            let Some(ratio) = side.ratio_to(first, figure) else {
                let _ = writeln!(out, "  {:11} not known", figure.0);
                continue;
            };
            let _ = writeln!(
                out,
                "  {:11} {:.3} (95 % {:.3} to {:.3}; a difference of {:.1} % would have been seen)  {}",
                figure.0,
                ratio.ratio,
                ratio.low,
                ratio.high,
                ratio.detectable * 100.0,
                ratio.outcome(figure.1).name()
            );
        }
        let overall = side.outcome(first).map_or("too few rounds to say", Outcome::name);
        let _ = writeln!(out, "  {}: {overall}", side.name);
    }
    if sides.iter().any(|side| side.is_wrk) {
        let _ = writeln!(out, "\nabout wrk's figures:");
        for caveat in WRK_CAVEATS {
            let _ = writeln!(out, "- {caveat}");
        }
    }
    out
}

/// One line for `bench/results`, for each side.
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
            "schema": 1,
            "commit": commit,
            "command": command,
            "environment": environment,
            "server_cpus": comparison.server_cpus,
            "scenario": Scenario { target: side.contender.target.clone(), ..comparison.scenario.clone() }.describe(),
            "rounds": side.rounds.len(),
            "name": side.name,
            "about": peer.map(|peer| peer.about.clone()),
            "keeps": peer.map(|peer| peer.keeps.clone()),
            "client": if side.is_wrk { "wrk" } else if peer.is_some_and(|p| !p.redis_command.is_empty()) { "redis-benchmark" } else { "pixeld bench" },
            "medians": medians,
            "ratios_to": first.name,
            "ratios": ratios,
            "errors": side.rounds.iter().map(|round| round.errors).sum::<f64>(),
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
