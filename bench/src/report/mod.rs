//! What a run leaves behind: one value from which every output is made.

pub mod agents;
pub mod ci;
pub mod csv;
pub mod environment;
mod figures;
pub mod goal;
pub mod hgrm;
pub mod html;
pub mod json;
pub mod outcomes;
pub mod plot;
pub mod spread;
pub mod table;
pub mod verdict;

use crate::driver::connect_times::ConnectTimes;
use crate::driver::kinds::KindFigures;
use crate::driver::machine::HostUse;
use crate::driver::reasons::Reason;
use crate::driver::run::{AgentFigures, Measured, ThreadUse};
use crate::driver::server::ServerUse;
use crate::driver::statuses::Example;
use crate::driver::tally::{Failure, Point, Tally};
use crate::redaction::Secrets;
use crate::report::agents::{AgentReport, overall};
use crate::report::goal::GoalOutcome;
use crate::report::verdict::{Inputs, Verdict, Wall, judge};
use crate::scenario::pacer::Arrivals;
use crate::scenario::{Load, Scenario};
use serde_json::Value;
use std::collections::BTreeMap;

/// A finished run.
#[derive(Clone, Debug)]
pub struct Report {
    /// The command line.
    pub command: String,
    /// Where it ran.
    pub environment: Value,
    /// What was run.
    pub scenario: Value,
    /// The target.
    pub url: String,
    /// Whether a schedule set the pace.
    pub is_open: bool,
    /// Counters and histograms of the measured part.
    pub total: Tally,
    /// Length of the measured part, nanoseconds.
    pub window_ns: u64,
    /// Answers per second that are no errors; of a ramp over all steps.
    pub rate: f64,
    /// The time series.
    pub series: Vec<Point>,
    /// The generator's threads; of a ramp over all steps.
    pub threads: Vec<ThreadUse>,
    /// CPU nanoseconds of the generator per answer.
    pub client_cpu_ns_per_request: Option<f64>,
    /// CPU nanoseconds of the server per answer.
    pub server_cpu_ns_per_request: Option<f64>,
    /// What the server used; of a ramp over all steps, but for the stages' latencies, which are of the last one.
    pub server: Option<ServerUse>,
    /// What the generator's host did; of a ramp in the last step.
    pub host: HostUse,
    /// The bottleneck; of a ramp, that of the last step.
    pub verdict: Verdict,
    /// What the verdict was drawn from; of a ramp in the last step.
    pub inputs: Inputs,
    /// Highest rate of the generator itself, from `bench calibrate` on this host.
    pub ceiling: Option<f64>,
    /// Goals and whether they were reached.
    pub goals: Vec<GoalOutcome>,
    /// Rows of a ramp.
    pub steps: Vec<Step>,
    /// The server's own count beside the acknowledged one (ramp).
    pub growth: Option<Growth>,
    /// What was read back.
    pub verified: Option<Verified>,
    /// What was done to the server while it ran.
    pub chaos: Vec<Disturbance>,
    /// Whether an interrupt ended it.
    pub is_interrupted: bool,
    /// Whether a condition of `--abort-if` ended it.
    pub is_aborted: bool,
    /// Requests in flight that the interrupt cut off.
    pub cut_off: u64,
    /// What a kept report was to be held against for.
    pub checks: Vec<Check>,
    /// What failed beside the load, a sentence each: checks, disturbances, the rest of a ramp.
    pub faults: Vec<String>,
    /// The reasons of failures: kind, reason in full, and how often, the most frequent first.
    pub reasons: Vec<Reason>,
    /// The first answer of each status that is no success, by status.
    pub examples: Vec<Example>,
    /// Name and figures of each kind of request; empty when there is one kind only.
    pub kinds: Vec<(String, KindFigures)>,
    /// How long connections took to open, TLS included; before the measured part too.
    pub connect_times: ConnectTimes,
    /// Whether the server was ended and started again meanwhile, so that its counters say nothing.
    pub was_restarted: bool,
    /// The generators, when there were several; empty when this process was the only one.
    pub agents: Vec<AgentReport>,
    /// The URL that was asked for the server's figures, and whether it had some.
    pub asked_metrics: Option<(String, bool)>,
}

