//! Two hosts as their users see them: real processes, real connections between them, kill -9.

use crate::process;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;

use pixeld::log::files::identity::Identity;
use pixeld::os::files::RealDisk;
use process::Server;
use process::client::{Next, pixel, request};
use process::pair::{
    Host, Pair, await_away, await_connected, await_same, await_that, count, init, peer_of, pixels,
};
use rustix::process::Signal;

/// Rounds of kill -9; more by PIXELD_TEST_ROUNDS.
const ROUNDS: usize = 20;

fn rounds() -> usize {
    std::env::var("PIXELD_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

/// A pixel that waits for both hosts.
fn at_both(x: i32, y: i32) -> Vec<u8> {
    let usual = request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1));
    String::from_utf8(usual).expect("a text").replacen("\r\n", "\r\nDurability: both\r\n", 1).into_bytes()
}

/// Posts a pixel; gives the status and the level that the answer names.
fn post(server: &Server, x: i32, y: i32) -> (u16, String) {
    let mut client = server.connect();
    let answer = client.send(request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1))).answer();
    (answer.status, answer.field("durability").unwrap_or_default().to_owned())
}

fn post_all(server: &Server, from: i32, to: i32, y: i32) {
    let mut client = server.connect();
    for x in from..to {
        client.send(request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1)));
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn both_take_writes_and_both_have_all_of_them() {
    let pair = Pair::found();
    let (mut a, mut b) = pair.start(&[]);
    // Each logs that it is a member: one record of each.
    for server in [&a, &b] {
        let health = || server.ask("GET", "/health", "").1;
        await_that("both members", health, |health| health.matches("\"seat\":").count() == 2);
    }
    post_all(&a, 0, 100, 1);
    post_all(&b, 0, 100, 2);
    let both = a.connect().send(at_both(7, 7)).answer();
    assert_eq!((both.status, both.field("durability")), (200, Some("both")));
    let all = await_same(&a, &b, 201);
    assert_eq!(all.iter().filter(|line| line.contains("\"y\":2,")).count(), 100);

    let peer = await_that("an even state", || peer_of(&a), |peer| peer["lag_records"] == 0);
    assert_eq!((&peer["lag_bytes"], &peer["lag_seconds"]), (&0.into(), &0.0.into()), "{peer}");
    let metrics = a.ask("GET", "/metrics", "").1;
    for line in [
        "pixeld_replication_state{state=\"connected\"} 1",
        "pixeld_replication_lag_records 0",
        "pixeld_replication_records{stream=\"own\",at=\"here\"} 102",
        "pixeld_replication_records{stream=\"own\",at=\"peer_durable\"} 102",
        "pixeld_replication_records{stream=\"peer\",at=\"here\"} 101",
        "pixeld_replication_received_records_total 101",
        "pixeld_replication_late_total 0",
        "pixeld_stage_seconds_count{stage=\"peer_wait\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in {metrics}");
    }
    let batches = figure(&metrics, "pixeld_replication_received_batches_total");
    assert!((1..=101).contains(&batches), "{batches}");
    for server in [&mut a, &mut b] {
        server.signal(Signal::TERM);
        assert!(server.wait().success(), "{}", server.stderr());
    }
    assert_eq!(pair.a.hashes(), pair.b.hashes(), "the copies are exact");
}

/// The value of a series without labels.
fn figure(metrics: &str, name: &str) -> u64 {
    let found = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name} in {metrics}"))
}

/// What is removed is what the host that was asked had; what the other one took meanwhile stays.
#[test]
fn a_clear_removes_what_its_host_had_seen() {
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    post_all(&a, 0, 10, 1);
    await_same(&a, &b, 10);
    drop(b);
    await_away(&a);
    assert_eq!(a.ask("DELETE", "/pixels", "").0, 200);
    assert_eq!(count(&a), 0);
    drop(a);
    let b = pair.b.start(&pair.a, &[]);
    assert_eq!(count(&b), 10, "it has not heard of the clear");
    post_all(&b, 0, 3, 2);
    let a = pair.a.start(&pair.b, &[]);
    let left = await_same(&a, &b, 3);
    assert!(left.iter().all(|line| line.contains("\"y\":2,")), "{left:?}");
}

