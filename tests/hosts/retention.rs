//! Segments that nobody here needs wait for the peer. The peer is this test.

use crate::process;

use std::path::Path;
use std::time::{Duration, Instant};

use pixeld::apps::registry;
use pixeld::base::ids::NodeId;
use pixeld::base::limits::SEGMENT_BYTES_MIN;
use pixeld::base::vector::VersionVector;
use pixeld::engine::lifecycle::server::Server;
use pixeld::engine::shared::settings::{Listen, PeerSettings, Reserve, Retention, Settings, Trust};
use pixeld::log::files::known_peer::KnownPeer;
use pixeld::os::files::RealDisk;
use process::client::{Client, plain, post_pixel, request};

const PATIENCE: Duration = Duration::from_secs(30);
/// Several looks of the keeper.
const A_WHILE: Duration = Duration::from_millis(700);

fn start(directory: &Path, peer: Option<Retention>) -> Server {
    let peer =
        peer.map(|retention| PeerSettings { listen: None, dial: None, trust: Trust::Nothing, retention });
    let settings = Settings {
        listen: vec![Listen::new("127.0.0.1:0".parse().unwrap(), "index")],
        steer: pixeld::engine::shared::steering::Steer::Off,
        job_threads: 1,
        apps: registry::all(),
        empty_states: registry::new_applied,
        reserve: Reserve::Bytes(1 << 20),
        segment_bytes: SEGMENT_BYTES_MIN,
        peer,
        ..Settings::base(directory.to_path_buf())
    };
    Server::start(settings).unwrap()
}

/// Fills three segments and clears it all.
fn fill_and_clear(server: &Server) {
    let mut client = Client::connect(server.addresses()[0]);
    let line = "{\"x\":1,\"y\":2,\"channel\":\"R\",\"value\":3}\n";
    for _ in 0..5 {
        let body = line.repeat(250_000);
        let answer = client.send(request("POST", "/pixels", "application/x-ndjson", body)).answer();
        assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.text());
    }
    let answer = client.send(plain("DELETE", "/pixels")).answer();
    assert!((200..300).contains(&answer.status), "{}", answer.status);
    assert_eq!(client.send(post_pixel(1, 2, 'R', 3)).answer().status, 200);
}

fn oldest(server: &Server) -> u32 {
    server.shared().reader.segments()[0].number
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn segments_wait_for_the_peer_and_go_when_it_has_them() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), Some(Retention::Bytes(1 << 30)));
    fill_and_clear(&server);
    std::thread::sleep(A_WHILE);
    assert_eq!(oldest(&server), 1, "the peer has nothing yet");
    // A peer that has the first segment durably, and has received all.
    let shared = server.shared();
    let peering = shared.peering.as_ref().unwrap();
    let end = shared.reader.segments()[0].end_vector.clone().unwrap();
    let all = shared.applied.read().vector.clone();
    peering.standing.established(NodeId(9), all.clone(), VersionVector::clone(&end), 1);
    wait_for("the first segment goes", || oldest(&server) == 2);
    std::thread::sleep(A_WHILE);
    assert_eq!(oldest(&server), 2);
    let _ = server.stop();

    // Without being told of a peer, the next start keeps what the one it knew does not have.
    let disk = RealDisk::open(directory.path()).unwrap();
    let known = KnownPeer::load(&disk).unwrap().unwrap();
    assert_eq!((known.node, &known.durable), (NodeId(9), &*end));
    let server = start(directory.path(), None);
    Client::connect(server.addresses()[0]).send(post_pixel(1, 2, 'R', 3)).answer();
    std::thread::sleep(A_WHILE);
    assert_eq!(oldest(&server), 2);
    let _ = server.stop();
    assert_eq!(KnownPeer::forget(&disk).unwrap(), Some(known));
    assert_eq!(KnownPeer::forget(&disk).unwrap(), None);
    let server = start(directory.path(), None);
    Client::connect(server.addresses()[0]).send(post_pixel(1, 2, 'R', 3)).answer();
    wait_for("what is forgotten keeps nothing", || oldest(&server) > 2);
    let _ = server.stop();
}

#[test]
fn a_peer_that_is_away_for_too_long_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), Some(Retention::Bytes(SEGMENT_BYTES_MIN)));
    fill_and_clear(&server);
    wait_for("all but one segment of those unneeded go", || oldest(&server) > 1);
    std::thread::sleep(A_WHILE);
    let segments = server.shared().reader.segments();
    assert_eq!(segments.len(), 2, "one that waits within the bound, and the one being written");
    let _ = server.stop();
}
