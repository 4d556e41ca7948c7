//! Each figure of a report, computed again from the samples of the same report: every one names the window it is of.

use crate::measured::command::{bench, read};
use crate::measured::{MS, OK, Reply, SECOND, measure, scenario, serve};
use pixeld_bench::driver::tally::Failure;
use pixeld_bench::report::json::decode;
use pixeld_bench::scenario::pacer::Arrivals;
use pixeld_bench::scenario::{Load, Scenario};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// Answers after `wait`; each third answer is an error if `has_errors`.
fn server(wait: Duration, has_errors: bool) -> SocketAddr {
    let answers = AtomicU64::new(0);
    serve(move |_, _| {
        sleep(wait);
        let is_error = has_errors && answers.fetch_add(1, Ordering::SeqCst) % 3 == 2;
        // As long as the other one, so that bytes tell answers.
        let bytes =
            if is_error { b"HTTP/1.1 500 No\r\nContent-Length: 15\r\n\r\n{\"status\":\"no\"}" } else { OK };
        Reply::Bytes(bytes.to_vec())
    })
}

fn report(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    let told = bench(&[arguments, &["--no-probe", "--json", json.to_str().unwrap()]].concat());
    assert!(json.exists(), "{arguments:?}: {}", told.err);
    read(&json)
}

fn int(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap_or_else(|| panic!("{key} in {report}"))
}

fn kind(report: &Value, kind: &str) -> u64 {
    report["errors_by_kind"][kind].as_u64().unwrap()
}

fn about(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-6 * one.abs().max(other.abs()).max(1.0)
}

/// Computes every figure of a run again that follows from others.
fn check(report: &Value, connections: u64) {
    let (requests, in_time) = (int(report, "requests"), int(report, "requests_in_time"));
    let (successes_in_time, duration_ns) = (int(report, "successes_in_time"), int(report, "duration_ns"));
    let errors: u64 = report["errors_by_kind"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(int(report, "errors"), errors);
    assert!(successes_in_time <= in_time);

    let lost: u64 =
        ["timeout", "reset", "closed", "dropped", "garbage"].map(|name| kind(report, name)).iter().sum();
    assert_eq!(int(report, "sent"), requests + lost + int(report, "cut_off"), "{report}");
    assert_eq!(int(report, "acknowledged"), requests - kind(report, "status"));

    let latency = decode(report["histogram"].as_str().unwrap()).unwrap();
    let waited = kind(report, "timeout") + kind(report, "unsent") + int(report, "cut_off");
    assert_eq!(latency.len(), requests - kind(report, "status") + waited);
    for (name, quantile) in
        [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("p9999", 0.9999), ("max", 1.0)]
    {
        assert_eq!(int(&report["latency_ns"], name), latency.value_at_quantile(quantile), "{name}");
    }

    assert!(about(report["rate"].as_f64().unwrap(), successes_in_time as f64 * 1e9 / duration_ns as f64));
    let series = report["series"].as_array().unwrap();
    let answered: f64 =
        series.iter().map(|p| p["rate"].as_f64().unwrap() * int(p, "duration_ns") as f64 / 1e9).sum();
    assert!(about(answered, successes_in_time as f64), "{answered} of {successes_in_time}");
    let last = series.last().unwrap();
    assert!(
        int(last, "start_ns") + int(last, "duration_ns") <= duration_ns.max(1),
        "{last} of {duration_ns}"
    );
    assert_eq!(series.iter().map(|p| int(p, "errors")).sum::<u64>(), errors);

    // Answers that came within the measured part, those to requests of the warm-up too.
    let bytes = int(report, "bytes_in") / OK.len() as u64;
    assert!(
        (in_time..=in_time + connections).contains(&bytes),
        "{bytes} answers in the bytes, {in_time} counted"
    );

    let threads = report["client_threads"].as_array().unwrap();
    let cpu_ns: u64 = threads.iter().map(|thread| int(thread, "cpu_ns")).sum();
    let per_request = report["client_cpu_ns_per_request"].as_f64().unwrap_or(0.0);
    assert!(about(per_request * in_time as f64, cpu_ns as f64) || in_time == 0);
    let cpu_ns = int(&report["server"], "user_ns") + int(&report["server"], "system_ns");
    let per_request = report["server_cpu_ns_per_request"].as_f64().unwrap_or(0.0);
    assert!(about(per_request * in_time as f64, cpu_ns as f64) || cpu_ns == 0 || in_time == 0);
}

#[test]
fn every_figure_follows_from_the_samples() {
    let ms = Duration::from_millis;
    for (wait, has_errors, load) in [
        (ms(0), false, &["-d", "400ms", "-c", "4"][..]),
        (ms(1), true, &["-d", "400ms", "--warmup", "600ms", "-c", "4", "-p", "3", "-t", "2"]),
        (ms(1), false, &["-n", "201", "--warmup", "200ms", "-c", "4"]),
        (ms(1), true, &["-r", "500", "-d", "400ms", "--warmup", "600ms", "-c", "4"]),
        (ms(1), false, &["-r", "500", "-n", "100", "--poisson", "--warmup", "200ms", "-c", "4", "-t", "2"]),
        // Overloaded: answers after the end, requests that never leave, and some that are cut off.
        (ms(20), true, &["-r", "5k", "-d", "300ms", "-c", "4", "--timeout", "300ms", "-p", "2"]),
        // All that is answered within the measured part was due before it.
        (ms(20), false, &["-r", "5k", "-d", "300ms", "--warmup", "100ms", "-c", "4", "-p", "2"]),
        (ms(400), false, &["-r", "200", "-d", "700ms", "-c", "4", "--timeout", "300ms", "-p", "4"]),
    ] {
        let url = format!("http://{}/pixel", server(wait, has_errors));
        let report = report(&[&[url.as_str()], load].concat());
        let depth = if load.contains(&"-p") { 4 } else { 1 };
        check(&report, 4 * depth);
        assert_eq!(has_errors, kind(&report, "status") > 0);
        assert_eq!(report["error_latency_ns"]["p50"].is_null(), !has_errors);
    }
}

#[test]
fn the_figures_of_a_ramp_are_those_of_its_steps() {
    let url = format!("http://{}/pixel", server(Duration::from_millis(1), true));
    let report =
        report(&[&url, "--steps", "100,200,400", "--step-duration", "300ms", "--warmup", "100ms", "-c", "4"]);
    check(&report, 12);
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 3);
    for key in ["requests", "requests_in_time", "successes_in_time", "errors", "acknowledged", "duration_ns"]
    {
        assert_eq!(steps.iter().map(|step| int(step, key)).sum::<u64>(), int(&report, key), "{key}");
    }
    for step in steps {
        let rate = int(step, "successes_in_time") as f64 * 1e9 / int(step, "duration_ns") as f64;
        assert!(about(rate, step["rate"].as_f64().unwrap()), "{step}");
    }
}

