//! A peer that was away for longer than segments wait for it, and has taken writes meanwhile.

use crate::process;

use std::thread::sleep;
use std::time::Duration;

use process::client::{pixel, request};
use process::pair::{Host, Pair, await_ready, await_same, await_that, count, peer_of};
use process::{Server, free_address};

fn post(server: &Server, count: i32, y: i32) {
    let mut client = server.connect();
    for x in 0..count {
        let answer = client.send(request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1))).answer();
        assert_eq!(answer.status, 200);
    }
}

fn reconnects(server: &Server) -> u64 {
    let metrics = server.ask("GET", "/metrics", "").1;
    let found = metrics.lines().find_map(|line| line.strip_prefix("pixeld_replication_reconnects_total "));
    found.and_then(|text| text.parse().ok()).expect("a number")
}

/// Returns the record, and its stream, up to which everything of the host that is left behind was taken from it.
fn taken_up_to(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("taken from it")?.1.split_once("up to record ")?;
    Some(rest.split_once(": stop it")?.0.to_owned())
}

#[test]
fn what_only_the_host_that_is_left_behind_has_is_taken_from_it() {
    let pair = Pair::found();
    let retention = ["--peer-retention", "1"];
    let (a, b) = pair.start(&retention);
    post(&a, 10, 1);
    await_same(&a, &b, 10);
    // Cut apart: one clears the list and keeps nothing of it, the other one takes writes.
    drop((a, b));
    let a = pair.a.start(&pair.b, &retention);
    let many = [0x12, 7, 1, 0, 0, 0, 2, 0, 0, 0].repeat(400_000);
    for _ in 0..3 {
        let mut client = a.connect();
        let answer = client.send(request("POST", "/pixels", "application/vnd.pixeld", &many)).answer();
        assert_eq!(answer.status, 200);
    }
    assert_eq!(a.ask("DELETE", "/pixels", "").0, 200);
    let first = pair.a.data_dir.join("0000000001.seg");
    await_that("the first segment goes", || first.exists(), |is_there| !is_there);
    drop(a);
    let b = pair.b.start_alone(&[]);
    post(&b, 50, 2);
    drop(b);

    // The one can't give what the other one lacks, but has everything of that one before it says so.
    let (a, b) = (pair.a.start(&pair.b, &retention), pair.b.start(&pair.a, &retention));
    await_that("the records of the peer", || count(&a), |count| *count == 50);
    // Nothing is told before it is so, and the number says up to where. That host may say something itself once they meet, so the number
    // is its own word.
    let is_reported = |peer: &serde_json::Value| {
        let why = peer["why"].to_string();
        why.contains("pixeld init --join") && why.contains("was taken from it before, up to record ")
    };
    await_that("the reason there", || peer_of(&b), is_reported);
    let own = || {
        let health: serde_json::Value =
            serde_json::from_str(&b.ask("GET", "/health", "").1).expect("an object");
        health["writes_refused"].to_string()
    };
    let both = || (taken_up_to(&peer_of(&a)["why"].to_string()), taken_up_to(&own()));
    await_that("the same number on both", both, |(here, there)| here.is_some() && here == there);
    // What it would take now could not be taken from it before it is stopped.
    let refused =
        || b.connect().send(request("POST", "/pixel", "application/json", pixel(1, 3, 'R', 1))).answer();
    let answer = refused();
    assert_eq!((answer.status, answer.text().contains("left behind")), (503, true), "{}", answer.text());
    let health = || b.ask("GET", "/health", "").1;
    await_that("its own word", health, |health| health.contains("\"apart\":\"left_behind\""));
    assert_eq!(b.ask("GET", "/readyz", "").0, 503);
    assert!(a.ask("GET", "/metrics", "").1.contains("pixeld_replication_apart{kind=\"peer_left_behind\"} 1"));
    post(&a, 1, 4);
    // Every try comes to the same end, so there are few.
    let before = reconnects(&a);
    sleep(Duration::from_secs(2));
    assert!(reconnects(&a) <= before + 6, "{before} and now {}", reconnects(&a));
    let told = a.stderr().lines().filter(|line| line.contains("was taken from it before")).count();
    assert!((1..=2).contains(&told), "{}", a.stderr());

    // That one is away again: the host that is left behind goes on.
    drop(a);
    await_that("a write that is taken", || refused().status, |status| *status == 200);
    let a = pair.a.start(&pair.b, &retention);
    await_that("that write there", || count(&a), |count| *count == 52);
    await_that("a write that is refused", || refused().status, |status| *status == 503);

    // The way out.
    let total = count(&a) as usize;
    drop((a, b));
    let (anew, _) = Host::found(pair.directory.path(), "anew", Some(&pair.cluster));
    let anew = Host { peer_listen: free_address(), ..anew };
    let (a, b) = (pair.a.start(&anew, &[]), anew.start(&pair.a, &[]));
    await_ready(&b);
    await_same(&a, &b, total);
}
