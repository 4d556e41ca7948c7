//! The server's side of a run: its CPU time from `/proc` when it runs on this host, else from its `/metrics`.

use crate::client::fetch;
use crate::client::socket::Socket;
use crate::client::target::{Endpoint, Target};
use crate::driver::machine::{
    ProcessTimes, ProcessUse, holders_of_unix, listeners_of_port, process_times, processes_of_group,
};
use crate::driver::stages::{Exposition, Stages};
use std::time::{Duration, Instant};

/// Longest wait for a server's `/metrics`: before the run, where the user waits too, and at its ends.
const PROBE_WAIT: Duration = Duration::from_millis(500);
const METRICS_WAIT: Duration = Duration::from_secs(1);
/// Longest wait for one of the handshakes that are timed before a run.
const HANDSHAKE_WAIT: Duration = Duration::from_millis(300);

/// Where the server's figures come from.
#[derive(Clone, Debug, Default)]
pub struct ServerProbe {
    /// Its processes on this host.
    pub processes: Processes,
    /// Where it serves Prometheus text.
    pub metrics: Option<Target>,
    /// The URL that was asked for that, whatever it said.
    pub asked: Option<String>,
}

/// The server's processes on this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Processes {
    /// They run elsewhere or can't be found.
    #[default]
    Unknown,
    /// These.
    Pids(Vec<u32>),
    /// All of a process group, whatever it starts.
    Group(u32),
}

/// One reading of the server's counters.
#[derive(Clone, Debug, Default)]
pub struct ServerReading {
    times: Option<ProcessTimes>,
    metrics: Option<Exposition>,
}

/// What the server used during the measured part.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerUse {
    /// CPU time.
    pub process: ProcessUse,
    /// Whether the figures of single threads are known.
    pub has_threads: bool,
    /// What its `/metrics` add: stages, system calls, syncs.
    pub stages: Option<Stages>,
}

impl ServerProbe {
    /// Finds out what can be known about the server at `target`; asks it for `/metrics` only if `asks`.
    #[must_use]
    pub fn find(target: &Target, asks: bool) -> Self {
        let pids = match &target.endpoint {
            Endpoint::Tcp(addresses) if target.is_local() => listeners_of_port(addresses.used().port()),
            Endpoint::Unix(path) => holders_of_unix(&path.display().to_string()),
            Endpoint::Tcp(_) => Vec::new(),
        };
        let processes = if pids.is_empty() { Processes::Unknown } else { Processes::Pids(pids) };
        let metrics = target.at("/metrics");
        let asked = asks.then(|| metrics.url.clone());
        let metrics = if asks { fetch_metrics(&metrics, PROBE_WAIT).map(|_| metrics) } else { None };
        Self { processes, metrics, asked }
    }

    /// Returns a server that bench started itself, in a process group of its own.
    #[must_use]
    pub fn of_group(group: u32, target: &Target, asks: bool) -> Self {
        Self { processes: Processes::Group(group), ..Self::find(target, asks) }
    }

    /// Reads everything now.
    #[must_use]
    pub fn read(&self) -> ServerReading {
        let times = match &self.processes {
            Processes::Unknown => None,
            Processes::Pids(pids) => Some(process_times(pids)),
            Processes::Group(group) => Some(process_times(&processes_of_group(*group))),
        };
        let metrics = self.metrics.as_ref().and_then(|target| fetch_metrics(target, METRICS_WAIT));
        ServerReading { times, metrics }
    }
}

fn fetch_metrics(target: &Target, wait: Duration) -> Option<Exposition> {
    let response = fetch::get(target, wait).ok()?;
    (response.status == 200).then(|| Exposition::parse(&String::from_utf8_lossy(&response.body)))?
}

/// Returns the least time of a few TCP handshakes, nanoseconds; 0 when the first one was not made.
#[must_use]
pub fn round_trip_ns(target: &Target) -> u64 {
    let handshake = |_| {
        let start = Instant::now();
        Socket::connect(&target.endpoint, HANDSHAKE_WAIT).ok()?;
        Some(start.elapsed().as_nanos() as u64)
    };
    if target.is_local() { 0 } else { (0..3).map_while(handshake).min().unwrap_or(0) }
}

impl ServerUse {
    /// Adds what the server used in a later run; the stages' latencies are those of the later one.
    pub fn add(&mut self, later: Self) {
        let (sum, more) = (&mut self.process, later.process);
        sum.user_ns += more.user_ns;
        sum.system_ns += more.system_ns;
        sum.busiest_thread_ns += more.busiest_thread_ns;
        sum.waited_for_cpu_ns += more.waited_for_cpu_ns;
        self.has_threads &= later.has_threads;
        self.stages = match (self.stages.take(), later.stages) {
            (Some(sum), Some(more)) => Some(sum.and(more)),
            _ => None,
        };
    }
}

impl ServerReading {
    /// Returns what was used since an earlier reading; `None` when nothing is known.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<ServerUse> {
        let stages = match (&self.metrics, &earlier.metrics) {
            (Some(now), Some(before)) => Some(Stages::between(before, now)),
            _ => None,
        };
        if let (Some(now), Some(before)) = (&self.times, &earlier.times) {
            return Some(ServerUse { process: now.since(before), has_threads: true, stages });
        }
        let cpu_ns = stages.as_ref()?.cpu_ns?;
        let process = ProcessUse { user_ns: cpu_ns, ..ProcessUse::default() };
        Some(ServerUse { process, has_threads: false, stages })
    }
}
