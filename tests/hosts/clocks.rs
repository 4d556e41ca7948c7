//! A host whose clock is wrong for a while, by libfaketime from Debian: nothing of it stays, and nothing of it spreads.

use crate::process;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::skip::skip;
use pixeld::base::ids::NodeId;
use pixeld::base::kinds::Kinds;
use pixeld::base::vector::VersionVector;
use pixeld::log::files::known_peer::KnownPeer;
use pixeld::os::files::RealDisk;
use process::client::{pixel, request};
use process::pair::{Host, Pair, await_connected, await_ready, await_that};
use process::{Server, pixeld};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// The library that shows another wall clock to a process; nothing where it is not installed.
fn library() -> Option<PathBuf> {
    let mut places = ["x86_64", "aarch64"]
        .into_iter()
        .map(|machine| PathBuf::from(format!("/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1")));
    places.find(|place| place.exists())
}

/// The environment of a process whose wall clock is that of the machine with what stands in `file`.
fn faked(library: &Path, file: &Path) -> Vec<(&'static str, String)> {
    let text = |path: &Path| path.to_str().expect("a path").to_owned();
    vec![
        ("LD_PRELOAD", text(library)),
        ("FAKETIME_TIMESTAMP_FILE", text(file)),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

fn pid(server: &Server) -> u64 {
    let health: Value = serde_json::from_str(&server.ask("GET", "/health", "").1).expect("an object");
    health["pid"].as_u64().expect("a number")
}

fn order(server: &Server) -> u16 {
    let body = r#"{"product":"Kite"}"#;
    let head = "POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: k";
    let length = body.len();
    server.connect().send(format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}")).answer().status
}

fn add(server: &Server, name: &str) {
    let (status, body) = server.ask("POST", "/api/products", &format!("{{\"name\":\"{name}\"}}"));
    assert_eq!(status, 201, "{body}");
}

/// What the shop says of the last toy.
fn last_toy(server: &Server) -> String {
    server.ask("GET", "/api/products/last", "").1
}

fn heal_time(directory: &Path, arguments: &[&str]) -> (bool, String) {
    let output =
        pixeld(&["heal-time", "--data-dir"]).arg(directory).args(arguments).output().expect("it runs");
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(told).expect("a text"))
}

fn post(server: &Server, x: i32) -> u16 {
    let usual = request("POST", "/pixel", "application/json", pixel(x, 1, 'R', 1));
    let text = String::from_utf8(usual).expect("a text");
    server.connect().send(text.replacen("\r\n", "\r\nDurability: both\r\n", 1)).answer().status
}

/// How far the time of the pixel in column `x` lies ahead of now, seconds, as the journal in `directory` has it.
fn ahead_s(directory: &Path, x: i32) -> i64 {
    let output = pixeld(&["inspect", "--dump"]).arg(directory).output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("a text");
    let what = format!("pixel x={x} ");
    let line =
        text.lines().find(|line| line.contains(&what)).unwrap_or_else(|| panic!("no {what} in {text}"));
    let time_us: i64 = line.split(' ').nth(3).and_then(|word| word.parse().ok()).expect("a time");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs().cast_signed();
    time_us / 1_000_000 - now
}

/// Ends the process that a hand-over left behind, which is no child of ours.
struct Last(u64);

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.0).ok().and_then(Pid::from_raw) {
            // It may have ended already.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

#[test]
fn a_clock_that_was_ahead_on_one_host_leaves_nothing_behind() {
    let Some(library) = library() else { return skip("apt install libfaketime") };
    let pair = Pair::found();
    let clock = pair.directory.path().join("clock");
    std::fs::write(&clock, "+400d").expect("written");
    let (listen, dial) = (pair.a.peer_listen.to_string(), pair.b.peer_listen.to_string());
    let apps = ["--apps", "pixel,toys", "--toys-order-ms", "1500", "--toys-db-ms", "0"];
    let ours = ["--peer-listen", &listen, "--peer", &dial, "--peer-key", &pair.b.key];
    let environment = faked(&library, &clock);
    let a = Server::start_in(&environment, pair.a.address, &pair.a.data_dir, &[&ours[..], &apps].concat());
    let mut b = pair.b.start(&pair.a, &apps);
    for server in [&a, &b] {
        await_connected(server);
        await_ready(server);
    }

    // Taken at a time 400 days ahead: on either host it takes what an order takes.
    assert_eq!((post(&a, 1), order(&a)), (200, 202));
    add(&a, "Far");
    await_that("the order on the peer", || order(&b), |status| [202, 409].contains(status));
    await_that("its end there", || order(&b), |status| *status == 202);
    await_that("its end here", || order(&a), |status| *status == 202);
    assert_eq!(post(&b, 2), 200);

    // The clock is right again: another process takes over, and times come back.
    let before = pid(&a);
    std::fs::write(&clock, "+0d").expect("written");
    let last = Last(await_that("a new process", || pid(&a), |now| *now != before));
    await_connected(&a);
    assert_eq!((post(&a, 3), post(&b, 4)), (200, 200));
    add(&b, "Near");
    await_that("both toys", || last_toy(&a), |text| text.contains("4 products"));
    assert!(last_toy(&b).contains("(last=Far)"), "it stands where its batch says");
    b.kill();
    drop(last);

    const DAY_S: i64 = 86_400;
    assert!(ahead_s(&pair.b.data_dir, 1) > 399 * DAY_S, "what was logged keeps its time");
    for x in 2..=4 {
        for host in [&pair.a, &pair.b] {
            assert!(ahead_s(&host.data_dir, x).abs() < DAY_S, "x = {x}");
        }
    }

    // What is left of it counts as of now, on both, although only one was told.
    let (is_healed, told) = heal_time(&pair.a.data_dir, &["--dry-run"]);
    assert!(is_healed && told.lines().count() == 1 && told.contains("would count as of"), "{told}");
    let (is_healed, told) = heal_time(&pair.a.data_dir, &["--time", "1700000000"]);
    assert!(is_healed && told.contains("count as of Tue, 14 Nov 2023 22:13:20 GMT"), "{told}");
    let (_, told) = heal_time(&pair.a.data_dir, &[]);
    assert_eq!(told, "no record lies ahead that is not healed\n");
    let (a, b) = pair.start(&apps);
    for server in [&a, &b] {
        await_that("the healed list", || last_toy(server), |text| text.contains("(last=Near)"));
    }
}

/// A kind of records that the peer does not know is not logged, and the host is named.
#[test]
fn no_time_is_healed_while_the_other_host_is_too_old() {
    let directory = tempfile::tempdir().expect("a directory");
    let (host, _) = Host::found(directory.path(), "a", None);
    let disk = RealDisk::open(&host.data_dir).expect("a directory");
    let records = ["--stream", "00000000000000a1/0000000100000b2c", "--seq", "1..9"];
    let with_a_peer = |kinds| {
        let durable = VersionVector::new();
        KnownPeer { node: NodeId(0xB2), kinds, durable }.store(&disk).expect("stored");
        heal_time(&host.data_dir, &records)
    };
    let (is_healed, told) = with_a_peer(Kinds::FIRST);
    assert!(
        !is_healed && told.contains("the host 00000000000000b2 does not know records of the kind 0xe1"),
        "{told}"
    );
    let (is_healed, told) = with_a_peer(pixeld::apps::registry::new_applied().kinds());
    assert!(
        is_healed && told.contains("records 1..9 of 00000000000000a1/0000000100000b2c count as of"),
        "{told}"
    );
}
