//! A disk that takes its time, and one that needs room to be overwritten: what waits for it, and what must not.

use crate::process;

use std::process::Command;
use std::time::{Duration, Instant};

use process::client::post_pixels;
use process::small_disk::{Kind, SmallDisk};
use process::{ANY_PORT, PATIENCE, Server};
use rustix::process::Signal;

const PIXEL: &str = r#"{"x":1,"y":2,"channel":"R","value":3}"#;
/// Pixels of one upload, a megabyte in the journal.
const MANY: u64 = 100_000;

/// Uploads a megabyte of pixels; gives the status.
fn upload(server: &Server) -> u16 {
    server.connect().send(post_pixels(MANY as u32)).answer().status
}

fn count(server: &Server) -> String {
    server.ask("GET", "/pixels/count", "").1
}

/// The value of a series without labels.
fn value(server: &Server, name: &str) -> f64 {
    let metrics = server.ask("GET", "/metrics", "").1;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {metrics}"))
}

fn await_that(what: &str, server: &Server, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what} did not come: {}", server.stderr());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn in_memory_a_sync_that_does_not_end_keeps_nothing_from_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let arguments = ["--durability", "memory"];
    let mut server = Server::start(ANY_PORT, directory.path(), &arguments);
    assert_eq!(upload(&server), 200);
    let Some(hold) = server.hold("sync") else { return };
    // Over several segments of 4 MiB, none of which is durable.
    for _ in 0..11 {
        assert_eq!(upload(&server), 200);
    }
    await_that("the file", &server, || value(&server, "pixeld_journal_unwritten_seconds") == 0.0);
    assert!(directory.path().join("0000000003.seg").exists());
    server.signal(Signal::KILL);
    drop(hold);
    server.wait();
    let server = Server::start(ANY_PORT, directory.path(), &arguments);
    assert_eq!(count(&server), format!(r#"{{"total":{}}}"#, 12 * MANY));
}

#[test]
fn in_memory_what_is_in_no_file_yet_is_shown() {
    let server = Server::fresh(&["--durability", "memory"]);
    assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 200);
    let name = "pixeld_journal_unwritten_seconds";
    await_that("the file", &server, || value(&server, name) == 0.0);
    let Some(hold) = server.hold("disk") else { return };
    assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 200);
    let first = value(&server, name);
    await_that("an older record", &server, || value(&server, name) > first);
    drop(hold);
    await_that("the file", &server, || value(&server, name) == 0.0);
}

#[test]
fn the_next_segment_does_not_wait_for_a_snapshot() {
    let server = Server::fresh(&[]);
    for _ in 0..5 {
        assert_eq!(upload(&server), 200);
    }
    let Some(hold) = server.hold("fold") else { return };
    // What it lists is in no segment any more, so a snapshot is due.
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..20 {
        assert_eq!(upload(&server), 200, "{}", server.stderr());
    }
    assert!(value(&server, "pixeld_journal_segments") >= 6.0);
    drop(hold);
    server.wait_for("removed segments");
}

/// Overwriting a segment needs room here: on btrfs, and on xfs once a backup shares its blocks. Nothing ends, nothing that
/// was acknowledged is lost, and with room again it goes on.
fn overwrites_without_room(kind: Kind) {
    let Some(disk) = SmallDisk::of(kind) else { return };
    let data = disk.data();
    // Without a reserve, writes meet the full disk where it is hardest.
    let settings = ["--segment-size", "4MiB", "--disk-reserve", "0", "--durability-timeout", "100ms"];
    let mut server = Server::start(ANY_PORT, &data, &settings);
    let mut taken: u64 = 0;
    for _ in 0..20 {
        assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 200);
        taken += 1;
    }
    await_that("the second segment", &server, || data.join("0000000002.seg").exists());
    let volume = data.parent().expect("a volume");
    let shared = match kind {
        // Segments there ask not to be copied on writing, which a snapshot of the volume overrules once.
        Kind::Btrfs => Command::new("btrfs")
            .args(["-q", "subvolume", "snapshot", "-r"])
            .args([volume, &volume.join("snapshot")])
            .status(),
        _ => Command::new("cp").args(["-a", "--reflink=always"]).args([&data, &volume.join("copy")]).status(),
    };
    assert!(shared.expect("it runs").success(), "a copy that shares its blocks");
    disk.fill();
    let (mut unsure, mut refused, mut late) = (0, 0, 0);
    for _ in 0..12 {
        // A part of one that is refused may have been stored before.
        match upload(&server) {
            200 => taken += MANY,
            status @ (504 | 507) => {
                unsure += MANY;
                refused += u64::from(status == 507);
                late += u64::from(status == 504);
            }
            status => panic!("{status}: {}", server.stderr()),
        }
        assert_eq!(server.ask("GET", "/pixels/count", "").0, 200, "reads go on");
    }
    let overdue = value(&server, "pixeld_http_overdue_total");
    assert_eq!(overdue, late as f64, "answers that do not know");
    println!("{kind:?}: {taken} taken, {unsure} may have been, {refused} uploads refused");
    assert!(refused > 0, "{}", server.stderr());
    assert_eq!(server.ask("GET", "/readyz", "").0, 200);
    disk.make_room();
    await_that("room", &server, || server.ask("POST", "/pixel", PIXEL).0 == 200);
    let total: serde_json::Value = serde_json::from_str(&count(&server)).expect("JSON");
    let total = total["total"].as_u64().expect("a number");
    assert!((taken + 1..=taken + 1 + unsure).contains(&total), "{total} of {taken} and {unsure}");
    server.kill();
    let server = Server::start(ANY_PORT, &data, &settings);
    assert_eq!(count(&server), format!(r#"{{"total":{total}}}"#));
}

#[test]
fn a_btrfs_without_room_ends_nothing() {
    overwrites_without_room(Kind::Btrfs);
}

#[test]
fn an_xfs_whose_blocks_are_shared_ends_nothing() {
    overwrites_without_room(Kind::Xfs);
}

/// `ulimit -f`: a write beyond it is refused like one on a full disk.
#[test]
fn a_limit_on_the_size_of_files_ends_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = process::free_address();
    let server = process::pixeld(&[
        "serve",
        "--disk-reserve",
        "1MiB",
        "--segment-size",
        "4MiB",
        "--apps",
        "board,pixel",
    ]);
    let mut command = Command::new("bash");
    // Blocks of 1 KiB: a segment fits, a larger picture does not.
    command
        .arg("-c")
        .arg(r#"ulimit -f 5000; exec "$0" "$@""#)
        .arg(server.get_program())
        .args(server.get_args());
    command.args(["--listen", &address.to_string(), "--data-dir"]).arg(directory.path());
    let mut child = command.stderr(std::process::Stdio::null()).spawn().expect("it starts");
    let started = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        assert!(started.elapsed() < PATIENCE, "nobody listens");
        std::thread::sleep(Duration::from_millis(5));
    }
    let picture = [&b"\x89PNG\r\n\x1a\n"[..], &vec![0; 7 << 20]].concat();
    let head = "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n";
    let body = [head.as_bytes(), &picture, b"\r\n--b--\r\n"].concat();
    let mut client = process::client::Client::connect(address);
    let head = format!(
        "POST /upload/ HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send_in_vain(&head).send_in_vain(&body);
    let status = client.answer().status;
    assert!(status >= 400, "{status}");
    assert!(child.try_wait().expect("a child").is_none(), "it still runs");
    child.kill().expect("it runs");
    child.wait().expect("a child");
}
