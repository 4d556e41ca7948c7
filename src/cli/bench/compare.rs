//! `pixeld bench compare`: its arguments, its outputs and its exit code.

use super::ending::{Stop, print};
use super::measure::{LoadArguments, RequestArguments, positive};
use super::pins::check_pins;
use crate::base::version;
use crate::cli::interrupt::stop_on_interrupt;
use pixeld_bench::redaction::shown_command;
use pixeld_bench::report::environment;
use pixeld_bench::scenario::Scenario;
use pixeld_bench::tools::baseline::FailIf;
use pixeld_bench::tools::compare::{self, Comparison, Side};
use pixeld_bench::tools::compared::{Compared, ROUNDS_MIN};
use pixeld_bench::tools::exit::Exit;
use pixeld_bench::tools::foreign::wrk_can_run;
use pixeld_bench::tools::output_file::OutputFile;
use pixeld_bench::tools::outputs::Places;
use pixeld_bench::tools::peers::Contender;
use pixeld_bench::tools::scratch::Scratch;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Run targets in interleaved rounds and say which one is faster, with intervals
#[derive(Debug, clap::Args)]
pub(super) struct CompareArguments {
    /// Names of bench/peers/*.toml, files of that kind, or URLs; the others are compared with the first one
    #[arg(required = true)]
    targets: Vec<String>,
    /// Also measure the first target with wrk
    #[arg(long)]
    wrk: bool,
    #[command(flatten)]
    load: LoadArguments,
    #[command(flatten)]
    request: RequestArguments,
    /// Rounds of each target
    #[arg(long, value_name = "N", default_value = "10", value_parser = positive)]
    rounds: usize,
    /// CPUs of the servers that are started
    #[arg(long, value_name = "CPU,...", value_delimiter = ',')]
    server_pin: Vec<usize>,
    /// Folder of the peers
    #[arg(long, value_name = "DIR", default_value = "bench/peers")]
    peers: PathBuf,
    /// Folder in which the servers run and keep their data [default: the system's temporary one]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// File to append the result to, a line for each target
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    append: Option<PathBuf>,
    /// Result for machines, - for stdout; docs/bench-compare.schema.json describes it
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    json: Option<PathBuf>,
    /// Summary in Markdown, added to this file, such as "$GITHUB_STEP_SUMMARY"
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    markdown: Option<PathBuf>,
    /// JUnit's XML: a test case for each thing that must hold
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    junit: Option<PathBuf>,
    /// Exit with 5 only if this is established for a target over the first, repeatable: cpu>1.05, p99>1.2, p50>1.1, rate<0.95
    #[arg(long, value_name = "RATIO", value_parser = FailIf::parse)]
    fail_if: Vec<FailIf>,
}

impl CompareArguments {
    pub(super) fn run(&self) -> Result<Exit, Stop> {
        let mut sides = self.sides()?;
        self.check(&sides).map_err(Stop::Usage)?;
        let first = &sides[0];
        let load = self.load.scenario(first.contender.target.clone(), first.form.clone());
        let mix = self.load.mix(&self.request).map_err(Stop::Usage)?;
        let scenario = Scenario { mix, ..self.request.on(load) };
        if self.wrk {
            wrk_can_run(&scenario).map_err(Stop::Usage)?;
        }
        let is_open = scenario.rate().is_some();
        let mut outputs = self.outputs().map_err(Stop::Usage)?;
        let runs = Scratch::new().map_err(Stop::Failed)?;
        let comparison = Comparison {
            scenario,
            rounds: self.rounds,
            server_cpus: self.server_pin.clone(),
            runs: self.run_dir.clone().unwrap_or_else(|| runs.path().to_path_buf()),
        };
        let stop = stop_on_interrupt();
        let (environment, began) = (environment::describe(), Instant::now());
        comparison.run(&mut sides, &stop).map_err(|what| Stop::failed(&stop, what))?;
        let is_interrupted = stop.load(Ordering::Relaxed);
        let ns = began.elapsed().as_nanos() as u64;
        let compared = Compared { sides: &sides, is_open, fail_if: &self.fail_if, ns };
        let mut text = String::new();
        let mut written = Ok(());
        // Half a comparison is not kept.
        if !is_interrupted {
            let lines = compare::lines(
                &sides,
                &comparison,
                &environment,
                version::FULL,
                &shown_command(std::env::args()),
            );
            written = outputs.write(&compared, &lines, &mut text);
        }
        if !outputs.has_stdout {
            text = compare::render(&sides, is_open) + &compared.text();
        }
        print(&text)?;
        written.map_err(Stop::Failed)?;
        Ok(match (is_interrupted, compared.objection()) {
            (true, _) => Exit::Interrupted,
            (_, Some(_)) => Exit::Failed,
            _ if compared.checks().iter().any(|check| !check.is_met) => Exit::Slower,
            _ => Exit::Ok,
        })
    }

