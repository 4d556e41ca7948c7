//! Seats that a log in a bucket gives: no two hosts give numbers with the same one.

use crate::cluster::{Cluster, LOG};
use crate::process::Server;
use crate::process::pair::{await_ready, await_that};
use crate::told::{assert_seated, await_log, node_of, seats, start_at_once, two_of_a_seat};

const SHOP: [&str; 2] = ["--apps", "pixel,toys"];

impl Cluster {
    /// Starts a host without waiting for anything.
    fn begin(&self, at: usize) -> Server {
        let host = &self.hosts[at];
        let arguments = [&["--log", LOG][..], &SHOP].concat();
        Server::start_in(&self.bucket.variables(), host.address, &host.data_dir, &arguments)
    }
}

#[test]
fn hosts_that_join_at_the_same_moment_and_ask_for_one_seat_get_two() {
    let Some(mut cluster) = Cluster::found(1) else { return };
    let mut made = 0;
    let both = two_of_a_seat(|| {
        made += 1;
        cluster.make(made)
    });
    cluster.hosts.extend(both);
    let first = cluster.start(0, &SHOP);
    await_log(&first);
    let others = start_at_once(|at| cluster.begin(at));
    let all = [&first, &others[0], &others[1]];
    let named: Vec<(String, &Server)> =
        all.into_iter().enumerate().map(|(at, server)| (node_of(&cluster.hosts[at]), server)).collect();
    assert_seated(&named, 3);
}

#[test]
fn when_the_register_is_lost_a_newcomer_waits_for_a_member_that_is_away() {
    let Some(cluster) = Cluster::found(3) else { return };
    let first = cluster.start(0, &SHOP);
    let mut second = cluster.start(1, &SHOP);
    let node = node_of(&cluster.hosts[1]);
    await_that("both", || seats(&first).len(), |count| *count == 2);
    second.kill();
    let entries = cluster.bucket.objects().into_iter().filter(|name| name.contains("/register/"));
    entries.for_each(|name| cluster.bucket.remove(&name));
    let third = cluster.begin(2);
    let made = || third.ask("POST", "/api/products", r#"{"name":"Kite"}"#);
    let (status, _) = await_that("why", made, |(_, why)| why.contains(&node));
    assert_eq!(status, 503);
    let second = cluster.start(1, &SHOP);
    await_ready(&third);
    let all = [&first, &second, &third];
    let named: Vec<(String, &Server)> =
        all.into_iter().enumerate().map(|(at, server)| (node_of(&cluster.hosts[at]), server)).collect();
    assert_seated(&named, 3);
}
