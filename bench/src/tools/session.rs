//! One `pixeld bench`: runs or a ramp of them, what is checked afterwards, and what is written.

use crate::client::stream::Stream;
use crate::client::target::Target;
use crate::driver::run::{Measured, Watch, run};
use crate::driver::server::ServerProbe;
use crate::report::environment;
use crate::report::goal::{Figures, Goal};
use crate::report::{Growth, Report, csv, hgrm, html, json, table};
use crate::scenario::pacer::Arrivals;
use crate::scenario::{Load, Scenario};
use crate::tools::calibration::Calibration;
use crate::tools::chaos::{Chaos, unleash};
use crate::tools::exit::{Exit, Findings};
use crate::tools::launch::{Launch, Launched};
use crate::tools::verify::{Ledger, NUMBERS_MAX, total};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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
    /// Whether a client that was the wall is a failure.
    pub is_strict: bool,
    /// The run's own number and the hosts to read back from, with `--verify`.
    pub verify: Option<(i32, Vec<Target>)>,
    /// What is done to the server.
    pub chaos: Vec<Chaos>,
    /// How the server is started, when bench starts it.
    pub launch: Option<Launch>,
    /// What is written.
    pub outputs: Outputs,
    /// The command line, for the report.
    pub command: String,
}

/// Files to write.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// The report for machines.
    pub json: Option<PathBuf>,
    /// The percentile distribution.
    pub hgrm: Option<PathBuf>,
    /// The time series or the steps.
    pub csv: Option<PathBuf>,
    /// The report with plots.
    pub html: Option<PathBuf>,
    /// Whether the table goes to stdout.
    pub has_table: bool,
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
/// A sentence that names the next step.
pub fn carry_out(order: &Order, stop: &Arc<AtomicBool>) -> Result<Done, String> {
    let report = measure(order, stop)?;
    let mut text = String::new();
    // A file that can't be written takes nothing from the reader of the table.
    let failure = order.outputs.write(&report, &mut text).err();
    Ok(Done { exit: judge(order, &report), text, failure })
}

/// What the report means for the caller.
fn judge(order: &Order, report: &Report) -> Exit {
    let lost = report.verified.as_ref().map_or(0, |verified| verified.lost);
    let shrunk = report.growth.is_some_and(|growth| growth.stored < growth.acknowledged as i64);
    let findings = Findings {
        has_lost: lost > 0 || shrunk,
        is_interrupted: report.is_interrupted,
        has_answers: report.total.answers > 0,
        is_client_wall: order.is_strict && report.verdict.wall.is_lower_bound(),
        has_missed: report.goals.iter().any(|goal| !goal.is_met),
    };
    findings.exit()
}

/// Measures and checks, without writing anything.
///
/// # Errors
/// A sentence that names the next step.
pub fn measure(order: &Order, stop: &Arc<AtomicBool>) -> Result<Report, String> {
    let target = &order.scenario.target;
    let server = order.launch.as_ref().map(|launch| launched(launch, target)).transpose()?;
    let probe = match &server {
        Some(server) => ServerProbe::of_group(server.lock().map_err(|_| "a lock is broken")?.group(), target),
        None => ServerProbe::find(target),
    };
    let mut session = Session {
        order,
        stop,
        probe,
        server,
        environment: environment::describe(),
        round_trip_ns: round_trip_ns(target),
        ledger: order.verify.as_ref().map(|(run, _)| Ledger::new(*run, order.scenario.first_number)),
        next_number: order.scenario.first_number,
        disturbances: Vec::new(),
    };
    let mut report = session.runs()?;
    report.chaos = std::mem::take(&mut session.disturbances);
    if let (Some(ledger), Some((_, hosts))) = (&session.ledger, &order.verify) {
        report.verified = Some(ledger.read_back(hosts)?);
    }
    report.ceiling = Calibration::load().map(|known| known.ceiling(order.scenario.pipeline));
    let figures = Figures {
        total: &report.total,
        rate: report.rate,
        server_cpu_ns_per_request: report.server_cpu_ns_per_request,
    };
    report.goals = order.goals.iter().map(|goal| goal.check(&figures)).collect();
    Ok(report)
}

fn launched(launch: &Launch, target: &Target) -> Result<Arc<Mutex<Launched>>, String> {
    let mut server = launch.start()?;
    server.await_answer(target)?;
    Ok(Arc::new(Mutex::new(server)))
}

