//! The backup of docs/operations.md: a copy taken beside a loaded server, and a server started on it.

use crate::{board, process};

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use process::client::{Client, plain, post_pixel};
use process::pair::{await_that, pixels};
use process::{ANY_PORT, Server, pixeld};
use serde_json::Value;

/// What the writers have done so far.
#[derive(Default)]
struct Done {
    pixels: AtomicU32,
    messages: AtomicU32,
    deleted: Mutex<HashSet<u64>>,
    stop: AtomicBool,
}

impl Done {
    /// Stops the writers, however the test ends.
    fn stops_at_the_end(&self) -> impl Drop {
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        Stop(&self.stop)
    }
}

/// Pixels (0, 0), (1, 0), ... one after the other.
fn write_pixels(client: &mut Client, done: &Done) {
    while !done.stop.load(Ordering::Relaxed) {
        let next = done.pixels.load(Ordering::Relaxed);
        let x = i32::try_from(next).expect("few");
        assert_eq!(client.send(post_pixel(x, 0, 'R', 7)).answer().status, 200);
        done.pixels.store(next + 1, Ordering::Release);
    }
}

/// Messages 1, 2, 3..., each with a picture of its own, and every third one deletes the one before it.
fn write_messages(client: &mut Client, done: &Done) {
    while !done.stop.load(Ordering::Relaxed) {
        let id = done.messages.load(Ordering::Relaxed) + 1;
        let picture = board::large(id, 4096);
        assert_eq!(board::post(client, "hello", "a.png", &picture).status, 200);
        if id.is_multiple_of(3) {
            // Noted before it is done: a copy may miss the picture from now on.
            done.deleted.lock().expect("no panic").insert(u64::from(id - 1));
            assert_eq!(client.send(plain("DELETE", &format!("/messages/{}", id - 1))).answer().status, 204);
        }
        done.messages.store(id, Ordering::Release);
    }
}

