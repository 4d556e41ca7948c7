//! A batch whose write meets a full disk after the peer has it.

use crate::process;

use std::process::Command;

use crate::skip::skip;
use process::Server;
use process::client::{Next, pixel, request};
use process::pair::{Host, Pair, await_ready, await_that, count, peer_of, pixels};
use process::small_disk::{Kind, SmallDisk};

/// Overwriting a segment needs room once a copy shares its blocks.
fn share_blocks(data: &std::path::Path) -> bool {
    let copy = data.with_extension("copy");
    let copied = Command::new("cp").args(["-a", "--reflink=always"]).args([data, &copy]).status();
    copied.is_ok_and(|status| status.success())
}

/// The host is killed while a sealed batch of its own waits for room: its numbers stay what they are, the peer hands it back,
/// and nobody takes the directory for a cloned one.
#[test]
fn a_host_that_is_killed_while_its_batch_waits_for_room_gets_it_back() {
    let Some(disk) = SmallDisk::of(Kind::Xfs) else { return };
    let pair = Pair::found();
    let (a, _) = Host::found(disk.data().parent().expect("a volume"), "data", Some(&pair.cluster));
    let settings = ["--disk-reserve", "0", "--durability-timeout", "100ms"];
    // One from a cluster of its own, which the host on the small disk joins.
    let (server_b, server_a) = (pair.a.start(&a, &settings), a.start(&pair.a, &settings));
    await_ready(&server_a);
    let mut acked = Vec::new();
    for x in 0..20 {
        let answer = server_a
            .connect()
            .send(request("POST", "/pixel", "application/json", pixel(x, 1, 'R', 1)))
            .answer();
        assert_eq!(answer.status, 200);
        acked.push(pixel(x, 1, 'R', 1));
    }
    await_that("the second segment", || a.data_dir.join("0000000002.seg").exists(), |is_there| *is_there);
    if !share_blocks(&a.data_dir) {
        skip("blocks can't be shared here");
        return;
    }
    disk.fill();
    // Until one waits: it is answered 504 "may have been stored", or not at all before the kill; the peer has it.
    let mut unsure = Vec::new();
    for x in 0.. {
        assert!(x < 5_000, "the disk never fills: {}", server_a.stderr());
        let one = pixel(x, 2, 'R', 1);
        let mut client = server_a.connect();
        match client.send(request("POST", "/pixel", "application/json", &one)).next(false) {
            Next::Answer(answer) if answer.status == 200 => acked.push(one),
            Next::Answer(answer) if answer.status == 504 => unsure.push(one),
            Next::Answer(answer) => assert_eq!(answer.status, 507, "{}", answer.text()),
            other => panic!("{other:?}"),
        }
        if !unsure.is_empty() {
            break;
        }
    }
    let is_there = || pixels(&server_b).contains(&unsure[0]);
    await_that("the batch there", is_there, |is_there| *is_there);
    let mut server_a = server_a;
    server_a.kill();
    drop(server_a);
    disk.make_room();
    let server_a = a.start(&pair.a, &settings);
    let equal = |(a, b): &(u64, u64)| a == b;
    await_that("the same", || (count(&server_a), count(&server_b)), equal);
    assert_there(&server_a, &acked, &unsure);
    for server in [&server_a, &server_b] {
        assert_eq!(peer_of(server)["state"], "connected", "{}", peer_of(server));
        assert!(!server.stderr().contains("cloned"), "{}", server.stderr());
    }
    let answer =
        server_a.connect().send(request("POST", "/pixel", "application/json", pixel(1, 3, 'R', 1))).answer();
    assert_eq!(answer.status, 200);
    await_that("and on", || (count(&server_a), count(&server_b)), equal);
    assert!(pixels(&server_a) == pixels(&server_b));
}

/// Everything that was acknowledged, and what the peer had; nothing that was refused.
fn assert_there(server: &Server, acked: &[String], unsure: &[String]) {
    let mut wanted = [acked, unsure].concat();
    wanted.sort_unstable();
    assert!(pixels(server) == wanted, "{} of {}", count(server), wanted.len());
}
