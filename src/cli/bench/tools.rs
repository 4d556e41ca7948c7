//! The subcommands of `pixeld bench`.

use super::agents::AgentArguments;
use super::ending::{Stop, stop_on_interrupt};
use super::measure::{LoadArguments, RequestArguments, positive};
use crate::base::version;
use crate::os::output;
use pixeld_bench::quantity::{count, duration_ns, rate, show_cpu, show_ns, show_rate};
use pixeld_bench::redaction::shown_command;
use pixeld_bench::report::environment;
use pixeld_bench::report::goal::Goal;
use pixeld_bench::scenario::Scenario;
use pixeld_bench::tools::bootstrap::Outcome;
use pixeld_bench::tools::calibrate::Calibrate;
use pixeld_bench::tools::calibration::Calibration;
use pixeld_bench::tools::compare::{self, Comparison, Side};
use pixeld_bench::tools::exit::Exit;
use pixeld_bench::tools::foreign::wrk_can_run;
use pixeld_bench::tools::null::NullResponder;
use pixeld_bench::tools::output_file::OutputFile;
use pixeld_bench::tools::peers::Contender;
use pixeld_bench::tools::scratch::Scratch;
use pixeld_bench::tools::search::{self, Bracket};
use pixeld_bench::tools::{diff, published};
use serde_json::Value;
use std::fs;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A subcommand.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Tool {
    Calibrate(CalibrateArguments),
    Search(SearchArguments),
    Compare(CompareArguments),
    Diff(DiffArguments),
    Table(TableArguments),
    Null(NullArguments),
    Agent(AgentArguments),
}

/// Measure the generator itself, against a responder that does nothing; later reports say what share was used
#[derive(Debug, clap::Args)]
pub(super) struct CalibrateArguments {
    #[command(flatten)]
    load: LoadArguments,
    /// CPUs of the null responder
    #[arg(long, value_name = "CPU,...", value_delimiter = ',')]
    server_pin: Vec<usize>,
}

/// Find the highest rate that holds a goal
#[derive(Debug, clap::Args)]
pub(super) struct SearchArguments {
    /// Target; a URL without a path means /pixel
    #[arg(default_value = "http://127.0.0.1:8000")]
    url: String,
    #[command(flatten)]
    load: LoadArguments,
    #[command(flatten)]
    request: RequestArguments,
    /// What must hold, repeatable
    #[arg(long = "goal", value_name = "GOAL", value_parser = Goal::parse, required = true)]
    goals: Vec<Goal>,
    /// Rate to start with
    #[arg(long, value_name = "R", default_value = "1000", value_parser = rate)]
    from: f64,
    /// Width of the interval that is good enough, such as 0.05
    #[arg(long, value_name = "SHARE", default_value = "0.05", value_parser = precision)]
    precision: f64,
    /// Result for machines
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Run targets in interleaved rounds and say which one is faster, with intervals
#[derive(Debug, clap::Args)]
pub(super) struct CompareArguments {
    /// Names of bench/peers/*.toml, files of that kind, or URLs; the first one is the measure
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
    #[arg(long, value_name = "FILE")]
    append: Option<PathBuf>,
}

/// Compare two reports of --json
#[derive(Debug, clap::Args)]
pub(super) struct DiffArguments {
    /// Report of the earlier run, the baseline
    old: PathBuf,
    /// Report of the run that is judged
    new: PathBuf,
    /// Compare although the conditions differ
    #[arg(long)]
    force: bool,
}

/// Make bench/README.md's tables from result files
#[derive(Debug, clap::Args)]
pub(super) struct TableArguments {
    /// Files of results; later lines replace earlier ones of the same server and conditions
    #[arg(required = true)]
    results: Vec<PathBuf>,
    /// README to put the tables into; without it they go to stdout
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,
}

/// Answer every request at once and do nothing else: what is left is the generator
#[derive(Debug, clap::Args)]
pub(super) struct NullArguments {
    /// Address to listen on
    #[arg(short, long, value_name = "ADDR", default_value = "127.0.0.1:8099")]
    listen: SocketAddr,
    /// Answer this long after each request, to the millisecond
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration_ns)]
    delay: u64,
}

