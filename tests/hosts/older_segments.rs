//! A journal that is damaged before its newest snapshot: the state needs nothing from there, the list does.

use crate::process;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

use pixeld::log::snapshot::SnapshotFile;
use process::client::{pixel, plain, request};
use process::pair::{
    Host, Pair, await_connected, await_ready, await_same, await_that, count, peer_of, pixels,
};
use process::{Server, free_address};
use rustix::process::Signal;

const SEGMENT_BYTES: u64 = 4 << 20;
const SECOND: &str = "0000000002.seg";

fn post(server: &Server, count: usize, y: i32) {
    let body = format!("{}\n", pixel(7, y, 'R', 3)).repeat(count);
    let answer = server.connect().send(request("POST", "/pixels", "application/x-ndjson", body)).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn stop(mut server: Server) {
    server.signal(Signal::TERM);
    assert!(server.wait().success(), "{}", server.stderr());
}

fn newest_snapshot(directory: &Path) -> u64 {
    let names = std::fs::read_dir(directory).expect("a directory");
    let names = names.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    names.filter_map(|name| SnapshotFile::of(&name)).map(|file| file.position.0).max().unwrap_or(0)
}

/// Two hosts with the same: a first segment that is gone, a second one in which only the list is interested, and in the
/// third one a snapshot and some more. `listed` pixels are there.
fn with_a_snapshot_behind_a_listed_segment(a: &Server, pair: &Pair, listed: usize) {
    post(a, 225_000, 1);
    post(a, 225_000, 2);
    // The oldest segment stays, and no snapshot is due, as long as somebody reads there.
    let mut reader = a.connect();
    reader.send(plain("GET", "/pixels"));
    reader.take(1_000);
    assert_eq!(a.ask("DELETE", "/pixels", "").0, 200);
    post(a, listed / 2, 3);
    post(a, listed - listed / 2, 4);
    assert_eq!(newest_snapshot(&pair.a.data_dir), 0);
    drop(reader);
    for host in [&pair.a, &pair.b] {
        let first = host.data_dir.join("0000000001.seg");
        await_that("the first segment goes", || first.exists(), |is_there| !is_there);
    }
    assert!(newest_snapshot(&pair.a.data_dir) > 3 * SEGMENT_BYTES, "the second segment lies before it");
}

/// Flips a bit of the second segment.
fn damage(host: &Host, at: u64) {
    let path = host.data_dir.join(SECOND);
    let file = OpenOptions::new().read(true).write(true).open(path).expect("a segment");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 0x10], at).expect("written");
}

#[test]
fn damage_before_the_snapshot_costs_the_list_and_the_other_host_has_it_all() {
    const LISTED: usize = 400_000;
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    with_a_snapshot_behind_a_listed_segment(&a, &pair, LISTED);
    let before = await_same(&a, &b, LISTED);
    stop(a);
    damage(&pair.a, 20);
    let told = pair.a.refusal();
    for sentence in ["acknowledged data is damaged", SECOND, "missing:", "--accept-loss"] {
        assert!(told.contains(sentence), "{sentence}: {told}");
    }

    // Accepted: the state is whole, the list is not, and the link goes on with what is new.
    let a = pair.a.start(&pair.b, &["--accept-loss"]);
    a.wait_for("acknowledged data before the snapshot is lost");
    assert!(
        !pair.a.data_dir.join(SECOND).exists() && pair.a.data_dir.join(format!("{SECOND}.lost")).exists()
    );
    assert!(count(&a) < LISTED as u64, "the count is that of the rows there are");
    await_connected(&a);
    post(&a, 10, 5);
    await_that("what is new", || count(&b), |count| *count == LISTED as u64 + 10);
    let listed = pixels(&a).len();
    assert!((10..LISTED).contains(&listed) && count(&a) == listed as u64, "{listed}");
    assert_eq!(peer_of(&a)["state"], "connected", "this is nothing that the link could mend");

    // The way back to two whole hosts.
    stop(a);
    std::fs::rename(&pair.a.data_dir, pair.directory.path().join("aside")).expect("moved");
    let (anew, _) = Host::found(pair.directory.path(), "anew", Some(&pair.cluster));
    let anew = Host { peer_listen: free_address(), ..anew };
    stop(b);
    let (b, a) = (pair.b.start(&anew, &[]), anew.start(&pair.b, &[]));
    await_ready(&a);
    let after = await_same(&a, &b, LISTED + 10);
    assert!(before.iter().zip(&after).all(|(one, other)| one == other));
}

