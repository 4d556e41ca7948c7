//! A start needs no write to serve reads: on a disk without a free block, without a free inode, or mounted read-only.

use crate::process;
use crate::restart::{Last, ask, pid, restart, signal};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use process::small_disk::{Kind, SmallDisk};
use process::{ANY_PORT, PATIENCE, Server, free_address};
use rustix::process::Signal;

const PIXEL: &str = r#"{"x":1,"y":2,"channel":"R","value":3}"#;
const SETTINGS: [&str; 6] =
    ["--segment-size", "4MiB", "--disk-reserve", "1MiB", "--apps", "pixel,board,thumbs"];

fn start(address: SocketAddr, data: &Path) -> Server {
    Server::start(address, data, &SETTINGS)
}

/// Every file below a directory, byte for byte.
pub fn content(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).expect("a file"));
        }
    }
    found
}

pub fn assert_same(before: &BTreeMap<PathBuf, Vec<u8>>, directory: &Path, context: &str) {
    let after = content(directory);
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(before), names(&after), "{context}");
    for (path, bytes) in before {
        assert!(after[path] == *bytes, "{context}: {} has changed", path.display());
    }
}

/// What a kill in the middle of a write leaves: something behind the journal's end that nobody was promised.
fn tear(data: &Path) {
    let path = data.join("0000000001.seg");
    let mut bytes = std::fs::read(&path).expect("a segment");
    let end = bytes.iter().rposition(|&byte| byte != 0).expect("a frame");
    bytes[end + 100..end + 9_000].fill(0xAB);
    // In place: the blocks are there already.
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("a segment");
    file.write_all_at(&bytes, 0).and_then(|()| file.sync_all()).expect("written");
}

/// A directory with seven pixels and a torn tail.
pub fn prepare(data: &Path) {
    let server = start(ANY_PORT, data);
    for _ in 0..7 {
        assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 200);
    }
    // The next segment is made, so that nothing is under way.
    let started = Instant::now();
    while !data.join("0000000002.seg").exists() {
        assert!(started.elapsed() < PATIENCE, "no second segment");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(server);
    tear(data);
}

