//! Hosts that start again and again, as a crash loop makes them: what their starts cost goes again.
//!
//! ```text
//! RESTARTS=10000 cargo test --test hosts starts -- --nocapture     as many restarts of both; 12 without
//! ```

use crate::process;

use std::time::Instant;

use process::client::{pixel, request};
use process::pair::{Host, Pair, await_connected, await_ready, await_same, await_that, count, peer_of};
use process::{Server, pixeld};

/// Starts of one host that stay named at most: the newest ones, the current one, and one that is listed in part.
const NAMED_MOST: u64 = 8;

fn post(server: &Server, x: i32, y: i32) {
    let body = pixel(x, y, 'R', 1);
    let answer = server.connect().send(request("POST", "/pixel", "application/json", body)).answer();
    assert_eq!(answer.status, 200);
}

fn metric(server: &Server, name: &str) -> u64 {
    let metrics = server.ask("GET", "/metrics", "").1;
    let found = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.and_then(|text| text.parse().ok()).expect("a number")
}

/// How many starts are named, and how many are folded.
fn starts(server: &Server) -> (u64, u64) {
    (metric(server, "pixeld_origins"), metric(server, "pixeld_starts_folded"))
}

#[test]
fn two_hosts_in_a_crash_loop_with_traffic_keep_a_few_names() {
    let restarts: i32 = std::env::var("RESTARTS").map_or(12, |text| text.parse().expect("a number"));
    let pair = Pair::found();
    let (mut a, mut b) = pair.start(&[]);
    let (mut total, mut took) = (0, Vec::new());
    for restart in 1..=restarts {
        post(&a, restart, 1);
        post(&b, restart, 2);
        total += 2;
        if restart % 10 == 0 {
            // Now and then they have time for each other; a crash in between leaves what it leaves.
            [&a, &b].into_iter().for_each(await_connected);
            await_same(&a, &b, total);
            let few = |starts: &(u64, u64)| starts.0 <= 2 * NAMED_MOST;
            let found = await_that("folds", || starts(&a), few);
            took.push((restart, found, b.ask("GET", "/metrics", "").1.len()));
        }
        if restart % 100 == 0 {
            println!("{:?}, a start in {:?}", took.last(), time_of_start(&pair.a, &pair.b, &mut a));
            assert_eq!(a.ask("DELETE", "/pixels", "").0, 200);
            await_same(&a, &b, 0);
            total = 0;
        }
        a.kill();
        b.kill();
        (a, b) = (pair.a.start(&pair.b, &[]), pair.b.start(&pair.a, &[]));
    }
    for server in [&a, &b] {
        await_connected(server);
        await_ready(server);
    }
    // All but the newest of both, on both.
    let least = 2 * restarts.unsigned_abs().saturating_sub(8);
    for server in [&a, &b] {
        let is_folded = |starts: &(u64, u64)| starts.0 <= 2 * NAMED_MOST && starts.1 >= u64::from(least);
        await_that("folds", || starts(server), is_folded);
    }
    await_same(&a, &b, total);
    assert_eq!(a.ask("DELETE", "/pixels", "").0, 200);
    await_same(&a, &b, 0);
    post(&b, 0, 0);
    await_same(&a, &b, 1);
    drop((a, b));
    let directories = [&pair.a.data_dir, &pair.b.data_dir];
    let compared = pixeld(&["inspect"]).args(directories).output().expect("it runs");
    let text = String::from_utf8_lossy(&compared.stdout);
    assert!(compared.status.success() && text.contains("same: "), "{text}");
}

/// How long a start takes until it serves.
fn time_of_start(own: &Host, peer: &Host, server: &mut Server) -> std::time::Duration {
    server.kill();
    let before = Instant::now();
    *server = own.start(peer, &[]);
    before.elapsed()
}

#[test]
fn a_host_that_is_alone_folds_by_itself() {
    let mut server = Server::fresh(&[]);
    for x in 0..6 {
        post(&server, x, 0);
        server = server.kill_and_restart(&[]);
    }
    await_that("a fold", || starts(&server), |starts| starts.1 >= 4);
    assert_eq!(count(&server), 6);
    server = server.kill_and_restart(&[]);
    assert_eq!(count(&server), 6, "what is folded is listed");
    assert_eq!(metric(&server, "pixeld_starts_waiting"), starts(&server).0);
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    assert_eq!(count(&server), 0);
    server = server.kill_and_restart(&[]);
    assert_eq!(count(&server), 0);
}

#[test]
fn starts_wait_for_a_peer_that_is_away_until_it_is_forgotten_and_it_is_refused_then() {
    let pair = Pair::found();
    let (mut a, b) = pair.start(&[]);
    post(&a, 0, 0);
    await_same(&a, &b, 1);
    // Who the peer is, is written down a moment after they met.
    let written = pair.a.data_dir.join("peer");
    await_that("the file that names the peer", || written.exists(), |is_there| *is_there);
    drop(b);
    for x in 1..6 {
        a.kill();
        a = pair.a.start(&pair.b, &[]);
        post(&a, x, 0);
    }
    a.kill();
    a = pair.a.start(&pair.b, &[]);
    let node = await_that("the peer is known", || peer_of(&a)["node"].clone(), serde_json::Value::is_string);
    // As many looks as a fold takes; it would come with the first.
    let looked = Instant::now();
    while looked.elapsed().as_secs() < 3 {
        assert_eq!((starts(&a).1, metric(&a, "pixeld_starts_waiting")), (0, 6));
    }
    drop(a);
    let forgotten = pixeld(&["forget-peer", "--data-dir"]).arg(&pair.a.data_dir).output().expect("it runs");
    assert!(String::from_utf8_lossy(&forgotten.stdout).contains(node.as_str().expect("a text")));
    let a = pair.a.start_alone(&[]);
    // The start that logged that the peer is forgotten may be among them.
    await_that("a fold", || starts(&a), |starts| starts.1 >= 6);
    drop(a);

    // The other one lacks what was folded without it: nothing is taken, and both say what to do.
    let b = pair.b.start_alone(&[]);
    post(&b, 9, 9);
    drop(b);
    let (a, b) = (pair.a.start(&pair.b, &[]), pair.b.start(&pair.a, &[]));
    for server in [&a, &b] {
        let why =
            await_that("a refusal", || peer_of(server)["why"].to_string(), |why| why.contains("folded"));
        assert!(why.contains("Nothing was taken") && why.contains("pixeld init --join"), "{why}");
    }
    assert_eq!((count(&a), count(&b)), (6, 2));
}
