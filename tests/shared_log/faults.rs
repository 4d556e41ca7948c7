//! A log that breaks: servers that are killed, all of its stores lost. Nothing that was acknowledged is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::cluster::{Cluster, await_equal, await_published};
use crate::process::Server;
use crate::process::client::{pixel, request};
use crate::process::pair::{await_that, pixels};

/// What writers were told.
#[derive(Debug, Default)]
struct Told {
    confirmed: u64,
    late: u64,
}

/// Posts pixels at a level, one after the other, until it is told to stop; only 200, and 504 at `disk`, are answers.
fn write(server: &Server, level: &str, y: i32, is_over: &AtomicBool) -> Told {
    let (mut told, mut client, mut x) = (Told::default(), server.connect(), 0);
    while !is_over.load(Ordering::Relaxed) {
        let usual = request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1));
        let text = String::from_utf8(usual).expect("a text");
        client.send(text.replacen("\r\n", &format!("\r\nDurability: {level}\r\n"), 1));
        let answer = client.answer();
        match (answer.status, answer.field("durability")) {
            (200, Some(reached)) if reached == level => told.confirmed += 1,
            (504, Some("disk")) => told.late += 1,
            other => panic!("{other:?}: {}", answer.text()),
        }
        x += 1;
    }
    told
}

/// Writes on all hosts at `cluster` while `fault` happens; gives what each writer was told.
fn under_load(servers: &[Server], fault: impl FnOnce()) -> Vec<Told> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let begin = |(y, server)| {
            scope.spawn({
                let is_over = &is_over;
                move || write(server, "cluster", y as i32, is_over)
            })
        };
        let writers: Vec<_> = servers.iter().enumerate().map(begin).collect();
        fault();
        is_over.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
    })
}

/// Waits until every host has what the writers were told is stored, each pixel once, and the same as the others besides.
fn await_all(servers: &[Server], told: &[Told]) {
    let total: u64 = told.iter().map(|told| told.confirmed + told.late).sum();
    let written = |server| pixels(server).iter().filter(|line| !line.contains("\"y\":-1,")).count() as u64;
    let counts = || servers.iter().map(written).collect::<Vec<_>>();
    await_that("all pixels", counts, |counts| counts.iter().all(|count| *count == total));
    let lists = || servers.iter().map(pixels).collect::<Vec<_>>();
    await_that("equal lists", lists, |lists| lists.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn nothing_acknowledged_is_lost_with_the_leader_of_a_stream() {
    let Some(mut cluster) = Cluster::found(3) else { return };
    let servers = cluster.start_all(&[]);
    let node = cluster.node(0);
    let told = under_load(&servers, || {
        await_confirmed(&servers[0]);
        let leader = cluster.nats.leader_of(&node);
        cluster.nats.kill(leader);
        // Answers at `cluster` come again by the two that are left.
        await_confirmed(&servers[0]);
        cluster.nats.run(leader);
        await_confirmed(&servers[0]);
    });
    await_all(&servers, &told);
}

/// Each server in turn: the one that leads a host's stream, the one that the host is connected to, and the one that leads all. An answer
/// that nobody is woken for would not come for an hour.
#[test]
fn a_server_that_is_stopped_in_order_holds_up_no_answer() {
    let Some(mut cluster) = Cluster::found(2) else { return };
    let servers = cluster.start_all(&["--durability-timeout", "1h"]);
    let told = under_load(&servers, || {
        for at in 0..3 {
            servers.iter().for_each(await_confirmed);
            cluster.nats.stop(at);
            servers.iter().for_each(await_confirmed);
            cluster.nats.run(at);
            cluster.nats.await_whole(at);
        }
    });
    assert!(told.iter().all(|told| told.late == 0), "{told:?}");
}

#[test]
fn without_a_quorum_nobody_spins_and_everything_is_published_when_it_is_back() {
    let Some(mut cluster) = Cluster::found(2) else { return };
    let servers = cluster.start_all(&["--durability-timeout", "100ms"]);
    servers.iter().for_each(await_published);
    cluster.nats.kill(0);
    cluster.nats.kill(1);
    let before = cluster.nats.calls(2);
    let is_over = AtomicBool::new(false);
    let told = thread::scope(|scope| {
        let writer = scope.spawn(|| write(&servers[0], "disk", 1, &is_over));
        // Long enough for a spin to show.
        thread::sleep(Duration::from_secs(5));
        is_over.store(true, Ordering::Relaxed);
        writer.join().expect("a writer")
    });
    let calls = cluster.nats.calls(2) - before;
    assert!(calls < 100, "{calls} calls in five seconds");
    cluster.nats.run(0);
    cluster.nats.run(1);
    servers.iter().for_each(await_published);
    await_equal(&servers, told.confirmed);
}

#[test]
fn hosts_go_on_when_every_store_of_the_log_is_lost() {
    let Some(mut cluster) = Cluster::found(2) else { return };
    let servers = cluster.start_all(&[]);
    let told = under_load(&servers, || {
        await_confirmed(&servers[0]);
        (0..3).for_each(|at| cluster.nats.kill(at));
        (0..3).for_each(|at| std::fs::remove_dir_all(cluster.nats.store(at)).expect("a store"));
        (0..3).for_each(|at| cluster.nats.run(at));
        servers.iter().for_each(await_confirmed);
    });
    servers.iter().for_each(await_published);
    await_all(&servers, &told);
}

/// Waits until a write at `cluster` is confirmed.
fn await_confirmed(server: &Server) {
    let usual = request("POST", "/pixel", "application/json", pixel(0, -1, 'R', 1));
    let text = String::from_utf8(usual).expect("a text").replacen("\r\n", "\r\nDurability: cluster\r\n", 1);
    await_that(
        "an answer at cluster",
        || server.connect().send(&text).answer().status,
        |status| *status == 200,
    );
}