/// Least time of a few TCP handshakes, nanoseconds; 0 when none was made.
fn round_trip_ns(target: &Target) -> u64 {
    let handshake = |_| {
        let start = Instant::now();
        Stream::connect(&target.endpoint, Duration::from_secs(1)).ok()?;
        Some(start.elapsed().as_nanos() as u64)
    };
    if target.is_local() { 0 } else { (0..3).filter_map(handshake).min().unwrap_or(0) }
}

struct Session<'a> {
    order: &'a Order,
    stop: &'a Arc<AtomicBool>,
    probe: ServerProbe,
    server: Option<Arc<Mutex<Launched>>>,
    environment: serde_json::Value,
    round_trip_ns: u64,
    ledger: Option<Ledger>,
    next_number: u64,
    disturbances: Vec<crate::report::Disturbance>,
}

impl Session<'_> {
    fn runs(&mut self) -> Result<Report, String> {
        if self.order.steps.is_empty() {
            return self.run(self.order.scenario.clone());
        }
        let scenario = &self.order.scenario;
        // Only a target that lists its pixels has a total; the ramp goes on without.
        let before = total(&scenario.target).ok().filter(|_| scenario.target.path.ends_with("/pixel"));
        let (mut reports, mut acknowledged) = (Vec::new(), 0);
        for &rate in &self.order.steps {
            let load = Load::Open { rate, arrivals: self.order.arrivals };
            let report = self.run(Scenario { load, ..scenario.clone() })?;
            acknowledged += report.total.acknowledged;
            reports.push(report);
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        let mut report = Report::of_steps(reports, &self.order.steps);
        if let Some(before) = before {
            let stored = total(&scenario.target)? as i64 - before as i64;
            report.growth = Some(Growth { acknowledged, stored });
        }
        Ok(report)
    }

    fn run(&mut self, scenario: Scenario) -> Result<Report, String> {
        let scenario = Scenario {
            first_number: self.next_number,
            keeps_acknowledged: self.ledger.is_some(),
            ..scenario
        };
        let mut chaos = None;
        let (server, order) = (self.server.clone(), self.order);
        let mut on_start = |epoch: Instant| {
            if let (Some(server), false) = (&server, order.chaos.is_empty()) {
                let target = order.scenario.target.clone();
                chaos = Some(unleash(order.chaos.clone(), Arc::clone(server), target, epoch));
            }
        };
        let mut watch =
            Watch { server: &self.probe, stop: self.stop, is_live: true, on_start: &mut on_start };
        let measured = run(&scenario, &mut watch)?;
        if let Some(chaos) = chaos {
            self.disturbances.extend(chaos.join().map_err(|_| "the chaos thread panicked")??);
        }
        self.enter(&scenario, &measured)?;
        let environment = self.environment.clone();
        Ok(Report::of(&scenario, &measured, self.round_trip_ns, &self.order.command, environment))
    }

    /// Notes what was acknowledged, and from where the next run's numbers go on.
    fn enter(&mut self, scenario: &Scenario, measured: &Measured) -> Result<(), String> {
        let threads = scenario.threads as u64;
        for finished in &measured.finished {
            let number = |k: u64| scenario.first_number + k * threads + finished.thread as u64;
            if let Some(ledger) = &mut self.ledger {
                finished.acknowledged.iter().for_each(|k| ledger.acknowledge(number(k)));
            }
            self.next_number = self.next_number.max(number(finished.numbered) + threads);
        }
        if self.ledger.is_some() && self.next_number > NUMBERS_MAX {
            return Err("more pixels than x has numbers (2,147,483,647); verify a shorter run".into());
        }
        Ok(())
    }
}

impl Outputs {
    fn write(&self, report: &Report, text: &mut String) -> Result<(), String> {
        if self.has_table {
            text.push_str(&table::render(report));
        }
        write(self.json.as_deref(), text, || format!("{:#}\n", json::document(report)))?;
        write(self.hgrm.as_deref(), text, || hgrm::render(&report.total.latency))?;
        write(self.csv.as_deref(), text, || csv::render(report))?;
        write(self.html.as_deref(), text, || html::render(report))
    }
}

/// Writes what `make` makes to a file, or adds it to the `text` for stdout if the path is `-`.
fn write(path: Option<&Path>, text: &mut String, make: impl FnOnce() -> String) -> Result<(), String> {
    match path {
        None => Ok(()),
        Some(path) if path.as_os_str() == "-" => {
            text.push_str(&make());
            Ok(())
        }
        Some(path) => {
            std::fs::write(path, make()).map_err(|error| format!("cannot write {}: {error}", path.display()))
        }
    }
}