/// Reads the width of an interval; a thousandth takes ten probes more than a half.
fn precision(text: &str) -> Result<f64, String> {
    match count(text)? {
        share if (0.001..=10.0).contains(&share) => Ok(share),
        _ => Err(format!("`{text}` is not between 0.001 and 10; write for example 0.05")),
    }
}

impl Tool {
    pub(super) fn run(self) -> Result<Exit, Stop> {
        match self {
            Self::Calibrate(arguments) => arguments.run(),
            Self::Search(arguments) => arguments.run(),
            Self::Compare(arguments) => arguments.run(),
            Self::Diff(arguments) => arguments.run(),
            Self::Table(arguments) => arguments.run(),
            Self::Null(arguments) => arguments.run(),
            Self::Agent(arguments) => arguments.run(),
        }
    }
}

/// Returns the load of a tool whose target is chosen later.
fn scenario(load: &LoadArguments, request: &RequestArguments, url: &str) -> Result<Scenario, Stop> {
    let target = request.target(url).map_err(Stop::Usage)?;
    let form = request.form(&target, None).map_err(Stop::Usage)?;
    let mix = load.mix(request).map_err(Stop::Usage)?;
    Ok(Scenario { mix, ..request.on(load.scenario(target, form)) })
}

fn command_line() -> String {
    shown_command(std::env::args())
}

fn read(path: &Path) -> Result<String, Stop> {
    fs::read_to_string(path).map_err(|error| Stop::Usage(format!("cannot read {}: {error}", path.display())))
}

fn print(text: &str) -> Result<(), Stop> {
    output::print(text).map_err(Stop::Output)
}

/// Opens a file for a result before anything is measured.
fn opened(path: Option<&Path>) -> Result<Option<OutputFile>, Stop> {
    path.map(OutputFile::open).transpose().map_err(Stop::Usage)
}

fn write(path: &Path, text: &str) -> Result<(), Stop> {
    fs::write(path, text).map_err(|error| Stop::Failed(format!("cannot write {}: {error}", path.display())))
}

impl CalibrateArguments {
    fn run(&self) -> Result<Exit, Stop> {
        self.load
            .refuse(
                "calibrate",
                &["-r", "--poisson", "--steps", "-p", "--requests"],
                "it measures both loops at its own rates and depths",
            )
            .map_err(Stop::Usage)?;
        let scenario = scenario(&self.load, &RequestArguments::default(), "http://127.0.0.1:1")?;
        let calibrate = Calibrate { scenario, server_cpus: self.server_pin.clone() };
        let stop = stop_on_interrupt();
        let found = calibrate.run(&stop).map_err(|what| Stop::failed(&stop, what))?;
        let kept = found.save().map_err(Stop::Failed)?;
        print(&describe(&found, &kept))?;
        Ok(Exit::Ok)
    }
}

/// Returns what calibration has found, for people.
fn describe(found: &Calibration, kept: &Path) -> String {
    let (floor, rate, rate_pipelined) =
        (show_ns(found.floor_ns), show_rate(found.rate), show_rate(found.rate_pipelined));
    let (cpu, cpu_pipelined) = (show_cpu(found.cpu_ns), show_cpu(found.cpu_ns_pipelined));
    let (p50, p99) = (show_ns(found.pacing_p50_ns), show_ns(found.pacing_p99_ns));
    format!(
        "floor latency     {floor} (one connection, p50)\n\
         highest rate      {rate} (depth 1), {rate_pipelined} (depth 16)\n\
         CPU per request   {cpu} (depth 1), {cpu_pipelined} (depth 16)\n\
         writing           {:.1} ns (a body from the template), {:.1} ns (a request with it)\n\
         pacing error      p50 {p50}, p99 {p99} (open loop at half of the highest rate)\n\
         kept in {}\n",
        found.body_ns,
        found.request_ns,
        kept.display()
    )
}