/// The two commands of docs/operations.md. The first one may find an upload that was under way gone.
fn copy(from: &Path, to: &Path) {
    let cp = |options: &[&str], from: &Path, to: &Path| {
        let output = Command::new("cp").args(options).args([from, to]).output().expect("cp");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let complaints = cp(&["-a", "--reflink=auto"], from, to);
    assert!(complaints.lines().all(|line| line.contains("blobs/new-")), "{complaints}");
    let complaints = cp(&["-a", "-u", "--reflink=auto"], &from.join("blobs"), to);
    assert!(complaints.lines().all(|line| line.contains("blobs/new-")), "{complaints}");
}

/// All messages: their numbers and the paths of their pictures.
fn messages(client: &mut Client) -> Vec<(u64, String)> {
    let (mut all, mut before) = (Vec::new(), String::new());
    loop {
        let page = client.send(plain("GET", &format!("/messages?limit=100{before}"))).answer().json();
        let page = page["messages"].as_array().expect("messages");
        if page.is_empty() {
            return all;
        }
        let one = |message: &Value| {
            let url = message["image_url"].as_str().expect("an address");
            let at = url.find("/media/").expect("a path");
            (message["id"].as_u64().expect("a number"), url[at..].to_owned())
        };
        all.extend(page.iter().map(one));
        before = format!("&before={}", all.last().expect("some").0);
    }
}

#[test]
fn a_copy_beside_a_loaded_server_starts_and_has_what_was_acknowledged() {
    let home = tempfile::tempdir().expect("a directory");
    let original = home.path().join("pixeld");
    let server = Server::start(ANY_PORT, &original, &[]);
    let done = Done::default();
    thread::scope(|scope| {
        let _stop = done.stops_at_the_end();
        scope.spawn(|| write_pixels(&mut server.connect(), &done));
        scope.spawn(|| write_messages(&mut server.connect(), &done));
        let progress = || (done.pixels.load(Ordering::Acquire), done.messages.load(Ordering::Acquire));
        for round in 1..=3 {
            let due = round * 60;
            await_that("some load", progress, |done| done.0 > due && done.1 > due / 4);
            let (shorts_before, messages_before) = progress();
            let backup = home.path().join(format!("backup-{round}"));
            let (mut inspected, mut copies) = (None, 0);
            // As the documents say: a copy may list a picture that was deleted while it was made, and is taken again.
            while inspected.as_ref().is_none_or(|output: &Output| !output.status.success()) {
                copies += 1;
                let told = inspected.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
                assert!(copies <= 20, "no copy of {copies} is sound: {told:?}");
                let _ = std::fs::remove_dir_all(&backup);
                copy(&original, &backup);
                inspected = Some(pixeld(&["inspect"]).arg(&backup).output().expect("a process"));
            }

            let restored = Server::start(ANY_PORT, &backup, &[]);
            let kept: HashSet<String> = pixels(&restored).into_iter().collect();
            assert!(kept.len() >= shorts_before as usize, "{} of {shorts_before} pixels", kept.len());
            let mut client = restored.connect();
            let listed = messages(&mut client);
            let numbers: HashSet<u64> = listed.iter().map(|(id, _)| *id).collect();
            // What was deleted while the copy was made may be listed, and its picture be gone.
            let deleted = done.deleted.lock().expect("no panic").clone();
            for id in (1..=u64::from(messages_before)).filter(|id| !deleted.contains(id)) {
                assert!(numbers.contains(&id), "message {id} of {messages_before} is not in the copy");
            }
            for (id, path) in &listed {
                let answer = client.send(plain("GET", path)).answer();
                let is_there = answer.status == 200 && answer.body.len() >= 4096;
                assert!(is_there || deleted.contains(id), "the picture of {id}: {}", answer.status);
            }
        }
    });
}

const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// `cp` on a slow disk: file by file, the oldest first, and after some files it says so and waits until it may go on. Only the
/// first time; and like `cp` it passes over what is gone.
const SLOW_CP: &str = r#"#!/bin/bash
home=$(dirname "$0")
if [ -e "$home/slow" ] || [[ $* != *-a\ --reflink* ]]; then exec /bin/cp "$@"; fi
touch "$home/slow"
from=${*: -2:1} to=${*: -1}
mkdir -p "$to"
for name in identity lock peer.key; do /bin/cp -a "$from/$name" "$to"; done
touch "$home/copying"
while [ ! -e "$home/go-on" ]; do sleep 0.01; done
/bin/cp -a "$from"/*.seg "$from/blobs" "$to"
exit 1
"#;

/// The loop of the documents, with paths of this test and without `sudo`.
fn backup_loop(from: &Path, to: &Path) -> Vec<String> {
    let start = OPERATIONS.find("$ until sudo").expect("the loop");
    let lines = OPERATIONS[start..].lines().take_while(|line| line.starts_with("$ "));
    let path = |path: &Path| path.to_str().expect("a path").to_owned();
    let told = |line: &str| {
        let line = line.trim_start_matches("$ ").replace("sudo ", "").replace("sleep 60", "sleep 0.1");
        line.replace("/var/lib/pixeld", &path(from)).replace("/backup", &path(to))
    };
    lines.map(told).collect()
}

/// While the first copy stands still, the list is cleared and the segments that it lacks are removed: that copy has segments
/// and no snapshot, `inspect` refuses it, and the loop takes another one.
#[test]
fn the_loop_of_the_documents_goes_on_until_a_start_takes_the_copy() {
    let home = tempfile::tempdir().expect("a directory");
    let (original, backups, bin) =
        (home.path().join("pixeld"), home.path().join("backups"), home.path().join("bin"));
    for directory in [&backups, &bin] {
        std::fs::create_dir(directory).expect("made");
    }
    std::fs::write(bin.join("cp"), SLOW_CP).expect("written");
    let program = pixeld(&[]).get_program().to_owned();
    std::os::unix::fs::symlink(program, bin.join("pixeld")).expect("linked");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(bin.join("cp"), mode).expect("executable");

    let server = Server::start(ANY_PORT, &original, &[]);
    assert_eq!(board::post(&mut server.connect(), "hello", "a.png", &board::png(1)).status, 200);
    let commands = backup_loop(&original, &backups);
    assert_eq!(commands.len(), 2, "{commands:?}");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    let mut shell = Command::new("bash");
    shell.args(["-c", &commands.join("\n")]).env("PATH", path);
    let looping = shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn();
    let looping = looping.expect("a shell");
    await_that("a copy that waits", || bin.join("copying").exists(), |is_there| *is_there);

    let many = [0x12, 7, 1, 0, 0, 0, 2, 0, 0, 0].repeat(450_000);
    let upload = process::client::request("POST", "/pixels", "application/vnd.pixeld", &many);
    assert_eq!(server.connect().send(upload).answer().status, 200);
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    let first = original.join("0000000001.seg");
    await_that("the first segment goes", || first.exists(), |is_there| !is_there);
    assert_eq!(server.connect().send(post_pixel(1, 2, 'R', 3)).answer().status, 200);
    std::fs::write(bin.join("go-on"), "").expect("written");

    let output = looping.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("nothing to start from"), "the first copy was no good, and it was told: {told}");
    let restored = Server::start(ANY_PORT, &backups.join("pixeld-2026-11-21"), &[]);
    assert_eq!(restored.ask("GET", "/pixels/count", "").1, r#"{"total":1}"#);
    let listed = messages(&mut restored.connect());
    assert_eq!(listed.len(), 1);
    assert_eq!(restored.connect().send(plain("GET", &listed[0].1)).answer().body, board::png(1));
}
