//! What an operator does about a second host: forget it, try two on one machine without keys, mend a damaged journal.

use crate::process;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Output;

use process::client::{pixel, plain, post_pixel, request};
use process::pair::{
    Host, Pair, await_away, await_connected, await_ready, await_same, await_that, init, peer_of,
};
use process::{Server, free_address, pixeld};
use rustix::process::Signal;

fn forget(data_dir: &Path) -> Output {
    pixeld(&["forget-peer", "--data-dir"]).arg(data_dir).output().expect("it runs")
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn post(server: &Server, count: i32, y: i32) {
    let mut client = server.connect();
    for x in 0..count {
        assert_eq!(client.send(post_pixel(x, y, 'R', 1)).answer().status, 200);
    }
}

#[test]
fn forgetting_is_refused_where_there_is_nothing_to_forget_or_a_server_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let (code, told) = said(&forget(&directory.path().join("none")));
    assert!(code == Some(1) && told.contains("is not a data directory"), "{told}");
    let (code, told) = said(&forget(directory.path()));
    assert!(code == Some(1) && told.contains("is not a data directory"), "{told}");
    let (host, _) = Host::found(directory.path(), "a", None);
    assert_eq!(said(&forget(&host.data_dir)), (Some(0), "no peer was known\n".to_owned()));
    let server = host.start_alone(&[]);
    let (code, told) = said(&forget(&host.data_dir));
    assert!(code == Some(1) && told.contains("in use"), "{told}");
    drop(server);
    assert_eq!(forget(&host.data_dir).status.code(), Some(0));
}

/// Segments wait for a second host that is away, and go once it is forgotten.
#[test]
fn what_is_kept_for_a_second_host_goes_when_that_is_forgotten() {
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    post(&a, 10, 1);
    await_same(&a, &b, 10);
    drop(b);
    await_away(&a);
    let body = format!("{}\n", pixel(1, 2, 'R', 3)).repeat(250_000);
    for _ in 0..3 {
        let answer = a.connect().send(request("POST", "/pixels", "application/x-ndjson", &body)).answer();
        assert!((200..300).contains(&answer.status), "{}", answer.status);
    }
    assert_eq!(a.connect().send(plain("DELETE", "/pixels")).answer().status, 200);
    let first = pair.a.data_dir.join("0000000001.seg");
    // Several looks of the one who would remove it.
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert!(first.exists(), "the peer lacks what is in it");
    drop(a);
    let alone = pair.a.start_alone(&[]);
    alone.wait_for("`pixeld forget-peer` releases them");
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert!(first.exists(), "nor without being told of it");
    drop(alone);

    let path = pair.b.data_dir.to_str().expect("a path");
    let node = init(&["--show", "--data-dir", path]).expect("an identity")["node_id"].clone();
    let node = node.as_str().expect("a text");
    let told = format!("forgot the peer with the data directory {node}\n");
    assert_eq!(said(&forget(&pair.a.data_dir)), (Some(0), told));
    assert_eq!(said(&forget(&pair.a.data_dir)), (Some(0), "no peer was known\n".to_owned()));
    let alone = pair.a.start_alone(&[]);
    await_that("the first segment goes", || first.exists(), |is_there| !is_there);
    post(&alone, 1, 1);
}

/// Starts a server that has to refuse; gives what it says.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = pixeld(&["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    said(&command.arg(directory.path()).args(arguments).output().expect("it runs"))
}

#[test]
fn without_keys_two_hosts_stay_on_one_machine() {
    for (arguments, sentence) in [
        (&["--insecure-peer", "--peer", "192.0.2.1:9000"][..], "no address of this machine alone"),
        (&["--insecure-peer", "--peer-listen", "0.0.0.0:0"], "no address of this machine alone"),
        (
            &["--insecure-peer", "--peer-listen", "127.0.0.1:0", "--peer", "[2001:db8::1]:9000"],
            "no address of this",
        ),
        (&["--insecure-peer"], "without peer or peer_listen"),
        (&["--peer", "127.0.0.1:9"], "pixeld init --show key"),
    ] {
        let (code, told) = refused(arguments);
        assert!(code == Some(2) && told.contains(sentence), "{arguments:?}: {code:?} {told}");
    }
    let pair = Pair::found();
    let start = |host: &Host, other: &Host| {
        let (listen, dial) = (host.peer_listen.to_string(), other.peer_listen.to_string());
        let ours = ["--peer-listen", &listen, "--peer", &dial, "--insecure-peer"];
        Server::start(host.address, &host.data_dir, &ours)
    };
    let (a, b) = (start(&pair.a, &pair.b), start(&pair.b, &pair.a));
    a.wait_for("no keys, no encryption");
    await_connected(&b);
    await_ready(&b);
    post(&a, 10, 1);
    post(&b, 10, 2);
    await_same(&a, &b, 20);
    drop(b);

    // One with keys and one without don't talk, and say so.
    let b = pair.b.start(&pair.a, &[]);
    let why =
        await_that("a reason", || peer_of(&b), |peer| peer["why"].to_string().contains("--insecure-peer"));
    assert_eq!(why["state"], "away");
    let why = await_that(
        "a reason",
        || peer_of(&a),
        |peer| peer["why"].to_string().contains("expects TLS: start this host with --peer-key"),
    );
    assert_eq!(why["state"], "away");
    post(&b, 1, 3);
}