#[test]
fn a_stopped_peer_delays_nobody_who_does_not_wait_for_it() {
    let pair = Pair::found();
    let (a, b) = pair.start(&["--durability-timeout", "300ms"]);
    assert_eq!(post(&b, 0, 1).0, 200);
    b.freeze();
    post_all(&a, 0, 500, 2);
    let late = a.connect().send(at_both(7, 7)).answer();
    assert_eq!((late.status, late.field("durability")), (504, Some("disk")), "{}", late.text());
    assert_eq!(figure(&a.ask("GET", "/metrics", "").1, "pixeld_replication_late_total"), 1);
    let away = await_away(&a);
    assert!(away["lag_records"].as_u64() >= Some(501) && away["why"].is_string(), "{away}");
    assert_eq!(a.ask("GET", "/readyz", "").0, 200, "a peer that is away makes nobody unready");
    post_all(&a, 500, 600, 2);
    b.signal(Signal::CONT);
    await_same(&a, &b, 602);
}

/// One host that has run alone gets a second one, which is lost with its disk and replaced by a third.
#[test]
fn a_newcomer_gets_everything_and_so_does_its_successor() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut a, cluster) = Host::found(directory.path(), "a", None);
    std::fs::remove_dir_all(&a.data_dir).expect("a directory");
    let alone = a.start_alone(&[]);
    post_all(&alone, 0, 300, 1);
    let shown = init(&["--show", "--data-dir", a.data_dir.to_str().expect("a path")]).expect("an identity");
    drop(alone);
    let cluster_now = shown["cluster_id"].as_str().expect("a text");
    assert!(cluster_now != cluster, "serve made one of its own");
    shown["key"].as_str().expect("a text").clone_into(&mut a.key);
    let (b, _) = Host::found(directory.path(), "b", Some(cluster_now));
    let (server, second) = (a.start(&b, &[]), b.start(&a, &[]));
    await_same(&server, &second, 300);
    post_all(&second, 0, 10, 2);
    await_same(&server, &second, 310);
    drop(second);
    std::fs::remove_dir_all(&b.data_dir).expect("a directory");
    post_all(&server, 0, 10, 3);
    drop(server);
    let (c, _) = Host::found(directory.path(), "c", Some(cluster_now));
    let (server, third) = (a.start(&c, &[]), c.start(&a, &[]));
    await_same(&server, &third, 320);
}

/// The journal's beginning is gone when the peer comes.
#[test]
fn a_newcomer_gets_a_snapshot_of_what_is_not_in_the_journal_any_more() {
    let pair = Pair::found();
    let alone = pair.a.start_alone(&[]);
    // Two segments and more, of pixels that nobody lists afterwards.
    let pixels = [0x12, 7, 1, 0, 0, 0, 2, 0, 0, 0].repeat(400_000);
    for _ in 0..3 {
        let mut client = alone.connect();
        assert_eq!(
            client.send(request("POST", "/pixels", "application/vnd.pixeld", &pixels)).answer().status,
            200
        );
    }
    post_all(&alone, 0, 5, 1);
    assert_eq!(alone.ask("DELETE", "/pixels", "").0, 200);
    alone.wait_for("removed segments");
    post_all(&alone, 0, 7, 2);
    drop(alone);
    let (a, b) = pair.start(&[]);
    await_same(&a, &b, 7);
    post_all(&b, 0, 7, 3);
    await_same(&a, &b, 14);
    drop(b);
    let b = pair.b.start(&pair.a, &[]);
    await_same(&a, &b, 14);
}

/// The last batch of a host is lost with a power cut, after the other one had it.
#[test]
fn a_lost_tail_is_handed_back() {
    let pair = Pair::found();
    let (a, mut b) = pair.start(&[]);
    post_all(&b, 0, 50, 1);
    await_same(&a, &b, 50);
    b.kill();
    tear(&pair.b);
    let b = pair.b.start_alone(&[]);
    let left = count(&b);
    assert!((1..50).contains(&left), "{left}");
    drop(b);
    let b = pair.b.start(&pair.a, &[]);
    post_all(&b, 0, 5, 2);
    await_same(&a, &b, 55);
}

