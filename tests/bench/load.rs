//! The generator against servers that behave and servers that don't: each fault shows up as what it is, and a stall
//! shows in full in an open loop.

use crate::measured::command::free_port;
use crate::measured::{MS, OK, Reply, SECOND, measure, scenario, serve, try_measure};
use pixeld_bench::driver::run::Measured;
use pixeld_bench::driver::tally::Failure;
use pixeld_bench::scenario::pacer::Arrivals;
use pixeld_bench::scenario::{Load, Scenario};
use pixeld_bench::tools::null::NullResponder;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

fn ok() -> Reply {
    Reply::Bytes(OK.to_vec())
}

fn only(measured: &Measured, failure: Failure) -> u64 {
    let failures = &measured.total.failures;
    assert_eq!(failures.total(), failures.of(failure), "{failures:?}");
    failures.of(failure)
}

fn p99_ns(measured: &Measured) -> u64 {
    measured.total.latency.value_at_quantile(0.99)
}

fn null() -> SocketAddr {
    let mut responder = NullResponder::bind("127.0.0.1:0".parse().unwrap(), Duration::ZERO).unwrap();
    let address = responder.address().unwrap();
    thread::spawn(move || responder.run(&AtomicBool::new(false)));
    address
}

#[test]
fn a_closed_loop_counts_every_answer() {
    let served = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&served);
    let address = serve(move |_, _| {
        counter.fetch_add(1, Ordering::SeqCst);
        ok()
    });
    let measured = measure(&Scenario { threads: 2, ..scenario(address) });
    assert_eq!(measured.total.failures.total(), 0);
    assert_eq!(measured.total.answers, served.load(Ordering::SeqCst));
    assert_eq!(measured.total.latency.len(), measured.total.answers);
    assert_eq!(measured.total.sent, measured.total.answers);
    assert!(measured.rate() > 100.0 && !measured.series.is_empty());
    assert!(measured.client_cpu_ns_per_request().unwrap() > 0.0);
}

#[test]
fn a_number_of_requests_is_kept_exactly_and_every_body_is_its_own() {
    let bodies = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&bodies);
    let address = serve(move |body, _| {
        let pixel: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert!(seen.lock().unwrap().insert(pixel["x"].as_i64().unwrap()), "a pixel twice");
        ok()
    });
    let measured = measure(&Scenario {
        requests: Some(1_001),
        duration_ns: u64::MAX,
        threads: 3,
        pipeline: 5,
        first_number: 500,
        ..scenario(address)
    });
    assert_eq!((measured.total.answers, measured.total.acknowledged), (1_001, 1_001));
    let bodies = bodies.lock().unwrap();
    assert_eq!(bodies.len(), 1_001);
    assert!(bodies.iter().all(|&x| (500..500 + 1_010).contains(&x)));
}

#[test]
fn pipelining_gives_one_sample_per_response() {
    let measured = measure(&Scenario { pipeline: 16, ..scenario(null()) });
    assert_eq!(measured.total.latency.len(), measured.total.answers);
    assert_eq!(measured.total.failures.total(), 0);
    assert!(measured.total.answers > 1_000);
}

#[test]
fn an_open_loop_keeps_its_rate() {
    for arrivals in [Arrivals::Constant, Arrivals::Poisson] {
        let load = Load::Open { rate: 2_000.0, arrivals };
        let measured = measure(&Scenario { load, duration_ns: SECOND, ..scenario(null()) });
        let answers = measured.total.answers as f64;
        assert!((answers - 2_000.0).abs() < 200.0, "{arrivals:?}: {answers}");
        assert_eq!(measured.total.failures.total(), 0);
        assert_eq!(measured.total.lag.len(), measured.total.answers);
    }
}

#[test]
fn the_warm_up_is_not_counted() {
    let load = Load::Open { rate: 1_000.0, arrivals: Arrivals::Constant };
    let measured =
        measure(&Scenario { load, warmup_ns: SECOND / 2, duration_ns: SECOND / 2, ..scenario(null()) });
    assert!(measured.total.answers.abs_diff(500) < 20, "{}", measured.total.answers);
    assert_eq!(measured.total.acknowledged, measured.total.answers);
    let ever = measured.total.acknowledged_ever;
    assert!(ever.abs_diff(1_000) < 20, "{ever}");
}

