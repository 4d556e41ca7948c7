//! Several requests in turn, and what differs from request to request: paths, fields, bodies.

use crate::measured::command::{Told, bench, command, read, told};
use crate::measured::{Reply, serve_by_head};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// A server that keeps head and body of each request and answers by the path; HEAD gets no body.
fn recording() -> (String, Seen) {
    let seen: Seen = Arc::default();
    let kept = Arc::clone(&seen);
    let address = serve_by_head(move |head, body, _| {
        kept.lock().unwrap().push((head.to_string(), String::from_utf8_lossy(body).into_owned()));
        let status = if head.contains("/missing") { "404 Not Found" } else { "200 OK" };
        let body = if head.starts_with("HEAD") { "" } else { "abcde" };
        Reply::Bytes(format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n{body}").into_bytes())
    });
    (format!("http://{address}"), seen)
}

fn fine(told: &Told) {
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
}

fn first_lines(seen: &Seen) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (head, _) in seen.lock().unwrap().iter() {
        *counts.entry(head.lines().next().unwrap().replace(" HTTP/1.1", "")).or_default() += 1;
    }
    counts
}

#[test]
fn paths_and_fields_are_templates() {
    let (url, seen) = recording();
    let url = format!("{url}/item/{{{{n}}}}?r={{{{rand 4 4}}}}");
    let more = ["-H", "X-N: {{ n % 10 }}", "-H", "X-C: {{pick a}}", "-b", "{{n}}"];
    fine(&bench(&[&[url.as_str(), "-n", "50", "-c", "2", "--no-probe"], &more[..]].concat()));
    let seen = seen.lock().unwrap();
    let mut numbers: Vec<u64> = Vec::new();
    for (head, body) in seen.iter() {
        let number: u64 = body.parse().unwrap();
        assert!(head.starts_with(&format!("POST /item/{number}?r=4 HTTP/1.1\r\n")), "{head}");
        assert!(head.contains(&format!("\r\nX-N: {}\r\nX-C: a\r\n", number % 10)), "{head}");
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..50).collect::<Vec<u64>>());
}

#[test]
fn what_is_no_template_is_a_usage_error() {
    for (arguments, said) in [
        (&["http://127.0.0.1:1/{{m}}"][..], "{{m}}"),
        (&["http://127.0.0.1:1/a b"], "space"),
        (&["http://127.0.0.1:1/", "-H", "X: {{rand 1}}"], "rand"),
        (&["http://127.0.0.1:1/", "--requests", "/nowhere/f"], "/nowhere/f"),
        (&["http://127.0.0.1:1/", "--requests", "1.5x"], "1.5x"),
        (&["http://127.0.0.1:1/x", "--requests", "Cargo.toml"], "line 1"),
    ] {
        let told = bench(arguments);
        assert_eq!(told.code, 2, "{arguments:?}: {}", told.err);
        assert!(told.err.contains(said), "{arguments:?}: {}", told.err);
    }
}

#[test]
fn a_file_of_requests_is_sent_by_its_weights_and_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (file, json) = (path("requests"), path("r.json"));
    let text = "# a comment\n6 GET /a?x={{n}}\n3 POST /b -H 'X-Own: y z' -b '{\"n\":{{n}}}'\n\
                {\"weight\":2,\"path\":\"/missing\"}\n1 HEAD /a\n";
    std::fs::write(&file, text).unwrap();
    for load in [
        &["-c", "1"][..],
        &["-c", "3", "-t", "3"],
        &["-c", "2", "-p", "7"],
        &["-r", "20k", "-c", "4", "-p", "4"],
    ] {
        let (url, seen) = recording();
        let own = ["--requests", &file, "-n", "1200", "-H", "X-All: 1", "--no-probe", "--json", &json];
        let told = bench(&[&[url.as_str()], &own[..], load].concat());
        fine(&told);
        let mut counts = BTreeMap::new();
        for (line, count) in first_lines(&seen) {
            *counts.entry(line.split('?').next().unwrap().to_string()).or_insert(0) += count;
        }
        let count = |name: &str| counts[name];
        // Each thread takes every third number, so three threads may be up to a turn apart.
        let near = |name: &str, expected: usize| count(name).abs_diff(expected) <= 12;
        assert!(
            near("GET /a", 600) && near("POST /b", 300) && near("GET /missing", 200) && near("HEAD /a", 100),
            "{counts:?}"
        );
        for (head, body) in seen.lock().unwrap().iter() {
            assert!(head.contains("\r\nX-All: 1\r\n"), "{head}");
            assert_eq!(
                head.starts_with("POST"),
                head.contains("X-Own: y z") && body.starts_with("{\"n\":"),
                "{head}"
            );
        }
        let report = read(json.as_ref());
        let rows = report["by_request"].as_array().unwrap();
        assert_eq!(rows.len(), 4);
        for row in rows {
            let name = row["name"].as_str().unwrap();
            let is_missing = name == "GET /missing";
            assert_eq!(row["requests"], count(name), "{row}");
            assert_eq!(row["errors"], if is_missing { count(name) } else { 0 }, "{row}");
            assert_eq!(row["status"][if is_missing { "404" } else { "200" }], count(name), "{row}");
            assert_eq!(row["latency_ns"]["p99"].is_null(), is_missing, "{row}");
            assert!(told.out.lines().any(|line| line.trim_start().starts_with(name)), "{}", told.out);
        }
        assert_eq!(report["requests"], 1200);
    }
}

