//! Hosts that start again and again, as a crash loop makes them: what their starts cost goes again.
//!
//! ```text
//! RESTARTS=10000 cargo test --test hosts starts -- --nocapture     as many restarts of both; 12 without
//! ```

use crate::process;

use std::time::Instant;

use process::client::{Answer, pixel, plain, request};
use process::pair::{Host, Pair, await_connected, await_ready, await_same, await_that, count, peer_of};
use process::{Server, now, pixeld};

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
    let (mut total, mut first) = (0, None);
    for restart in 1..=restarts {
        post(&a, restart, 1);
        post(&b, restart, 2);
        total += 2;
        if restart % 10 == 0 {
            // Now and then they have time for each other; a crash in between leaves what it leaves.
            [&a, &b].into_iter().for_each(await_connected);
            await_same(&a, &b, total);
            let few = |starts: &(u64, u64)| starts.0 <= 2 * NAMED_MOST;
            await_that("folds", || starts(&a), few);
        }
        if restart % 100 == 0 {
            let start = time_of_start(&pair.a, &pair.b, &mut a);
            await_connected(&a);
            // What is not folded yet is named in a clear, and says nothing of those before.
            await_that("folds", || starts(&a), |starts: &(u64, u64)| starts.0 <= NAMED_MOST);
            let cost = Cost::of(&a, &pair.a);
            await_same(&a, &b, 0);
            println!("after {restart} restarts: {:?}, {cost:?}, a start in {start:?}", starts(&a));
            cost.assert_like(first.get_or_insert(cost));
            total = 0;
        }
        a.kill();
        b.kill();
        (a, b) = start_at_once(&pair);
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

/// Both start at the same moment, as after a failure of power; neither is waited for longer than until it listens.
fn start_at_once(pair: &Pair) -> (Server, Server) {
    std::thread::scope(|scope| {
        let a = scope.spawn(|| pair.a.start(&pair.b, &[]));
        let b = pair.b.start(&pair.a, &[]);
        (a.join().expect("a server"), b)
    })
}

/// What the starts that were before cost a host, bytes.
#[derive(Clone, Copy, Debug)]
struct Cost {
    metrics: u64,
    /// The record of a clear, and its batch.
    clear: u64,
    /// The newest snapshot; 0 where there is none yet.
    snapshot: u64,
}

impl Cost {
    /// Clears the pixels to see.
    fn of(server: &Server, host: &Host) -> Self {
        let written = || metric(server, "pixeld_journal_written_offset");
        let before = written();
        assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
        let clear = written() - before;
        let files = std::fs::read_dir(&host.data_dir).expect("a directory").map(|file| file.expect("a file"));
        let snapshots = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "snap"));
        let newest = snapshots.max_by_key(std::fs::DirEntry::file_name);
        let snapshot = newest.map_or(0, |file| file.metadata().expect("its size").len());
        Self { metrics: server.ask("GET", "/metrics", "").1.len() as u64, clear, snapshot }
    }

    /// A few names more or less, and numbers that became longer, are no growth.
    fn assert_like(&self, first: &Self) {
        let names = 2 * NAMED_MOST;
        assert!(self.metrics <= first.metrics + 1_000, "{first:?} {self:?}");
        assert!(self.clear <= first.clear + 32 * names, "{first:?} {self:?}");
        assert!(first.snapshot == 0 || self.snapshot <= first.snapshot + 200 * names, "{first:?} {self:?}");
    }
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

/// The picture of all cells, once the canvas has everything that was answered.
fn picture(server: &Server) -> Vec<u8> {
    let ask = || server.connect().send(plain("GET", "/canvas.png?x=0&y=0&w=40&h=4")).answer();
    // Right after a start there may be no drawing at all, which is a 503.
    let is_whole = |answer: &Answer| {
        answer.status == 200
            && ["pixeld-behind", "pixeld-drawn"].iter().all(|name| answer.field(name).is_none())
    };
    await_that("the canvas", ask, is_whole).body
}

/// The pixels of a life: each overdraws a part of those before.
fn drawn(life: i32) -> String {
    let channel = ['R', 'G', 'B'][life as usize % 3];
    let cells = (0..60).map(|at| pixel(at % 15 + 2 * life, at / 15, channel, (40 + 10 * life + at) as u8));
    format!("[{}]", cells.collect::<Vec<_>>().join(","))
}

fn draw(server: &Server, lives: std::ops::Range<i32>) {
    for life in lives {
        assert_eq!(server.ask("POST", "/pixels", &drawn(life)).0, 200);
    }
}

#[test]
fn the_canvas_is_the_same_before_and_after_starts_fold_with_a_cut_and_a_clear_between() {
    const LIVES: i32 = 6;
    // A host that never starts again is told the same.
    let reference = Server::fresh(&[]);
    let pair = Pair::found();
    let (mut a, mut b) = pair.start(&[]);
    b.kill();
    // Neither folds while it is alone.
    let mut middle = String::new();
    for life in 0..LIVES {
        a.kill();
        a = pair.a.start(&pair.b, &[]);
        middle = if life == LIVES / 2 { now() } else { middle };
        draw(&a, life..life + 1);
    }
    a.kill();
    for life in LIVES..2 * LIVES {
        b = pair.b.start(&pair.a, &[]);
        draw(&b, life..life + 1);
        b.kill();
    }
    draw(&reference, 0..2 * LIVES);
    let (a, mut b) = (pair.a.start(&pair.b, &[]), pair.b.start(&pair.a, &[]));
    let total = 60 * 2 * LIVES as usize;
    let assert_shown = |a: &Server, b: &Server, what: &str| {
        let expected = picture(&reference);
        for (server, host) in [(a, "a"), (b, "b")] {
            assert!(picture(server) == expected, "{what}: {host} has {} pixels", count(server));
        }
    };
    await_same(&a, &b, total);
    assert_shown(&a, &b, "as they meet");
    let least = 2 * LIVES as u64 - 4;
    for server in [&a, &b] {
        await_that("folds", || starts(server), |starts| starts.1 >= least);
    }
    assert_shown(&a, &b, "folded");

    // A cut through what is folded: one host was there when that was folded, the other one draws anew.
    assert_eq!(a.ask("DELETE", &format!("/pixels?before={middle}"), "").0, 200);
    assert_eq!(reference.ask("DELETE", "/pixels", "").0, 200);
    draw(&reference, LIVES / 2..2 * LIVES);
    await_same(&a, &b, total - 60 * (LIVES / 2) as usize);
    assert_shown(&a, &b, "cut");
    b.kill();
    b = pair.b.start(&pair.a, &[]);
    assert_shown(&a, &b, "drawn anew");

    [&a, &b].into_iter().for_each(await_connected);
    assert_eq!(b.ask("DELETE", "/pixels", "").0, 200);
    assert_eq!(reference.ask("DELETE", "/pixels", "").0, 200);
    await_same(&a, &b, 0);
    assert_shown(&a, &b, "cleared");
    [&a, &reference].into_iter().for_each(|server| draw(server, 0..1));
    await_same(&a, &b, 60);
    assert_shown(&a, &b, "drawn on");
}
