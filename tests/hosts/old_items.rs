//! Old items on two hosts: a host that joins is sent runs, and `pixeld inspect` compares what all of it comes to.

use crate::board;
use crate::process;

use board::{png, post};
use process::Server;
use process::client::{pixel, plain, request};
use process::pair::{Host, await_ready, await_that};
use process::pixeld;
use rustix::process::Signal;
use serde_json::Value;

const TINY: [&str; 2] = ["--limit", "young_bytes=1KiB"];

fn messages(server: &Server) -> Vec<Value> {
    let answer = server.connect().send(plain("GET", "/messages?limit=100")).answer();
    let page = answer.json();
    page["messages"].as_array().cloned().unwrap_or_default()
}

fn old_items(server: &Server) -> u64 {
    let (_, text) = server.ask("GET", "/metrics", "");
    let line = text.lines().find(|line| line.starts_with("pixeld_old_items{app=\"board\"}"));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).unwrap_or(0)
}

#[test]
fn a_host_that_joins_is_sent_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let (a, cluster) = Host::found(directory.path(), "a", None);
    let alone = a.start_alone(&TINY);
    let mut client = alone.connect();
    for number in 1..=40_u8 {
        assert_eq!(post(&mut client, &format!("message {number}"), "a.png", &png(number % 8)).status, 200);
    }
    await_that("messages on the disk", || old_items(&alone), |old| *old >= 38);
    let body = format!("{}\n", pixel(1, 2, 'R', 3)).repeat(250_000);
    for _ in 0..3 {
        let answer = client.send(request("POST", "/pixels", "application/x-ndjson", &body)).answer();
        assert!((200..300).contains(&answer.status), "{}", answer.status);
    }
    assert_eq!(alone.ask("DELETE", "/pixels", "").0, 200);
    let first = a.data_dir.join("0000000001.seg");
    await_that("the first segment is removed", || first.exists(), |is_there| !is_there);
    drop(alone);

    let (b, _) = Host::found(directory.path(), "b", Some(&cluster));
    let (mut one, mut other) = (a.start(&b, &TINY), b.start(&a, &TINY));
    await_ready(&other);
    await_that("the same messages", || messages(&other).len(), |count| *count == 40);
    assert_eq!(messages(&other), messages(&one));
    assert!(old_items(&other) >= 38, "they came as runs");
    let url = messages(&other)[39]["image_url"].as_str().expect("an address").to_owned();
    let picture = other.connect().send(plain("GET", &url)).answer();
    assert_eq!((picture.status, picture.body), (200, png(1)));
    // What one host deletes of the other one's old messages goes on both.
    assert_eq!(other.ask("DELETE", "/messages/7", "").0, 204);
    await_that("it goes there too", || messages(&one).len(), |count| *count == 39);
    for server in [&mut one, &mut other] {
        server.signal(Signal::TERM);
        assert!(server.wait().success(), "{}", server.stderr());
    }
    let dirs = [&a.data_dir, &b.data_dir].map(|dir| dir.to_str().expect("a path").to_owned());
    let output = pixeld(&["inspect", &dirs[0], &dirs[1], "--json"]).output().expect("it runs");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!((output.status.code(), &told["verdict"]), (Some(0), &"same".into()), "{told:#}");
    assert_eq!(told["states_differ"], Value::Array(Vec::new()), "{told:#}");
}
