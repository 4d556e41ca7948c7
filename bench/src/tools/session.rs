//! One `pixeld bench`: runs or a ramp of them, what is checked afterwards, and what is written.

use crate::agent::crew::{Agents, Crew};
use crate::client::target::Target;
use crate::driver::live::{LiveLine, Onlooker};
use crate::driver::run::{Measured, Watch, run};
use crate::driver::server::{ServerProbe, round_trip_ns};
use crate::driver::tally::Tally;
use crate::quantity::show_rate;
use crate::report::environment;
use crate::report::goal::{Figures, Goal, GoalOutcome};
use crate::report::json::document;
use crate::report::{Growth, Report, Verified};
use crate::scenario::pacer::Arrivals;
use crate::scenario::{Load, Scenario};
use crate::screen::Screen;
use crate::tools::baseline::{Baseline, Held};
use crate::tools::calibration::Calibration;
use crate::tools::chaos::{Aftermath, Chaos, unleash};
use crate::tools::exit::{Exit, Findings};
use crate::tools::launch::{Launch, Launched};
use crate::tools::outputs::{OpenOutputs, Outputs};
use crate::tools::verify::{Ledger, NUMBERS_MAX, total};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Everything that was ordered.
#[derive(Clone, Debug)]
pub struct Order {
    /// The run; of a ramp, each of its steps but for rate and duration.
    pub scenario: Scenario,
    /// Rates of a ramp; empty for a single run.
    pub steps: Vec<f64>,
    /// How the requests of a ramp are spaced.
    pub arrivals: Arrivals,
    /// Goals.
    pub goals: Vec<Goal>,
    /// Conditions that end the run as soon as they hold.
    pub abort_if: Vec<Goal>,
    /// Whether a client that was the bottleneck is a failure.
    pub is_strict: bool,
    /// The run's own number and the hosts to read back from, with `--verify`.
    pub verify: Option<(i32, Vec<Target>)>,
    /// What is done to the server.
    pub chaos: Vec<Chaos>,
    /// Whether the run is shown on the whole terminal.
    pub has_screen: bool,
    /// How the server is started, when bench starts it.
    pub launch: Option<Launch>,
    /// Who sends the load, when it is not this process.
    pub agents: Option<Agents>,
    /// What the run is held against.
    pub baseline: Option<Baseline>,
    /// What is written.
    pub outputs: Outputs,
    /// The command line, for the report.
    pub command: String,
}

impl Order {
    /// Fails if the run can't be held against its baseline, because of conditions that are known before the load.
    ///
    /// # Errors
    /// Returns a sentence with the first condition that differs.
    pub fn check_baseline(&self) -> Result<(), String> {
        // How agents divide a run is known when they have been asked; the run's own comparison tells then.
        let Some(baseline) = self.baseline.as_ref().filter(|_| self.agents.is_none()) else { return Ok(()) };
        let load = match self.steps.first() {
            Some(&rate) => Load::Open { rate, arrivals: self.arrivals },
            None => self.scenario.load,
        };
        let scenario = Scenario { load, ..self.scenario.clone() };
        baseline.check_conditions(&json!({
            "environment": environment::describe(),
            "scenario": scenario.describe(),
            "url": scenario.target.url,
            "steps": self.steps.iter().map(|rate| json!({ "offered": rate })).collect::<Vec<_>>(),
            "interrupted": false,
        }))
    }
}

/// An order that was carried out.
#[derive(Debug)]
pub struct Done {
    /// What the report means for the caller.
    pub exit: Exit,
    /// What goes to stdout.
    pub text: String,
    /// Why a file could not be written.
    pub failure: Option<String>,
}

/// Carries out an order: measures, checks, writes the files.
///
/// # Errors
/// Returns a sentence that names the next step.
pub fn carry_out(order: &Order, outputs: &mut OpenOutputs, stop: &Arc<AtomicBool>) -> Result<Done, String> {
    let mut report = measure(order, stop)?;
    let mut held = Held::default();
    if let (Some(baseline), false) = (&order.baseline, report.is_interrupted) {
        match baseline.hold(&document(&report)) {
            Ok(found) => held = found,
            Err(why) => report.faults.push(why),
        }
    }
    report.checks.clone_from(&held.checks);
    let mut text = String::new();
    // A file that can't be written takes nothing from the reader of the table, nor from the other files.
    let failures = outputs.write(&report, &mut text);
    if outputs.has_table() {
        text.push_str(&held.text);
    }
    let failure = (!failures.is_empty()).then(|| failures.join("; "));
    Ok(Done { exit: judge(order, &report), text, failure })
}

/// Returns what the report means for the caller.
fn judge(order: &Order, report: &Report) -> Exit {
    let is_broken = report.verified.as_ref().is_some_and(Verified::is_broken);
    let shrunk = report.growth.is_some_and(|growth| growth.stored < growth.acknowledged as i64);
    let findings = Findings {
        has_lost: is_broken || shrunk,
        is_interrupted: report.is_interrupted,
        has_answers: report.total.answers > 0,
        is_aborted: report.is_aborted,
        has_failed: !report.faults.is_empty(),
        is_client_wall: order.is_strict && report.is_lower_bound(),
        is_slower: report.checks.iter().any(|check| !check.is_met),
        has_missed: report.goals.iter().any(|goal| !goal.is_met),
    };
    findings.exit()
}

