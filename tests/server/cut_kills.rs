//! Real kills amid what gives room back: `kill -9` of a server at one call or another of a cut, of a clearing before a moment, and of
//! a fold of starts.

use crate::process;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

use process::client::{pixel, plain, request};
use process::pair::{await_that, count};
use process::traced::{Fate, kill_serving_at};
use process::{ANY_PORT, PATIENCE, Server, free_address, pixeld};
use serde_json::Value;
use tempfile::TempDir;

/// Pixels that are there: they fill two segments of 4 MiB, and begin a third.
const THERE: i32 = 900_000;
/// Pixels of a row.
const WIDTH: i32 = 1_000;
/// Pixels that a cut leaves.
const KEPT: i32 = 1_000;
const KEEP: [&str; 2] = ["--keep", "pixel=1000"];

/// A data directory that each kill begins with a copy of.
struct Begin(TempDir);

impl Begin {
    /// One in which the cells `0..THERE` are listed, in order.
    fn filled() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let server = Server::start(ANY_PORT, directory.path(), &[]);
        for start in (0..THERE).step_by(100_000) {
            let body: String = (start..start + 100_000).map(|number| cell(number) + "\n").collect();
            let answer =
                server.connect().send(request("POST", "/pixels", "application/x-ndjson", body)).answer();
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        assert!(metric(&server, "pixeld_journal_segments") >= 3);
        Self(directory)
    }

    /// One that six starts have left, each of which has kept a pixel.
    fn restarted() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for number in 0..6 {
            let server = Server::start(ANY_PORT, directory.path(), &[]);
            assert_eq!(server.ask("POST", "/pixel", &cell(number)).0, 200);
        }
        Self(directory)
    }

    fn copy(&self) -> (TempDir, PathBuf) {
        let parent = tempfile::tempdir().expect("a directory");
        let data = parent.path().join("data");
        let copied = Command::new("cp").arg("-a").args([self.0.path(), &data]).status().expect("cp");
        assert!(copied.success());
        (parent, data)
    }
}

fn metric(server: &Server, name: &str) -> u64 {
    metric_of(&server.ask("GET", "/metrics", "").1, name)
}

fn metric_of(metrics: &str, name: &str) -> u64 {
    let found = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.and_then(|text| text.parse().ok()).expect("a number")
}

/// The pixel of a number: rows of a picture.
fn cell(number: i32) -> String {
    pixel(number % WIDTH, number / WIDTH, 'R', 3)
}

/// The numbers of the pixels that are listed, in order.
fn numbers(server: &Server) -> Vec<i32> {
    let answer = server.connect().send(plain("GET", "/pixels")).answer();
    let listed: Value = serde_json::from_slice(&answer.body).expect("a list");
    let part = |pixel: &Value, name| pixel[name].as_i64().expect("a number") as i32;
    let number = |pixel: &Value| part(pixel, "y") * WIDTH + part(pixel, "x");
    listed["data"].as_array().expect("a list").iter().map(number).collect()
}

/// A client of a server that is going to be killed.
struct Visitor(SocketAddr);

impl Visitor {
    /// Status and body; nothing once the server is gone.
    fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.0).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.get(9..12)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        (!body.is_empty()).then(|| (status, body.to_owned()))
    }

    /// Waits until a figure of /metrics is as it should be, or the server is gone.
    fn await_metric(&self, name: &str, done: impl Fn(u64) -> bool) {
        while self.ask("GET", "/metrics", "").is_some_and(|(_, text)| !done(metric_of(&text, name))) {
            sleep(Duration::from_millis(10));
        }
    }

    /// Posts one pixel after the other until the server is gone; gives the number of the first that was not acknowledged.
    fn post(&self, from: i32) -> i32 {
        let is_kept = |number: &i32| {
            let answer = self.ask("POST", "/pixel", &cell(*number));
            answer.is_some_and(|(status, _)| status == 200)
        };
        (from..).find(|number| !is_kept(number)).expect("it is killed")
    }
}