/// Flips a bit of the journal in the middle of what is written to its first segment.
fn damage(host: &Host) {
    let output = pixeld(&["inspect"]).arg(&host.data_dir).output().expect("it runs");
    let told = String::from_utf8(output.stdout).expect("a text");
    let end = told.split_once("ends at ").expect("an end").1.lines().next().expect("a line");
    let end: u64 = end.parse().expect("a position");
    let segment_bytes = 4 << 20;
    assert!(end < 2 * segment_bytes, "it is all in the first segment");
    let path = host.data_dir.join("0000000001.seg");
    let file = OpenOptions::new().read(true).write(true).open(path).expect("a segment");
    let at = (end % segment_bytes) / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("read");
    file.write_all_at(&[byte[0] ^ 0x10], at).expect("written");
}

/// Damage is refused, in words; accepted, all that the other host has comes back from it.
#[test]
fn a_damaged_journal_is_filled_up_from_the_other_host() {
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    for y in 0..4 {
        post(&a, 100, y);
        post(&b, 100, y + 10);
    }
    let before = await_same(&a, &b, 800);
    await_that("an even state", || peer_of(&b), |peer| peer["lag_records"] == 0);
    for mut server in [a, b] {
        server.signal(Signal::TERM);
        assert!(server.wait().success(), "{}", server.stderr());
    }
    damage(&pair.b);
    let mut command = pixeld(&["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    let (_, told) = said(&command.arg(&pair.b.data_dir).output().expect("it runs"));
    for sentence in ["acknowledged data is damaged", "missing:", "--accept-loss"] {
        assert!(told.contains(sentence), "{sentence}: {told}");
    }
    let (a, mut b) = (pair.a.start(&pair.b, &[]), pair.b.start(&pair.a, &["--accept-loss"]));
    b.wait_for("as --accept-loss allows");
    let after = await_same(&a, &b, 800);
    assert!(before == after);
    // For good, and without the flag.
    b.kill();
    drop(b);
    let b = pair.b.start(&pair.a, &[]);
    post(&b, 5, 20);
    await_same(&a, &b, 805);
    await_that("an even state", || peer_of(&b), |peer| peer["lag_records"] == 0);
    for mut server in [a, b] {
        server.signal(Signal::TERM);
        assert!(server.wait().success(), "{}", server.stderr());
    }
    assert_eq!(pair.a.hashes(), pair.b.hashes(), "the copies are exact again");
}

/// Where a snapshot hides the damage's range, or nothing can be started from, the host is made anew and takes all.
#[test]
fn a_host_that_can_t_be_mended_is_made_anew() {
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    post(&a, 100, 1);
    post(&b, 100, 2);
    let before = await_same(&a, &b, 200);
    drop((a, b));
    std::fs::remove_file(pair.b.data_dir.join("0000000001.seg")).expect("a segment");
    let mut command = pixeld(&["serve", "--listen", "127.0.0.1:0", "--accept-loss", "--data-dir"]);
    let (code, told) = said(&command.arg(&pair.b.data_dir).output().expect("it runs"));
    assert!(code != Some(0) && told.contains("nothing to start from"), "{told}");
    std::fs::rename(&pair.b.data_dir, pair.directory.path().join("aside")).expect("moved");
    let (anew, _) = Host::found(pair.directory.path(), "anew", Some(&pair.cluster));
    let b = Host { peer_listen: free_address(), ..anew };
    let (a, b) = (pair.a.start(&b, &[]), b.start(&pair.a, &[]));
    assert!(await_same(&a, &b, 200) == before);
}
