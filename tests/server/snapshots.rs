//! Two snapshots, each a whole way to start: segments go by the older one, and damage in either file costs nothing.

use crate::process;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pixeld::log::snapshot::SnapshotFile;
use process::client::post_pixels;
use process::{ANY_PORT, PATIENCE, Server};
use rustix::process::Signal;

const PIXELS: u32 = 900_000;

fn start(data: &Path) -> Server {
    Server::start(ANY_PORT, data, &["--segment-size", "4MiB", "--disk-reserve", "0B"])
}

/// About two segments of pixels.
fn post(server: &Server) {
    let part = post_pixels(PIXELS / 9);
    for _ in 0..9 {
        assert_eq!(server.connect().send(&part).answer().status, 200);
    }
}

fn stop(mut server: Server) {
    server.signal(Signal::TERM);
    assert!(server.wait().success(), "{}", server.stderr());
}

fn names(data: &Path) -> Vec<String> {
    let names = std::fs::read_dir(data).expect("a directory");
    let mut names: Vec<_> =
        names.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect();
    names.sort();
    names
}

fn snapshots(data: &Path) -> Vec<PathBuf> {
    names(data).iter().filter(|name| SnapshotFile::of(name).is_some()).map(|name| data.join(name)).collect()
}

fn segments(data: &Path) -> usize {
    names(data).iter().filter(|name| name.ends_with(".seg")).count()
}

/// Clears the list, and waits until the segments have gone that only it needed. Nothing is written behind the clear.
fn clear(server: &Server, data: &Path) {
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    let since = Instant::now();
    // The current segment and the spare.
    while segments(data) > 2 {
        assert!(since.elapsed() < PATIENCE, "the segments stay: {:?}\n{}", names(data), server.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn count(server: &Server) -> String {
    server.ask("GET", "/pixels/count", "").1
}

#[test]
fn after_one_clear_any_byte_of_either_snapshot_may_be_flipped() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = start(&data);
    server.ask("GET", "/pex/next", "");
    post(&server);
    clear(&server, &data);
    let state = server.ask("GET", "/pex/state", "").1;
    stop(server);
    let files = snapshots(&data);
    assert_eq!(files.len(), 2, "{:?}", names(&data));
    let [one, other] = [&files[0], &files[1]].map(|path| std::fs::read(path).expect("a snapshot"));
    assert_eq!(one, other, "the same state, and no link");
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).expect("a file"));
    assert_ne!(inode(&files[0]), inode(&files[1]), "two files");

    // Every byte is tried on the simulated disk; here the real process, at a few.
    for (turn, path) in [0, 5, 40, one.len() / 2, one.len() - 1].into_iter().zip(files.iter().cycle()) {
        let copy = directory.path().join(format!("copy-{turn}"));
        std::fs::create_dir(&copy).expect("made");
        // What views keep may be left out, and a view may or may not have stored something when the server stopped.
        for name in names(&data).into_iter().filter(|name| data.join(name).is_file()) {
            std::fs::copy(data.join(&name), copy.join(&name)).expect("copied");
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let mut bytes = one.clone();
        bytes[turn] ^= 0x10;
        std::fs::write(copy.join(&name), &bytes).expect("written");
        let server = start(&copy);
        assert_eq!(count(&server), "{\"total\":0}");
        assert_eq!(server.ask("GET", "/pex/state", "").1, state, "byte {turn} of {name}");
        let is_newest = *path == files[1];
        let told = server.stderr();
        assert_eq!(told.contains(&name), is_newest, "what is not needed is not read: {told}");
        let metrics = server.ask("GET", "/metrics", "").1;
        let sample = format!("\npixeld_snapshots_unreadable {}\n", u8::from(is_newest));
        assert!(metrics.contains(&sample), "{sample}");
    }
}

#[test]
fn a_snapshot_that_decays_between_two_clears_costs_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = start(&data);
    for _ in 0..2 {
        post(&server);
        server.ask("GET", "/pex/next", "");
        clear(&server, &data);
    }
    let state = server.ask("GET", "/pex/state", "").1;
    stop(server);
    let newest = snapshots(&data).pop().expect("a snapshot");
    let mut bytes = std::fs::read(&newest).expect("a snapshot");
    bytes[70] ^= 1;
    std::fs::write(&newest, &bytes).expect("written");
    let server = start(&data);
    assert_eq!(server.ask("GET", "/pex/state", "").1, state);
    assert!(server.stderr().contains("a snapshot can't be read"), "{}", server.stderr());
    // The next one makes it two again, and only then the damaged one goes.
    let since = Instant::now();
    post(&server);
    while std::fs::read(&newest).is_ok_and(|there| there == bytes) {
        assert!(since.elapsed() < PATIENCE, "{:?}\n{}", names(&data), server.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(snapshots(&data).len(), 2, "{:?}", names(&data));
    stop(server);
    let server = start(&data);
    assert!(!server.stderr().contains("can't be read"), "{}", server.stderr());
    assert_eq!(count(&server), format!("{{\"total\":{PIXELS}}}"));
}
