//! The smallest segments with the most workers, and a journal of as many streams as there may be: whatever is taken can be
//! committed, and what could not work is refused.

use crate::process;

use std::sync::Arc;
use std::thread;

use pixeld::apps::pixel::raw::Pixel;
use pixeld::apps::toys::limits::TOYS_NAME_BYTES_MAX;
use pixeld::base::batch::{BatchHeader, first_chain};
use pixeld::base::ids::{ClusterId, Inc, NodeId, Origin, Position};
use pixeld::base::limits::{ORIGINS_MAX, SEGMENT_BYTES_MIN};
use pixeld::log::recover::{self, OpenOptions};
use pixeld::log::write::spare::make_spare;
use pixeld::log::write::staged::Staged;
use pixeld::os::disk::Disk;
use pixeld::os::files::RealDisk;
use process::client::{pixel, request};
use process::{ANY_PORT, Server, pixeld};

/// A toy with the longest name: the longest record there is.
fn longest_toy() -> Vec<u8> {
    let name = "x".repeat(TOYS_NAME_BYTES_MAX);
    request("POST", "/api/products", "application/json", format!("{{\"name\":\"{name}\"}}"))
}

#[test]
fn so_many_workers_that_a_record_has_no_place_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path");
    let tried = pixeld(&["serve", "--listen", "127.0.0.1:0", "--segment-size", "4MiB", "--data-dir", path])
        .args(["--workers", "17", "--disk-reserve", "1MiB"])
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert!(!tried.status.success());
    for words in ["workers = 17", "at most 16", "4194304", "segment_size"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn the_most_workers_fill_the_smallest_segments() {
    let server = Server::fresh(&["--workers", "16", "--segment-size", "4MiB"]);
    let lines = format!("{}\n", pixel(1, 2, 'R', 3)).repeat(3_000);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..40 {
                    // Another connection each time, so that all workers get some.
                    let mut client = server.connect();
                    assert_eq!(client.send(longest_toy()).answer().status, 201);
                    let answer =
                        client.send(request("POST", "/pixels", "application/x-ndjson", &lines)).answer();
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
            });
        }
    });
    let count = |path: &str| server.ask("GET", path, "").1;
    assert!(count("/pixels/count").contains("960000"), "{}", count("/pixels/count"));
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
}

/// Fills a directory with streams of one record each; the journal takes one more, of the server's start.
fn fill_with_streams(disk: &Arc<dyn Disk>) {
    let cluster = ClusterId([5; 16]);
    let options = OpenOptions {
        segment_bytes: SEGMENT_BYTES_MIN,
        accept_loss: false,
        cluster,
        node: NodeId(1),
        random: 1,
    };
    let mut opened = recover::open(disk, &options, &mut |_| Ok(())).expect("a new journal");
    make_spare(&**disk, opened.appender.spare_number(), SEGMENT_BYTES_MIN).expect("a segment");
    let body = Pixel { tag: 0x11, value: 9, x: 1, y: 1 }.encode();
    let mut staged = Staged::default();
    for inc in 1..=(ORIGINS_MAX as u64 - 2) {
        let origin = Origin { node: NodeId(2), inc: Inc(inc) };
        let header = BatchHeader::seal(origin, 1, 1, inc, first_chain(cluster, origin), &body);
        assert!(opened.appender.fits(body.len(), true));
        let sealed = opened.appender.stage_verbatim(&header, &body, Position(0), &mut staged);
        if sealed.expect("a place").entered.is_some_and(|number| number > 1) {
            make_spare(&**disk, opened.appender.spare_number(), SEGMENT_BYTES_MIN).expect("a segment");
        }
    }
    opened.writer.write(&staged, true).expect("written");
}

/// A clear names all of them, and any other record might.
#[test]
fn as_many_streams_as_there_may_be_leave_room_for_every_record() {
    let directory = tempfile::tempdir().expect("a directory");
    fill_with_streams(&(Arc::new(RealDisk::open(directory.path()).expect("a directory")) as Arc<dyn Disk>));
    let server = Server::start(ANY_PORT, directory.path(), &[]);
    let mut client = server.connect();
    assert_eq!(client.send(longest_toy()).answer().status, 201);
    assert!(server.ask("GET", "/pixels/count", "").1.contains(&(ORIGINS_MAX - 2).to_string()));
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    assert!(server.ask("GET", "/pixels/count", "").1.contains("\"total\":0"));
    assert_eq!(client.send(longest_toy()).answer().status, 201);
}