/// One row of a ramp.
#[derive(Clone, Debug)]
pub struct Step {
    /// Requests per second that the schedule wanted.
    pub offered: f64,
    /// Answers per second.
    pub rate: f64,
    /// Counters and histograms.
    pub total: Tally,
    /// Length of the measured part, nanoseconds.
    pub window_ns: u64,
    /// CPU nanoseconds of the server per answer.
    pub server_cpu_ns_per_request: Option<f64>,
    /// CPU nanoseconds of the generator per answer.
    pub client_cpu_ns_per_request: Option<f64>,
    /// The bottleneck.
    pub wall: Wall,
}

/// A condition that a run was held to, beside its goals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The condition.
    pub name: String,
    /// Whether it holds.
    pub is_met: bool,
    /// What was found.
    pub detail: String,
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}{}", self.name, self.detail, if self.is_met { "" } else { ", FAILED" })
    }
}

/// Acknowledged requests beside the growth of the server's own total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Answers of 2xx over all steps, their warm-ups too.
    pub acknowledged: u64,
    /// Growth of `total` of `GET /pixels`.
    pub stored: i64,
}

/// What `--verify` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Pixels whose writing was acknowledged.
    pub acked: u64,
    /// Pixels of this run that each host lists.
    pub stored: BTreeMap<String, u64>,
    /// Acknowledged pixels that a host does not list, over all hosts.
    pub lost: u64,
    /// The first few of them, by number.
    pub lost_examples: Vec<u64>,
    /// Pixels listed more than once, the repetitions counted.
    pub duplicated: u64,
    /// Pixels listed although their writing was not acknowledged.
    pub stored_without_ack: u64,
    /// Pixels listed with another value or channel than the ones that were sent.
    pub altered: u64,
}

impl Verified {
    /// Returns whether what was acknowledged is not there as it was sent: lost, altered or stored twice. Nothing is sent twice, so a
    /// pixel that is there twice is the server's doing.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.lost > 0 || self.altered > 0 || self.duplicated > 0
    }
}

/// Something that `--chaos` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// As it was ordered.
    pub what: String,
    /// When, since the start of the run, nanoseconds.
    pub at_ns: u64,
    /// From then to the first answer after it, nanoseconds; `None` when there was none.
    pub recovery_ns: Option<u64>,
}

impl Report {
    /// Returns the report of one run; goals, verification and the rest are added by those who know them.
    #[must_use]
    pub fn of(
        scenario: &Scenario,
        measured: &Measured,
        round_trip_ns: u64,
        command: &str,
        environment: Value,
    ) -> Self {
        let agents: Vec<AgentReport> =
            measured.agents.iter().map(|agent| agent_report(scenario, measured, agent)).collect();
        let inputs = whole_inputs(scenario, measured, round_trip_ns);
        Self {
            command: command.to_string(),
            environment,
            scenario: described(scenario, agents.len()),
            url: scenario.target.url.clone(),
            is_open: scenario.rate().is_some(),
            total: measured.total.clone(),
            window_ns: measured.window_ns,
            rate: measured.rate(),
            series: measured.series.clone(),
            threads: measured.threads.clone(),
            client_cpu_ns_per_request: measured.client_cpu_ns_per_request(),
            server_cpu_ns_per_request: measured.server_cpu_ns_per_request(),
            server: measured.server.clone(),
            host: measured.host,
            verdict: overall(judge(&inputs), &agents),
            inputs,
            ceiling: None,
            goals: Vec::new(),
            steps: Vec::new(),
            growth: None,
            verified: None,
            chaos: Vec::new(),
            is_interrupted: measured.is_interrupted,
            is_aborted: measured.aborted.is_some(),
            cut_off: measured.cut_off,
            checks: Vec::new(),
            faults: Vec::new(),
            reasons: without_secrets(scenario, &measured.reasons, |reason| &mut reason.text),
            examples: without_secrets(scenario, &measured.examples, |example| &mut example.text),
            kinds: named(scenario, &measured.kinds),
            connect_times: measured.connect_times.clone(),
            was_restarted: measured.was_restarted,
            agents,
            asked_metrics: None,
        }
    }

