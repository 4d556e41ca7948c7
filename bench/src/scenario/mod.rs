//! What a run does: target, connections, load, times. Fixed before the run starts and written into its report.

pub mod mix;
pub mod options;
pub mod pacer;
pub mod random;
pub mod request;
pub mod requests_file;
pub mod template;
pub mod wrk_script;

use crate::client::target::Target;
use crate::redaction::shown_field;
use crate::scenario::mix::Mix;
use crate::scenario::pacer::Arrivals;
use crate::scenario::request::RequestForm;
use serde_json::{Value, json};
use std::sync::Arc;

/// Connections of a run unless set.
pub const CONNECTIONS: usize = 64;
/// Duration of a run unless set, nanoseconds.
pub const DURATION_NS: u64 = 10_000_000_000;
/// Time-out of a request unless set, nanoseconds.
const TIMEOUT_NS: u64 = 5_000_000_000;
/// Shortest row of the time series, nanoseconds.
pub const INTERVAL_NS_MIN: u64 = 100_000_000;
/// Longest row of the time series unless set, nanoseconds.
const INTERVAL_NS_MAX: u64 = 1_000_000_000;
/// Files the generator needs beside its connections: epoll, streams, `/proc`, reports.
const FILES_BESIDE: u64 = 32;

/// What decides when a request leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// A connection asks again as soon as it is answered: the target sets the pace.
    Closed,
    /// A schedule sets the pace, whatever the target does.
    Open {
        /// Requests per second over all connections.
        rate: f64,
        /// How they are spaced.
        arrivals: Arrivals,
    },
}

/// One run. Times are nanoseconds.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where to.
    pub target: Target,
    /// What is asked.
    pub form: RequestForm,
    /// What is asked instead, when it is several requests in turn.
    pub mix: Option<Arc<Mix>>,
    /// Connections over all threads.
    pub connections: usize,
    /// Threads; at most as many as connections.
    pub threads: usize,
    /// Requests without an answer that one connection may have.
    pub pipeline: usize,
    /// Requests after which a connection is closed and made again; `u64::MAX` keeps it.
    pub requests_per_connection: u64,
    /// Closed or open loop.
    pub load: Load,
    /// Length of the measured part; `u64::MAX` when only the number of requests ends it.
    pub duration_ns: u64,
    /// Requests after which the run ends.
    pub requests: Option<u64>,
    /// Time before the measured part, whose requests are sent but not counted.
    pub warmup_ns: u64,
    /// How long an answer is awaited.
    pub timeout_ns: u64,
    /// CPU of each thread, used in turn; empty leaves it to the kernel.
    pub pins: Vec<usize>,
    /// Number of the first request; the bodies follow from the numbers.
    pub first_number: u64,
    /// Whether to keep which numbers were acknowledged.
    pub keeps_acknowledged: bool,
    /// Whether the target is asked for its `/metrics`.
    pub asks_metrics: bool,
    /// Longest row of the time series, 100 ms at least.
    pub interval_ns_max: u64,
}

impl Scenario {
    /// Returns a closed loop of the usual size.
    #[must_use]
    pub fn new(target: Target, form: RequestForm) -> Self {
        Self {
            target,
            form,
            mix: None,
            connections: CONNECTIONS,
            threads: threads_for(CONNECTIONS),
            pipeline: 1,
            requests_per_connection: u64::MAX,
            load: Load::Closed,
            duration_ns: DURATION_NS,
            requests: None,
            warmup_ns: 0,
            timeout_ns: TIMEOUT_NS,
            pins: Vec::new(),
            first_number: 0,
            keeps_acknowledged: false,
            asks_metrics: true,
            interval_ns_max: INTERVAL_NS_MAX,
        }
    }

    /// Returns the time of the end of the measured part since the start of the run.
    #[must_use]
    pub fn end_ns(&self) -> u64 {
        self.warmup_ns.saturating_add(self.duration_ns)
    }

    /// Returns the time since the start of the run until which the schedule of a bounded number of requests lasts: n requests at a rate
    /// of r take n/r.
    #[must_use]
    pub fn schedule_end_ns(&self) -> Option<u64> {
        let schedule_ns = (self.requests? as f64 * 1e9 / self.rate()?).ceil() as u64;
        Some(self.warmup_ns.saturating_add(schedule_ns).min(self.end_ns()))
    }

    /// Returns the length of one row of the time series: a hundredth of the run, between 100 ms and usually 1 s.
    #[must_use]
    pub fn interval_ns(&self) -> u64 {
        (self.duration_ns / 100).clamp(INTERVAL_NS_MIN, self.interval_ns_max)
    }