/// Zeroes the end of the last batch of a journal.
fn tear(host: &Host) {
    let output = process::pixeld(&["inspect"]).arg(&host.data_dir).output().expect("the binary starts");
    let told = String::from_utf8(output.stdout).expect("a text");
    let end = told.split_once("ends at ").expect("an end").1.lines().next().expect("a line");
    let end: u64 = end.parse().expect("a position");
    let segment_bytes = 4 << 20;
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").path();
    let mut segments: Vec<_> = std::fs::read_dir(&host.data_dir)
        .expect("a directory")
        .map(name)
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    segments.sort();
    let at = usize::try_from(end / segment_bytes).expect("a number") - 1;
    let file = OpenOptions::new().write(true).open(&segments[at]).expect("a segment");
    file.write_all_at(&[0; 64], end % segment_bytes - 64).expect("written");
}

/// Every write that was answered at `both` is on whichever host is left.
#[test]
fn what_both_have_survives_kill_9_of_either() {
    let pair = Pair::found();
    let (mut a, mut b) = pair.start(&[]);
    let acked = Mutex::new(Vec::new());
    let next = AtomicI32::new(0);
    let rounds = rounds();
    for round in 0..rounds {
        let victim_is_a = round % 2 == 0;
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for server in [&a, &a, &b, &b] {
                scope.spawn(|| write_until(server, &stop, &next, &acked));
            }
            let before = acked.lock().expect("a lock").len();
            let enough = |now: &usize| *now >= before + 40;
            await_that("a load", || acked.lock().expect("a lock").len(), enough);
            if victim_is_a { &a } else { &b }.signal(Signal::KILL);
            stop.store(true, Ordering::Relaxed);
        });
        let survivor = if victim_is_a { &b } else { &a };
        let kept = pixels(survivor);
        for x in acked.lock().expect("a lock").iter() {
            let line = pixel(*x, 0, 'R', 1);
            assert!(kept.binary_search(&line).is_ok(), "round {round}: {line} was acknowledged and is lost");
        }
        if victim_is_a {
            a.kill();
            a = pair.a.start(&pair.b, &[]);
        } else {
            b.kill();
            b = pair.b.start(&pair.a, &[]);
        }
        await_connected(&a);
        await_connected(&b);
    }
    let total = await_that("equal counts", || (count(&a), count(&b)), |(a, b)| a == b).0;
    let all = await_same(&a, &b, usize::try_from(total).expect("a count"));
    assert!(all.len() >= acked.lock().expect("a lock").len() && all.len() >= 40 * rounds);
}

/// Posts pixels that no one else posts, one after the other, and notes those that both hosts have.
fn write_until(server: &Server, stop: &AtomicBool, next: &AtomicI32, acked: &Mutex<Vec<i32>>) {
    let mut client = server.connect();
    while !stop.load(Ordering::Relaxed) {
        let x = next.fetch_add(1, Ordering::Relaxed);
        client.send_in_vain(at_both(x, 0));
        match client.next(false) {
            Next::Answer(answer) if answer.status == 200 => {
                assert_eq!(answer.field("durability"), Some("both"));
                acked.lock().expect("a lock").push(x);
            }
            // 504: stored on one host, which was not promised to survive.
            Next::Answer(answer) => assert_eq!(answer.status, 504, "{}", answer.text()),
            Next::End | Next::Reset => return,
        }
    }
}

/// Two processes on a directory and its copy have different streams from then on, so no chain tells.
#[test]
fn a_copy_of_the_second_host_beside_it_is_refused() {
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    post_all(&b, 0, 10, 1);
    await_same(&a, &b, 10);
    drop(b);
    let clone = pair.directory.path().join("clone");
    let copied = std::process::Command::new("cp").arg("-r").arg(&pair.b.data_dir).arg(&clone).status();
    assert!(copied.expect("cp").success());
    let [address, peer_listen] = [(); 2].map(|()| process::free_address());
    let clone = Host { data_dir: clone, address, peer_listen, key: pair.b.key.clone() };
    let (one, other) = (pair.b.start(&pair.a, &[]), clone.start(&pair.a, &[]));
    let is_reported = |server: &Server| server.stderr().contains("two processes with the node id");
    await_that("a refusal", || is_reported(&one) || is_reported(&other), |is_reported| *is_reported);
    a.wait_for("pixeld init --join");
    assert_eq!(post(&a, 1, 1), (200, "disk".to_owned()));
    // The one that is left is the peer.
    let (kept, refused) = if is_reported(&one) { (other, one) } else { (one, other) };
    drop(refused);
    await_connected(&kept);
    await_that("the record", || count(&kept), |count| *count == 11);
}