#[test]
fn a_log_is_sent_again_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let line = |request: &str| {
        format!("10.0.0.1 - - [29/Nov/2026:10:00:00 +0000] \"{request}\" 200 5 \"-\" \"x\"\n")
    };
    let text =
        [line("GET /a HTTP/1.1"), line("-"), line("HEAD /b?c=d HTTP/2.0"), line("GET /a HTTP/1.1")].concat();
    std::fs::write(&file, text).unwrap();
    let (url, seen) = recording();
    fine(&bench(&[&url, "--requests", file.to_str().unwrap(), "-n", "6", "-c", "1", "--no-probe"]));
    let lines: Vec<String> =
        seen.lock().unwrap().iter().map(|(head, _)| head.lines().next().unwrap().to_string()).collect();
    let turn = ["GET /a HTTP/1.1", "HEAD /b?c=d HTTP/1.1", "GET /a HTTP/1.1"];
    assert_eq!(lines, [turn, turn].concat());
}

#[test]
fn bodies_and_requests_come_from_stdin_too() {
    for (arguments, input, expected) in [
        (&["-b", "@-"][..], "body {{n}}", "body 0"),
        (&["--body-lines", "-"], "line {{n}}\nother\n", "line 0"),
        (&["--requests", "-"], "POST /x -b 'own {{n}}'", "own 0"),
    ] {
        let (url, seen) = recording();
        let all = [&[url.as_str(), "-n", "1", "-c", "1", "--no-probe"], arguments].concat();
        let mut child = command(&all)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        fine(&told(child.wait_with_output().unwrap()));
        assert_eq!(seen.lock().unwrap()[0].1, expected, "{arguments:?}");
    }
}

#[test]
fn a_file_leaves_nothing_to_say_about_one_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    std::fs::write(&file, "GET /a\n").unwrap();
    let file = file.to_str().unwrap();
    for more in [&["-b", "x"][..], &["-m", "PUT"], &["--body-lines", file], &["--verify"]] {
        let told = bench(&[&["http://127.0.0.1:1", "--requests", file], more].concat());
        assert!(told.code == 2 && told.err.contains("--requests"), "{more:?}: {}", told.err);
    }
    let told = bench(&["http://127.0.0.1:1/path", "--requests", file]);
    assert!(told.code == 2 && told.err.contains("path"), "{}", told.err);
    let told = bench(&["compare", "http://127.0.0.1:1", "--wrk", "--requests", file]);
    assert!(told.code == 2 && told.err.contains("--requests"), "{}", told.err);
    let told = bench(&["compare", "http://127.0.0.1:1/{{n}}", "--wrk"]);
    assert!(told.code == 2 && told.err.contains("placeholders"), "{}", told.err);
}

/// What users of wrk and wrk2 paste.
#[test]
fn a_command_line_of_wrk_is_taken_or_answered() {
    let (url, _) = recording();
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("r.json");
    let own = ["--json", json.to_str().unwrap(), &url];
    fine(&bench(&[&["-t1", "-c2", "-d1", "--latency", "-R", "500"], &own[..]].concat()));
    let report = read(&json);
    assert_eq!(
        (&report["scenario"]["duration_ns"], &report["scenario"]["rate"]),
        (&1_000_000_000.into(), &500.0.into())
    );
    fine(&bench(&[&["-t1", "-c2", "-d", "0.3", "-L", "-U"], &own[..]].concat()));
    let script = folder.path().join("post.lua");
    std::fs::write(&script, "wrk.method = \"POST\"\nwrk.body = \"{}\"\nfunction request() end\n").unwrap();
    let script = script.to_str().unwrap();
    for arguments in
        [&["-s", script][..], &["--script", script], &["-t4", "-c64", "-d10", "--latency", "-s", script]]
    {
        let told = bench(&[arguments, &[url.as_str()]].concat());
        assert_eq!(told.code, 2, "{}", told.err);
        for said in ["-m 'POST' -b '{}'", "{{n}}", "--requests"] {
            assert!(told.err.contains(said), "{said}: {}", told.err);
        }
    }
    let told = bench(&["-s", "/nowhere/x.lua", &url]);
    assert!(told.code == 2 && told.err.contains("--body-lines"), "{}", told.err);
}