    /// Opens the files of all outputs.
    fn outputs(&self) -> Result<Outputs, String> {
        let mut places = Places::default();
        let mut opened = |name, path: &Option<PathBuf>| -> Result<Option<Output>, String> {
            path.as_deref().map(|path| places.open(name, path)).transpose()
        };
        Ok(Outputs {
            append: opened("--append", &self.append)?,
            json: opened("--json", &self.json)?,
            markdown: opened("--markdown", &self.markdown)?,
            junit: opened("--junit", &self.junit)?,
            has_stdout: places.has_stdout(),
        })
    }

    /// Fails for options that would do nothing with these sides.
    fn check(&self, sides: &[Side]) -> Result<(), String> {
        self.load.refuse("compare", &["--steps"], "a ramp is not a round; compare at one rate (-r)")?;
        self.request.check(sides.iter().any(|side| side.contender.target.tls.is_some()))?;
        check_pins("--server-pin", &self.server_pin)?;
        let is_of_servers = sides.iter().filter(|side| !side.is_wrk).count() > 1;
        if !self.fail_if.is_empty() && !is_of_servers {
            return Err(
                "--fail-if does nothing here: two clients of one server are compared; leave it out".into()
            );
        }
        if !self.fail_if.is_empty() && self.rounds < ROUNDS_MIN {
            return Err(format!("--fail-if needs intervals, and so {ROUNDS_MIN} --rounds or more"));
        }
        let starts_none = sides.iter().all(|side| side.contender.peer.is_none());
        let given = [
            ("--unix", self.request.unix.is_some(), "each target has a URL of its own"),
            ("--server-pin", !self.server_pin.is_empty() && starts_none, "no server is started"),
            ("--run-dir", self.run_dir.is_some() && starts_none && !self.wrk, "no server is started"),
        ];
        if let Some((name, _, why)) = given.into_iter().find(|(_, is_idle, _)| *is_idle) {
            return Err(format!("{name} does nothing here: {why}; leave it out"));
        }
        if self.wrk && sides.iter().any(|side| !side.form.has_constant_head()) {
            return Err("wrk repeats one path and its fields: write them without placeholders, or compare without --wrk".into());
        }
        let has_own_body = self.request.body.is_some() || self.request.body_lines.is_some();
        match sides.iter().find(|_| self.wrk && has_own_body).filter(|side| !side.form.bodies.is_constant()) {
            Some(_) => {
                Err("wrk repeats one body: write one without placeholders, or compare without --wrk".into())
            }
            None => Ok(()),
        }
    }

    fn sides(&self) -> Result<Vec<Side>, Stop> {
        let side = |name: &String, is_wrk: bool| {
            let contender = Contender::find(name, &self.peers, &self.request.trust()).map_err(Stop::Usage)?;
            let name = if is_wrk { format!("{} by wrk", contender.name) } else { contender.name.clone() };
            let form = self.request.form(&contender.target, None).map_err(Stop::Usage)?;
            Ok(Side { name, contender, form, is_wrk, rounds: Vec::new() })
        };
        let mut sides: Vec<Side> =
            self.targets.iter().map(|name| side(name, false)).collect::<Result<_, Stop>>()?;
        if self.wrk && self.load.has_mix() {
            return Err(Stop::Usage("wrk sends one request; leave out --requests, or --wrk".into()));
        }
        if self.wrk && !self.request.keeps_connections() {
            let what =
                "wrk keeps its connections; leave out --no-keepalive and --requests-per-connection, or --wrk";
            return Err(Stop::Usage(what.into()));
        }
        if self.wrk {
            sides.insert(1, side(&self.targets[0], true)?);
        }
        if sides.len() < 2 {
            return Err(Stop::Usage("compare takes two targets, or one and --wrk".into()));
        }
        Ok(sides)
    }
}

/// An output that was asked for; without a file it goes to stdout.
type Output = Option<OutputFile>;

/// The outputs beside the table, each opened before the first round.
struct Outputs {
    append: Option<Output>,
    json: Option<Output>,
    markdown: Option<Output>,
    junit: Option<Output>,
    has_stdout: bool,
}

impl Outputs {
    /// Writes every output, those for stdout into `text`; returns a sentence for all that could not be written.
    fn write(&mut self, compared: &Compared<'_>, lines: &[Value], text: &mut String) -> Result<(), String> {
        let rows = || lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let mut failures = Vec::new();
        let mut put = |output: &mut Option<Output>, is_added: bool, render: &dyn Fn() -> String| match output
        {
            None => {}
            Some(None) => text.push_str(&render()),
            Some(Some(file)) if is_added => failures.extend(file.append(&render()).err()),
            Some(Some(file)) => failures.extend(file.write(&render()).err()),
        };
        put(&mut self.append, true, &rows);
        put(&mut self.json, false, &|| format!("{:#}\n", compared.document(lines)));
        put(&mut self.markdown, true, &|| compared.markdown());
        put(&mut self.junit, false, &|| compared.junit());
        if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
    }
}
