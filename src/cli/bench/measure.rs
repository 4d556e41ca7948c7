//! The arguments of a measurement, and the order that they make.

use super::agents::AgentsArguments;
use super::kept::KeptArguments;
use super::of_wrk::OfWrk;
use super::pins::check_pins;
use super::sources::{self, Requests, body_template, compile, line_templates};
use pixeld_bench::client::target::{Target, Url, is_https};
use pixeld_bench::client::tls::{Authorities, Trust};
use pixeld_bench::client::token::Token;
use pixeld_bench::quantity::{duration_ns, rate, seconds_ns, show_ns, span_ns, whole};
use pixeld_bench::redaction::shown_command;
use pixeld_bench::report::goal::Goal;
use pixeld_bench::scenario::mix::Mix;
use pixeld_bench::scenario::pacer::Arrivals;
use pixeld_bench::scenario::request::{Bodies, RequestForm};
use pixeld_bench::scenario::requests_file::{check_method, field};
use pixeld_bench::scenario::template::PIXEL;
use pixeld_bench::scenario::{self, Load, Scenario, threads_for};
use pixeld_bench::screen::terminal;
use pixeld_bench::tools::chaos::Chaos;
use pixeld_bench::tools::launch::Launch;
use pixeld_bench::tools::outputs::Outputs;
use pixeld_bench::tools::session::Order;
use pixeld_bench::tools::verify;
use std::path::PathBuf;
use std::sync::Arc;

/// Length of a step of a ramp unless set, nanoseconds.
const STEP_NS: u64 = 30_000_000_000;

/// What one measurement needs.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Measure {
    /// Target; a URL without a path means /pixel
    #[arg(default_value = "http://127.0.0.1:8000")]
    url: String,
    /// TOML file of long options such as `pipeline = 16`; options on the command line override it
    #[arg(long, value_name = "FILE")]
    pub(super) scenario: Option<PathBuf>,
    #[command(flatten)]
    load: LoadArguments,
    #[command(flatten)]
    request: RequestArguments,
    #[command(flatten)]
    check: CheckArguments,
    /// Show the run on the whole terminal while it runs; q ends it
    #[arg(long, help_heading = "Outputs")]
    tui: bool,
    #[command(flatten)]
    of_wrk: OfWrk,
    #[command(flatten)]
    agents: AgentsArguments,
    #[command(flatten)]
    kept: KeptArguments,
    /// Report for machines, - for stdout; docs/bench-report.schema.json describes it
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    json: Option<PathBuf>,
    /// Percentile distribution for HdrHistogram's plotters
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    hgrm: Option<PathBuf>,
    /// Figures over time; of a ramp, its steps
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    csv: Option<PathBuf>,
    /// Report with plots, one file
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    html: Option<PathBuf>,
}

/// How much, how long, from where.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct LoadArguments {
    /// Connections
    #[arg(short, long, value_name = "N", default_value = "64", value_parser = positive)]
    connections: usize,
    /// Threads [default: half of the CPUs; with --pin one for each CPU named]
    #[arg(short, long, value_name = "N", value_parser = positive)]
    threads: Option<usize>,
    /// Length of the measured part, seconds unless it has a unit [default: 10s; with -n no bound]
    #[arg(short, long, value_name = "TIME", conflicts_with = "steps", value_parser = seconds_ns)]
    duration: Option<u64>,
    /// End after N requests
    #[arg(short = 'n', long, value_name = "N", value_parser = whole)]
    number: Option<u64>,
    /// Several requests in turn, a line each: [WEIGHT] METHOD PATH [-H FIELD] [-b BODY], or JSON, or a web server's log; - for stdin
    #[arg(long, value_name = "FILE", value_parser = Requests::parse, help_heading = "Request")]
    requests: Option<Requests>,
    /// Requests that one connection may have in flight
    #[arg(short, long, value_name = "D", default_value = "1", value_parser = positive)]
    pub(super) pipeline: usize,
    /// Open loop: R requests per second, whatever the target does; -R is the same
    #[arg(short, long, short_alias = 'R', value_name = "R", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// Poisson arrivals instead of equal gaps: the same ones in each run, so that runs compare
    #[arg(long)]
    pub(super) poisson: bool,
    /// Ramp of an open loop, requests per second, such as 100,200,500
    #[arg(long, value_name = "R,R,...", value_delimiter = ',', value_parser = rate, conflicts_with = "rate")]
    pub(super) steps: Vec<f64>,
    /// Length of each step [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = span_ns)]
    pub(super) step_duration: Option<u64>,
    /// Load before the measured part, not counted
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration_ns)]
    warmup: u64,
    /// How long to wait for an answer
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = span_ns)]
    timeout: u64,
    /// CPUs for the threads, such as 1,3
    #[arg(long, value_name = "CPU,...", value_delimiter = ',')]
    pub(super) pin: Vec<usize>,
}

