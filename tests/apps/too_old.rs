//! A peer that does not know some kinds of records: no request logs one, in whatever way its body comes in, and no thread.

use crate::{board, process, thumbs};

use std::path::Path;

use process::client::{plain, request};
use process::pair::await_that;
use process::{ANY_PORT, Server};

use pixeld::apps::registry;
use pixeld::base::ids::NodeId;
use pixeld::base::kinds::Kinds;
use pixeld::base::vector::VersionVector;
use pixeld::log::files::known_peer::KnownPeer;
use pixeld::os::files::RealDisk;

const PIXELS: [u8; 4] = [
    pixeld::apps::pixel::tag::PIXEL_R,
    pixeld::apps::pixel::tag::PIXEL_G,
    pixeld::apps::pixel::tag::PIXEL_B,
    pixeld::apps::pixel::tag::PIXEL_CLEAR,
];

/// Starts a host whose peer, which is away, understands these kinds.
fn start(data: &Path, kinds: Kinds) -> Server {
    if !data.exists() {
        drop(Server::start(ANY_PORT, data, &[]));
    }
    let disk = RealDisk::open(data).expect("a directory");
    let peer = KnownPeer { node: NodeId(0xB2), kinds, durable: VersionVector::new() };
    peer.store(&disk).expect("stored");
    Server::start(ANY_PORT, data, &["--peer-listen", "127.0.0.1:0", "--insecure-peer"])
}

#[test]
fn what_the_other_host_does_not_know_is_refused_however_it_comes_in() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = start(&data, Kinds::of(&PIXELS));
    let form = board::post_form("hello", "a.png", &board::png(1));
    let requests = [
        ("0x31", request("POST", "/upload/", &board::content_type(), &form)),
        ("0x41", thumbs::post_bytes("image/png", &thumbs::png(1))),
        ("0x21", plain("GET", "/next")),
        ("0x47", request("POST", "/images?fit=cover", "image/png", "YWJj")),
        ("0x47", request("POST", "/images?format=webp", "image/png", "YWJj")),
        ("0x51", request("POST", "/api/products", "application/json", r#"{"name":"Kite"}"#)),
    ];
    for (kind, request) in &requests {
        let answer = server.connect().send_in_vain(request).answer();
        let told = answer.text();
        assert_eq!((answer.status, answer.field("durability")), (409, None), "{kind}: {told}");
        assert!(
            told.contains(&format!("00000000000000b2 does not know records of the kind {kind}")),
            "{told}"
        );
    }
    let line = r#"{"x":1,"y":2,"channel":"R","value":3}"#;
    let pixels = request("POST", "/pixels", "application/x-ndjson", line);
    assert_eq!(server.connect().send(pixels).answer().status, 200, "pixels everybody knows");
    assert_eq!(board::blob_files(&data), Vec::<std::path::PathBuf>::new(), "nothing was kept");
    drop(server);
    // Upgraded, it says so when the two connect.
    let server = start(&data, registry::new_applied().kinds());
    for (kind, request) in &requests {
        let status = server.connect().send(request).answer().status;
        assert!((200..300).contains(&status), "{kind}: {status}");
    }
}

#[test]
fn a_thread_logs_nothing_either_that_the_other_host_does_not_know() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    // Pictures may be handed in, and the word that one is decoded is unknown there.
    let kinds = Kinds::of(&PIXELS)
        .with(&[pixeld::apps::thumbs::tag::THUMBS_SUBMIT, pixeld::apps::thumbs::tag::THUMBS_KNOWN]);
    let server = start(&data, kinds);
    let id = thumbs::submit(&mut server.connect(), "image/png", &thumbs::png(1));
    // Time enough for a decoder to end, if one were begun.
    std::thread::sleep(std::time::Duration::from_millis(600));
    drop(server);
    let dump = process::pixeld(&["inspect", "--dump"]).arg(&data).output().expect("it runs");
    let dump = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert_eq!(dump.lines().count(), 1, "only what was handed in is logged: {dump}");
    let server = start(&data, registry::new_applied().kinds());
    let mut client = server.connect();
    let answer =
        await_that("the picture", || thumbs::end_of(&mut client, &id), |answer| answer.status == 200);
    assert_eq!(answer.json()["state"], "Completed");
}