/// A server that counts a sync and two system calls for each pixel in its /metrics.
fn counting() -> SocketAddr {
    let pixels = AtomicU64::new(0);
    serve(move |body, _| {
        if !body.is_empty() {
            pixels.fetch_add(1, Ordering::SeqCst);
            return Reply::Bytes(OK.to_vec());
        }
        let pixels = pixels.load(Ordering::SeqCst);
        let text =
            format!("pixeld_journal_syncs_total {pixels}\npixeld_worker_syscalls_total {}\n", 2 * pixels);
        Reply::Bytes(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes())
    })
}

#[test]
fn what_a_request_costs_is_of_the_same_requests() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    for load in [
        &["--steps", "100,200,400", "--step-duration", "400ms"][..],
        &["-r", "400", "-d", "500ms", "--warmup", "500ms"],
    ] {
        let url = format!("http://{}/pixel", counting());
        let told = bench(&[&[url.as_str(), "-c", "2", "--json", json.to_str().unwrap()], load].concat());
        assert_eq!(told.code, 0, "{}", told.err);
        let server = &read(&json)["server"];
        // The page is read some milliseconds beside both ends.
        for (key, expected) in [("syncs_per_request", 1.0), ("syscalls_per_request", 2.0)] {
            let seen = server[key].as_f64().unwrap() / expected;
            assert!((0.8..1.25).contains(&seen), "{load:?} {key}: {seen} times what it is");
        }
    }
}

#[test]
fn the_warm_up_takes_nothing_from_a_number() {
    let url = format!("http://{}/pixel", server(Duration::from_millis(1), false));
    for load in [
        &["-n", "100"][..],
        &["-n", "100", "-r", "400"],
        &["-n", "100", "-r", "400", "-t", "3"],
        &["-n", "1"],
    ] {
        let own = [&url, "--warmup", "300ms", "-c", "4"];
        let report = report(&[&own[..], load].concat());
        assert_eq!(report["requests"].to_string(), load[1], "{load:?}");
        assert_eq!(report["requests"], report["sent"], "{load:?}");
        assert!(int(&report, "duration_ns") > 0);
    }
}