/// What is asked.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct RequestArguments {
    /// Method [default: POST; GET when the URL's path is not /pixel and there is no body]
    #[arg(short, long, help_heading = "Request")]
    method: Option<String>,
    /// Further header field, repeatable
    // Read later: what clap says of a value that it can't take would show it.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", help_heading = "Request")]
    headers: Vec<String>,
    /// File with the token in its first line, for a server that asks for one
    #[arg(long, value_name = "FILE", env = "PIXELD_TOKEN_FILE", help_heading = "Request")]
    server_token_file: Option<PathBuf>,
    /// Body, or @FILE, @- for stdin; {{ n }}, {{ n % 256 }}, {{ rand 0 255 }}, {{ pick R G B }} differ from request to request, here, in the
    /// URL's path and in fields
    #[arg(short, long, value_name = "BODY", help_heading = "Request")]
    pub(super) body: Option<String>,
    /// File with a body in each line, used in turn
    #[arg(long, value_name = "FILE", conflicts_with = "body", help_heading = "Request")]
    pub(super) body_lines: Option<PathBuf>,
    /// Do not ask the target for /metrics
    #[arg(long, help_heading = "Request")]
    pub(super) no_probe: bool,
    /// Connect to this unix socket
    #[arg(long, value_name = "PATH", help_heading = "Request")]
    pub(super) unix: Option<PathBuf>,
    /// Close each connection after N requests and make it again
    #[arg(long, value_name = "N", value_parser = whole, help_heading = "Request")]
    requests_per_connection: Option<u64>,
    /// One request per connection
    #[arg(long, conflicts_with = "requests_per_connection", help_heading = "Request")]
    no_keepalive: bool,
    /// Authorities whose certificates are trusted, PEM [default: the system's]
    #[arg(long, value_name = "FILE", conflicts_with = "insecure", help_heading = "Request")]
    cacert: Option<PathBuf>,
    /// Take any certificate
    #[arg(long, help_heading = "Request")]
    insecure: bool,
}

/// What has to hold.
#[derive(Clone, Debug, clap::Args)]
struct CheckArguments {
    /// What must hold, repeatable: p99<2ms, errors=0, error_rate<0.1%, status_5xx=0, status_2xx>=99%, rate>=50k,
    /// server_cpu<5us
    #[arg(long = "goal", value_name = "GOAL", value_parser = Goal::parse, help_heading = "Checks")]
    goals: Vec<Goal>,
    /// End the run, with exit code 3, as soon as this holds, repeatable: error_rate>10%, p99>1s, status_5xx>100
    #[arg(long, value_name = "CONDITION", value_parser = Goal::parse, help_heading = "Checks")]
    abort_if: Vec<Goal>,
    /// Exit with 4 when the client was the bottleneck, or waited for its CPU
    #[arg(long, help_heading = "Checks")]
    strict: bool,
    /// Read everything back: acknowledged = stored
    #[arg(long, help_heading = "Checks")]
    verify: bool,
    /// Another host that must have everything too, repeatable
    #[arg(long, value_name = "URL", requires = "verify", help_heading = "Checks")]
    verify_host: Vec<String>,
    /// Start this server first and stop it at the end
    #[arg(long, value_name = "COMMAND", help_heading = "Checks")]
    start: Option<String>,
    /// CPUs for that server
    #[arg(long, value_name = "CPU,...", value_delimiter = ',', requires = "start", help_heading = "Checks")]
    start_pin: Vec<usize>,
    /// Kill, stop or pause that server during the run: 'kill server@5s', 'stop server@5s', 'pause server@5s for 500ms'
    #[arg(long, value_name = "DEED", value_parser = Chaos::parse, requires = "start", help_heading = "Checks")]
    chaos: Vec<Chaos>,
}

pub(super) fn positive(text: &str) -> Result<usize, String> {
    whole(text).and_then(|value| usize::try_from(value).map_err(|error| error.to_string()))
}

