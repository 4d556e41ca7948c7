//! `--keep pixel=` and `DELETE /pixels?before=` over HTTP: what is kept, what goes, and what becomes of the disk.

use crate::process;

use std::path::Path;

use process::Server;
use process::client::{pixel, plain, request};
use process::now;
use process::pair::{await_that, count};
use serde_json::Value;

const SEGMENT_BYTES: u64 = 4 << 20;
/// Pixels of the largest batch: bytes are cut at the ends of batches.
const BATCH: u64 = 1024 * 1024 / 10;

/// Keeps pixels whose columns are these numbers.
fn post(server: &Server, columns: std::ops::Range<u32>) {
    post_rows_of(server, u32::MAX, columns);
}

/// Keeps pixels with these numbers, in rows of `width`.
fn post_rows_of(server: &Server, width: u32, numbers: std::ops::Range<u32>) {
    let line =
        |n: u32| format!("{{\"x\":{},\"y\":{},\"channel\":\"R\",\"value\":3}}\n", n % width, 2 + n / width);
    for start in numbers.clone().step_by(100_000) {
        let body: String = (start..numbers.end.min(start + 100_000)).map(line).collect();
        let answer = server.connect().send(request("POST", "/pixels", "application/x-ndjson", body)).answer();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// The columns of the pixels that are listed.
fn columns(server: &Server, query: &str) -> (Vec<u64>, Option<String>) {
    let answer = server.connect().send(plain("GET", &format!("/pixels{query}"))).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page: Value = serde_json::from_slice(&answer.body).unwrap();
    let columns = page["data"].as_array().unwrap().iter().map(|pixel| pixel["x"].as_u64().unwrap()).collect();
    (columns, page["next"].as_str().map(str::to_owned))
}

fn delete(server: &Server, query: &str) -> (u16, Value) {
    let answer = server.connect().send(plain("DELETE", &format!("/pixels{query}"))).answer();
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

/// Bytes that the directory takes on its disk, without what is in use only while a file is made.
fn disk_bytes(directory: &Path) -> u64 {
    let output = std::process::Command::new("du").args(["-s", "-B1"]).arg(directory).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split('\t').next().unwrap().parse().unwrap()
}

#[test]
fn what_was_kept_before_a_time_or_up_to_a_cursor_is_cleared() {
    let server = Server::fresh(&[]);
    post(&server, 0..10);
    let (_, next) = columns(&server, "?limit=4");
    assert_eq!(delete(&server, &format!("?before={}", next.unwrap())).0, 200);
    assert_eq!(columns(&server, "").0, [4, 5, 6, 7, 8, 9]);
    let between = now();
    post(&server, 10..12);
    assert_eq!(
        delete(&server, &format!("?before={between}")),
        (200, serde_json::json!({"status": "cleared"}))
    );
    assert_eq!((columns(&server, "").0, count(&server)), (vec![10, 11], 2));
    assert_eq!(delete(&server, &format!("?before={between}")).0, 200, "nothing is left to be cleared");
    let server = server.kill_and_restart(&[]);
    assert_eq!((columns(&server, "").0, count(&server)), (vec![10, 11], 2));
    // An offset, with the plus as a space.
    assert_eq!(delete(&server, "?before=2101-01-01T00:00:00+01:00").0, 200);
    assert_eq!(count(&server), 0);
}

#[test]
fn a_delete_whose_parameters_are_wrong_removes_nothing() {
    let server = Server::fresh(&[]);
    post(&server, 0..3);
    let (_, next) = columns(&server, "?limit=1");
    let next = next.unwrap();
    let foreign = pixeld::apps::pixel::cursor::Cursor {
        node: pixeld::base::ids::NodeId(1),
        batch: pixeld::base::ids::Position(1 << 22),
        index: 0,
        is_filtered: false,
    };
    let (_, filtered) = columns(&server, "?limit=1&x_min=1");
    let (_, behind) = columns(&server, &format!("?limit=1&after={}", filtered.clone().unwrap()));
    for (query, status) in [
        ("?all=1".to_owned(), 422),
        ("?before=".to_owned(), 422),
        ("?before=2026-11-29".to_owned(), 422),
        (format!("?before={}", filtered.unwrap()), 422),
        (format!("?before={}", behind.expect("one more")), 422),
        ("?channel=R&before=2026-11-29T00:00:00Z".to_owned(), 422),
        (format!("?before={next}&before={next}"), 422),
        (format!("?before={}", foreign.encode()), 410),
    ] {
        assert_eq!(delete(&server, &query).0, status, "{query}");
        assert_eq!(count(&server), 3, "{query}");
    }
}

#[test]
fn the_newest_of_a_number_are_kept_and_the_disk_is_given_back() {
    let arguments = ["--keep", "pixel=1000"];
    let server = Server::fresh(&arguments);
    post(&server, 0..1_500_000);
    await_that("a cut to what is kept", || count(&server), |count| *count == 1_000);
    assert_eq!(columns(&server, "").0, (1_499_000..1_500_000).collect::<Vec<_>>());
    let most = 3 * 10 * 1_000 + 5 * SEGMENT_BYTES;
    await_that("room", || disk_bytes(server.data_dir()), |bytes| *bytes <= most);
    let server = server.kill_and_restart(&arguments);
    assert_eq!(count(&server), 1_000);
    post(&server, 0..7);
    await_that("a cut behind a restart", || count(&server), |count| *count == 1_000);
    let expected: Vec<u64> = (1_499_007..1_500_000).chain(0..7).collect();
    assert_eq!(columns(&server, "").0, expected);
}

#[test]
fn bytes_of_the_journal_are_kept_and_not_much_more() {
    let keep_bytes = 3 * SEGMENT_BYTES;
    let server = Server::fresh(&["--keep", &format!("pixel={keep_bytes}B")]);
    // As a picture, which the canvas holds in memory: a single row of so many would have a tile for each 64 of them.
    post_rows_of(&server, 2_000, 0..3_000_000);
    let pixels = keep_bytes / 10;
    await_that("a cut", || count(&server), |count| (pixels * 9 / 10..=pixels + BATCH).contains(count));
    await_that("room", || disk_bytes(server.data_dir()), |bytes| *bytes <= keep_bytes + 5 * SEGMENT_BYTES);
}

/// A frame of 88 bytes and ten for the pixel, up to a multiple of eight.
const TINY_BATCH_BYTES: u64 = 104;

#[test]
fn batches_of_one_pixel_count_with_their_frames_and_take_no_block_each() {
    let keep_bytes = 100 * TINY_BATCH_BYTES;
    let server = Server::fresh(&["--keep", &format!("pixel={keep_bytes}B")]);
    let written = || {
        let metrics = server.ask("GET", "/metrics", "").1;
        let line = metrics.lines().find_map(|line| line.strip_prefix("pixeld_journal_written_bytes_total "));
        line.and_then(|number| number.parse::<u64>().ok()).expect("a number")
    };
    // Nothing is cut meanwhile: these are less than what is kept.
    let before = written();
    let mut client = server.connect();
    let mut post = |columns: std::ops::Range<i32>| {
        for x in columns {
            let answer =
                client.send(request("POST", "/pixel", "application/json", pixel(x, 1, 'R', 2))).answer();
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    };
    post(0..90);
    assert_eq!(written() - before, 90 * TINY_BATCH_BYTES);
    post(90..300);
    await_that("a cut", || count(&server), |count| *count == 100);
    assert_eq!(columns(&server, "").0, (200..300).collect::<Vec<_>>());
    let most = 3 * keep_bytes + 5 * SEGMENT_BYTES;
    await_that("room", || disk_bytes(server.data_dir()), |bytes| *bytes <= most);
}

#[test]
fn what_is_too_old_goes_and_of_several_limits_the_narrowest_counts() {
    let server = Server::fresh(&["--keep", "pixel=1s", "--keep", "pixel=1000000000"]);
    post(&server, 0..20);
    await_that("pixels that are too old", || count(&server), |count| *count == 0);
    drop(server);
    let server = Server::fresh(&["--keep", "pixel=30d,7"]);
    post(&server, 0..20);
    await_that("a cut", || count(&server), |count| *count == 7);
}

#[test]
fn limits_that_are_none_are_refused_by_name() {
    for (value, word) in [
        ("pixel=0", "keep.pixel"),
        ("pixel=soon", "keep.pixel"),
        ("fax=3", "keep.fax"),
        ("toys=23h", "24h"),
        ("3", "APP=LIMIT"),
    ] {
        let output = process::pixeld(&["serve", "--check-config", "--keep", value]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), told.contains(word)), (Some(2), true), "{value}: {told}");
    }
}
