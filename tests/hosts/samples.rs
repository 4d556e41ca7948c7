//! Directories that programs of earlier versions left (`tests/data/journals`, made by `scripts/sample-journals`) are opened,
//! and have in them what they had.

use crate::process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use process::Server;
use process::client::{plain, post_pixel};
use process::pair::{Host, await_connected, await_that, count};
use process::pixeld;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/journals");

/// The folder of each version.
fn versions() -> Vec<PathBuf> {
    let mut found: Vec<_> =
        fs::read_dir(SAMPLES).expect("samples").map(|entry| entry.expect("an entry").path()).collect();
    found.sort();
    found
}

/// The two hosts of a sample, unpacked.
fn unpacked(sample: &Path, into: &Path) -> [Host; 2] {
    ["a", "b"].map(|name| {
        let directory = into.join(name);
        fs::create_dir(&directory).expect("made");
        let archive = sample.join(name).with_extension("tar.gz");
        let done = Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&directory).status();
        assert!(done.expect("tar").success(), "{}", archive.display());
        Host::of(directory)
    })
}

fn list(server: &Server, path: &str, items: &str, field: &str) -> Vec<Value> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n");
    let page = server.connect().send(request).answer().json();
    page[items].as_array().expect("a list").iter().map(|item| item[field].clone()).collect()
}

/// The requests of `scripts/sample-journals`, in its words.
fn told(server: &Server) -> String {
    let steps = server.connect().send(plain("GET", "/state")).answer().json()["hits"].clone();
    let lists = [
        ("messages", list(server, "/messages", "messages", "message")),
        ("toys", list(server, "/api/products", "products", "name")),
        ("images", list(server, "/images", "images", "state")),
    ];
    let lists = lists.map(|(name, items)| format!("{name} {}\n", Value::Array(items)));
    format!("pixels {}\nsteps {steps}\n{}", count(server), lists.concat())
}

#[test]
fn what_an_earlier_version_kept_is_opened_and_goes_on() {
    for sample in versions() {
        let expected = fs::read_to_string(sample.join("expected.txt")).expect("what is expected");
        let (answers, streams): (Vec<&str>, Vec<&str>) =
            expected.lines().partition(|line| !line.starts_with("stream "));
        let directory = TempDir::new().expect("a directory");
        let [a, b] = unpacked(&sample, directory.path());
        for host in [&a, &b] {
            let found: Vec<_> = host.hashes().iter().map(|line| format!("stream {line}")).collect();
            assert_eq!(found, streams, "{}", sample.display());
        }
        assert_same(&a, &b);

        // Their states come of a snapshot and records behind it; they find each other by the keys and members in them.
        let servers = [a.start(&b, &[]), b.start(&a, &[])];
        for server in &servers {
            await_connected(server);
            assert_eq!(told(server).lines().collect::<Vec<_>>(), answers, "{}", sample.display());
        }
        assert_eq!(servers[0].connect().send(post_pixel(5, 5, 'B', 5)).answer().status, 200);
        let more = count(&servers[0]);
        await_that("the pixel on the other host", || count(&servers[1]), |count| *count == more);
        for mut server in servers {
            server.signal(Signal::TERM);
            assert!(server.wait().success(), "{}", server.stderr());
        }
        assert_same(&a, &b);
    }
}

/// Record by record, and by the digest of each application's state.
fn assert_same(a: &Host, b: &Host) {
    let output = pixeld(&["inspect"]).arg(&a.data_dir).arg(&b.data_dir).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("every application has the same digest"), "{said}");
}

#[test]
fn this_version_has_a_sample() {
    let version = env!("CARGO_PKG_VERSION");
    let there = versions().iter().any(|folder| folder.ends_with(version));
    assert!(there, "no journal of {version} is kept; run scripts/sample-journals, and commit what it makes");
}