/// Reads answer, and writes are refused with `status`.
fn assert_reads_only(server: &Server, status: u16, context: &str) {
    assert_eq!(server.ask("GET", "/pixels/count", ""), (200, r#"{"total":7}"#.to_owned()), "{context}");
    assert_eq!(server.ask("GET", "/pixels?limit=2", "").0, 200, "{context}");
    let (refused, why) = server.ask("POST", "/pixel", PIXEL);
    assert!(refused == status && why.contains("read-only"), "{context}: {refused} {why}");
    assert_eq!(server.ask("DELETE", "/pixels", "").0, status, "{context}");
    let (ready, word) = server.ask("GET", "/readyz", "");
    assert!(ready == 200 && word.contains("reads only"), "{context}: {ready} {word}");
    let health = server.ask("GET", "/health", "").1;
    assert!(health.contains("writes_refused\":\"read-only: "), "{context}: {health}");
    let label = if status == 507 { "no_space" } else { "read_only" };
    let metric = format!("pixeld_writes_refused{{reason=\"{label}\"}} 1");
    let metrics = server.ask("GET", "/metrics", "").1;
    assert!(metrics.contains(&metric), "{context}");
    let reason = if status == 507 { "disk_full" } else { "read_only" };
    let rejected = format!("pixeld_http_rejected_total{{reason=\"{reason}\"}} ");
    let count = metrics.lines().find_map(|line| line.strip_prefix(rejected.as_str()));
    assert!(count.is_some_and(|count| count != "0"), "{context}: {count:?}");
}

fn ten_starts_and_ten_hand_overs(data: &Path, status: u16, context: &str) {
    let before = content(data);
    for round in 0..10 {
        let context = format!("{context}, start {round}");
        let mut server = start(ANY_PORT, data);
        assert_reads_only(&server, status, &context);
        if round % 2 == 0 {
            server.kill();
        } else {
            server.signal(Signal::TERM);
            assert_eq!(server.wait().code(), Some(0), "{}", server.stderr());
        }
        assert_same(&before, data, &context);
    }
    let server = start(ANY_PORT, data);
    let mut last = Last(server.pid());
    for round in 0..10 {
        last.0 = restart(server.address);
        assert_reads_only(&server, status, &format!("{context}, hand-over {round}"));
    }
    assert_same(&before, data, context);
    drop(last);
    // It was no child of ours, so nobody waits for its end.
    let directory = std::fs::File::open(data).expect("a directory");
    directory.lock().expect("the lock of a process that has ended");
}

fn without_room(kind: Kind) {
    let Some(disk) = SmallDisk::of(kind) else { return };
    let data = disk.data();
    prepare(&data);
    disk.fill();
    ten_starts_and_ten_hand_overs(&data, 507, &format!("{kind:?}"));

    // With room again it pays what it owes by itself: no restart is needed, and the torn tail is kept as a copy.
    let mut server = start(ANY_PORT, &data);
    assert_reads_only(&server, 507, "before there is room");
    disk.make_room();
    let started = Instant::now();
    while server.ask("POST", "/pixel", PIXEL).0 != 200 {
        assert!(started.elapsed() < PATIENCE, "{kind:?}: {}", server.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(content(&data).keys().any(|path| path.extension().is_some_and(|suffix| suffix == "torn")));
    server.kill();
    let server = start(ANY_PORT, &data);
    assert_eq!(server.ask("GET", "/pixels/count", "").1, r#"{"total":8}"#);
}

#[test]
fn a_tmpfs_without_a_block() {
    without_room(Kind::Tmpfs);
}

#[test]
fn a_tmpfs_without_an_inode() {
    without_room(Kind::Inodes);
}

#[test]
fn an_ext4_without_a_block() {
    without_room(Kind::Ext4);
}

#[test]
fn an_xfs_without_a_block() {
    without_room(Kind::Xfs);
}

#[test]
fn a_btrfs_without_a_block() {
    without_room(Kind::Btrfs);
}

#[test]
fn a_disk_that_is_mounted_read_only() {
    for kind in Kind::ALL {
        let Some(disk) = SmallDisk::of(kind) else { continue };
        prepare(&disk.data());
        disk.remount("ro");
        ten_starts_and_ten_hand_overs(&disk.data(), 503, &format!("{kind:?}"));
        let server = start(ANY_PORT, &disk.data());
        disk.remount("rw");
        let started = Instant::now();
        while server.ask("POST", "/pixel", PIXEL).0 != 200 {
            assert!(started.elapsed() < PATIENCE, "{kind:?}: {}", server.stderr());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Damage that a running server does not need keeps a new process from serving. The old one goes on, with every
/// connection, and takes writes.
#[test]
fn a_hand_over_that_meets_damage_leaves_the_old_process_serving() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = start(ANY_PORT, &data);
    let mut idle = process::client::Client::connect(server.address);
    let post = || process::client::post_pixel(1, 2, 'R', 3);
    for _ in 0..7 {
        assert_eq!(idle.send(post()).answer().status, 200);
    }
    // A byte of the first segment's header, which a start checks, and then who the directory is, which is written again.
    for (round, name, offset, bytes) in [
        (1, "0000000001.seg", 3_000, vec![1]),
        (2, "identity", 0, vec![0; 64]),
        (3, "0000000001.seg", 3_000, vec![0]),
    ] {
        use std::os::unix::fs::FileExt;
        let file = std::fs::OpenOptions::new().write(true).open(data.join(name)).expect("a file");
        file.write_all_at(&bytes, offset).expect("written");
        if round == 3 {
            break;
        }
        server.signal(Signal::USR2);
        let started = Instant::now();
        while server.stderr().matches("this process goes on serving").count() < round {
            assert!(started.elapsed() < PATIENCE, "no way back: {}", server.stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(pid(server.address), server.pid());
        assert_eq!(idle.send(post()).answer().status, 200, "{}", server.stderr());
    }
    // What was spoilt is whole again, so a hand-over comes to its end.
    let last = Last(restart(server.address));
    assert_eq!(idle.send(post()).answer().status, 200);
    assert_eq!(ask(server.address, "/pixels/count"), r#"{"total":10}"#);
    signal(last.0, Signal::TERM);
}

/// A new process that nobody hears of serves all the same.
#[test]
fn a_hand_over_without_a_stderr_comes_to_its_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let mut command = process::pixeld(&["serve", "--listen", &address.to_string(), "--data-dir"]);
    command.arg(directory.path()).args(SETTINGS).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let started = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        assert!(started.elapsed() < PATIENCE, "nobody listens");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut last = Last(child.id());
    drop(child.stderr.take());
    for _ in 0..2 {
        last.0 = restart(address);
    }
    child.wait().expect("a child");
    assert_eq!(ask(address, "/pixels/count"), r#"{"total":0}"#);
}
