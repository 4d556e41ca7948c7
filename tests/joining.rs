//! A host that comes when segments are gone takes a snapshot, and both are compared by `pixeld inspect`.

mod process;

use process::client::{pixel, request};
use process::pair::{Host, await_same, await_that};
use process::{Server, pixeld};
use rustix::process::Signal;

fn post(server: &Server, count: i32, y: i32) {
    let mut client = server.connect();
    for x in 0..count {
        let answer = client.send(request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1))).answer();
        assert_eq!(answer.status, 200);
    }
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
    let (mut one, mut other) = (a.start(&b, &[]), b.start(&a, &[]));
    await_same(&one, &other, 200);
    await_that("the mark goes", || b.data_dir.join("joining").exists(), |is_there| !is_there);
    post(&other, 10, 3);
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
