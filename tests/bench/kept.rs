//! Kept reports, what a run is held to against them, and what a job's page and its tests are told.

use crate::measured::command::{Told, bench};
use crate::measured::{OK, Reply, serve, serve_by_head};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// A server whose answers take as many milliseconds as the number says.
fn slow(ms: &Arc<AtomicU64>) -> String {
    let ms = Arc::clone(ms);
    let address = serve(move |_, _| {
        sleep(Duration::from_millis(ms.load(Ordering::SeqCst)));
        Reply::Bytes(OK.to_vec())
    });
    format!("http://{address}/x")
}

fn run(url: &str, more: &[&str]) -> Told {
    bench(&[&[url, "-c", "2", "-d", "1500ms", "--no-probe"], more].concat())
}

fn coded(told: &Told, code: i32) {
    assert_eq!(told.code, code, "{}{}", told.out, told.err);
}

#[test]
fn a_run_is_held_against_the_one_that_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("new/main.json");
    let name = name.to_str().unwrap();
    let ms = Arc::new(AtomicU64::new(2));
    let url = slow(&ms);
    let told = run(&url, &["--against", name]);
    assert!(told.code == 2 && told.err.contains("--save"), "{}", told.err);
    for broken in ["", "{", "{}", "[]", r#"{"schema": 1}"#, r#"{"schema": "2"}"#] {
        let file = folder.path().join("broken.json");
        fs::write(&file, broken).unwrap();
        let told = run(&url, &["--against", file.to_str().unwrap()]);
        assert!(told.code == 2 && told.out.is_empty(), "no load for {broken:?}: {}{}", told.out, told.err);
    }
    coded(&run(&url, &["--save", name]), 0);
    let kept = fs::read_to_string(name).unwrap();
    // The same run with wide bounds, and one that is ten times as slow.
    coded(&run(&url, &["--against", name, "--fail-if", "rate<0.2", "--fail-if", "p50>5"]), 0);
    ms.store(20, Ordering::SeqCst);
    for (more, code, said) in [
        (&["--fail-if", "p50>2"][..], 5, "fail if p50>2"),
        (&["--fail-if", "rate<0.5"], 5, "it is, FAILED"),
        (&["--fail-if", "p50>50"], 0, "it is not"),
        (&[], 5, "SLOWER"),
    ] {
        let told = run(&url, &[&["--against", name], more].concat());
        coded(&told, code);
        assert!(told.out.contains(said), "{more:?}: {}", told.out);
    }
    let told = run(&url, &["--against", name, "-p", "3"]);
    assert!(told.code == 2 && told.err.contains("can't be compared"), "{}", told.err);
    coded(&run(&url, &["--against", name, "-p", "3", "--force", "--fail-if", "p50>900"]), 0);
    assert_eq!(fs::read_to_string(name).unwrap(), kept, "only --save writes");
}

#[test]
fn a_run_that_is_worth_nothing_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("main.json");
    fs::write(&name, "old").unwrap();
    let url = format!("http://{}/", serve(|_, _| Reply::Close));
    coded(&run(&url, &["--save", name.to_str().unwrap()]), 1);
    assert_eq!(fs::read_to_string(&name).unwrap(), "old");
}

#[test]
fn conditions_and_places_are_usage_errors_before_the_run() {
    for (more, said) in [
        (&["--fail-if", "p99>1.2"][..], "--against"),
        (&["--against", "/nowhere/x.json"], "/nowhere/x.json"),
        (&["--against", "Cargo.toml/x", "--fail-if", "memory>1"], "p99>1.2"),
        (&["--save", "/proc/nowhere/x.json"], "/proc/nowhere"),
        (&["--junit", "/nowhere/x.xml"], "/nowhere/x.xml"),
        (&["--junit", "same", "--markdown", "same"], "both go to"),
    ] {
        let told = run("http://127.0.0.1:1/", more);
        coded(&told, 2);
        assert!(told.err.contains(said), "{more:?}: {}", told.err);
    }
    assert!(!Path::new("same").exists());
}

