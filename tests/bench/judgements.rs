//! What `compare`, `diff` and `search` conclude: errors are never faster, the tail of an open loop counts, the same is asked of
//! both sides, and no option is taken in silence that does nothing.

use crate::measured::command::{Told, bench, read};
use crate::measured::{OK, Reply, serve, serve_by_head};
use crate::skip::skip;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

const SERVER_ERROR: &[u8] = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
const MOVED: &[u8] = b"HTTP/1.1 301 Moved\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n";

fn answering(bytes: &'static [u8], wait: Duration) -> String {
    url(serve(move |_, _| {
        sleep(wait);
        Reply::Bytes(bytes.to_vec())
    }))
}

/// Answers at once; each tenth answer is `other`.
fn mixed(other: fn() -> Reply) -> String {
    let answers = AtomicU64::new(0);
    url(serve(move |_, _| match answers.fetch_add(1, Ordering::SeqCst) % 10 {
        9 => other(),
        _ => Reply::Bytes(OK.to_vec()),
    }))
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/pixel")
}

fn all(told: &Told) -> String {
    format!("{}{}", told.out, told.err)
}

/// Servers that are quick and fail, and how.
fn quick_failures() -> [(&'static str, String); 6] {
    [
        ("500s", answering(SERVER_ERROR, Duration::ZERO)),
        ("404s", answering(NOT_FOUND, Duration::ZERO)),
        ("some 500s", mixed(|| Reply::Bytes(SERVER_ERROR.to_vec()))),
        ("some resets", mixed(|| Reply::Reset)),
        ("some closes", mixed(|| Reply::Close)),
        ("some garbage", mixed(|| Reply::Bytes(b"SSH-2.0-x\r\n".to_vec()))),
    ]
}

#[test]
fn errors_are_never_faster() {
    let slow = answering(OK, Duration::from_millis(5));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (good, bad) = (path("good"), path("bad"));
    let load = ["-c", "2", "-d", "400ms", "--no-probe"];
    assert_eq!(bench(&[&[&slow, "--json", &good], &load[..]].concat()).code, 0);
    for (name, quick) in quick_failures() {
        for sides in [[&slow, &quick], [&quick, &slow]] {
            let own =
                ["compare", sides[0], sides[1], "--rounds", "3", "-d", "150ms", "-c", "2", "--no-probe"];
            let told = bench(&own);
            assert_eq!(told.code, 1, "{name}: {}", all(&told));
            assert!(!told.out.contains("FASTER") && told.out.contains("NOT JUDGED"), "{name}: {}", told.out);
        }
        bench(&[&[&quick, "--json", &bad], &load[..]].concat());
        for (old, new) in [(&good, &bad), (&bad, &good)] {
            let told = bench(&["diff", old, new]);
            assert_eq!(told.code, 1, "{name}: {}", all(&told));
            assert!(told.out.contains("NOT JUDGED"), "{name}: {}", told.out);
        }
        let told = bench(&[&["search", &quick, "--goal", "p99<1s", "--from", "100"], &load[..]].concat());
        assert_eq!(told.code, 1, "{name}: {}", all(&told));
        assert!(told.out.contains("no rate") && told.out.contains("errors:"), "{name}: {}", told.out);
    }
}

#[test]
fn answers_below_400_are_no_errors() {
    let (slow, moved) = (answering(OK, Duration::from_millis(20)), answering(MOVED, Duration::ZERO));
    let own = ["compare", &slow, &moved, "--rounds", "10", "-d", "150ms", "-c", "2", "--no-probe"];
    let told = bench(&own);
    assert!(!told.out.contains("NOT JUDGED") && told.code != 1, "{}", all(&told));
    let rate = told.out.lines().find(|line| line.starts_with("  rate")).unwrap();
    assert!(rate.ends_with("FASTER"), "{}", told.out);
}

#[test]
fn errors_within_a_bound_are_the_goal_s_business() {
    let some = mixed(|| Reply::Bytes(SERVER_ERROR.to_vec()));
    let own = ["search", &some, "--from", "100", "--precision", "1", "-c", "4", "-d", "500ms", "--no-probe"];
    for (goal, code) in [("error_rate<50%", 0), ("error_rate<1%", 1)] {
        let told = bench(&[&own[..], &["--goal", goal]].concat());
        assert_eq!(told.code, code, "{goal}: {}", all(&told));
    }
}

#[test]
fn the_tail_of_an_open_loop_is_judged() {
    // One answer in twenty takes half a second; the others are as quick as those of the other server.
    let answers = AtomicU64::new(0);
    let tailed = url(serve(move |_, _| {
        if answers.fetch_add(1, Ordering::SeqCst) % 20 == 19 {
            sleep(Duration::from_millis(500));
        }
        Reply::Bytes(OK.to_vec())
    }));
    let even = answering(OK, Duration::ZERO);
    let load = ["-r", "100", "-c", "16", "-d", "600ms", "--no-probe"];
    let told = bench(&[&["compare", &even, &tailed, "--rounds", "8"], &load[..]].concat());
    assert_eq!(told.code, 5, "{}", all(&told));
    let verdict = told.out.lines().last().unwrap();
    assert!(verdict.contains(": SLOWER in") && verdict.contains("p99"), "{}", told.out);

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (old, new) = (path("old"), path("new"));
    for (server, json) in [(&even, &old), (&tailed, &new)] {
        let load = ["-r", "100", "-c", "16", "-d", "2s", "--no-probe", "--json", json];
        assert_eq!(bench(&[&[server.as_str()], &load[..]].concat()).code, 0);
    }
    let told = bench(&["diff", &old, &new]);
    assert_eq!(told.code, 5, "{}", all(&told));
    assert!(told.out.contains("the new run is: SLOWER in") && told.out.contains("p99"), "{}", told.out);
}

/// A server that notes method, path and the field X-Own of each request, and the length of its body.
fn noting() -> (String, Arc<Mutex<Vec<String>>>) {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&notes);
    let address = serve_by_head(move |head, body, _| {
        let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
        let field = head.lines().find(|line| line.to_lowercase().starts_with("x-own")).unwrap_or("-");
        own.lock().unwrap().push(format!("{line} {field} {}", body.len()));
        Reply::Bytes(OK.to_vec())
    });
    (format!("http://{address}"), notes)
}

