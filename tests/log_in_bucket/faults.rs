//! Hosts that are killed, a bucket that stands still, messages that are lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::cluster::{Cluster, post_apart, post_at};
use crate::process::Server;
use crate::process::pair::await_that;
use crate::told::{assert_same, await_equal, await_even, await_log, await_published, log_of, metric};

/// Posts pixels at a level until it is told to stop; gives how many are stored. 504 says that the log has not answered.
fn write(server: &Server, level: &str, y: i32, is_over: &AtomicBool) -> u64 {
    let (mut client, mut stored) = (server.connect(), 0);
    while !is_over.load(Ordering::Relaxed) {
        let answer = post_at(&mut client, level, stored as i32, y);
        let reached = answer.field("durability").unwrap_or_default().to_owned();
        match (answer.status, &*reached) {
            (200, reached) if reached == level => {}
            (504, "disk") => {}
            other => panic!("{other:?}: {}", answer.text()),
        }
        stored += 1;
    }
    stored
}

#[test]
fn a_host_that_is_killed_comes_back_with_what_it_had_said() {
    let Some(cluster) = Cluster::found(3) else { return };
    let mut servers = cluster.start_all(&[]);
    for round in 0..3 {
        for (y, server) in servers.iter().enumerate() {
            post_apart(server, 4, 10 * round + y as i32);
        }
        // The others go on meanwhile.
        servers[0].kill();
        post_apart(&servers[1], 4, 10 * round + 5);
        servers[0] = cluster.start(0, &[]);
    }
    servers.iter().for_each(await_log);
    await_equal(&servers, 48);
    await_even(&servers);
    drop(servers);
    let [a, b, c] = [0, 1, 2].map(|at| &cluster.hosts[at].data_dir);
    assert_same(a, b);
    assert_same(a, c);
}

#[test]
fn a_bucket_that_stands_still_holds_up_no_write_at_disk_and_is_caught_up_with() {
    let Some(cluster) = Cluster::found(3) else { return };
    let servers = cluster.start_all(&["--durability-timeout", "200ms"]);
    await_that(
        "an answer",
        || post_at(&mut servers[0].connect(), "cluster", 0, 99).status,
        |status| *status == 200,
    );
    let before = servers.iter().map(crate::process::pair::count).max().expect("hosts");
    cluster.bucket.signal(Signal::STOP);
    let is_over = AtomicBool::new(false);
    let stored: u64 = thread::scope(|scope| {
        let begin = |(y, server)| {
            let is_over = &is_over;
            let level = if y == 0 { "cluster" } else { "disk" };
            scope.spawn(move || write(server, level, y as i32, is_over))
        };
        let writers: Vec<_> = servers.iter().enumerate().map(begin).collect();
        for server in &servers {
            await_that("the end of the log", || log_of(server), |log| log["state"] == "away");
        }
        // Long enough for a spin to show, and for what is on its way to be given up.
        thread::sleep(Duration::from_secs(3));
        cluster.bucket.signal(Signal::CONT);
        servers.iter().for_each(await_log);
        is_over.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().expect("a writer")).sum()
    });
    servers.iter().for_each(await_published);
    await_equal(&servers, before + stored);
    for server in &servers {
        assert_eq!(metric(server, "pixeld_log_regressions_total"), 0.0);
        assert_eq!(metric(server, "pixeld_log_stuck_streams"), 0.0);
    }
}

/// Objects are removed before a third host has read them; `is_dead` says whether their maker is gone by then.
fn heal(is_dead: bool) {
    let Some(cluster) = Cluster::found(3) else { return };
    let mut servers = vec![cluster.start(0, &[]), cluster.start(1, &[])];
    servers.iter().for_each(await_log);
    post_apart(&servers[0], 12, 0);
    post_apart(&servers[1], 12, 1);
    await_equal(&servers, 24);
    let messages = cluster.messages(0);
    assert!(messages.len() >= 10, "an object for each answer: {messages:?}");
    for name in &messages[messages.len() / 2 - 1..=messages.len() / 2] {
        cluster.bucket.remove(name);
    }
    if is_dead {
        servers.remove(0).kill();
    }
    servers.push(cluster.start(2, &[]));
    await_equal(&servers, 24);
    let newcomer = servers.last().expect("a host");
    // By the gap in the log, or because the other one has more: whichever shows first.
    let asked = || metric(newcomer, "pixeld_log_asked_total");
    await_that("a question", asked, |asked| *asked >= 1.0);
    assert_eq!(metric(newcomer, "pixeld_log_stuck_streams"), 0.0);
}

#[test]
fn objects_that_are_lost_in_the_middle_come_from_their_maker() {
    heal(false);
}

#[test]
fn objects_that_are_lost_in_the_middle_come_from_another_host_when_their_maker_is_dead() {
    heal(true);
}

#[test]
fn hosts_go_on_when_everything_in_the_bucket_is_lost() {
    let Some(cluster) = Cluster::found(2) else { return };
    let mut servers = cluster.start_all(&[]);
    post_apart(&servers[0], 6, 0);
    post_apart(&servers[1], 6, 1);
    await_equal(&servers, 12);
    cluster.bucket.objects().iter().for_each(|name| cluster.bucket.remove(name));
    post_apart(&servers[0], 6, 2);
    servers[1].kill();
    post_apart(&servers[0], 6, 3);
    // It finds a stream that begins amid its numbers.
    servers[1] = cluster.start(1, &[]);
    post_apart(&servers[1], 6, 4);
    await_equal(&servers, 30);
    await_even(&servers);
    drop(servers);
    assert_same(&cluster.hosts[0].data_dir, &cluster.hosts[1].data_dir);
}