/// Measures and checks, without writing anything.
///
/// # Errors
/// Returns a sentence that names the next step.
pub fn measure(order: &Order, stop: &Arc<AtomicBool>) -> Result<Report, String> {
    let target = &order.scenario.target;
    let crew = order.agents.as_ref().map(|agents| Crew::gather(agents, stop)).transpose()?;
    let scenario = crew.as_ref().map_or_else(|| order.scenario.clone(), |crew| crew.divide(&order.scenario));
    let server = order.launch.as_ref().map(|launch| launched(launch, target, stop)).transpose()?;
    let probe = match &server {
        Some(server) => ServerProbe::of_group(
            server.lock().map_err(|_| "a lock is broken")?.group(),
            target,
            order.scenario.asks_metrics,
        ),
        None => ServerProbe::find(target, order.scenario.asks_metrics),
    };
    // Agents time their own way to the target, and each has a bottleneck of its own.
    let round_trip_ns = if order.agents.is_some() { 0 } else { round_trip_ns(target) };
    let beside = order.agents.is_none().then_some((&probe, round_trip_ns));
    let open = || Screen::open(&scenario, &order.goals, beside);
    let screen = order.has_screen.then(open).transpose()?;
    let mut session = Session {
        order,
        scenario,
        crew,
        stop,
        probe,
        server,
        screen,
        environment: environment::describe(),
        round_trip_ns,
        ledger: order.verify.as_ref().map(|(run, _)| Ledger::new(*run, order.scenario.first_number)),
        next_number: order.scenario.first_number,
        aftermath: Aftermath::default(),
        aborted: None,
    };
    let mut report = session.runs()?;
    session.screen = None;
    // Reading back takes its time, in which agents can serve others.
    session.crew = None;
    session.check_after(&mut report);
    // What one generator can do says nothing about several.
    let known = Calibration::load().filter(|_| order.agents.is_none());
    report.ceiling = known.map(|known| known.ceiling(order.scenario.pipeline));
    let figures = Figures {
        total: &report.total,
        rate: report.rate,
        server_cpu_ns_per_request: report.server_cpu_ns_per_request,
    };
    report.goals = order.goals.iter().map(|goal| goal.check(&figures)).collect();
    report.goals.extend(session.aborted.take());
    Ok(report)
}

/// Names the first condition that holds for the figures of the first `ns` of a run.
fn aborting(conditions: &[Goal], total: &Tally, ns: u64) -> Option<String> {
    let rate = total.successes_in_time as f64 * 1e9 / ns.max(1) as f64;
    let figures = Figures { total, rate, server_cpu_ns_per_request: None };
    let holds = conditions.iter().find(|condition| condition.check(&figures).is_met)?;
    Some(format!("ended early, since {}", holds.text))
}

fn launched(launch: &Launch, target: &Target, stop: &AtomicBool) -> Result<Arc<Mutex<Launched>>, String> {
    let mut server = launch.start(target)?;
    server.await_answer(target, stop)?;
    Ok(Arc::new(Mutex::new(server)))
}

struct Session<'a> {
    order: &'a Order,
    /// The run, or each step of the ramp, but for rate and numbers; divided among the agents if there are some.
    scenario: Scenario,
    /// The agents that send the load.
    crew: Option<Crew>,
    stop: &'a Arc<AtomicBool>,
    probe: ServerProbe,
    server: Option<Arc<Mutex<Launched>>>,
    screen: Option<Screen>,
    environment: serde_json::Value,
    round_trip_ns: u64,
    ledger: Option<Ledger>,
    next_number: u64,
    aftermath: Aftermath,
    /// Which condition ended the run.
    aborted: Option<GoalOutcome>,
}