/// Answers at once, but stands still for a second from 300 ms after its first request.
fn stalling() -> SocketAddr {
    let first: Arc<Mutex<Option<Instant>>> = Arc::default();
    serve(move |_, _| {
        let start = *first.lock().unwrap().get_or_insert_with(Instant::now);
        let (from, to) = (Duration::from_millis(300), Duration::from_millis(1_300));
        let passed = start.elapsed();
        if passed >= from && passed < to {
            thread::sleep(to - passed);
        }
        ok()
    })
}

/// 1 s of 2 s is a stall, so half of all intended requests waited, evenly from 0 to 1 s.
#[test]
fn a_stall_shows_in_full_in_an_open_loop_and_hides_in_a_closed_one() {
    let load = Load::Open { rate: 1_000.0, arrivals: Arrivals::Constant };
    let open =
        measure(&Scenario { load, duration_ns: 2 * SECOND, timeout_ns: 3 * SECOND, ..scenario(stalling()) });
    assert!(p99_ns(&open) > 900 * MS, "p99 {}", p99_ns(&open));
    assert!(open.total.latency.value_at_quantile(0.75) > 400 * MS);
    let uncorrected = open.total.uncorrected.value_at_quantile(0.99);
    assert!(uncorrected < 500 * MS, "from the sending nearly all were quick: {uncorrected}");
    let closed =
        measure(&Scenario { duration_ns: 2 * SECOND, timeout_ns: 3 * SECOND, ..scenario(stalling()) });
    assert!(p99_ns(&closed) < 100 * MS, "four samples of thousands can't move p99: {}", p99_ns(&closed));
    assert!(closed.total.latency.max() > 900 * MS);
}

#[test]
fn a_server_that_never_answers_times_out() {
    let address = serve(|_, _| Reply::Bytes(Vec::new()));
    let measured = measure(&Scenario { timeout_ns: 200 * MS, ..scenario(address) });
    let timeouts = only(&measured, Failure::Timeout);
    assert!((4..=16).contains(&timeouts), "{timeouts}");
    assert_eq!(measured.total.answers, 0);
    assert_eq!(measured.total.latency.len(), timeouts, "a request that timed out is in the latency");
    assert!(measured.total.latency.min() >= 199 * MS);
}

#[test]
fn a_late_answer_is_a_timeout_and_not_the_next_one_s_answer() {
    let address = serve(|_, number| {
        if number == 0 {
            thread::sleep(Duration::from_millis(300));
        }
        ok()
    });
    let measured = measure(&Scenario { connections: 1, timeout_ns: 100 * MS, ..scenario(address) });
    assert!(only(&measured, Failure::Timeout) >= 1);
    assert_eq!(measured.total.answers, 0, "each new connection's first answer is late");
}

#[test]
fn resets_are_resets() {
    let address = serve(|_, number| if number % 10 == 9 { Reply::Reset } else { ok() });
    let measured = measure(&scenario(address));
    assert!(only(&measured, Failure::Reset) >= 4);
    assert!(measured.total.answers >= 36);
}

#[test]
fn early_closes_are_closes() {
    let address = serve(|_, number| if number % 10 == 9 { Reply::Close } else { ok() });
    let measured = measure(&scenario(address));
    assert!(only(&measured, Failure::Closed) >= 4);
    assert!(measured.total.answers >= 36);
}

#[test]
fn half_an_answer_is_a_close() {
    let address = serve(|_, number| if number == 0 { Reply::Bytes(OK[..30].to_vec()) } else { Reply::Close });
    let measured = measure(&Scenario { pipeline: 2, ..scenario(address) });
    assert!(only(&measured, Failure::Closed) >= 8);
    assert_eq!(measured.total.answers, 0);
}