fn kinds(notes: &Arc<Mutex<Vec<String>>>) -> Vec<String> {
    let mut kinds = notes.lock().unwrap().clone();
    kinds.sort();
    kinds.dedup();
    kinds
}

#[test]
fn compare_asks_for_what_bench_asks_for() {
    let (url, notes) = noting();
    let (one, other) = (format!("{url}/x?a=1"), format!("{url}/y"));
    let told = bench(&["compare", &one, &other, "--rounds", "1", "-d", "50ms", "-c", "1", "--no-probe"]);
    assert_eq!(told.code, 0, "{}", all(&told));
    assert_eq!(kinds(&notes), ["GET /x?a=1 - 0", "GET /y - 0"]);
}

#[test]
fn wrk_asks_for_what_bench_asks_for() {
    if Command::new("wrk").arg("-v").output().is_err() {
        skip(format_args!("wrk is not installed"));
        return;
    }
    let (url, notes) = noting();
    let url = format!("{url}/pixel");
    let own = ["compare", &url, "--wrk", "--rounds", "3", "-d", "1s", "-c", "2", "-t", "1", "--no-probe"];
    let told = bench(&[&own[..], &["-H", "X-Own: mine", "-b", "[1,2]", "--timeout", "3s"]].concat());
    // Whatever wrk costs beside the generator, the server is the same.
    assert_eq!(told.code, 0, "{}", all(&told));
    assert_eq!(kinds(&notes), ["POST /pixel X-Own: mine 5"]);
    assert!(told.out.contains("in client CPU"), "{}", told.out);
}

