//! A host that joins: it answers nothing before it has everything that the first host had, and takes a snapshot where
//! segments are gone. Both are compared by `pixeld inspect`.

use crate::process;

use pixeld::base::vector::VersionVector;
use pixeld::log::files::newcomer;
use pixeld::log::inspect::compare::compare;
use pixeld::os::files::RealDisk;
use process::cable::Cable;
use process::client::{pixel, request};
use process::pair::{Host, Pair, await_connected, await_ready, await_same, await_that, peer_of};
use process::{Server, pixeld};
use rustix::process::Signal;

/// Bytes by which the newcomer gets further from one kill to the next; all that it is told is some 800 kB.
const BETWEEN_KILLS: u64 = 48 << 10;

fn post(server: &Server, count: i32, y: i32) {
    let mut client = server.connect();
    for x in 0..count {
        let answer = client.send(request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1))).answer();
        assert_eq!(answer.status, 200);
    }
}

/// What /health says of joining; nothing once it is over.
fn joining_of(server: &Server) -> serde_json::Value {
    let health: serde_json::Value =
        serde_json::from_str(&server.ask("GET", "/health", "").1).expect("an object");
    health["joining"].clone()
}

fn vector_of(host: &Host) -> VersionVector {
    let disk = RealDisk::open(&host.data_dir).expect("a directory");
    let compared = compare([&disk, &disk]).expect("a sound directory");
    compared.sides[0].streams.vector()
}

fn inspect(a: &Host, b: &Host) -> (Option<i32>, serde_json::Value) {
    let dirs = [&a.data_dir, &b.data_dir].map(|dir| dir.to_str().expect("a path").to_owned());
    let output = pixeld(&["inspect", &dirs[0], &dirs[1], "--json"]).output().expect("it runs");
    let told = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), told)
}

#[test]
fn a_newcomer_takes_a_snapshot_where_segments_are_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let (a, cluster) = Host::found(directory.path(), "a", None);
    let server = a.start_alone(&[]);
    let mut client = server.connect();
    let body = format!("{}\n", pixel(1, 2, 'R', 3)).repeat(250_000);
    for _ in 0..3 {
        let answer = client.send(request("POST", "/pixels", "application/x-ndjson", &body)).answer();
        assert!((200..300).contains(&answer.status), "{}", answer.status);
    }
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    post(&server, 100, 1);
    let first = a.data_dir.join("0000000001.seg");
    await_that("the first segment is removed", || first.exists(), |is_there| !is_there);
    post(&server, 100, 2);
    drop(server);

    let (b, _) = Host::found(directory.path(), "b", Some(&cluster));
    // Clients that try again and again find it closed until it has joined, and take nothing away from that.
    let mut other = b.start(&a, &[]);
    let mut client = other.connect();
    let mut refused = 0;
    assert_eq!(other.ask("GET", "/pixels/count", "").0, 503);
    let mut try_to_post = || {
        let answer = client.send(request("POST", "/pixel", "application/json", pixel(0, 3, 'R', 1))).answer();
        refused += i32::from(answer.status == 503);
        answer.status
    };
    assert_eq!(try_to_post(), 503);
    let mut one = a.start(&b, &[]);
    await_that("the first write that is taken", &mut try_to_post, |status| *status == 200);
    assert!(refused > 0 && !b.data_dir.join("joining").exists() && !b.data_dir.join("newcomer").exists());
    await_same(&one, &other, 201);
    post(&other, 9, 3);
    await_same(&one, &other, 210);
    // It has joined for good: a kill and a start change nothing.
    other.kill();
    drop(other);
    other = b.start(&a, &[]);
    post(&one, 10, 4);
    await_same(&one, &other, 220);
    for server in [&mut one, &mut other] {
        server.signal(Signal::TERM);
        assert!(server.wait().success(), "{}", server.stderr());
    }
    let (code, told) = inspect(&a, &b);
    assert_eq!((code, &told["verdict"]), (Some(0), &"same".into()), "{told:#}");
    let alone = a.start_alone(&[]);
    post(&alone, 1, 5);
    drop(alone);
    let (code, told) = inspect(&a, &b);
    assert_eq!((code, &told["verdict"]), (Some(3), &"behind".into()), "{told:#}");
    assert_eq!(inspect(&a, &Host::found(directory.path(), "c", None).0).0, Some(4), "another cluster");
}