impl Session<'_> {
    fn runs(&mut self) -> Result<Report, String> {
        if self.order.steps.is_empty() {
            return self.run(self.scenario.clone(), None);
        }
        let scenario = self.scenario.clone();
        // Only a target that lists its pixels has a total; the ramp goes on without.
        let before = total(&scenario.target).ok().filter(|_| scenario.target.path.ends_with("/pixel"));
        let (mut reports, mut acknowledged) = (Vec::new(), 0);
        for (at, &rate) in self.order.steps.iter().enumerate() {
            let load = Load::Open { rate, arrivals: self.order.arrivals };
            let step = (at + 1, self.order.steps.len());
            let report = match self.run(Scenario { load, ..scenario.clone() }, Some(step)) {
                // What the steps before have measured is not thrown away.
                Err(error) if !reports.is_empty() => {
                    self.aftermath.faults.push(format!("the ramp ended before {}: {error}", show_rate(rate)));
                    break;
                }
                outcome => outcome?,
            };
            acknowledged += report.total.acknowledged_ever;
            reports.push(report);
            let is_broken = self.crew.as_ref().is_some_and(Crew::is_broken);
            if self.stop.load(Ordering::Relaxed) || self.aborted.is_some() || is_broken {
                break;
            }
        }
        let mut report = Report::of_steps(reports, &self.order.steps);
        if let Some(before) = before {
            match total(&scenario.target) {
                Ok(after) => {
                    let stored = after as i64 - before as i64;
                    report.growth = Some(Growth { acknowledged, stored });
                }
                Err(error) => self.aftermath.faults.push(format!("the server's total is not known: {error}")),
            }
        }
        Ok(report)
    }

    /// Runs once; of a ramp, `step` says which of how many it is.
    fn run(&mut self, scenario: Scenario, step: Option<(usize, usize)>) -> Result<Report, String> {
        let scenario = Scenario {
            first_number: self.next_number,
            keeps_acknowledged: self.ledger.is_some(),
            ..scenario
        };
        let mut chaos = None;
        let (server, order) = (self.server.clone(), self.order);
        let has_ended = Arc::new(AtomicBool::new(false));
        let restarts = self.restarts();
        let mut on_start = |epoch: Instant| {
            if let (Some(server), false) = (&server, order.chaos.is_empty()) {
                let target = order.scenario.target.clone();
                chaos = Some(unleash(
                    order.chaos.clone(),
                    Arc::clone(server),
                    target,
                    epoch,
                    Arc::clone(&has_ended),
                ));
            }
        };
        let abort_if = |total: &Tally, ns: u64| aborting(&order.abort_if, total, ns);
        let mut line = LiveLine::new(&scenario);
        let onlooker: &mut dyn Onlooker = match &mut self.screen {
            Some(screen) => {
                screen.begin(&scenario, step);
                screen
            }
            None => &mut line,
        };
        let mut watch = Watch {
            server: &self.probe,
            stop: self.stop,
            onlooker,
            abort_if: &abort_if,
            on_start: &mut on_start,
        };
        let outcome = match &mut self.crew {
            Some(crew) => crew.run(&scenario, &mut watch),
            None => run(&scenario, &mut watch),
        };
        has_ended.store(true, Ordering::Relaxed);
        if let Some(chaos) = chaos {
            let aftermath = chaos.join().map_err(|_| "the chaos thread panicked")?;
            self.aftermath.done.extend(aftermath.done);
            self.aftermath.faults.extend(aftermath.faults);
        }
        let mut measured = outcome?;
        if let Some(goal) = measured.aborted.clone() {
            // What is read back afterwards is no longer part of what was to end.
            self.stop.store(false, Ordering::SeqCst);
            self.aborted = Some(GoalOutcome { goal, value: None, is_met: false, latency_bound_ns: None });
        }
        // Counters of two processes have no difference that means anything.
        if self.restarts() != restarts {
            measured.server = None;
            measured.was_restarted = true;
        }
        self.enter(&scenario, &measured);
        for agent in &measured.agents {
            let fault = agent.fault.as_ref().map(|why| format!("agent {}: {why}", agent.name));
            self.aftermath.faults.extend(fault);
        }
        if let (Some(text), false) = (measured.gave_up(&scenario), measured.is_interrupted) {
            self.aftermath.faults.push(text);
        }
        let environment = self.environment.clone();
        Ok(Report::of(&scenario, &measured, self.round_trip_ns, &self.order.command, environment))
    }

    /// Notes what was acknowledged, and from where the next run's numbers go on.
    fn enter(&mut self, scenario: &Scenario, measured: &Measured) {
        let threads = scenario.threads as u64;
        for finished in &measured.finished {
            let number = |k: u64| scenario.first_number + k * threads + finished.thread as u64;
            if let Some(ledger) = &mut self.ledger {
                finished.acknowledged.iter().for_each(|k| ledger.acknowledge(number(k)));
            }
            self.next_number = self.next_number.max(number(finished.numbered) + threads);
        }
        if self.ledger.is_some() && self.next_number > NUMBERS_MAX {
            let what = "more pixels than x has numbers (2,147,483,647), so not all can be told apart; verify a shorter run";
            self.aftermath.faults.push(what.into());
        }
    }

    fn restarts(&self) -> u32 {
        self.server
            .as_ref()
            .and_then(|server| server.lock().ok().map(|server| server.restarts()))
            .unwrap_or(0)
    }

    /// Checks what can be checked when the load is over. What fails is a line of the report and takes nothing from it.
    fn check_after(&mut self, report: &mut Report) {
        let mut faults = std::mem::take(&mut self.aftermath.faults);
        if let (Some(ledger), Some((_, hosts))) = (&self.ledger, &self.order.verify) {
            match ledger.read_back(hosts) {
                Ok(verified) => report.verified = Some(verified),
                Err(error) => faults.push(error),
            }
        }
        let alive = self.server.as_ref().and_then(|server| Some(server.lock().ok()?.check_alive()));
        faults.extend(alive.and_then(Result::err));
        report.chaos = std::mem::take(&mut self.aftermath.done);
        if report.is_interrupted {
            // What the interrupt took the time for is not a fault.
            faults.retain(|fault| !fault.starts_with("chaos"));
        }
        report.faults = faults;
        report.asked_metrics = self.probe.asked.clone().map(|url| (url, self.probe.metrics.is_some()));
    }
}
