//! More than two hosts: numbers, what a dead one left, starts, and pictures while everything is killed.

use std::collections::BTreeSet;
use std::thread;

use serde_json::Value;

use crate::board::{large, png, post, post_bytes, post_form};
use crate::cluster::{Cluster, await_equal, await_log, await_published, metric};
use crate::process::Server;
use crate::process::client::{Next, pixel, plain};
use crate::process::pair::await_that;
use crate::thumbs;

const SHOP: [&str; 4] = ["--apps", "board,pixel,toys", "--toys-db-ms", "0"];

fn add_toy(server: &Server, name: &str) -> u64 {
    let (status, body) = server.ask("POST", "/api/products", &format!("{{\"name\":\"{name}\"}}"));
    assert_eq!(status, 201, "{body}");
    serde_json::from_str::<Value>(&body).expect("JSON")["id"].as_u64().expect("a number")
}

fn say(server: &Server, text: &str) {
    assert_eq!(post(&mut server.connect(), text, "a.png", &png(1)).status, 200);
}

/// All messages of the board, by number.
fn messages(server: &Server) -> Vec<Value> {
    let answer = server.connect().send(plain("GET", "/messages?limit=100")).answer();
    let mut all = answer.json()["messages"].as_array().cloned().expect("a list");
    all.sort_by_key(number);
    all
}

fn number(message: &Value) -> u64 {
    message["id"].as_u64().expect("a number")
}

#[test]
fn five_hosts_at_once_give_no_number_twice() {
    /// All of them are one page of the list.
    const EACH: usize = 20;
    let Some(cluster) = Cluster::found(5) else { return };
    let servers = cluster.start_all(&SHOP);
    let given: Vec<Vec<u64>> = thread::scope(|scope| {
        let write = |(at, server)| {
            scope.spawn(move || {
                let both = |n| (say(server, "x"), add_toy(server, &format!("{at}-{n}"))).1;
                (0..EACH).map(both).collect()
            })
        };
        let writers: Vec<_> = servers.iter().enumerate().map(write).collect();
        writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
    });
    let toys: BTreeSet<u64> = given.iter().flatten().copied().collect();
    assert_eq!(toys.len(), 5 * EACH, "a toy's number was given twice");
    let lists = || servers.iter().map(messages).collect::<Vec<_>>();
    let lists = await_that("the same board", lists, |lists| {
        lists[0].len() == 5 * EACH && lists.windows(2).all(|pair| pair[0] == pair[1])
    });
    let said: BTreeSet<u64> = lists[0].iter().map(number).collect();
    assert_eq!(said.len(), 5 * EACH, "a message's number was given twice");
}

/// Pictures that a host has made small itself, and those in hand or to come.
fn made(server: &Server) -> f64 {
    metric(server, "pixeld_thumbs_attempts_total")
}

#[test]
fn what_a_dead_host_left_is_made_once() {
    const APPS: [&str; 7] =
        ["--apps", "pixel,thumbs", "--thumbs-deadline", "60s", "--thumbs-takeover", "2s", "--thumbs-workers"];
    let Some(cluster) = Cluster::found(3) else { return };
    let start = |at: usize, workers| cluster.start(at, &[&APPS[..], &[workers]].concat());
    let mut servers = [start(0, "1"), start(1, "2"), start(2, "2")];
    servers.iter().for_each(await_log);
    let mut client = servers[0].connect();
    // A debug build's decoder never ends this one, so the only thread of its host comes to none of the others.
    let endless = thumbs::submit(&mut client, "image/png", b"PIXELD-TEST loop");
    let ids: Vec<String> =
        (0..6).map(|seed| thumbs::submit(&mut client, "image/png", &thumbs::png(seed))).collect();
    let others = [&servers[1], &servers[2]];
    await_that("the pictures", || others.map(|server| thumbs::list(server).len()), |all| *all == [7, 7]);
    assert_eq!(others.map(made), [0.0, 0.0], "their host is there");
    servers[0].kill();
    let [b, c] = [&servers[1], &servers[2]];
    // It stands before the others, and goes with whoever takes it over.
    await_that("it is taken over", || made(b) + made(c), |made| *made >= 1.0);
    assert_eq!(b.connect().send(plain("DELETE", &format!("/images/{endless}"))).answer().status, 204);
    let is_done = |server: &&Server| {
        let list = thumbs::list(server);
        list.len() == ids.len() && list.iter().all(|item| item["state"] == "Completed")
    };
    await_that(
        "the end of all",
        || [b, c].iter().filter(|server| is_done(server)).count(),
        |done| *done == 2,
    );
    let done = |server: &Server| metric(server, "pixeld_thumbs_done_total");
    assert_eq!(done(b) + done(c), 6.0, "each once");
    assert_eq!(done(b) * done(c), 0.0, "by one of them");
}