/// Starts `newcomer` behind a cable that lets `bytes` of the first host through, and kills it once they are used up.
/// Returns whether it had joined before.
fn joins_within(bytes: u64, newcomer: &Host, first: &Host) -> bool {
    let cable = Cable::letting_through(first.peer_listen, bytes);
    let mut server = newcomer.start(&first.behind(&cable), &[]);
    let is_ready = || server.ask("GET", "/readyz", "").0 == 200;
    await_that("an end", || (cable.is_pulled(), is_ready()), |(is_pulled, is_ready)| *is_pulled || *is_ready);
    let has_joined = is_ready();
    server.kill();
    has_joined
}

/// Kills after more and more bytes of the first host, until they are enough: a start goes on, or begins anew.
#[test]
fn a_newcomer_that_is_killed_amid_a_snapshot_joins_all_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let (a, cluster) = Host::found(directory.path(), "a", None);
    let one = a.start_alone(&[]);
    let many = format!("{}\n", pixel(1, 2, 'R', 3)).repeat(250_000);
    for _ in 0..2 {
        let upload = request("POST", "/pixels", "application/x-ndjson", &many);
        assert_eq!(one.connect().send(upload).answer().status, 200);
    }
    assert_eq!(one.ask("DELETE", "/pixels", "").0, 200);
    let first = a.data_dir.join("0000000001.seg");
    await_that("the first segment is removed", || first.exists(), |is_there| !is_there);
    // What follows the snapshot is of some length, too.
    let mut own = 0;
    for x in 0..20_i32 {
        let lines: Vec<String> = (0..2_000).map(|y| pixel(x, y, 'G', 3)).collect();
        let upload = request("POST", "/pixels", "application/x-ndjson", lines.join("\n"));
        assert_eq!(one.connect().send(upload).answer().status, 200);
        own += lines.len();
    }
    drop(one);
    let (b, _) = Host::found(directory.path(), "b", Some(&cluster));
    let one = a.start_listening(&b);
    let (mut kills, mut amid) = (0, 0);
    while !joins_within(kills * BETWEEN_KILLS, &b, &a) {
        amid += u32::from(b.data_dir.join("joining").exists());
        kills += 1;
        assert!(kills < 500, "it never joins");
    }
    let other = b.start(&a, &[]);
    println!("{kills} kills, {amid} of them amid the snapshot");
    assert!(amid > 0, "no kill of {kills} came amid the snapshot");
    await_same(&one, &other, own);
    post(&other, 5, 3);
    await_same(&one, &other, own + 5);
    drop((one, other));
    let (code, told) = inspect(&a, &b);
    assert_eq!((code, &told["verdict"]), (Some(0), &"same".into()), "{told:#}");
}

#[test]
fn a_newcomer_takes_no_writes_before_it_has_met_the_first_host() {
    let pair = Pair::found();
    let mut b = pair.b.start(&pair.a, &[]);
    for round in 0..2 {
        let answer =
            b.connect().send(request("POST", "/pixel", "application/json", pixel(round, 1, 'R', 1))).answer();
        assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")), "{}", answer.text());
        assert!(answer.text().contains("joining") && answer.text().contains("nothing was stored"));
        assert_eq!(b.ask("DELETE", "/pixels", "").0, 503);
        let (status, told) = b.ask("GET", "/readyz", "");
        assert!(status == 503 && told.starts_with("joining: "), "{told}");
        for path in ["/livez", "/version", "/metrics", "/health"] {
            assert_eq!(b.ask("GET", path, "").0, 200, "{path}");
        }
        for path in
            ["/pixels", "/pixels/count", "/", "/board/messages", "/state", "/api/products", "/openapi.json"]
        {
            let answer = b.connect().send(request("GET", path, "text/plain", "")).answer();
            let is_known = answer.status != 404;
            assert!(!is_known || answer.status == 503, "{path}: {}", answer.status);
            assert!(!is_known || answer.field("retry-after") == Some("1"), "{path}");
        }
        assert_eq!(joining_of(&b)["has_met"], false);
        let metrics = b.ask("GET", "/metrics", "").1;
        for line in ["pixeld_ready 0", "pixeld_joining 1"] {
            assert!(metrics.lines().any(|found| found == line), "no {line} in {metrics}");
        }
        b.wait_for("look at /health, --peer and --peer-key");
        // A crash makes it no less new.
        b.kill();
        drop(b);
        b = pair.b.start(&pair.a, &[]);
    }
    let a = pair.a.start(&pair.b, &[]);
    await_ready(&b);
    b.wait_for("joined: everything");
    assert!(joining_of(&b).is_null());
    post(&a, 5, 1);
    post(&b, 5, 2);
    await_same(&a, &b, 10);
    drop((a, b));
    // From now on it is a host like the other one.
    let b = pair.b.start(&pair.a, &[]);
    post(&b, 5, 3);
    let a = pair.a.start(&pair.b, &[]);
    await_connected(&b);
    await_same(&a, &b, 15);
}