#[test]
fn a_job_s_page_and_its_tests_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (markdown, junit) = (path("summary.md"), path("junit.xml"));
    fs::write(&markdown, "# before\n").unwrap();
    let url = format!(
        "http://{}/x",
        serve(|_, _| Reply::Bytes(b"HTTP/1.1 404 Not\r\nContent-Length: 5\r\n\r\n|<b>&".to_vec()))
    );
    let goals = ["--goal", "errors=0", "--goal", "rate>0", "--goal", "status_404>1"];
    let own = ["--markdown", &markdown, "--junit", &junit, "-n", "50"];
    let told = bench(&[&[url.as_str(), "-c", "2", "--no-probe"], &goals[..], &own[..]].concat());
    coded(&told, 3);
    let summary = fs::read_to_string(&markdown).unwrap();
    assert!(summary.starts_with("# before\n### pixeld bench: "), "{summary}");
    for said in ["| errors=0 | ❌ |", "| status\\_404>1 | ✅ |", "| 404 | 50 | 100.0 % | \\|&lt;b>&amp; |"]
    {
        assert!(summary.contains(said), "{said}: {summary}");
    }
    let xml = fs::read_to_string(&junit).unwrap();
    assert!(xml.starts_with("<?xml") && xml.contains("tests=\"4\" failures=\"2\""), "{xml}");
    assert!(xml.contains("name=\"errors=0\" time=\"0\"><failure message=\"measured 50\"/>"), "{xml}");
    assert!(xml.contains("name=\"rate&gt;0\""), "{xml}");
}

#[test]
fn compare_sends_the_requests_of_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests");
    fs::write(&file, "GET /a\nPOST /b -b x\n").unwrap();
    let address = serve_by_head(|head, _, _| {
        let is_known = head.starts_with("GET /a ") || head.starts_with("POST /b ");
        Reply::Bytes(if is_known {
            OK.to_vec()
        } else {
            b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n".to_vec()
        })
    });
    let url = format!("http://{address}/other");
    let own = ["--requests", file.to_str().unwrap(), "--rounds", "5", "-d", "200ms", "-c", "2", "--no-probe"];
    let told = bench(&[&["compare", &url, &url], &own[..]].concat());
    assert!(matches!(told.code, 0 | 5), "{}{}", told.out, told.err);
    assert_eq!(told.out.matches("errors 0 ").count(), 2, "{}", told.out);
}

#[test]
fn a_run_ends_as_soon_as_a_condition_holds() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    let answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec();
    let url = format!("http://{}/x", serve(move |_, _| Reply::Bytes(answer.clone())));
    let own = ["-c", "2", "-d", "600s", "--no-probe", "--json", json.to_str().unwrap()];
    for condition in ["error_rate>10%", "status_5xx>0", "errors>=1"] {
        let told =
            bench(&[&[url.as_str(), "--abort-if", "p50>1h", "--abort-if", condition], &own[..]].concat());
        coded(&told, 3);
        let report = crate::measured::command::read(&json);
        assert_eq!(
            (&report["interrupted"], &report["goals"][0]["met"]),
            (&false.into(), &false.into()),
            "{report}"
        );
        assert_eq!(report["goals"][0]["goal"], format!("ended early, since {condition}"));
        assert!(told.out.contains(condition) && report["requests"].as_u64().unwrap() > 0, "{}", told.out);
    }
    let told = bench(&[&url, "-n", "20", "--no-probe", "--abort-if", "error_rate>100%"]);
    coded(&told, 0);
    coded(&bench(&[&url, "--abort-if", "p99"]), 2);
}

/// A server that answers at once, and one that takes 100 ms: on however busy a host no round of the one is as slow.
fn two_servers() -> (String, String) {
    let of = |ms: u64| slow(&Arc::new(AtomicU64::new(ms)));
    (of(0), of(100))
}