#[test]
fn options_that_do_nothing_are_usage_errors() {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&asked);
    let url = url(serve(move |_, _| {
        counter.fetch_add(1, Ordering::SeqCst);
        Reply::Bytes(OK.to_vec())
    }));
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("s.toml").display().to_string();
    std::fs::write(&scenario, "scenario = \"other.toml\"\n").unwrap();
    let file = folder.path().join("out").display().to_string();
    let (goal, u) = (["--goal", "errors=0"], url.as_str());
    for arguments in [
        &[u, "--steps", "100,200", "-d", "1s"][..],
        &[u, "--step-duration", "1s"],
        &[u, "--poisson"],
        &[u, "--scenario", &scenario],
        &[u, "--insecure"],
        &[u, "--cacert", &scenario],
        &[u, "--verify", "--verify-host", u, "--insecure"],
        &["search", u, goal[0], goal[1], "--insecure"],
        &["compare", u, u, "--insecure"],
        &[u, "--json", "-", "--csv", "-"],
        &[u, "--json", &file, "--html", &file],
        &["search", u, goal[0], goal[1], "-r", "100"],
        &["search", u, goal[0], goal[1], "--poisson"],
        &["search", u, goal[0], goal[1], "--steps", "1,2"],
        &["search", u, goal[0], goal[1], "--precision", "0.0000001"],
        &["calibrate", "-r", "100"],
        &["calibrate", "--poisson"],
        &["calibrate", "--steps", "1,2"],
        &["calibrate", "-p", "4"],
        &["compare", u, u, "--steps", "1,2"],
        &["compare", u, u, "--poisson"],
        &["compare", u, u, "--unix", "/nowhere"],
        &["compare", u, u, "--server-pin", "0"],
        &["compare", u, u, "--run-dir", folder.path().to_str().unwrap()],
        &["compare", u, u, "--rounds", "0"],
        &["compare", u, "--wrk", "-r", "100"],
        &["compare", u, "--wrk", "-n", "100"],
        &["compare", u, "--wrk", "--warmup", "1s"],
        &["compare", u, "--wrk", "-b", "{{n}}"],
        &["compare", u, "--wrk", "-H", "X-A: 1", "-H", "x-a: 2"],
    ] {
        let told = bench(arguments);
        assert_eq!(told.code, 2, "{arguments:?}: {}", all(&told));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert!(!folder.path().join("out").exists());
}

#[test]
fn reports_of_other_requests_are_not_compared() {
    let address = serve(|_, _| Reply::Bytes(OK.to_vec()));
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, path: &str, more: &[&str]| {
        let (json, url) = (folder.path().join(name).display().to_string(), format!("http://{address}{path}"));
        let own = [&url, "-c", "2", "-d", "400ms", "--no-probe", "--json", &json];
        assert_eq!(bench(&[&own[..], more].concat()).code, 0, "{name}");
        json
    };
    let old = run("old", "/pixel", &[]);
    for (key, path, more) in [
        ("path", "/pixel?a=1", &[][..]),
        ("body", "/pixel", &["-b", "{{n}}"]),
        ("headers", "/pixel", &["-H", "X-A: b"]),
        ("method", "/pixel", &["-m", "GET"]),
        ("warmup_ns", "/pixel", &["--warmup", "50ms"]),
        ("timeout_ns", "/pixel", &["--timeout", "4s"]),
        ("duration_ns", "/pixel", &["-d", "500ms"]),
    ] {
        let new = if key == "duration_ns" {
            let json = folder.path().join(key).display().to_string();
            let url = format!("http://{address}{path}");
            bench(&[&[&url, "-c", "2", "--no-probe", "--json", &json], more].concat());
            json
        } else {
            run(key, path, more)
        };
        let told = bench(&["diff", &old, &new]);
        assert_eq!(told.code, 2, "{key}: {}", all(&told));
        assert!(told.err.contains(key) && told.err.contains("--force"), "{key}: {}", told.err);
    }
    let again = run("again", "/pixel", &[]);
    assert_ne!(bench(&["diff", &old, &again]).code, 2);
    // The pixels of each --verify are its own, and mean the same.
    assert_eq!(read(folder.path().join("old").as_path())["scenario"]["headers"].as_array().unwrap().len(), 0);
}

#[test]
fn a_search_does_not_believe_one_probe() {
    // Stalls through the first probe and never again.
    let answers = AtomicU64::new(0);
    let url = url(serve(move |_, _| {
        if answers.fetch_add(1, Ordering::SeqCst) < 30 {
            sleep(Duration::from_millis(600));
        }
        Reply::Bytes(OK.to_vec())
    }));
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("s.json");
    let own = [
        "search",
        &url,
        "--goal",
        "p50<300ms",
        "--from",
        "100",
        "--precision",
        "1",
        "-c",
        "50",
        "-d",
        "300ms",
    ];
    let told = bench(&[&own[..], &["--no-probe", "--json", json.to_str().unwrap()]].concat());
    let found = read(&json);
    assert_eq!(found["curve"][0]["holds"], false, "{}", all(&told));
    assert_eq!(found["curve"][1]["offered"], 100.0, "{}", all(&told));
    assert!(found["holds"].as_f64().unwrap() >= 100.0 && told.code == 0, "{}", all(&told));
}