#[test]
fn a_newcomer_without_anybody_to_join_learns_what_to_do() {
    let pair = Pair::found();
    let told = pair.b.refusal();
    assert!(
        told.contains("does not have everything of the first host yet")
            && told.contains("pixeld forget-peer"),
        "{told}"
    );
    // The first host is lost for good.
    let output = pixeld(&["forget-peer", "--data-dir"]).arg(&pair.b.data_dir).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && told.contains("takes writes by itself"), "{told}");
    assert!(!told.contains("no peer"), "{told}");
    let b = pair.b.start_alone(&[]);
    post(&b, 5, 1);
}

/// Killed after more and more bytes, it never answers with a part, and in the end it has everything.
#[test]
fn a_newcomer_that_is_killed_goes_on_towards_what_the_first_host_had() {
    let pair = Pair::found();
    let a = pair.a.start_listening(&pair.b);
    let body = format!("{}\n", pixel(1, 2, 'R', 3)).repeat(60_000);
    for _ in 0..2 {
        let answer = a.connect().send(request("POST", "/pixels", "application/x-ndjson", &body)).answer();
        assert!((200..300).contains(&answer.status), "{}", answer.status);
    }
    let mut partly = 0;
    for round in 0..10 {
        let cable = Cable::letting_through(pair.a.peer_listen, round * (64 << 10));
        let mut b = pair.b.start(&pair.a.behind(&cable), &[]);
        let ask = || b.ask("GET", "/pixels/count", "");
        let (_, (status, body)) = await_that(
            "an end",
            || (cable.is_pulled(), ask()),
            |(is_pulled, told)| *is_pulled || told.0 == 200,
        );
        assert!(status == 503 || body == "{\"total\":120000}", "{status}: {body}");
        partly += i32::from(status == 503);
        b.kill();
    }
    println!("{partly} of 10 starts were killed before it had joined");
    assert!(partly > 0);
    let b = pair.b.start(&pair.a, &[]);
    await_ready(&b);
    await_same(&a, &b, 120_000);
    drop((a, b));
    // It has been ready once, so it is at every start.
    let b = pair.b.start(&pair.a, &[]);
    assert_eq!(b.ask("GET", "/readyz", "").0, 200);
    post(&b, 1, 1);
}

#[test]
fn a_newcomer_whose_first_host_is_lost_half_way_waits_until_it_is_forgotten() {
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    post(&a, 10, 1);
    await_same(&a, &b, 10);
    drop((a, b));
    // As it was left when five more records were on their way.
    let mut goal = vector_of(&pair.b);
    let (origin, seq) = goal.iter().last().expect("the records");
    goal.raise(origin, seq + 5);
    let disk = RealDisk::open(&pair.b.data_dir).expect("a directory");
    newcomer::aim(&disk, &goal).expect("a mark");
    for _ in 0..2 {
        let b = pair.b.start(&pair.a, &[]);
        assert_eq!((b.ask("GET", "/pixels/count", "").0, b.ask("GET", "/readyz", "").0), (503, 503));
        let told = joining_of(&b);
        assert_eq!((&told["has_met"], &told["lag_records"]), (&true.into(), &5.into()), "{told}");
    }
    let told = pair.b.refusal();
    assert!(told.contains("pixeld forget-peer"), "{told}");
    let output = pixeld(&["forget-peer", "--data-dir"]).arg(&pair.b.data_dir).output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let missing = format!("missing: records {} to {} of the stream", seq + 1, seq + 5);
    assert!(output.status.success() && told.contains(&missing), "{told}");
    let b = pair.b.start_alone(&[]);
    assert_eq!(b.ask("GET", "/pixels/count", "").1, "{\"total\":10}");
    post(&b, 5, 1);
}

#[test]
fn two_newcomers_say_that_neither_has_anything() {
    let pair = Pair::found();
    let (c, _) = Host::found(pair.directory.path(), "c", Some(&pair.cluster));
    let (b, c) = (pair.b.start(&c, &[]), c.start(&pair.b, &[]));
    let is_reported =
        |peer: &serde_json::Value| peer["why"].to_string().contains("were both made by `pixeld init --join`");
    for server in [&b, &c] {
        await_that("the reason", || peer_of(server), is_reported);
        assert_eq!(server.ask("GET", "/pixels/count", "").0, 503);
    }
}