#[test]
fn a_comparison_is_held_to_conditions_over_its_rounds() {
    let (prompt, late) = two_servers();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (json, markdown, junit) = (path("c.json"), path("c.md"), path("c.xml"));
    fs::write(&markdown, "# before\n").unwrap();
    let outputs = ["--json", &json, "--markdown", &markdown, "--junit", &junit];
    let load = ["--rounds", "6", "-d", "300ms", "-c", "4", "--no-probe"];
    let compare = |one: &str, other: &str, more: &[&str]| {
        bench(&[&["compare", one, other], &load[..], &outputs, more].concat())
    };
    let told = compare(&prompt, &late, &["--fail-if", "rate<0.9", "--fail-if", "rate<0.0001"]);
    coded(&told, 5);
    let condition = format!("fail if rate<0.9, {late} over {prompt}");
    let line = told.out.lines().find(|line| line.starts_with(&condition)).expect(&told.out);
    assert!(line.contains("it is, FAILED") && told.out.contains("it is not"), "{}", told.out);
    let found = crate::measured::command::read(json.as_ref());
    let root = crate::schema::named("bench-compare.schema.json");
    assert_eq!(crate::schema::breaches(&root, &root, &found, "comparison"), Vec::<String>::new());
    assert_eq!((&found["checks"][0]["met"], &found["checks"][1]["met"]), (&false.into(), &true.into()));
    assert_eq!(found["checks"][0]["name"], condition);
    assert_eq!(
        (&found["sides"][1]["name"], &found["verdicts"][0]["name"]),
        (&late.as_str().into(), &late.as_str().into())
    );
    let summary = fs::read_to_string(&markdown).unwrap();
    assert!(
        summary.starts_with("# before\n### pixeld bench compare\n") && summary.contains("| ❌ | "),
        "{summary}"
    );
    let xml = fs::read_to_string(&junit).unwrap();
    assert!(
        xml.contains("tests=\"2\" failures=\"1\"") && xml.contains("name=\"fail if rate&lt;0.9, "),
        "{xml}"
    );

    // Conditions take the place of the verdict, which would be SLOWER.
    coded(&compare(&prompt, &late, &["--fail-if", "rate<0.0001"]), 0);
    let told = compare(&prompt, &late, &[]);
    coded(&told, 5);
    assert!(fs::read_to_string(&junit).unwrap().contains(" is not slower than http"), "{}", told.out);
    coded(&compare(&late, &prompt, &["--fail-if", "rate<0.9"]), 0);

    let alone = compare(&prompt, &late, &["--fail-if", "rate<0.9", "--append", "/dev/null"]);
    coded(&alone, 5);
    let load = ["--rounds", "3", "-d", "100ms", "-c", "1", "--no-probe", "--json", "-"];
    let told = bench(&[&["compare", &prompt, &prompt], &load[..]].concat());
    serde_json::from_str::<serde_json::Value>(&told.out).expect("nothing else stands on stdout");
}

#[test]
fn a_comparison_of_errors_has_no_conditions_that_hold() {
    let failing = serve(|_, _| Reply::Bytes(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let (prompt, _) = two_servers();
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("c.xml").to_str().unwrap().to_string();
    let own =
        ["--rounds", "3", "-d", "100ms", "-c", "2", "--no-probe", "--fail-if", "p50>9000", "--junit", &junit];
    coded(&bench(&[&["compare", &prompt, &format!("http://{failing}/x")], &own[..]].concat()), 1);
    let xml = fs::read_to_string(&junit).unwrap();
    assert!(xml.contains("failures=\"1\"") && xml.contains(" can be judged beside "), "{xml}");
}

#[test]
fn conditions_that_can_never_be_established_are_refused_before_the_rounds() {
    let url = "http://127.0.0.1:1/x";
    for (more, said) in [
        (&[url, "--rounds", "2", "--fail-if", "p99>1.2"][..], "--rounds"),
        (&["--wrk", "--fail-if", "p99>1.2"], "two clients of one server"),
        (&[url, "--fail-if", "memory>1"], "p99>1.2"),
        (&[url, "--json", "/nowhere/x"], "/nowhere/x"),
        (&[url, "--json", "-", "--append", "/dev/stdout"], "both go to stdout"),
    ] {
        let told = bench(&[&["compare", url], more].concat());
        coded(&told, 2);
        assert!(told.err.contains(said), "{more:?}: {}", told.err);
    }
}