#[test]
fn starts_of_many_hosts_fold() {
    let restarts: usize = std::env::var("RESTARTS").map_or(6, |text| text.parse().expect("a number"));
    let Some(cluster) = Cluster::found(3) else { return };
    let mut servers = cluster.start_all(&[]);
    for restart in 0..restarts {
        for (y, server) in servers.iter().enumerate() {
            assert_eq!(server.ask("POST", "/pixel", &pixel(restart as i32, y as i32, 'R', 1)).0, 200);
        }
        servers.iter_mut().for_each(Server::kill);
        servers = (0..3).map(|at| cluster.start(at, &[])).collect();
    }
    servers.iter().for_each(await_log);
    await_equal(&servers, 3 * restarts as u64);
    let origins = || servers.iter().map(|server| metric(server, "pixeld_origins")).collect::<Vec<_>>();
    // Of each host the newest four, the current one, and one that is listed in part.
    await_that("folds", origins, |origins| origins.iter().all(|count| *count <= 18.0));
    println!("{restarts} restarts of three hosts: {:?} starts are named", origins());
}

/// Posts pictures at `cluster` until the host is gone; gives those that were answered, with their seeds.
fn post_pictures(server: &Server, first: u32, bytes: usize, most: u32) -> Vec<(u32, String)> {
    let (mut client, mut taken) = (server.connect(), Vec::new());
    for seed in first..first + most {
        let mut request = post_bytes(post_form(&seed.to_string(), "a.png", &large(seed, bytes)));
        let line_end = request.iter().position(|&byte| byte == b'\n').expect("a request line") + 1;
        request.splice(line_end..line_end, *b"Durability: cluster\r\n");
        client.send_in_vain(request);
        match client.next(false) {
            Next::Answer(answer) if [200, 504].contains(&answer.status) => {
                let name = answer.json()["filename"].as_str().map(str::to_owned);
                taken.extend(name.map(|name| (seed, name)));
            }
            Next::Answer(answer) => panic!("{} {}", answer.head, answer.text()),
            _ => break,
        }
    }
    taken
}

/// Asks for every picture that a host lists: a message is never there without its picture.
fn assert_whole(server: &Server) -> usize {
    let all = messages(server);
    let mut client = server.connect();
    for message in &all {
        let url = message["image_url"].as_str().expect("an address");
        assert_eq!(client.send(plain("HEAD", url)).head_answer().status, 200, "{message}");
    }
    all.len()
}

#[test]
fn no_message_comes_without_its_picture_whatever_is_killed() {
    const APPS: [&str; 4] = ["--apps", "board,pixel", "--durability-timeout", "20s"];
    /// Just below what the board takes.
    const BYTES: usize = 10_400_000;
    let Some(mut cluster) = Cluster::found(3) else { return };
    let mut servers = cluster.start_all(&APPS);
    let mut taken = Vec::new();
    for round in 0..2_u32 {
        let node = cluster.node(0);
        let leader = cluster.nats.leader_of(&node);
        taken.extend(thread::scope(|scope| {
            let writer = scope.spawn({
                let server = &servers[0];
                move || post_pictures(server, 100 * (round + 1), BYTES, 4)
            });
            // While some of them are on their way.
            let due = 4 * round as usize + 1;
            await_that("a picture elsewhere", || assert_whole(&servers[1]), |count| *count >= due);
            if round == 0 {
                cluster.nats.kill(leader);
            } else {
                servers[0].signal(rustix::process::Signal::KILL);
            }
            writer.join().expect("a writer")
        }));
        if round == 0 {
            cluster.nats.run(leader);
            servers.iter().for_each(await_published);
        }
    }
    servers[0].kill();
    servers[0] = cluster.start(0, &APPS);
    servers.iter().for_each(await_log);
    servers.iter().for_each(await_published);
    let lists = || servers.iter().map(messages).collect::<Vec<_>>();
    await_that("the same board", lists, |lists| lists.windows(2).all(|pair| pair[0] == pair[1]));
    assert!(taken.len() >= 5, "{taken:?}");
    for server in &servers {
        assert_whole(server);
        let mut client = server.connect();
        for (seed, name) in &taken {
            let answer = client.send(plain("GET", &format!("/media/{name}"))).answer();
            assert!(answer.status == 200 && answer.body == large(*seed, BYTES), "{name}");
        }
        assert_eq!(metric(server, "pixeld_log_pictures_gone_total"), 0.0);
    }
}
