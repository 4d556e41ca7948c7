//! Other clients: wrk for the comparison with it, Redis' own benchmark program where the protocol differs.

use crate::client::target::{Endpoint, Target};
use crate::scenario::{Load, Scenario};
use crate::tools::scratch::Scratch;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::{Command, Output};

/// What another client measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Foreign {
    /// Requests it made.
    pub requests: f64,
    /// Requests per second that are no errors, as far as it tells.
    pub rate: f64,
    /// Median latency, nanoseconds.
    pub p50_ns: f64,
    /// 99th percentile, nanoseconds.
    pub p99_ns: f64,
    /// Errors.
    pub errors: f64,
    /// CPU nanoseconds of the client, to 10 ms.
    pub client_cpu_ns: f64,
}

/// The script that makes wrk post pixels, DEPTH at a time.
const WRK_SCRIPT: &str = include_str!("../../wrk/pixel.lua");

/// What has to be said beside every figure of wrk.
pub const WRK_CAVEATS: [&str; 6] = [
    "wrk repeats the first body in all requests; pixeld bench writes a new one for each",
    "wrk counts its -d and its time-out in whole seconds",
    "wrk back-fills its percentiles after the run for samples that it thinks are missing",
    "with pipelining wrk records one latency for a whole batch",
    "wrk reads the clock with gettimeofday and drops samples that are slower than its time-out of 2 s",
    "wrk re-arms epoll around every write",
];

/// Says what of a scenario wrk can't do, if there is something.
///
/// # Errors
/// Returns a sentence that says why.
pub fn wrk_can_run(scenario: &Scenario) -> Result<(), String> {
    let names: Vec<String> =
        scenario.form.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let twice = (1..names.len()).find(|&at| names[..at].contains(&names[at]));
    let what = match scenario {
        Scenario { load: Load::Open { .. }, .. } => "has no schedule: leave out -r",
        Scenario { requests: Some(_), .. } => "ends by time only: leave out -n",
        Scenario { warmup_ns: 1.., .. } => "has no warm-up: leave out --warmup",
        _ if twice.is_some() => "sends a header field once: leave out the second one of a name",
        _ => return Ok(()),
    };
    Err(format!("wrk {what}, or compare without --wrk"))
}

/// Runs wrk with the scenario's connections, depth, threads, duration, time-out, method and header fields, and its first
/// body in all requests.
///
/// # Errors
/// Returns a sentence that names the next step.
pub fn wrk(scenario: &Scenario, folder: &Path) -> Result<Foreign, String> {
    let folder = Scratch::below(folder, "wrk-")?;
    let script = folder.path().join("pixel.lua");
    fs::write(&script, WRK_SCRIPT).map_err(|error| format!("cannot write {}: {error}", script.display()))?;
    let seconds = (scenario.duration_ns as f64 / 1e9).ceil().max(1.0);
    let timeout = (scenario.timeout_ns as f64 / 1e9).ceil().max(1.0);
    let mut command = Command::new("wrk");
    command
        .args(["-c", &scenario.connections.to_string(), "-t", &scenario.threads.to_string()])
        .args(["-d", &format!("{seconds:.0}s"), "--timeout", &format!("{timeout:.0}s")])
        .args(
            scenario.form.headers.iter().flat_map(|(name, value)| ["-H".into(), format!("{name}: {value}")]),
        )
        .arg("-s")
        .arg(&script)
        .arg(&scenario.target.url)
        .env("DEPTH", scenario.pipeline.to_string())
        .env("METHOD", &scenario.form.method)
        .env("BODY", OsString::from_vec(scenario.form.first_body()));
    let (output, cpu_ns) = run(command, &scenario.pins, "wrk", "apt install wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_wrk(&text)
        .map(|measured| Foreign { client_cpu_ns: cpu_ns, ..measured })
        .ok_or_else(|| format!("wrk's output can't be read:\n{text}"))
}

/// Returns the line of JSON that the script prints at the end.
fn parse_wrk(text: &str) -> Option<Foreign> {
    let line = text.lines().rev().find(|line| line.starts_with('{'))?;
    let figures: serde_json::Value = serde_json::from_str(line).ok()?;
    let figure = |name: &str| figures[name].as_f64();
    Some(Foreign {
        requests: figure("requests")?,
        rate: (figure("requests")? - figure("status")?) * 1e6 / figure("duration_us")?,
        p50_ns: figure("p50_us")? * 1e3,
        p99_ns: figure("p99_us")? * 1e3,
        errors: figure("errors")?,
        client_cpu_ns: 0.0,
    })
}

/// Runs `redis-benchmark` for about the scenario's duration: a short run first tells how many requests that is.
///
/// # Errors
/// Returns a sentence that names the next step.
pub fn redis(scenario: &Scenario, words: &[String], short: Option<f64>) -> Result<Foreign, String> {
    let seconds = scenario.duration_ns as f64 / 1e9;
    let requests = match short {
        Some(rate) => (rate * seconds).max(1_000.0),
        None => 20_000.0,
    };
    let Endpoint::Tcp(addresses) = &scenario.target.endpoint else {
        return Err("redis-benchmark is run over TCP".into());
    };
    let address = addresses.used();
    let mut command = Command::new("redis-benchmark");
    command
        .args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()])
        .args(["-c", &scenario.connections.to_string(), "-P", &scenario.pipeline.to_string()])
        .args(["-n", &format!("{requests:.0}"), "--csv"])
        .args(words);
    let (output, cpu_ns) = run(command, &scenario.pins, "redis-benchmark", "apt install redis-tools")?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_redis(&text)
        .map(|measured| Foreign { requests, client_cpu_ns: cpu_ns, ..measured })
        .ok_or_else(|| format!("redis-benchmark's output can't be read:\n{text}"))
}