    /// Returns the report of a ramp: its steps added up.
    ///
    /// # Panics
    /// When there is no step.
    #[must_use]
    pub fn of_steps(mut runs: Vec<Self>, offered: &[f64]) -> Self {
        let steps: Vec<Step> = runs.iter().zip(offered).map(|(run, &offered)| run.as_step(offered)).collect();
        let mut whole = runs.remove(0);
        for run in runs {
            for point in &run.series {
                whole.series.push(Point { start_ns: point.start_ns + whole.window_ns, ..point.clone() });
            }
            whole.total.merge(&run.total);
            whole.window_ns += run.window_ns;
            whole.is_interrupted |= run.is_interrupted;
            whole.is_aborted |= run.is_aborted;
            whole.was_restarted |= run.was_restarted;
            whole.cut_off += run.cut_off;
            Reason::merge(&mut whole.reasons, &run.reasons);
            whole.kinds.iter_mut().zip(&run.kinds).for_each(|(sum, more)| sum.1.merge(&more.1));
            whole.connect_times.merge(&run.connect_times);
            run.examples.into_iter().for_each(|example| example.enter(&mut whole.examples));
            whole.agents.iter_mut().zip(run.agents).for_each(|(sum, more)| sum.add(more));
            whole.threads.iter_mut().zip(&run.threads).for_each(|(sum, thread)| sum.add(thread));
            whole.server = whole.server.zip(run.server).map(|(mut sum, more)| {
                sum.add(more);
                sum
            });
            // The last step is the hardest one: its verdict and what it was drawn from stand for the ramp.
            whole.verdict = run.verdict;
            whole.inputs = run.inputs;
            whole.host = run.host;
        }
        whole.rate = whole.total.successes_in_time as f64 * 1e9 / whole.window_ns.max(1) as f64;
        let per_request = |cpu_ns: u64| {
            let answers = whole.total.answers_in_time;
            (answers > 0 && cpu_ns > 0).then(|| cpu_ns as f64 / answers as f64)
        };
        whole.server_cpu_ns_per_request =
            whole.server.as_ref().and_then(|used| per_request(used.process.cpu_ns()));
        whole.client_cpu_ns_per_request = per_request(whole.threads.iter().map(|thread| thread.cpu_ns).sum());
        whole.steps = steps;
        whole
    }

    /// Returns whether the rate, or that of any step, is only a lower bound of what the server can do.
    #[must_use]
    pub fn is_lower_bound(&self) -> bool {
        self.verdict.wall.is_lower_bound() || self.steps.iter().any(|step| step.wall.is_lower_bound())
    }

    fn as_step(&self, offered: f64) -> Step {
        Step {
            offered,
            rate: self.rate,
            total: self.total.clone(),
            window_ns: self.window_ns,
            server_cpu_ns_per_request: self.server_cpu_ns_per_request,
            client_cpu_ns_per_request: self.client_cpu_ns_per_request,
            wall: self.verdict.wall,
        }
    }

    /// Returns the histogram of latencies without correction: in a closed loop there is only one.
    #[must_use]
    pub fn uncorrected(&self) -> &hdrhistogram::Histogram<u64> {
        if self.is_open { &self.total.uncorrected } else { &self.total.latency }
    }
}

/// Failures of requests and connections: all but what never left, which a schedule wanted and a saturated target held back.
const FAULTS: [Failure; 7] = [
    Failure::Connect,
    Failure::Timeout,
    Failure::Reset,
    Failure::Closed,
    Failure::Dropped,
    Failure::Garbage,
    Failure::Status,
];

fn named(scenario: &Scenario, kinds: &[KindFigures]) -> Vec<(String, KindFigures)> {
    let names = scenario.mix.iter().flat_map(|mix| mix.names());
    names.cloned().zip(kinds.iter().cloned()).collect()
}

/// Returns `told` without what was sent in secret fields, which a server may send back.
fn without_secrets<T: Clone>(scenario: &Scenario, told: &[T], text: fn(&mut T) -> &mut String) -> Vec<T> {
    if told.is_empty() {
        return Vec::new();
    }
    let secrets = Secrets::of(scenario.fields());
    let mut told = told.to_vec();
    for text in told.iter_mut().map(text) {
        *text = secrets.hide(text);
    }
    told
}