impl SearchArguments {
    fn run(&self) -> Result<Exit, Stop> {
        self.load
            .refuse("search", &["-r", "--poisson", "--steps"], "it sets the rates itself (--from)")
            .and_then(|()| self.request.check([&self.url].into_iter()))
            .map_err(Stop::Usage)?;
        let scenario = scenario(&self.load, &self.request, &self.url)?;
        let mut json = opened(self.json.as_deref())?;
        let bracket = Bracket::new(self.from, self.precision, scenario.duration_ns);
        let stop = stop_on_interrupt();
        let found = search::search(&scenario, bracket, &self.goals, &command_line(), &stop)
            .map_err(|what| Stop::failed(&stop, what))?;
        let is_curve_known = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        if let Some(file) = &mut json {
            file.write(&format!("{:#}\n", search::document(&found))).map_err(Stop::Failed)?;
        }
        print(&search::render(&found, is_curve_known))?;
        if stop.load(Ordering::Relaxed) {
            print("interrupted: the search had not ended, the answer is of the probes until then\n")?;
            return Ok(Exit::Interrupted);
        }
        Ok(match found.bracket.holds {
            Some(_) => Exit::Ok,
            None if found.errors().is_some() => Exit::Failed,
            None => Exit::GoalMissed,
        })
    }
}

impl CompareArguments {
    fn run(&self) -> Result<Exit, Stop> {
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
        let mut results = opened(self.append.as_deref())?;
        let runs = Scratch::new().map_err(Stop::Failed)?;
        let comparison = Comparison {
            scenario,
            rounds: self.rounds,
            server_cpus: self.server_pin.clone(),
            runs: self.run_dir.clone().unwrap_or_else(|| runs.path().to_path_buf()),
        };
        let stop = stop_on_interrupt();
        let environment = environment::describe();
        comparison.run(&mut sides, &stop).map_err(|what| Stop::failed(&stop, what))?;
        let is_interrupted = stop.load(Ordering::Relaxed);
        // Half a comparison is not kept.
        let mut kept = Ok(());
        if let Some(file) = results.as_mut().filter(|_| !is_interrupted) {
            let lines = compare::lines(&sides, &comparison, &environment, version::FULL, &command_line());
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            kept = file.append(&text);
        }
        print(&compare::render(&sides, is_open))?;
        kept.map_err(Stop::Failed)?;
        if is_interrupted {
            return Ok(Exit::Interrupted);
        }
        let (first, others) = (&sides[0], &sides[1..]);
        if others.iter().any(|side| side.objection(first).is_some()) {
            return Ok(Exit::Failed);
        }
        // What another client costs says nothing about the server.
        let is_slower = |side: &Side| {
            !side.is_wrk && side.judgement(first, is_open).is_some_and(|it| it.outcome == Outcome::Slower)
        };
        Ok(if others.iter().any(is_slower) { Exit::Slower } else { Exit::Ok })
    }

    /// Fails for options that would do nothing with these sides.
    fn check(&self, sides: &[Side]) -> Result<(), String> {
        self.load.refuse("compare", &["--steps"], "a ramp is not a round; compare at one rate (-r)")?;
        self.request.check(self.targets.iter())?;
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

impl DiffArguments {
    fn run(&self) -> Result<Exit, Stop> {
        let report = |path: &Path| -> Result<Value, Stop> {
            serde_json::from_str(&read(path)?)
                .map_err(|error| Stop::Usage(format!("{}: {error}", path.display())))
        };
        let difference =
            diff::compare(&report(&self.old)?, &report(&self.new)?, self.force).map_err(Stop::Usage)?;
        print(&difference.text)?;
        Ok(match difference.judgement {
            None => Exit::Failed,
            Some(judgement) if judgement.outcome == Outcome::Slower => Exit::Slower,
            Some(_) => Exit::Ok,
        })
    }
}

impl TableArguments {
    fn run(&self) -> Result<Exit, Stop> {
        let lines = self.results.iter().map(|path| read(path)).collect::<Result<String, _>>()?;
        let tables = published::render(&lines).map_err(Stop::Usage)?;
        match &self.readme {
            None => print(&tables)?,
            Some(readme) => write(readme, &published::place(&read(readme)?, &tables).map_err(Stop::Usage)?)?,
        }
        Ok(Exit::Ok)
    }
}

impl NullArguments {
    fn run(&self) -> Result<Exit, Stop> {
        let failed = |error: std::io::Error| {
            Stop::Failed(format!("cannot listen on {}: {error}; choose another --listen", self.listen))
        };
        let mut responder =
            NullResponder::bind(self.listen, Duration::from_nanos(self.delay)).map_err(failed)?;
        print(&format!("http://{}\n", responder.address().map_err(failed)?))?;
        responder.run(&stop_on_interrupt()).map_err(failed)?;
        Ok(Exit::Ok)
    }
}
