//! Hosts that share a log, while nothing goes wrong with it.

use std::thread;

use rustix::process::Signal;

use crate::board::{large, post_bytes, post_form};
use crate::cluster::{Cluster, assert_same, await_equal, await_even, await_published, log_of};
use crate::process::Server;
use crate::process::client::{pixel, plain, request};
use crate::process::pair::{await_that, count};

/// A pixel at a level.
fn at(level: &str, x: i32, y: i32) -> Vec<u8> {
    let usual = request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1));
    let text = String::from_utf8(usual).expect("a text");
    text.replacen("\r\n", &format!("\r\nDurability: {level}\r\n"), 1).into_bytes()
}

fn post(server: &Server, level: &str, x: i32, y: i32) -> (u16, String) {
    let answer = server.connect().send(at(level, x, y)).answer();
    (answer.status, answer.field("durability").unwrap_or_default().to_owned())
}

/// Posts so many pixels at once, in a row of its own.
fn post_row(server: &Server, count: i32, y: i32) {
    let mut client = server.connect();
    for x in 0..count {
        client.send(request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1)));
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn what_one_host_takes_all_have_and_every_copy_is_equal_to_the_byte() {
    let Some(cluster) = Cluster::found(3) else { return };
    // A busy machine is no reason for a 504, here and below.
    let mut servers = cluster.start_all(&["--durability-timeout", "20s"]);
    thread::scope(|scope| {
        for (y, server) in servers.iter().enumerate() {
            scope.spawn(move || post_row(server, 500, y as i32));
        }
    });
    for (x, server) in servers.iter().enumerate() {
        assert_eq!(post(server, "cluster", x as i32, 9), (200, "cluster".to_owned()));
    }
    await_equal(&servers, 1_503);
    await_even(&servers);
    for server in &mut servers {
        server.signal(Signal::TERM);
        assert!(server.wait().success(), "{}", server.stderr());
    }
    let [a, b, c] = [0, 1, 2].map(|at| &cluster.hosts[at].data_dir);
    assert_same(a, b);
    assert_same(b, c);
}

#[test]
fn both_is_no_level_beside_a_log_and_cluster_none_without_one() {
    let Some(cluster) = Cluster::found(1) else { return };
    let server = cluster.start_all(&["--durability-timeout", "20s"]).remove(0);
    let (status, level) = post(&server, "both", 1, 1);
    assert_eq!((status, level.as_str()), (503, ""));
    assert_eq!(post(&server, "cluster", 1, 1), (200, "cluster".to_owned()));
    assert_eq!(count(&server), 1);
    let alone = Server::fresh(&[]);
    assert_eq!(post(&alone, "cluster", 1, 1).0, 503);
    assert_eq!(count(&alone), 0);
}

#[test]
fn a_host_that_lost_its_disk_has_everything_again() {
    let Some(mut cluster) = Cluster::found(3) else { return };
    let mut servers = cluster.start_all(&[]);
    for (y, server) in servers.iter().enumerate() {
        post_row(server, 200, y as i32);
    }
    await_equal(&servers, 600);
    servers[2].kill();
    cluster.make_anew(2);
    servers[2] = cluster.start(2, &[]);
    await_equal(&servers, 600);
    post_row(&servers[2], 10, 7);
    await_equal(&servers, 610);
}

#[test]
fn a_start_needs_no_log_and_goes_on_when_it_is_there() {
    let Some(mut cluster) = Cluster::found(1) else { return };
    (0..3).for_each(|at| cluster.nats.kill(at));
    let server = cluster.start(0, &["--durability-timeout", "200ms"]);
    post_row(&server, 20, 1);
    let (status, level) = post(&server, "cluster", 1, 2);
    assert_eq!((status, level.as_str()), (504, "disk"));
    let log = log_of(&server);
    assert_eq!(log["state"], "away", "{log}");
    assert!(log["why"].as_str().expect("a text").contains("can't be reached"), "{log}");
    (0..3).for_each(|at| cluster.nats.run(at));
    await_published(&server);
    await_that("the level", || post(&server, "cluster", 3, 2), |told| *told == (200, "cluster".to_owned()));
}

/// Of two pieces or more, so that one follows on the other in and out of the log.
#[test]
fn a_picture_answered_at_cluster_outlives_the_host_that_took_it() {
    const APPS: [&str; 4] = ["--apps", "board,pixel", "--durability-timeout", "20s"];
    let Some(cluster) = Cluster::found(2) else { return };
    let mut servers = cluster.start_all(&APPS);
    let content = large(7, 1_500_000);
    let mut request = post_bytes(post_form("x", "a.png", &content));
    let line_end = request.iter().position(|&byte| byte == b'\n').expect("a request line") + 1;
    request.splice(line_end..line_end, *b"Durability: cluster\r\n");
    let answer = servers[0].connect().send(request).answer();
    assert_eq!((answer.status, answer.field("durability")), (200, Some("cluster")), "{}", answer.head);
    servers[0].kill();
    let url = format!("/media/{}", answer.json()["filename"].as_str().expect("a name"));
    let mut client = servers[1].connect();
    let fetched = || client.send(plain("GET", &url)).answer();
    let fetched = await_that("the picture", fetched, |answer| answer.status == 200);
    assert!(fetched.body == content, "another picture");
}