/// Reads `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"`
fn parse_redis(text: &str) -> Option<Foreign> {
    let line = text.lines().rfind(|line| line.starts_with('"') && !line.starts_with("\"test\""))?;
    // The test's name may hold commas; the seven figures are the last fields.
    let fields: Vec<f64> =
        line.rsplit(',').take(7).filter_map(|field| field.trim_matches('"').parse().ok()).collect();
    let [_max, p99, _p95, p50, _min, _mean, rate] = fields[..] else { return None };
    Some(Foreign { rate, p50_ns: p50 * 1e6, p99_ns: p99 * 1e6, ..Foreign::default() })
}

/// Runs a client to its end, bound to `pins`, and says how much CPU time it took.
fn run(mut command: Command, pins: &[usize], name: &str, install: &str) -> Result<(Output, f64), String> {
    let before = children_cpu_ns();
    let output = std::thread::scope(|scope| {
        let handle = scope.spawn(|| {
            if !pins.is_empty() {
                crate::driver::machine::pin_this_thread(pins)?;
            }
            command.output().map_err(|error| format!("cannot run {name}: {error}; {install}"))
        });
        handle.join().map_err(|_| format!("cannot run {name}"))?
    })?;
    if !output.status.success() {
        return Err(format!("{name} failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok((output, children_cpu_ns() - before))
}

/// Returns the CPU time of all children that have ended: fields 16 and 17 of `/proc/self/stat`, in ticks of 10 ms.
fn children_cpu_ns() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rfind(')').map_or("", |at| &text[at + 1..]);
    after_name
        .split_ascii_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        * 1e7
}

/// Checks that wrk can measure the target.
///
/// # Errors
/// Returns a sentence for unix sockets.
pub fn wrk_can_reach(target: &Target) -> Result<(), String> {
    match target.endpoint {
        Endpoint::Tcp(_) => Ok(()),
        Endpoint::Unix(_) => Err("wrk does not connect to unix sockets; compare over TCP".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_by_sample() {
        let wrk = "Running 1s test\n  Thread Stats\n{\"requests\":1000,\"duration_us\":2000000,\"p50_us\":100,\"p99_us\":900,\"max_us\":1,\"status\":100,\"errors\":103}\n";
        let seen = parse_wrk(wrk).unwrap();
        assert_eq!((seen.rate, seen.p50_ns, seen.p99_ns, seen.errors), (450.0, 1e5, 9e5, 103.0));
        let redis = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
            \"RPUSH a,b\",\"81234.5\",\"0.4\",\"0.1\",\"0.3\",\"0.5\",\"0.9\",\"3.0\"\n";
        let seen = parse_redis(redis).unwrap();
        assert_eq!((seen.rate, seen.p50_ns, seen.p99_ns), (81_234.5, 3e5, 9e5));
        assert_eq!(parse_redis(""), None);
        assert_eq!(parse_wrk("nothing"), None);
    }
}
