//! Status codes: each stands in every output with its number, and the first answer that is no success is shown.

use crate::measured::command::{bench, read};
use crate::measured::{Reply, serve};
use std::fs;

/// What the n-th request of a connection is answered, again from the start after the last one: statuses as each framing
/// may carry them.
const ANSWERS: [(u16, &str); 8] = [
    (200, "Content-Length: 2\r\n\r\nok"),
    (204, "\r\n"),
    (301, "Location: /elsewhere\r\nContent-Length: 6\r\n\r\nmoved\n"),
    (304, "\r\n"),
    (404, "Content-Length: 8\r\n\r\nnot <b>!"),
    (429, "Transfer-Encoding: chunked\r\n\r\n5\r\nslow \r\n4\r\ndown\r\n0\r\n\r\n"),
    (500, "Content-Length: 0\r\n\r\n"),
    (599, "Content-Length: 3\r\n\r\n\x1b[m"),
];

fn answer(number: u64) -> Vec<u8> {
    let (status, rest) = ANSWERS[(number % ANSWERS.len() as u64) as usize];
    format!("HTTP/1.1 {status} X\r\n{rest}").into_bytes()
}

/// The lines of the table of codes.
fn rows(out: &str) -> impl Iterator<Item = &str> {
    out.lines().skip_while(|line| !line.starts_with("status"))
}

fn mixed() -> String {
    format!("http://{}/x", serve(|_, number| Reply::Bytes(answer(number))))
}

#[test]
fn every_code_stands_in_every_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (json, csv, html) = (path("r.json"), path("r.csv"), path("r.html"));
    let url = mixed();
    let outputs = ["--json", &json, "--csv", &csv, "--html", &html];
    // One connection, so that each of the eight is asked for ten times, also with several in flight.
    for depth in ["1", "5"] {
        let told = bench(&[&[&url, "-c", "1", "-p", depth, "-n", "80", "--no-probe"], &outputs[..]].concat());
        assert_eq!(told.code, 0, "{}{}", told.out, told.err);
        let report = read(json.as_ref());
        assert_eq!(
            (&report["schema"], &report["requests"], &report["errors"]),
            (&2.into(), &80.into(), &40.into())
        );
        let html = fs::read_to_string(&html).unwrap();
        let csv = fs::read_to_string(&csv).unwrap();
        let names: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
        for (status, _) in ANSWERS {
            let status = status.to_string();
            assert_eq!(report["status"][&status], 10, "{report}");
            let line = rows(&told.out).find(|line| line.contains(&format!(" {status} "))).expect(&told.out);
            assert!(line.contains(" 10 ") && line.contains("12.5 %"), "{line}");
            let column = names.iter().position(|name| *name == format!("status_{status}")).expect(&csv);
            let cell = |line: &str| line.split(',').nth(column).unwrap().parse::<u64>().unwrap();
            assert_eq!(csv.lines().skip(1).map(cell).sum::<u64>(), 10, "{csv}");
            assert!(html.contains(&status), "{status}");
        }
        let of_series = report["series"].as_array().unwrap().iter();
        assert_eq!(of_series.filter_map(|point| point["status"]["429"].as_u64()).sum::<u64>(), 10);
        for said in
            ["the first: to /elsewhere moved", "the first: not <b>!", "the first: slow down", "the first: [m"]
        {
            assert!(told.out.contains(said), "{said}: {}", told.out);
        }
        assert_eq!(told.out.matches("the first: no body").count(), 2, "304 and 500: {}", told.out);
        assert!(told.out.contains("40 answered 4xx or 5xx"), "{}", told.out);
        let shown: Vec<u64> =
            report["examples"].as_array().unwrap().iter().map(|e| e["status"].as_u64().unwrap()).collect();
        assert_eq!(shown, [301, 304, 404, 429, 500, 599]);
    }
}

#[test]
fn an_answer_that_only_the_end_completes_is_shown_too() {
    let body = "x".repeat(1000);
    let answer = format!("HTTP/1.0 503 Busy\r\n\r\n{body}");
    let address = crate::measured::serve_then_close(answer.into_bytes());
    let told = bench(&[&format!("http://{address}/"), "-c", "2", "-n", "6", "--no-probe"]);
    assert!(told.out.contains(&format!("the first: {}\n", "x".repeat(200))), "{}", told.out);
    assert!(told.out.contains("503"), "{}", told.out);
}

#[test]
fn goals_look_at_codes_classes_and_shares() {
    let url = mixed();
    for (goal, code) in [
        ("status_5xx=0", 3),
        ("status_5xx<=20", 0),
        ("status_404<11", 0),
        ("status_404<10", 3),
        ("status_403=0", 0),
        ("status_2xx>=25%", 0),
        ("status_2xx>25%", 3),
        ("status_3xx>=20", 0),
        ("status_600=0", 2),
        ("status_xxx=0", 2),
        ("status_200=all", 2),
    ] {
        let told = bench(&[&url, "-c", "1", "-n", "80", "--no-probe", "--goal", goal]);
        assert_eq!(told.code, code, "{goal}: {}{}", told.out, told.err);
    }
}

#[test]
fn a_run_that_timed_out_is_one_of_errors() {
    // Every second request of a connection is never answered, nor is what stands behind it.
    let address = serve(|_, number| Reply::Bytes(if number % 2 == 0 { answer(0) } else { Vec::new() }));
    let url = format!("http://{address}/x");
    for more in [&["-p", "1"][..], &["-p", "4"], &["-r", "100"]] {
        let own = [&url, "-c", "4", "-d", "600ms", "--timeout", "50ms", "--no-probe"];
        let told = bench(&[&own[..], more].concat());
        assert!(told.out.contains("limit: FAULT") && told.out.contains("failed by time-out"), "{}", told.out);
        assert!(!told.out.contains("may give more"), "{}", told.out);
    }
}
