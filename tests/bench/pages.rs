//! What a report shows to people: the spread of latencies in a terminal, and the page.

use crate::measured::command::bench;
use crate::measured::{Reply, serve};
use std::thread::sleep;
use std::time::Duration;

/// Answers in two clearly different times, one in ten as an error.
fn uneven() -> String {
    let address = serve(|_, number| {
        sleep(Duration::from_millis(if number % 2 == 0 { 0 } else { 25 }));
        let status = if number % 10 == 9 { "503 Busy" } else { "200 OK" };
        Reply::Bytes(format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\na<b>").into_bytes())
    });
    format!("http://{address}/x?<script>")
}

#[test]
fn a_terminal_shows_the_spread_of_the_latency_and_how_it_went_over_time() {
    let told = bench(&[&uneven(), "-c", "2", "-d", "1200ms", "--no-probe"]);
    let lines: Vec<&str> = told.out.lines().collect();
    let from = lines.iter().position(|line| line.starts_with("histogram")).expect(&told.out);
    let map = lines.iter().position(|line| line.starts_with("over time")).expect(&told.out);
    let bars = lines[from..map].iter().filter(|line| line.contains('█'));
    assert!(bars.count() >= 2, "{}", told.out);
    assert!(lines[from..map].iter().any(|line| line.contains("20 ms to 50 ms")), "{}", told.out);
    let count =
        |line: &&str| line.replace(',', "").split_whitespace().rev().nth(2).unwrap().parse::<u64>().unwrap();
    let answers = lines.iter().find(|line| line.starts_with("status")).map(count).unwrap();
    let of_errors = lines.iter().find(|line| line.contains("answered 4xx or 5xx")).expect(&told.out);
    assert!(of_errors.trim_start().chars().next().unwrap().is_ascii_digit());
    let counted: u64 = lines[from..map].iter().map(count).sum();
    assert!(
        counted.abs_diff(answers) <= 2,
        "those cut off have a latency too: {counted} and {answers}: {}",
        told.out
    );
    // Twelve intervals of 100 ms are twelve columns.
    let columns = lines[map].split('|').nth(1).unwrap().chars().count();
    assert!((12..=13).contains(&columns), "{}", told.out);
}

#[test]
fn the_page_has_cards_tables_and_plots_with_values() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.html");
    let goals = ["--goal", "p99<1ms", "--goal", "rate>1", "--goal", "status_5xx=0"];
    let own = ["-c", "2", "-d", "600ms", "--no-probe", "--html", file.to_str().unwrap()];
    let told = bench(&[&[uneven().as_str()], &own[..], &goals].concat());
    assert_eq!(told.code, 3, "{}", told.err);
    let page = std::fs::read_to_string(&file).unwrap();
    for said in [
        "prefers-color-scheme:dark",
        "width=device-width",
        "<b>p99&lt;1ms</b><span>MISSED</span>",
        "<b>rate&gt;1</b><span>met</span>",
        "<b>status_5xx=0</b><span>MISSED</span>",
        "<td>503</td>",
        "a&lt;b&gt;",
        ">answered 4xx or 5xx<",
        ">seconds since the start<",
        ">requests per second<",
        ">latency<",
        "<title>p99: ",
        "<title>errors: ",
        "class=\"bound\"",
        "class=\"heat\"",
    ] {
        assert!(page.contains(said), "{said}");
    }
    assert!(!page.contains("<script") && !page.contains("NaN") && !page.contains("href="), "{page}");
}

#[test]
fn a_ramp_draws_every_step_and_what_was_offered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.html");
    let own = ["-c", "4", "--no-probe", "--step-duration", "200ms", "--html", file.to_str().unwrap()];
    let told = bench(&[&[uneven().as_str(), "--steps", "10,20,30,40,50,60,70,80,90"], &own[..]].concat());
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    let page = std::fs::read_to_string(&file).unwrap();
    for step in ["10.0/s", "60.0/s", "70.0/s", "80.0/s", "90.0/s"] {
        assert!(page.contains(&format!("</i>{step}</span>")), "{step}");
    }
    assert_eq!(page.matches("class=\"border\"").count(), 2 * 8, "eight borders in both plots over time");
    assert!(page.contains("</i>offered</span>") && page.contains("<title>offered: 90/s at"));
}

#[test]
fn no_plot_is_empty_however_short_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.html");
    let silent = format!("http://{}/", serve(|_, _| Reply::Close));
    for (url, number) in [(uneven(), "1"), (uneven(), "2"), (silent, "1")] {
        bench(&[&url, "-c", "1", "-n", number, "--no-probe", "--html", file.to_str().unwrap()]);
        let page = std::fs::read_to_string(&file).unwrap();
        for plot in page.split("<svg viewBox").skip(1).map(|rest| rest.split("</svg>").next().unwrap()) {
            // A line has points that differ, or is a point that is filled.
            let points = plot.split("points=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
            let mut lines = points.map(|points| points.split(' ').collect::<std::collections::BTreeSet<_>>());
            assert!(lines.any(|places| places.len() > 1) || plot.contains("fill:"), "{number}: {plot}");
        }
    }
}
