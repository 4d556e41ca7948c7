//! Two hosts that keep the newest only: each cuts what it sees, apart from the other one too, and both list the same.

use crate::process;

use process::Server;
use process::client::request;
use process::pair::{Pair, await_away, await_connected, await_ready, await_that, count, pixels};

fn post(server: &Server, columns: std::ops::Range<u32>) {
    let line = |x| format!("{{\"x\":{x},\"y\":2,\"channel\":\"R\",\"value\":3}}\n");
    let body: String = columns.map(line).collect();
    let answer = server.connect().send(request("POST", "/pixels", "application/x-ndjson", body)).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The lines that this host lists, sorted, once both list the same number of them.
fn await_equal(a: &Server, b: &Server, number: u64) -> Vec<String> {
    await_that("a cut", || (count(a), count(b)), |counts| *counts == (number, number));
    await_that("one list", || (pixels(a), pixels(b)), |(left, right)| left == right).0
}

#[test]
fn hosts_that_cut_apart_keep_the_newest_of_all_when_they_meet() {
    const KEEP: [&str; 2] = ["--keep", "pixel=500"];
    let pair = Pair::found();
    let (a, mut b) = pair.start(&KEEP);
    post(&a, 0..400);
    post(&b, 400..800);
    let together = await_equal(&a, &b, 500);
    assert!((400..800).all(|x| together.iter().any(|line| line.contains(&format!("\"x\":{x},")))));
    b.kill();
    await_away(&a);
    // Each takes more than is kept while it is alone.
    post(&a, 1_000..1_600);
    await_that("a cut alone", || count(&a), |count| *count == 500);
    drop(a);
    let b = pair.b.start(&pair.a, &KEEP);
    await_ready(&b);
    post(&b, 2_000..2_450);
    await_that("a cut of the other one alone", || count(&b), |count| *count == 500);
    let a = pair.a.start(&pair.b, &KEEP);
    await_connected(&a);
    await_connected(&b);
    let met = await_equal(&a, &b, 500);
    // The newest of both: all that was posted last, and of what came before it the last fifty.
    assert!((2_000..2_450).all(|x| met.iter().any(|line| line.contains(&format!("\"x\":{x},")))));
    assert!((1_550..1_600).all(|x| met.iter().any(|line| line.contains(&format!("\"x\":{x},")))), "{met:?}");
}

#[test]
fn a_clearing_before_a_moment_reaches_the_other_host() {
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    post(&a, 0..10);
    post(&b, 10..20);
    await_equal(&a, &b, 20);
    assert_eq!(a.ask("DELETE", "/pixels?before=2101-01-01T00:00:00Z", "").0, 200);
    post(&b, 20..23);
    assert_eq!(await_equal(&a, &b, 3).len(), 3);
}
