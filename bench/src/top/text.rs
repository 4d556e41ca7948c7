//! Figures as text: rows that the screen and the snapshot share, and the snapshot.

use super::figures::{Figures, Peer};
use super::hosts::Host;
use crate::quantity::{show_count, show_ns, show_rate};
use std::fmt::Write;

/// Returns a share of a core in percent.
#[must_use]
pub fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0))
}

/// Returns a rate, or a dash.
#[must_use]
pub fn rate(per_second: Option<f64>) -> String {
    per_second.map_or("-".to_owned(), show_rate)
}

/// Returns bytes in the largest unit of which there is at least one.
#[must_use]
pub fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if value < 10.0 && unit > 0 {
        format!("{value:.1} {}", UNITS[unit])
    } else {
        format!("{value:.0} {}", UNITS[unit])
    }
}

/// Returns a length of time in its two largest units.
#[must_use]
pub fn span(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min {} s", seconds % 60),
        3600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Returns a time in seconds, as exactly as it is measured.
fn seconds(seconds: f64) -> String {
    show_ns((seconds * 1e9).max(0.0).round() as u64)
}

/// Returns how the other host is, in a line.
#[must_use]
pub fn peer(peer: &Peer) -> String {
    let lag = if peer.lag_records > 0.0 {
        let records = show_count(peer.lag_records as u64);
        format!("lacks {records} records, for {}", seconds(peer.lag_seconds))
    } else {
        "has everything".to_owned()
    };
    if peer.is_connected { format!("connected, {lag}") } else { format!("away, {lag}") }
}

/// Returns names and values of what stands in lines of its own.
#[must_use]
pub fn rows(figures: &Figures) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        ("requests", rate(figures.requests)),
        ("errors", rate(figures.errors)),
        ("records", rate(figures.records)),
        ("syncs", rate(figures.syncs)),
        ("journal", figures.journal_bytes.map_or("-".to_owned(), |rate| format!("{}/s", bytes(rate)))),
        ("cpu", percent(figures.cpu)),
        ("memory", figures.memory_bytes.map_or("-".to_owned(), bytes)),
        ("connections", figures.connections.map_or("-".to_owned(), |count| show_count(count as u64))),
    ];
    if let Some(of) = &figures.peer {
        rows.push(("peer", peer(of)));
        // A line of its own: with two hosts side by side no line has room for both.
        if of.is_connected {
            rows.push(("round trip", seconds(of.round_trip_seconds)));
        }
    }
    rows
}

/// Returns name, p50, p99 and times for each stage. Percentiles are upper bounds: those of the buckets they lie in.
#[must_use]
pub fn stages(figures: &Figures) -> Vec<[String; 4]> {
    let shown = |ns: u64| if ns == u64::MAX { "> 10 s".to_owned() } else { show_ns(ns) };
    let row = |(name, stage): &(&str, crate::driver::stages::Stage)| {
        [(*name).to_owned(), shown(stage.p50_ns), shown(stage.p99_ns), show_count(stage.count)]
    };
    figures.stages.iter().map(row).collect()
}

/// Returns all hosts as text, one below the other.
#[must_use]
pub fn snapshot(hosts: &[Host]) -> String {
    let mut text = String::new();
    for host in hosts {
        if !text.is_empty() {
            text.push('\n');
        }
        match host.figures() {
            Err(why) => {
                let _ = writeln!(text, "{}\n  {why}", host.name);
            }
            Ok(figures) => write_host(&mut text, &host.name, figures),
        }
    }
    text
}

fn write_host(text: &mut String, name: &str, figures: &Figures) {
    let up = figures.up_seconds.map_or(String::new(), |seconds| format!(", up {}", span(seconds)));
    let _ = writeln!(text, "{name}  {}{up}", figures.build);
    for trouble in &figures.troubles {
        let _ = writeln!(text, "  ! {trouble}");
    }
    for (name, value) in rows(figures) {
        let _ = writeln!(text, "  {name:<12} {value}");
    }
    for worker in &figures.workers {
        let connections = show_count(worker.connections as u64);
        let _ = writeln!(
            text,
            "  worker {:<5} {} of its core, {connections} connections",
            worker.name,
            percent(worker.cpu)
        );
    }
    let stages = stages(figures);
    if !stages.is_empty() {
        let _ = writeln!(text, "  {:<12} {:>10} {:>10} {:>10}", "stage", "p50 <=", "p99 <=", "times");
    }
    for [name, p50, p99, count] in stages {
        let _ = writeln!(text, "  {name:<12} {p50:>10} {p99:>10} {count:>10}");
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::example::{BEFORE, NOW};
    use super::*;
    use crate::driver::stages::Exposition;
    use std::time::{Duration, Instant};

    #[test]
    fn amounts_for_people() {
        assert_eq!([bytes(0.0), bytes(2048.0), bytes(41_943_040.0)], ["0 B", "2.0 KiB", "40 MiB"]);
        assert_eq!(
            [span(59.0), span(61.0), span(3660.0), span(90_000.0)],
            ["59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]
        );
        let away = Peer { lag_records: 1200.0, lag_seconds: 2.5, ..Peer::default() };
        assert_eq!(peer(&away), "away, lacks 1,200 records, for 2.50 s");
        assert_eq!((percent(None), percent(Some(1.5))), ("-".to_owned(), "150 %".to_owned()));
    }

    #[test]
    fn a_snapshot_has_every_host() {
        let page = |text| Ok(Exposition::parse(text).expect("a page"));
        let (mut host, mut gone) = (Host::new("a:1"), Host::new("b:2"));
        let begun = Instant::now();
        host.take(page(BEFORE), begun);
        host.take(page(NOW), begun + Duration::from_secs(10));
        gone.take(Err("no answer: refused".to_owned()), begun);
        let text = snapshot(&[host, gone]);
        for part in [
            "a:1  0.1.0 (abc), up ",
            "\n  requests     2,002/s\n  errors       2.0/s\n",
            "\n  peer         connected, lacks 12 records, for 4.00 ms\n  round trip   300 us\n",
            "\n  worker 0     70 % of its core, 40 connections\n  worker 1     - of its core, 24 connections\n",
            "\n  stage            p50 <=     p99 <=      times\n  sync             250 us    1.00 ms        100\n",
            "\n\nb:2\n  no answer: refused\n",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }
}