/// Starts a server on `data` and has it killed at the `number`-th call that it makes once it takes writes; gives what `visit` has
/// seen of it. Nothing where the system does not let us.
fn kill_amid<T>(
    data: &Path,
    arguments: &[&str],
    number: usize,
    visit: impl FnOnce(&Visitor) -> T,
) -> Option<T> {
    let address = free_address();
    let mut command = pixeld(&["serve", "--listen", &address.to_string(), "--data-dir"]);
    command
        .arg(data)
        .args(["--workers", "1", "--disk-reserve", "1MiB", "--segment-size", "4MiB"])
        .args(arguments);
    let (counts, visitor) = (Arc::new(AtomicBool::new(false)), Visitor(address));
    let tracer = spawn({
        let counts = Arc::clone(&counts);
        move || kill_serving_at(&command, number, counts)
    });
    let is_ready = || visitor.ask("GET", "/readyz", "").is_some_and(|(status, _)| status == 200);
    while !is_ready() && !tracer.is_finished() {
        sleep(Duration::from_millis(10));
    }
    counts.store(true, Ordering::SeqCst);
    let seen = visit(&visitor);
    let fate = tracer.join().expect("no panic")?;
    assert_eq!(fate, Fate::Killed);
    Some(seen)
}

/// Waits until the server lists so many, of which the last was acknowledged last, or nobody was told that it was kept.
fn await_newest(server: &Server, number: i32, unacknowledged: i32) {
    await_that("a cut", || count(server), |count| *count == u64::from(number.unsigned_abs()));
    let listed = numbers(server);
    let last = *listed.last().expect("some are listed");
    assert!(last == unacknowledged - 1 || last == unacknowledged, "{last} of {unacknowledged}");
    assert_eq!(listed, (last + 1 - number..=last).collect::<Vec<_>>());
}

#[test]
fn a_cut_that_was_killed_anywhere_loses_nothing_and_gives_room_back() {
    let begin = Begin::filled();
    for number in [0, 1, 2, 3, 5, 8, 12, 17, 24, 32] {
        let (_parent, data) = begin.copy();
        let seen = kill_amid(&data, &KEEP, number, |visitor| {
            visitor.await_metric("pixeld_journal_segments", |segments| segments <= 2);
            visitor.post(THERE)
        });
        let Some(unacknowledged) = seen else { return };
        println!("killed at call {number}, {} pixels behind the cut", unacknowledged - THERE);
        let server = Server::start(ANY_PORT, &data, &KEEP);
        await_newest(&server, KEPT, unacknowledged);
        await_that("room", || metric(&server, "pixeld_journal_segments"), |segments| *segments <= 2);
    }
}

#[test]
fn a_clearing_before_a_moment_that_was_killed_anywhere_is_whole_or_nothing() {
    let begin = Begin::filled();
    for number in [0, 1, 3, 6, 9] {
        let (_parent, data) = begin.copy();
        let clear = || "/pixels?before=2101-01-01T00:00:00Z";
        let seen = kill_amid(&data, &[], number, |visitor| {
            let is_answered = visitor.ask("DELETE", clear(), "").is_some_and(|(status, _)| status == 200);
            visitor.await_metric("pixeld_journal_segments", |segments| segments <= 2);
            (is_answered, visitor.post(THERE))
        });
        let Some((is_answered, unacknowledged)) = seen else { return };
        println!("killed at call {number}, answered: {is_answered}");
        let server = Server::start(ANY_PORT, &data, &[]);
        let found = count(&server);
        // What was posted was posted behind the clearing, if there was one.
        let behind = u64::from((unacknowledged - THERE).unsigned_abs());
        let is_cleared = found <= behind + 1;
        assert!(
            is_cleared || (!is_answered && found == u64::from(THERE.unsigned_abs())),
            "{found}, {is_answered}"
        );
        assert!(!is_cleared || found >= behind, "{found} of {behind}");
        assert_eq!(server.ask("DELETE", clear(), "").0, 200);
        assert_eq!(count(&server), 0);
        await_that("room", || metric(&server, "pixeld_journal_segments"), |segments| *segments <= 2);
    }
}

#[test]
fn a_fold_of_starts_that_was_killed_anywhere_is_made_again() {
    let begin = Begin::restarted();
    for number in [0, 1, 2, 4, 7] {
        let (_parent, data) = begin.copy();
        let seen = kill_amid(&data, &[], number, |visitor| {
            visitor.await_metric("pixeld_starts_folded", |folded| folded >= 4);
            visitor.post(6)
        });
        let Some(unacknowledged) = seen else { return };
        println!("killed at call {number}, {} pixels behind the fold", unacknowledged - 6);
        let server = Server::start(ANY_PORT, &data, &[]);
        await_that("a fold", || metric(&server, "pixeld_starts_folded"), |folded| *folded >= 4);
        let listed = numbers(&server);
        assert!(listed.len() as i32 == unacknowledged || listed.len() as i32 == unacknowledged + 1);
        assert_eq!(listed, (0..listed.len() as i32).collect::<Vec<_>>());
        assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
        assert_eq!(count(&server), 0);
    }
}