/// A balancer's check, a port scanner and `pixeld doctor --peer` connect to the peer port: that is no trouble of the peer.
#[test]
fn who_only_connects_to_the_peer_port_is_counted_and_nothing_else() {
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    let failures = |server: &Server| -> Vec<String> {
        let metrics = server.ask("GET", "/metrics", "").1;
        let of_link = |line: &&str| line.starts_with("pixeld_replication_failures_total");
        metrics.lines().filter(of_link).map(str::to_owned).collect()
    };
    let warnings = |server: &Server| server.stderr().matches("level=warn").count();
    // The two may have dialed each other before the other one listened.
    let before = [&a, &b].map(|server| (failures(server), warnings(server)));
    for port in [pair.a.peer_listen, pair.b.peer_listen] {
        for round in 0..6 {
            let mut stranger = std::net::TcpStream::connect(port).expect("the peer port");
            if round % 2 == 1 {
                // A browser, or a scanner that says something.
                stranger.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("it takes that");
            }
        }
    }
    for (server, before) in [&a, &b].into_iter().zip(before) {
        let strangers = || figure(&server.ask("GET", "/metrics", "").1, "pixeld_replication_strangers_total");
        await_that("six strangers", strangers, |strangers| *strangers >= 6);
        assert_eq!((failures(server), warnings(server)), before, "{}", server.stderr());
        assert_eq!(peer_of(server)["state"], "connected");
    }
}

#[test]
fn strangers_are_refused_with_a_sentence_that_says_what_to_do() {
    let pair = Pair::found();
    let (stranger, other_cluster) = Host::found(pair.directory.path(), "stranger", None);
    assert!(other_cluster != pair.cluster);

    // A wrong key: A knows B's, and somebody else answers there.
    let a = pair.a.start(&pair.b, &[]);
    let impostor = Host { peer_listen: pair.b.peer_listen, ..stranger };
    let there = impostor.start(&pair.a, &[]);
    let why = await_that("a refusal", || peer_of(&a), |peer| peer["why"].to_string().contains("--peer-key"));
    assert!(why["why"].to_string().contains(&impostor.key), "{why}");
    there.wait_for("refused this host's key");
    let metrics = a.ask("GET", "/metrics", "").1;
    assert!(!metrics.contains("failures_total{reason=\"key\"} 0"), "{metrics}");
    drop(a);

    // The right keys in different clusters.
    let a = pair.a.start(&impostor, &[]);
    await_that("a refusal", || peer_of(&a), |peer| peer["why"].to_string().contains("cluster"));
    a.wait_for(&other_cluster);
    a.wait_for("pixeld init --join");
    drop((a, there));

    // A host that was put back to an earlier time, and drew another lineage with that.
    let disk = RealDisk::open(&pair.b.data_dir).expect("a directory");
    let identity = Identity::load(&disk).expect("a file").expect("an identity");
    Identity { lineage: 0x77, ..identity }.store(&disk).expect("stored");
    let (a, there) = (pair.a.start(&pair.b, &[]), pair.b.start(&pair.a, &[]));
    for server in [&a, &there] {
        let told = |peer: &serde_json::Value| peer["why"].to_string().contains("the lineage 00000000000000");
        await_that("a refusal", || peer_of(server), told);
    }
    drop((a, there));

    // A copy of A's own directory, key and all.
    let clone = pair.directory.path().join("clone");
    let copied = std::process::Command::new("cp").arg("-r").arg(&pair.a.data_dir).arg(&clone).status();
    assert!(copied.expect("cp").success());
    let clone = Host { data_dir: clone, key: pair.a.key.clone(), ..pair.b };
    let a = pair.a.start(&clone, &[]);
    let there = clone.start(&pair.a, &[]);
    await_that("a refusal", || peer_of(&a), |peer| peer["why"].to_string().contains("copy of this one"));
    there.wait_for("pixeld init --join");
    assert_eq!(post(&a, 1, 1), (200, "disk".to_owned()), "it goes on alone");
}
