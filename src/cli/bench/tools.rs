//! The subcommands of `pixeld bench`.

use super::agents::AgentArguments;
use super::compare::CompareArguments;
use super::ending::{Stop, print};
use super::measure::{LoadArguments, RequestArguments};
use super::pins::check_pins;
use crate::cli::interrupt::stop_on_interrupt;
use pixeld_bench::client::target::is_https;
use pixeld_bench::input;
use pixeld_bench::quantity::{count, duration_ns, rate, show_cpu, show_ns, show_rate};
use pixeld_bench::redaction::shown_command;
use pixeld_bench::report::goal::Goal;
use pixeld_bench::scenario::Scenario;
use pixeld_bench::tools::bootstrap::Outcome;
use pixeld_bench::tools::calibrate::Calibrate;
use pixeld_bench::tools::calibration::Calibration;
use pixeld_bench::tools::exit::Exit;
use pixeld_bench::tools::null::NullResponder;
use pixeld_bench::tools::outputs::Places;
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

/// Measure the generator itself, against a responder that does nothing; later reports say how much was used
#[derive(Debug, clap::Args)]
pub(super) struct CalibrateArguments {
    #[command(flatten)]
    load: LoadArguments,
    /// CPUs of the null responder
    #[arg(long, value_name = "CPU,...", value_delimiter = ',')]
    server_pin: Vec<usize>,
}

/// Find the highest rate that meets a goal
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
    /// Result for machines, - for stdout
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Compare two reports of --json
#[derive(Debug, clap::Args)]
pub(super) struct DiffArguments {
    /// Report of the earlier run, the baseline
    old: PathBuf,
    /// Report of the run that is judged
    new: PathBuf,
    /// Compare even if the conditions differ
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

/// Answer every request at once and do nothing else, so that only the generator is measured
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
    input::text(path, input::REPORT_BYTES_MAX).map_err(Stop::Usage)
}

fn write(path: &Path, text: &str) -> Result<(), Stop> {
    fs::write(path, text).map_err(|error| Stop::Failed(format!("cannot write {}: {error}", path.display())))
}

impl CalibrateArguments {
    fn run(&self) -> Result<Exit, Stop> {
        self.load
            .refuse(
                "calibrate",
                &["-r", "--poisson", "--steps", "-p", "-n", "--requests"],
                "it measures both loops at its own rates and depths, each for a time (-d)",
            )
            .and_then(|()| check_pins("--server-pin", &self.server_pin))
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
            .and_then(|()| self.load.refuse("search", &["-n"], "a rate is held for a time (-d)"))
            .and_then(|()| self.request.check(is_https(&self.url)))
            .map_err(Stop::Usage)?;
        let scenario = scenario(&self.load, &self.request, &self.url)?;
        let mut places = Places::default();
        let json = self.json.as_deref().map(|path| places.open("--json", path));
        let json = json.transpose().map_err(Stop::Usage)?;
        let bracket = Bracket::new(self.from, self.precision, scenario.duration_ns);
        let stop = stop_on_interrupt();
        let found = search::search(&scenario, bracket, &self.goals, &command_line(), &stop)
            .map_err(|what| Stop::failed(&stop, what))?;
        let is_curve_known = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        let document = json.is_some().then(|| format!("{:#}\n", search::document(&found)));
        let mut text = search::render(&found, is_curve_known);
        let is_interrupted = stop.load(Ordering::Relaxed);
        if is_interrupted {
            text += "interrupted: the search had not ended, the answer is of the probes until then\n";
        }
        match (json.flatten(), document) {
            (Some(mut file), Some(document)) => {
                file.write(&document).map_err(Stop::Failed)?;
                print(&text)?;
            }
            // On stdout nothing else stands beside it.
            (None, Some(document)) => print(&document)?,
            (_, None) => print(&text)?,
        }
        if is_interrupted {
            return Ok(Exit::Interrupted);
        }
        Ok(match found.bracket.holds {
            Some(_) => Exit::Ok,
            None if found.errors().is_some() => Exit::Failed,
            None => Exit::GoalMissed,
        })
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
        let named = |path: &PathBuf| Ok((path.display().to_string(), read(path)?));
        let files = self.results.iter().map(named).collect::<Result<Vec<_>, Stop>>()?;
        let tables = published::render(&files).map_err(Stop::Usage)?;
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