#[test]
fn a_number_at_a_rate_takes_as_long_as_its_schedule() {
    let url = format!("http://{}/pixel", server(Duration::ZERO, false));
    for (number, rate, threads, duration_ns) in [
        ("5", "100", "1", 50 * MS),
        ("2", "10", "2", 200 * MS),
        ("1", "5", "4", 200 * MS),
        ("50", "500", "4", 100 * MS),
        // Longer than the target may be silent before a run is given up.
        ("2", "0.4", "1", 5 * SECOND),
    ] {
        let report =
            report(&[&url, "-n", number, "-r", rate, "-t", threads, "-c", "4", "--timeout", "100ms"]);
        let seen_ns = int(&report, "duration_ns");
        // An answer that comes later than the schedule ends makes it longer.
        assert!((duration_ns..duration_ns + 40 * MS).contains(&seen_ns), "{number} at {rate}: {seen_ns} ns");
        assert_eq!(report["faults"].as_array().unwrap().len(), 0, "{report}");
        assert_eq!(report["requests"].to_string(), number);
    }
}

#[test]
fn a_number_lasts_until_its_last_request_is_given_up() {
    let address = serve(|_, _| Reply::Bytes(Vec::new()));
    let url = format!("http://{address}/pixel");
    for load in [&["-n", "2"][..], &["-n", "2", "-r", "100"]] {
        let report = report(&[&[url.as_str(), "-c", "2", "--timeout", "300ms"], load].concat());
        assert_eq!((kind(&report, "timeout"), int(&report, "requests")), (2, 0), "{report}");
        assert!(int(&report, "duration_ns") >= 300 * MS, "{report}");
        assert!(report["limit"]["inputs"]["client_busy"].as_f64().unwrap() <= 1.1, "{report}");
    }
}

#[test]
fn what_stands_behind_a_request_that_timed_out_did_not_time_out() {
    let address = serve(|_, _| Reply::Bytes(Vec::new()));
    let load = Load::Open { rate: 50.0, arrivals: Arrivals::Constant };
    let base = scenario(address);
    let measured = measure(&Scenario {
        load,
        connections: 1,
        pipeline: 64,
        timeout_ns: 200 * MS,
        duration_ns: SECOND,
        ..base
    });
    let failures = &measured.total.failures;
    assert!(failures.of(Failure::Timeout) > 0 && failures.of(Failure::Dropped) > 10, "{failures:?}");
    let waited = failures.of(Failure::Timeout) + failures.of(Failure::Unsent) + measured.cut_off;
    assert_eq!(measured.total.latency.len(), waited, "{failures:?}");
    assert_eq!(measured.total.sent, failures.total() - failures.of(Failure::Unsent) + measured.cut_off);
}

#[test]
fn a_schedule_that_nobody_keeps_ends_and_is_counted() {
    let url = format!("http://{}/pixel", server(Duration::from_millis(1), false));
    for arrivals in [&[][..], &["--poisson"]] {
        let report =
            report(&[&[url.as_str(), "-r", "100M", "-d", "300ms", "-c", "2", "-t", "2"], arrivals].concat());
        let lost = ["timeout", "unsent", "dropped"].map(|name| kind(&report, name)).iter().sum::<u64>();
        let scheduled = int(&report, "requests") + int(&report, "cut_off") + lost;
        assert!(scheduled.abs_diff(30_000_000) <= 3_000, "{scheduled}");
    }
}

#[test]
fn amounts_that_mean_nothing_are_usage_errors() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let address = serve(move |_, _| {
        counter.fetch_add(1, Ordering::SeqCst);
        Reply::Bytes(OK.to_vec())
    });
    let url = format!("http://{address}/pixel");
    for arguments in [
        &["-d", "0s"][..],
        &["-d", "1ns", "-r", "5"],
        &["--timeout", "0s"],
        &["--steps", "10", "--step-duration", "0ms"],
        &["-r", "1000M"],
        &["-r", "1000000M"],
        &["--steps", "10,1000M"],
    ] {
        let told = bench(&[&[url.as_str()], arguments].concat());
        assert_eq!(told.code, 2, "{arguments:?}: {}{}", told.out, told.err);
        assert!(told.err.contains("1ms or more") || told.err.contains("leave the rate out"), "{}", told.err);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn a_run_that_is_too_short_names_no_bottleneck() {
    let url = format!("http://{}/pixel", server(Duration::ZERO, false));
    for load in [
        &["-n", "5", "-c", "1"][..],
        &["-n", "5", "-c", "1", "--warmup", "200ms"],
        &["-n", "3", "-r", "1000"],
    ] {
        let report = report(&[&[url.as_str()], load].concat());
        // A busy host may make it longer.
        let is_short = int(&report, "duration_ns") < 100 * MS;
        assert_eq!(report["limit"]["verdict"] == "UNKNOWN", is_short, "{report}");
    }
}