impl Measure {
    /// Reads files, looks names up and puts everything together.
    pub(super) fn order(&self) -> Result<Order, String> {
        self.load.check(self.agents.are_given())?;
        let mut urls = [&self.url].into_iter().chain(&self.check.verify_host);
        self.request.check(urls.any(|url| is_https(url)))?;
        self.of_wrk.check()?;
        if self.tui {
            terminal::check()?;
        }
        let target = self.request.target(&self.url)?;
        let verify = self.verify()?;
        let form = self.request.form(&target, verify.as_ref().map(|(run, _)| *run))?;
        let mix = self.mix()?;
        let verify = verify.map(|(run, hosts)| (run, [vec![target.clone()], hosts].concat()));
        // Of several requests each has its own path.
        let target = if mix.is_some() { target.at("/") } else { target };
        let scenario = Scenario { mix, ..self.request.on(self.load.scenario(target, form)) };
        if let Some(late) = self.check.chaos.iter().find(|chaos| chaos.at_ns() >= scenario.end_ns()) {
            let end = show_ns(scenario.end_ns());
            return Err(format!(
                "--chaos '{late}' comes after the end of the load, which is at {end}; give a longer -d"
            ));
        }
        let has_unix = self.request.unix.is_some();
        Ok(Order {
            agents: self.agents.agents(&scenario, self.load.threads, has_unix)?,
            scenario,
            steps: self.load.steps.clone(),
            arrivals: self.load.arrivals(),
            goals: self.check.goals.clone(),
            abort_if: self.check.abort_if.clone(),
            is_strict: self.check.strict,
            verify,
            chaos: self.check.chaos.clone(),
            has_screen: self.tui,
            launch: self.check.launch()?,
            baseline: self.kept.baseline()?,
            outputs: self.outputs()?,
            command: shown_command(std::env::args()),
        })
    }

    /// Returns the requests of `--requests`, which leave nothing to say about the one that the other options describe.
    fn mix(&self) -> Result<Option<Arc<Mix>>, String> {
        let mix = self.load.mix(&self.request)?;
        let has_path = Url::parse(&self.url)?.path.is_some_and(|path| path != "/");
        if mix.is_some() && (has_path || self.check.verify) {
            return Err(
                "--requests has the paths and bodies of its file; leave out the URL's path and --verify"
                    .into(),
            );
        }
        Ok(mix)
    }

    fn outputs(&self) -> Result<Outputs, String> {
        Ok(Outputs {
            save: self.kept.save()?,
            markdown: self.kept.markdown.clone(),
            junit: self.kept.junit.clone(),
            json: self.json.clone(),
            hgrm: self.hgrm.clone(),
            csv: self.csv.clone(),
            html: self.html.clone(),
        })
    }

    /// Returns a run number that no earlier run on the same server had, and the further hosts to read back from.
    fn verify(&self) -> Result<Option<(i32, Vec<Target>)>, String> {
        if !self.check.verify {
            return Ok(None);
        }
        if self.request.body.is_some() || self.request.body_lines.is_some() || self.request.method.is_some() {
            return Err("--verify sends its own pixels; leave out -b, --body-lines and -m".into());
        }
        let hosts = self.check.verify_host.iter().map(|url| self.request.further_target(url));
        Ok(Some((verify::run_number()?, hosts.collect::<Result<_, _>>()?)))
    }
}

impl LoadArguments {
    fn arrivals(&self) -> Arrivals {
        if self.poisson { Arrivals::Poisson } else { Arrivals::Constant }
    }

    pub(super) fn number(&self) -> Option<u64> {
        match self.requests {
            Some(Requests::Number(number)) => Some(number),
            _ => self.number,
        }
    }

    /// Returns whether a file of requests is named.
    pub(super) fn has_mix(&self) -> bool {
        matches!(self.requests, Some(Requests::File(_)))
    }

    /// Returns the requests of `--requests FILE`, with the fields of `request` in each.
    pub(super) fn mix(&self, request: &RequestArguments) -> Result<Option<Arc<Mix>>, String> {
        let Some(Requests::File(file)) = &self.requests else { return Ok(None) };
        if request.body.is_some() || request.body_lines.is_some() || request.method.is_some() {
            return Err(
                "--requests has the methods and bodies of its file; leave out -b, --body-lines and -m".into(),
            );
        }
        sources::mix(file, &request.fields()?).map(|mix| Some(Arc::new(mix)))
    }

