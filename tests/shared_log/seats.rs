//! Seats that a log gives: no two hosts give numbers with the same one, whatever becomes of the log.

use std::thread;

use crate::cluster::{Cluster, await_log};
use crate::process::Server;
use crate::process::client::request;
use crate::process::pair::{Host, await_ready, await_that};
use crate::told::{assert_seated, node_of, seat_of_new_toy, seats, start_at_once, two_of_a_seat};

const SHOP: [&str; 2] = ["--apps", "pixel,toys"];

impl Cluster {
    /// Starts a host without waiting for anything.
    fn begin(&self, host: &Host) -> Server {
        host.start_alone(&[&["--log", &self.nats.servers()][..], &SHOP].concat())
    }

    /// The stream with the register.
    fn register(&self) -> String {
        format!("PXR_{}", self.id)
    }
}

/// The answer to a toy on a host that has no seat: status, when to try again, and why.
fn refusal(server: &Server) -> (u16, Option<String>, String) {
    let made = request("POST", "/api/products", "application/json", r#"{"name":"Kite"}"#);
    let answer = server.connect().send(made).answer();
    (answer.status, answer.field("retry-after").map(str::to_owned), answer.text().to_owned())
}

#[test]
fn hosts_that_join_at_the_same_moment_and_ask_for_one_seat_get_two() {
    let Some(mut cluster) = Cluster::found(1) else { return };
    let mut made = 0;
    let both = two_of_a_seat(|| {
        made += 1;
        cluster.add(made)
    });
    cluster.hosts.extend(both);
    let first = cluster.start(0, &SHOP);
    await_log(&first);
    let others = start_at_once(|at| cluster.begin(&cluster.hosts[at]));
    let all = [&first, &others[0], &others[1]];
    let named: Vec<(String, &Server)> =
        all.into_iter().enumerate().map(|(at, server)| (node_of(&cluster.hosts[at]), server)).collect();
    assert_seated(&named, 3);
    assert_eq!(seat_of_new_toy(&first), 0, "that of the first one");
}

#[test]
fn who_joins_a_log_that_has_nothing_waits_for_the_first_host() {
    let Some(cluster) = Cluster::found(2) else { return };
    let second = cluster.begin(&cluster.hosts[1]);
    await_log(&second);
    thread::sleep(std::time::Duration::from_secs(8));
    assert_eq!((second.ask("GET", "/readyz", "").0, refusal(&second).0), (503, 503));
    let first = cluster.start(0, &SHOP);
    await_ready(&second);
    assert_seated(&[(node_of(&cluster.hosts[0]), &first), (node_of(&cluster.hosts[1]), &second)], 2);
}

#[test]
fn when_the_register_is_lost_a_newcomer_waits_for_a_member_that_is_away_and_members_wait_for_nobody() {
    let Some(mut cluster) = Cluster::found(3) else { return };
    let first = cluster.start(0, &SHOP);
    let mut second = cluster.start(1, &SHOP);
    let node = node_of(&cluster.hosts[1]);
    let seat = seat_of_new_toy(&second);
    await_that("both", || seats(&first).len(), |count| *count == 2);
    second.kill();
    let removed = cluster.nats.ask(&format!("$JS.API.STREAM.DELETE.{}", cluster.register()), "");
    assert_eq!(removed["success"], true, "{removed}");
    let third = cluster.begin(&cluster.hosts[2]);
    let told = await_that("why", || refusal(&third), |(.., why)| why.contains(&node));
    assert!((told.0, told.1.as_deref()) == (503, Some("1")) && told.2.contains("no seat yet"), "{told:?}");
    assert_eq!((third.ask("GET", "/readyz", "").0, third.ask("GET", "/pixels", "").0), (503, 200));
    assert!(third.ask("GET", "/health", "").1.contains("no seat yet"));
    // Members have theirs.
    assert_eq!(seat_of_new_toy(&first), 0);
    let second = cluster.start(1, &SHOP);
    assert_eq!(seat_of_new_toy(&second), seat);
    await_ready(&third);
    let named = [&first, &second, &third];
    let named: Vec<(String, &Server)> =
        named.into_iter().enumerate().map(|(at, server)| (node_of(&cluster.hosts[at]), server)).collect();
    assert_seated(&named, 3);
    let seat = seat_of_new_toy(&third);
    drop((first, second, third));
    (0..3).for_each(|at| cluster.nats.kill(at));
    let third = cluster.begin(&cluster.hosts[2]);
    await_ready(&third);
    assert_eq!(seat_of_new_toy(&third), seat, "the log is away");
}