    /// Returns the rate of an open loop.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        match self.load {
            Load::Closed => None,
            Load::Open { rate, .. } => Some(rate),
        }
    }

    /// Connections of thread `index`.
    #[must_use]
    pub fn connections_of(&self, index: usize) -> usize {
        self.connections / self.threads + usize::from(index < self.connections % self.threads)
    }

    /// Requests of thread `index`, when their number is bounded.
    #[must_use]
    pub fn requests_of(&self, index: usize) -> Option<u64> {
        let threads = self.threads as u64;
        self.requests.map(|all| all / threads + u64::from((index as u64) < all % threads))
    }

    /// Returns the header fields of all requests, those of the one that is repeated and those of `--requests`.
    pub fn fields(&self) -> impl Iterator<Item = &(String, String)> {
        self.form.headers.iter().chain(self.mix.iter().flat_map(|mix| mix.fields()))
    }

    /// Returns the scenario as reports show it.
    #[must_use]
    pub fn describe(&self) -> Value {
        let (kind, rate, poisson) = match self.load {
            Load::Closed => ("closed", None, false),
            Load::Open { rate, arrivals } => ("open", Some(rate), arrivals == Arrivals::Poisson),
        };
        let one = self.mix.is_none().then_some(&self.form);
        json!({
            "load": kind,
            "rate": rate,
            "poisson": poisson,
            "method": one.map(|form| &form.method),
            "path": one.map(|form| &form.path),
            "headers": self.form.headers.iter().map(shown_field).collect::<Vec<_>>(),
            "body": one.map(|form| form.bodies.describe()),
            "requests_in_turn": self.mix.as_ref().map(|mix| mix.describe()),
            "connections": self.connections,
            "threads": self.threads,
            "pipeline": self.pipeline,
            "requests_per_connection":
                (self.requests_per_connection != u64::MAX).then_some(self.requests_per_connection),
            "duration_ns": (self.duration_ns != u64::MAX).then_some(self.duration_ns),
            "requests": self.requests,
            "warmup_ns": self.warmup_ns,
            "timeout_ns": self.timeout_ns,
            "pins": self.pins,
        })
    }
}

/// Threads that a run takes unless told: half of the CPUs, the other half is for the target.
#[must_use]
pub fn threads_for(connections: usize) -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    (cpus / 2).clamp(1, connections.max(1))
}

/// Makes sure that `connections` sockets can be open at once, raising the soft limit where it may be raised.
///
/// # Errors
/// Returns the `ulimit` line to run.
pub fn allow_files(connections: usize) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let needed = connections as u64 + FILES_BESIDE;
    let limit = getrlimit(Resource::Nofile);
    let enough = |bound: Option<u64>| bound.is_none_or(|bound| bound >= needed);
    if enough(limit.current) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(needed), maximum: limit.maximum };
    if enough(limit.maximum) && setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    Err(format!(
        "{connections} connections need {needed} open files and the limit is {}; run `ulimit -n {needed}` first (as \
         root, or after raising the hard limit in /etc/security/limits.conf)",
        limit.maximum.or(limit.current).unwrap_or(0),
    ))
}

#[cfg(test)]
impl Scenario {
    /// Returns a scenario for tests that send nothing: GET of a port where nobody listens.
    pub(crate) fn sample() -> Self {
        let target = Target::resolve("http://127.0.0.1:1/", None, "/").expect("an address");
        let form = RequestForm {
            method: "GET".into(),
            path: "/".into(),
            host: "h".into(),
            headers: Vec::new(),
            bodies: request::Bodies::None,
        };
        Self::new(target, form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario() -> Scenario {
        Scenario::sample()
    }

    #[test]
    fn shares_add_up() {
        for (connections, threads, requests) in [(64, 3, 1000), (1, 1, 7), (5, 5, 4), (7, 2, 1)] {
            let scenario = Scenario { connections, threads, requests: Some(requests), ..scenario() };
            assert_eq!((0..threads).map(|t| scenario.connections_of(t)).sum::<usize>(), connections);
            assert_eq!((0..threads).filter_map(|t| scenario.requests_of(t)).sum::<u64>(), requests);
        }
    }

    #[test]
    fn too_many_connections_name_the_line_to_run() {
        let error = allow_files(2_000_000_000).unwrap_err();
        assert!(error.contains("ulimit -n 2000000032"), "{error}");
    }
}