    /// Returns the run that these arguments describe.
    pub(super) fn scenario(&self, target: Target, form: RequestForm) -> Scenario {
        let threads = self.threads.unwrap_or(match self.pin.len() {
            0 => threads_for(self.connections),
            cpus => cpus,
        });
        let number = self.number();
        let duration_ns = match (self.duration, number) {
            _ if !self.steps.is_empty() => self.step_duration.unwrap_or(STEP_NS),
            (Some(ns), _) => ns,
            (None, Some(_)) => u64::MAX,
            (None, None) => scenario::DURATION_NS,
        };
        Scenario {
            connections: self.connections,
            threads: threads.min(self.connections),
            pipeline: self.pipeline,
            load: self.rate.map_or(Load::Closed, |rate| Load::Open { rate, arrivals: self.arrivals() }),
            duration_ns,
            requests: number,
            warmup_ns: self.warmup,
            timeout_ns: self.timeout,
            pins: self.pin.clone(),
            ..Scenario::new(target, form)
        }
    }
}

impl RequestArguments {
    /// Returns whom to trust when the target speaks TLS.
    pub(super) fn trust(&self) -> Trust {
        Trust { authorities: self.cacert.clone().map(Authorities::File), is_unchecked: self.insecure }
    }

    /// Looks a target up.
    pub(super) fn target(&self, url: &str) -> Result<Target, String> {
        let token = self.token()?;
        let target = Target::resolve_trusting(url, self.unix.clone(), "/pixel", &self.trust())?;
        Ok(target.with_token(token))
    }

    /// Returns the token that the server asks for.
    fn token(&self) -> Result<Option<Token>, String> {
        self.server_token_file.as_deref().map(Token::read).transpose()
    }

    /// Looks a further host up, which is not at the socket of the first one.
    fn further_target(&self, url: &str) -> Result<Target, String> {
        let target = Target::resolve_trusting(url, None, "/pixel", &self.trust())?;
        Ok(target.with_token(self.token()?))
    }

    /// Returns whether a connection is used as long as it lasts.
    pub(super) fn keeps_connections(&self) -> bool {
        !self.no_keepalive && self.requests_per_connection.is_none()
    }

    /// Returns the run with what these arguments say of its connections.
    pub(super) fn on(&self, scenario: Scenario) -> Scenario {
        let requests_per_connection =
            if self.no_keepalive { 1 } else { self.requests_per_connection.unwrap_or(u64::MAX) };
        Scenario { asks_metrics: !self.no_probe, requests_per_connection, ..scenario }
    }

    /// Reads the header fields. What is wrong with one is said without showing it.
    fn fields(&self) -> Result<Vec<(String, String)>, String> {
        let read = |(at, text): (usize, &String)| {
            field(text).map_err(|what| format!("-H, field {} of {}: {what}", at + 1, self.headers.len()))
        };
        let mut fields = self.headers.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        fields.extend(self.token()?.map(|token| token.field()));
        Ok(fields)
    }

    /// Returns the requests that these arguments describe; with the number of a verified run its own pixels.
    pub(super) fn form(&self, target: &Target, verified_run: Option<i32>) -> Result<RequestForm, String> {
        let posts_pixels = target.path.split('?').next() == Some("/pixel");
        let bodies = match (verified_run, &self.body, &self.body_lines, &self.method) {
            (Some(run), ..) => Bodies::One(compile(&verify::template(run))?.named("pixels of --verify")),
            (None, Some(body), ..) => Bodies::One(body_template(body)?),
            (None, None, Some(file), _) => Bodies::Lines(line_templates(file)?),
            (None, None, None, Some(method)) if method != "POST" => Bodies::None,
            (None, None, None, _) if posts_pixels => Bodies::One(compile(PIXEL)?),
            _ => Bodies::None,
        };
        let default = if posts_pixels || bodies != Bodies::None { "POST" } else { "GET" };
        let method = self.method.clone().unwrap_or_else(|| default.to_string());
        check_method(&method).map_err(|what| format!("-m: {what}; write for example GET"))?;
        let form = RequestForm {
            method,
            path: target.path.clone(),
            host: target.host.clone(),
            headers: self.fields()?,
            bodies,
        };
        form.check().map(|()| form)
    }
}

impl CheckArguments {
    fn launch(&self) -> Result<Option<Launch>, String> {
        let Some(line) = &self.start else { return Ok(None) };
        check_pins("--start-pin", &self.start_pin)?;
        Ok(Some(Launch { cpus: self.start_pin.clone(), ..Launch::parse(line)? }))
    }
}
