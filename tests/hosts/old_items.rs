//! Old items on two hosts: a host that joins is sent runs, fetches anew what its disk has damaged of them, and `pixeld inspect`
//! compares what all of it comes to.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::board;
use crate::process;
use crate::thumbs;

use board::{png, post};
use process::Server;
use process::client::{pixel, plain, request};
use process::pair::{Host, await_ready, await_that};
use process::pixeld;
use rustix::process::Signal;
use serde_json::Value;

/// A busy machine leaves little to a decoder.
pub const TINY: [&str; 8] =
    ["--limit", "young_bytes=1KiB", "--thumbs-deadline", "60s", "--toys-db-ms", "0", "--toys-order-ms", "0"];
const APPS: [&str; 3] = ["board", "thumbs", "toys"];
/// The addresses that list all of them.
const LISTS: [&str; 3] = ["/messages?limit=100", "/images?limit=100", "/api/products?limit=100"];
/// The head of a run, before its first block.
const RUN_HEAD_BYTES: u64 = 16;

pub fn messages(server: &Server) -> Vec<Value> {
    let answer = server.connect().send(plain("GET", "/messages?limit=100")).answer();
    let page = answer.json();
    page["messages"].as_array().cloned().unwrap_or_default()
}

pub fn metric(server: &Server, series: &str) -> u64 {
    let (_, text) = server.ask("GET", "/metrics", "");
    let line = text.lines().find(|line| line.starts_with(series));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).unwrap_or(0)
}

/// Items on the disk: messages, pictures, toys.
fn old_items(server: &Server) -> [u64; 3] {
    APPS.map(|app| metric(server, &format!("pixeld_old_items{{app=\"{app}\"}}")))
}

/// Posts 40 messages, 10 pictures that come to an end, 20 toys without a key, and 10 toys and 10 orders with one.
pub fn post_all(server: &Server) {
    let mut client = server.connect();
    for number in 1..=40_u8 {
        assert_eq!(post(&mut client, &format!("message {number}"), "a.png", &png(number % 8)).status, 200);
    }
    let content = |number: u32| if number == 3 { b"no picture".to_vec() } else { thumbs::png(number % 2) };
    let pictures: Vec<String> =
        (0..10).map(|number| thumbs::submit(&mut client, "image/png", &content(number))).collect();
    pictures.iter().for_each(|id| _ = thumbs::end_of(&mut client, id));
    for number in 0..20 {
        let (status, body) = server.ask("POST", "/api/products", &format!("{{\"name\":\"toy {number}\"}}"));
        assert_eq!(status, 201, "{body}");
    }
    (0..10).for_each(|number| _ = post_named(server, number));
}

/// Posts a toy and an order with a key each; gives what was answered.
fn post_named(server: &Server, number: u32) -> [(u16, String); 2] {
    let bodies = [("products", "name"), ("orders", "product")];
    bodies.map(|(path, member)| {
        let body = format!("{{\"{member}\":\"named {number}\"}}");
        let head = format!("POST /api/{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json");
        let length = body.len();
        let request =
            format!("{head}\r\nIdempotency-Key: {number}\r\nContent-Length: {length}\r\n\r\n{body}");
        let answer = server.connect().send(request).answer();
        assert!(matches!(answer.status, 201 | 202), "{}", answer.text());
        (answer.status, answer.text().to_owned())
    })
}

fn are_old([messages, pictures, toys]: &[u64; 3]) -> bool {
    *messages >= 38 && *pictures >= 7 && *toys >= 36
}

/// Waits until nearly all of that is on the disk.
pub fn await_old(server: &Server) {
    await_that("items on the disk", || old_items(server), are_old);
}

/// The lists of all three on a host, with the status of each answer.
fn lists(server: &Server) -> Vec<(u16, Value)> {
    let ask = |path: &&str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n");
        let answer = server.connect().send(head).answer();
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    };
    LISTS.iter().map(ask).collect()
}

/// The runs of a directory.
fn runs(data_dir: &Path) -> Vec<PathBuf> {
    let below =
        |path: PathBuf| fs::read_dir(path).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    below(data_dir.join("runs")).flat_map(below).collect()
}

/// Flips a byte of the first block of each run that the other directory has too; gives these with what they were.
fn damage_runs(data_dir: &Path, other: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let has_other = |run: &PathBuf| other.join(run.strip_prefix(data_dir).expect("below it")).exists();
    let both: Vec<_> = runs(data_dir).into_iter().filter(has_other).collect();
    let damage = |run: PathBuf| {
        let content = fs::read(&run).expect("a run");
        let file = fs::OpenOptions::new().write(true).open(&run).expect("a run");
        let flipped = [content[RUN_HEAD_BYTES as usize + 4] ^ 1];
        file.write_all_at(&flipped, RUN_HEAD_BYTES + 4).expect("written");
        (run, content)
    };
    both.into_iter().map(damage).collect()
}

#[test]
fn a_host_that_joins_is_sent_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let (a, cluster) = Host::found(directory.path(), "a", None);
    let alone = a.start_alone(&TINY);
    post_all(&alone);
    await_old(&alone);
    let mut client = alone.connect();
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
    assert!(are_old(&old_items(&other)), "they came as runs: {:?}", old_items(&other));
    let listed = lists(&one);
    assert!(listed.iter().all(|(status, _)| *status == 200), "{listed:?}");
    assert_eq!(lists(&other), listed);
    let named = |server: &Server| (0..10).map(|number| post_named(server, number)).collect::<Vec<_>>();
    assert_eq!(named(&other), named(&one), "what is sent again is known there, too");
    assert_eq!(lists(&other), listed);

    // What the disk of one damages comes from the other one, without a new start.
    let damaged = damage_runs(&b.data_dir, &a.data_dir);
    assert!(damaged.len() >= APPS.len(), "of each application: {damaged:?}");
    let is_mended = || damaged.iter().all(|(run, content)| fs::read(run).is_ok_and(|now| now == *content));
    await_that("sound runs", || (lists(&other) == listed, is_mended()), |all| *all == (true, true));
    let faults = || metric(&other, "pixeld_scrub_damaged") + metric(&other, "pixeld_scrub_missing");
    await_that("no more faults", faults, |faults| *faults == 0);
    assert_eq!(metric(&other, "pixeld_scrub_mended_total"), damaged.len() as u64);
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