#[test]
fn garbage_is_garbage() {
    let address = serve(|_, _| Reply::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()));
    let measured = measure(&scenario(address));
    assert!(only(&measured, Failure::Garbage) >= 4);
}

#[test]
fn more_answers_than_requests_are_garbage() {
    let address = serve(|_, _| Reply::Bytes(OK.repeat(2)));
    let measured = measure(&scenario(address));
    assert!(only(&measured, Failure::Garbage) >= 4);
    assert!(measured.total.answers >= 4);
}

#[test]
fn error_statuses_are_answers_and_errors() {
    let address = serve(|_, _| Reply::Bytes(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let measured = measure(&scenario(address));
    assert_eq!(only(&measured, Failure::Status), measured.total.answers);
    assert_eq!(measured.total.acknowledged, 0);
}

#[test]
fn a_server_that_closes_after_each_answer_is_no_failure() {
    let address = serve(|_, _| {
        Reply::Bytes(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".to_vec())
    });
    let measured = measure(&scenario(address));
    assert_eq!(measured.total.failures.total(), 0);
    assert!(measured.total.reconnects > 10);
}

#[test]
fn what_is_not_sent_by_the_end_counts_too() {
    let address = serve(|_, _| {
        thread::sleep(Duration::from_millis(50));
        ok()
    });
    let load = Load::Open { rate: 1_000.0, arrivals: Arrivals::Constant };
    let measured = measure(&Scenario { load, timeout_ns: 200 * MS, ..scenario(address) });
    assert!(measured.total.failures.of(Failure::Unsent) > 300);
    assert_eq!(measured.total.answers + measured.total.failures.total() + measured.cut_off, 500);
    assert!(p99_ns(&measured) > 200 * MS);
}

#[test]
fn nobody_there_is_refused_and_says_what_to_do() {
    let address = ([127, 0, 0, 1], free_port()).into();
    let error = try_measure(&scenario(address)).unwrap_err();
    assert!(error.contains("refused") && error.contains("pixeld serve"), "{error}");
}

#[test]
fn a_server_that_goes_away_ends_a_counted_run() {
    let address = serve(|_, number| if number == 5 { Reply::Close } else { ok() });
    // Only the first four connections are ever accepted: all later ones are refused once the listener is gone.
    let measured = measure(&Scenario { requests: Some(40), duration_ns: u64::MAX, ..scenario(address) });
    assert_eq!(measured.total.answers + measured.total.failures.total(), 40);
}

#[test]
fn a_unix_socket_works_like_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                use std::io::{Read, Write};
                let (mut input, mut buffer) = (Vec::new(), [0; 4096]);
                while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
                    input.extend_from_slice(&buffer[..bytes]);
                    while let Some((head, body)) = crate::measured::whole_request(&input) {
                        input.drain(..head + body);
                        stream.write_all(OK).unwrap();
                    }
                }
            });
        }
    });
    let mut scenario = scenario("127.0.0.1:1".parse().unwrap());
    scenario.target.endpoint = pixeld_bench::client::target::Endpoint::Unix(path);
    let measured = measure(&scenario);
    assert_eq!(measured.total.failures.total(), 0);
    assert!(measured.total.answers > 100);
}

#[test]
fn an_interrupt_ends_the_run_and_keeps_its_figures() {
    let stop = Arc::new(AtomicBool::new(false));
    let setter = Arc::clone(&stop);
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        setter.store(true, Ordering::SeqCst);
    });
    let scenario = Scenario { duration_ns: 60 * SECOND, ..scenario(null()) };
    let mut watch = pixeld_bench::driver::run::Watch {
        abort_if: &|_, _| None,
        server: &pixeld_bench::driver::server::ServerProbe::default(),
        stop: &stop,
        onlooker: &mut (),
        on_start: &mut |_| {},
    };
    let start = Instant::now();
    let measured = pixeld_bench::driver::run::run(&scenario, &mut watch).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(measured.is_interrupted && measured.total.answers > 0);
    assert!((200 * MS..2 * SECOND).contains(&measured.window_ns), "{}", measured.window_ns);
}