/// Returns the scenario as reports show it, with the number of agents if there were some.
fn described(scenario: &Scenario, agents: usize) -> Value {
    let mut described = scenario.describe();
    if agents > 0 {
        described["agents"] = agents.into();
    }
    described
}

/// Returns what one of several generators did, with its own verdict: what limited its share.
fn agent_report(scenario: &Scenario, whole: &Measured, agent: &AgentFigures) -> AgentReport {
    let load = match (scenario.load, agent.offered) {
        (Load::Open { arrivals, .. }, Some(rate)) => Load::Open { rate, arrivals },
        (load, _) => load,
    };
    let share = Scenario { load, ..scenario.clone() };
    let inputs =
        Inputs { is_remote: !agent.is_local, ..inputs(&share, &agent.measured, agent.round_trip_ns) };
    AgentReport::new(agent, whole.window_ns, judge(&inputs))
}

/// Returns the inputs of a run; of one by several agents the target's distance is that of the nearest one.
fn whole_inputs(scenario: &Scenario, measured: &Measured, round_trip_ns: u64) -> Inputs {
    let agents = &measured.agents;
    match agents.iter().map(|agent| agent.round_trip_ns).min() {
        None => inputs(scenario, measured, round_trip_ns),
        Some(least_ns) => Inputs {
            is_remote: !agents.iter().any(|agent| agent.is_local),
            ..inputs(scenario, measured, least_ns)
        },
    }
}

/// Returns the requests per second that were due in the measured part: with gaps by chance more or fewer than the mean rate.
fn offered(scenario: &Scenario, measured: &Measured) -> Option<f64> {
    match scenario.load {
        Load::Open { arrivals: Arrivals::Poisson, .. } if measured.window_ns > 0 => {
            let due = measured.total.sent + measured.total.failures.of(Failure::Unsent);
            Some(due as f64 * 1e9 / measured.window_ns as f64)
        }
        _ => scenario.rate(),
    }
}

/// Returns what the verdict on a run is drawn from.
#[must_use]
pub fn inputs(scenario: &Scenario, measured: &Measured, round_trip_ns: u64) -> Inputs {
    let share = |ns: u64| if measured.window_ns == 0 { 0.0 } else { ns as f64 / measured.window_ns as f64 };
    let most = |of: fn(&ThreadUse) -> u64| share(measured.threads.iter().map(of).max().unwrap_or(0));
    let server = measured.server.as_ref();
    let threads = server.filter(|server| server.has_threads);
    let lag = &measured.total.lag;
    Inputs {
        offered: offered(scenario, measured),
        is_poisson: matches!(scenario.load, Load::Open { arrivals: Arrivals::Poisson, .. }),
        rate: measured.rate(),
        client_busy: most(|thread| thread.cpu_ns),
        client_waited: most(|thread| thread.waited_for_cpu_ns),
        client_stalled: most(|thread| thread.stalls.total_ns),
        longest_stall_ns: measured.threads.iter().map(|thread| thread.stalls.longest_ns).max().unwrap_or(0),
        window_ns: measured.window_ns,
        lags: lag.len(),
        lag_p99_ns: if lag.is_empty() { 0 } else { lag.value_at_quantile(0.99) },
        latency_p99_ns: measured.total.latency.value_at_quantile(0.99),
        server_busy: threads.map(|server| share(server.process.busiest_thread_ns)),
        server_waited: threads.map(|server| share(server.process.waited_for_cpu_ns)),
        host_idle: measured.host.idle,
        host_stolen: measured.host.stolen,
        host_softirq: measured.host.softirq,
        retransmits: measured.host.retransmits,
        round_trip_ns,
        latency_p5_ns: measured.total.latency.value_at_quantile(0.05),
        latency_p50_ns: measured.total.latency.value_at_quantile(0.5),
        is_remote: !scenario.target.is_local(),
        answers: measured.total.answers,
        failed: FAULTS.iter().map(|&kind| measured.total.failures.of(kind)).sum(),
        bad_answers: measured.total.failures.of(Failure::Status),
        late: measured.total.failures.of(Failure::Timeout) + measured.total.failures.of(Failure::Dropped),
        local_faults: measured
            .reasons
            .iter()
            .filter(|reason| reason.is_local)
            .map(|reason| reason.count)
            .sum(),
    }
}