/// A start does not read what stands behind a segment's header before the snapshot: whoever needs it later is told.
#[test]
fn damage_that_no_start_looks_for_is_named_and_never_passed_on() {
    const LISTED: usize = 400_000;
    const AT: u64 = SEGMENT_BYTES / 2;
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    with_a_snapshot_behind_a_listed_segment(&a, &pair, LISTED);
    await_same(&a, &b, LISTED);
    stop(a);
    stop(b);
    damage(&pair.a, AT);

    // It starts, takes writes, and says what is the matter as soon as somebody lists the pixels.
    let (anew, _) = Host::found(pair.directory.path(), "anew", Some(&pair.cluster));
    let anew = Host { peer_listen: free_address(), ..anew };
    let a = pair.a.start(&anew, &[]);
    assert_eq!(count(&a), LISTED as u64);
    let mut client = a.connect();
    let list = client.send("GET /pixels HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n").rest();
    assert!(list.starts_with(b"HTTP/1.1 200 ") && !list.ends_with(b"0\r\n\r\n"), "a list that was cut off");
    a.wait_for("the list of pixels can't be read");
    for words in [SECOND, "at offset", "pixeld init --join", "--accept-loss"] {
        assert!(a.stderr().contains(words), "{words}: {}", a.stderr());
    }
    post(&a, 10, 5);

    // A host that needs that segment gets what stands before the damage, nothing behind it, and the reason.
    let b = anew.start(&pair.a, &[]);
    let is_named = |peer: &serde_json::Value| {
        let why = peer["why"].to_string();
        why.contains(SECOND) && why.contains("--accept-loss")
    };
    await_that("the reason here", || peer_of(&a), is_named);
    await_that("the reason there", || peer_of(&b), is_named);
    assert_eq!((b.ask("GET", "/readyz", "").0, a.ask("GET", "/readyz", "").0), (503, 200));

    // The way out, should no other host have it: without the damaged segment.
    stop(a);
    stop(b);
    let a = pair.a.start(&anew, &["--accept-loss"]);
    a.wait_for("acknowledged data before the snapshot is lost");
    assert!(pair.a.data_dir.join(format!("{SECOND}.lost")).exists());
    let b = anew.start(&pair.a, &[]);
    await_ready(&b);
    let listed = pixels(&a);
    assert!((10..LISTED).contains(&listed.len()), "{}", listed.len());
    assert_eq!(count(&a), listed.len() as u64, "the count is that of the rows there are");
    await_that("the state", || count(&b), |count| *count == listed.len() as u64);
    await_that("the list", || pixels(&b) == listed, |is_same| *is_same);
}

/// The oldest segment of the list is gone, and nothing else: no header tells, but the state knows where its list begins.
#[test]
fn a_listed_segment_that_is_gone_is_missed() {
    const LISTED: usize = 400_000;
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    with_a_snapshot_behind_a_listed_segment(&a, &pair, LISTED);
    await_same(&a, &b, LISTED);
    stop(a);
    stop(b);
    let inspect = || {
        let output = process::pixeld(&["inspect"]).arg(&pair.a.data_dir).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(inspect().0, Some(0), "{}", inspect().1);
    std::fs::remove_file(pair.a.data_dir.join(SECOND)).expect("removed");
    let told = pair.a.refusal();
    assert!(told.contains(SECOND) && told.contains("missing"), "{told}");
    let (code, why) = inspect();
    assert!(code == Some(1) && why.contains(SECOND), "{why}");

    let a = pair.a.start(&pair.b, &["--accept-loss"]);
    let listed = pixels(&a).len();
    assert!((1..LISTED).contains(&listed), "{listed}");
    assert_eq!(count(&a), listed as u64, "the total is the number of rows");
    stop(a);
    let a = pair.a.start(&pair.b, &[]);
    assert_eq!(count(&a), listed as u64, "no second acceptance is needed");
    stop(a);
    assert_eq!(inspect().0, Some(0), "{}", inspect().1);
}
