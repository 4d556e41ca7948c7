//! Messages on the disk: lists, pages, pictures, deletes and cuts are what they are with all of them in memory.

use crate::board;
use crate::process;

use board::{blob_files, png, post};
use process::client::{Answer, Client, plain};
use process::pair::await_that;
use process::{ANY_PORT, Server};
use serde_json::Value;

/// So little that nearly every message is on the disk.
const TINY: [&str; 4] = ["--apps", "board", "--limit", "young_bytes=1KiB"];

fn get(client: &mut Client, path: &str) -> Answer {
    client.send(plain("GET", path)).answer()
}

/// Waits until all messages but a few are on the disk.
fn await_old(server: &Server, at_least: u64) {
    let old = || {
        let (_, text) = server.ask("GET", "/metrics", "");
        let line =
            text.lines().find(|line| line.starts_with("pixeld_old_items{app=\"board\"}")).expect("a series");
        line.rsplit_once(' ').expect("a value").1.parse::<u64>().expect("a number")
    };
    await_that("messages on the disk", old, |old| *old >= at_least);
}

/// All messages, page by page.
fn all(client: &mut Client) -> Vec<Value> {
    let (mut found, mut before) = (Vec::new(), String::new());
    loop {
        let page = get(client, &format!("/messages?limit=7{before}"));
        assert_eq!(page.status, 200, "{}", page.head);
        let page = page.json();
        found.extend(page["messages"].as_array().expect("a list").iter().cloned());
        match page["next"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => return found,
        }
    }
}

fn ids(messages: &[Value]) -> Vec<u64> {
    messages.iter().map(|message| message["id"].as_u64().expect("a number")).collect()
}

fn post_all(client: &mut Client, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let answer = post(client, &format!("message {number}"), "a.png", &png((number % 8) as u8));
        assert_eq!(answer.status, 200, "{}", answer.head);
    }
}

#[test]
fn old_messages_are_read_deleted_and_kept_through_a_kill() {
    let server = Server::fresh(&TINY);
    let mut client = server.connect();
    post_all(&mut client, 1..=40);
    await_old(&server, 38);
    let messages = all(&mut client);
    assert_eq!(ids(&messages), (1..=40).rev().collect::<Vec<_>>());
    for number in [1, 20, 40] {
        let message = get(&mut client, &format!("/messages/{number}"));
        assert_eq!(message.json()["message"], format!("message {number}"));
        let url = message.json()["image_url"].as_str().expect("an address").to_owned();
        let picture = get(&mut client, &url);
        assert_eq!((picture.status, &picture.body), (200, &png((number % 8) as u8)));
        let part = client.send(format!("GET {url} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-3\r\n\r\n")).answer();
        assert_eq!((part.status, &part.body[..]), (206, &b"\x89PNG"[..]));
        assert_eq!(get(&mut client, &format!("{url}x")).status, 404);
    }
    assert_eq!(get(&mut client, "/messages/41").status, 404);

    let list = get(&mut client, "/messages");
    let place = list.field("last-event-id").expect("a place").to_owned();
    for number in [3, 11, 19] {
        assert_eq!(client.send(plain("DELETE", &format!("/messages/{number}"))).answer().status, 204);
        assert_eq!(get(&mut client, &format!("/messages/{number}")).status, 404);
        assert_eq!(client.send(plain("DELETE", &format!("/messages/{number}"))).answer().status, 404);
    }
    let told = || {
        let answer = get(&mut server.connect(), &format!("/board/events?wait=0&after={place}"));
        String::from_utf8(answer.body).expect("a text").matches("event: delete").count()
    };
    await_that("the deletes are told to visitors", told, |told| *told == 3);
    // Two others have the picture of these three.
    let left: Vec<u64> = (1..=40).rev().filter(|number| ![3, 11, 19].contains(number)).collect();
    assert_eq!(ids(&all(&mut client)), left);
    assert_eq!(blob_files(server.data_dir()).len(), 8);
    for number in [27, 35] {
        assert_eq!(client.send(plain("DELETE", &format!("/messages/{number}"))).answer().status, 204);
    }
    await_that(
        "a picture that no message names goes",
        || blob_files(server.data_dir()).len(),
        |files| *files == 7,
    );

    let before = all(&mut client);
    drop(client);
    let server = server.kill_and_restart(&TINY);
    let mut client = server.connect();
    assert_eq!(all(&mut client), before);
    post_all(&mut client, 41..=60);
    await_old(&server, 50);
    let kept: Vec<u64> = (41..=60).rev().chain(ids(&before)).collect();
    assert_eq!(ids(&all(&mut client)), kept);
}

/// In `memory` nothing else has the journal synced for so few messages.
#[test]
fn messages_leave_the_memory_whatever_answers_wait_for() {
    let server = Server::fresh(&[&TINY[..], &["--durability", "memory"]].concat());
    let mut client = server.connect();
    post_all(&mut client, 1..=40);
    await_old(&server, 38);
    assert_eq!(ids(&all(&mut client)), (1..=40).rev().collect::<Vec<_>>());
}

#[test]
fn a_cut_reaches_into_runs() {
    let server = Server::fresh(&TINY);
    let mut client = server.connect();
    post_all(&mut client, 1..=30);
    await_old(&server, 28);
    drop(client);
    let server = server.kill_and_restart(&[&TINY[..], &["--keep", "board=5"]].concat());
    let mut client = server.connect();
    await_that("the newest five", || ids(&all(&mut client)), |ids| *ids == [30, 29, 28, 27, 26]);
    await_that("their pictures", || blob_files(server.data_dir()).len(), |files| *files == 5);
}

/// A start that lacks a run says which, and changes nothing.
#[test]
fn a_start_without_a_run_is_refused_by_name() {
    let server = Server::fresh(&TINY);
    post_all(&mut server.connect(), 1..=20);
    await_old(&server, 18);
    let directory = tempfile::tempdir().expect("a directory");
    let runs = server.data_dir().join("runs");
    let moved = directory.path().join("runs");
    let data_dir = server.data_dir().to_owned();
    let mut server = server;
    server.kill();
    std::fs::rename(&runs, &moved).expect("moved");
    let refused = process::pixeld(&["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data_dir)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("old items can't be read: the run "), "{said}");
    std::fs::rename(&moved, &runs).expect("moved back");
    // As a crash leaves a run that is being written.
    let unfinished = runs.join("new-77");
    std::fs::write(&unfinished, "half a run").expect("written");
    let again = Server::start(ANY_PORT, &data_dir, &TINY);
    assert_eq!(all(&mut again.connect()).len(), 20);
    assert!(!unfinished.exists(), "nothing of a crash is left");
}
