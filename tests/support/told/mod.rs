//! What hosts that share a log tell of it and of themselves.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;

use pixeld::base::ids::NodeId;
use pixeld::base::seat::Seat;
use pixeld::log::files::identity::Identity;
use pixeld::os::files::RealDisk;
use serde_json::Value;

use crate::process::pair::{Host, await_ready, await_that, count, pixels};
use crate::process::{Server, pixeld};

/// The id of a host's directory.
pub fn node_of(host: &Host) -> String {
    let disk = RealDisk::open(&host.data_dir).expect("its directory");
    Identity::load(&disk).expect("its identity").expect("it was made").node.to_string()
}

/// The seat that a host's directory asks for first.
pub fn usual_seat(host: &Host) -> Seat {
    Seat::of_node(NodeId(u64::from_str_radix(&node_of(host), 16).expect("a node")))
}

/// Makes directories until two of them ask for the same seat first; gives these.
pub fn two_of_a_seat(mut make: impl FnMut() -> Host) -> [Host; 2] {
    let mut made: Vec<Host> = Vec::new();
    loop {
        let host = make();
        if let Some(at) = made.iter().position(|other| usual_seat(other) == usual_seat(&host)) {
            return [made.swap_remove(at), host];
        }
        made.push(host);
    }
}

/// Seats of the members that a host lists, by node.
pub fn seats(server: &Server) -> BTreeMap<String, u64> {
    let health: Value = serde_json::from_str(&server.ask("GET", "/health", "").1).expect("an object");
    let members = health["members"].as_array().cloned().unwrap_or_default();
    let seat = |member: &Value| Some((member["node"].as_str()?.to_owned(), member["seat"].as_u64()?));
    members.iter().filter_map(seat).collect()
}

/// Adds a toy; gives the seat in its number.
pub fn seat_of_new_toy(server: &Server) -> u64 {
    let (status, body) = server.ask("POST", "/api/products", r#"{"name":"Kite"}"#);
    assert_eq!(status, 201, "{body}");
    serde_json::from_str::<Value>(&body).expect("an object")["id"].as_u64().expect("a number") % 128
}

/// Waits until all list the same members, so many; each has a seat of its own, which is in the numbers that it gives.
pub fn assert_seated(servers: &[(String, &Server)], members: usize) {
    let lists = || servers.iter().map(|(_, server)| seats(server)).collect::<Vec<_>>();
    let lists = await_that("the members", lists, |lists| {
        lists.iter().all(|list| *list == lists[0] && list.len() == members)
    });
    let different: BTreeSet<u64> = lists[0].values().copied().collect();
    assert_eq!(different.len(), members, "{:?}", lists[0]);
    for (node, server) in servers {
        assert_eq!(seat_of_new_toy(server), lists[0][node]);
    }
}

/// Starts the hosts 1 and 2 at the same moment; each has given a number when this returns.
pub fn start_at_once(begin: impl Fn(usize) -> Server + Sync) -> Vec<Server> {
    thread::scope(|scope| {
        let begin = |at: usize| {
            let begin = &begin;
            scope.spawn(move || {
                let server = begin(at);
                await_ready(&server);
                seat_of_new_toy(&server);
                server
            })
        };
        let begun: Vec<_> = (1..3).map(begin).collect();
        begun.into_iter().map(|server| server.join().expect("a server")).collect()
    })
}

/// A series without labels of a host.
pub fn metric(server: &Server, name: &str) -> f64 {
    let metrics = server.ask("GET", "/metrics", "").1;
    let found = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

/// Returns the part of /health about the log.
pub fn log_of(server: &Server) -> Value {
    let health: Value = serde_json::from_str(&server.ask("GET", "/health", "").1).expect("an object");
    health["log"].clone()
}

/// Waits until a host exchanges with the log.
pub fn await_log(server: &Server) {
    await_that("the log", || log_of(server), |log| log["state"] == "connected");
}

/// Waits until the log keeps everything that a host has made.
pub fn await_published(server: &Server) {
    await_that(
        "an even state",
        || log_of(server),
        |log| log["lag_records"] == 0 && log["state"] == "connected",
    );
}

/// Waits until all take requests, and have what the others have, as their beats say: what a host logs when it joins comes behind
/// what it is asked for.
pub fn await_even(servers: &[Server]) {
    let is_even = |server: &Server| {
        let log = log_of(server);
        // One whose directory was lost is listed as long as it may come back.
        let is_here = |host: &&Value| host["heard_seconds"].as_f64().is_some_and(|ago| ago < 3.0);
        let hosts = log["hosts"].as_array().cloned().unwrap_or_default();
        let here: Vec<&Value> = hosts.iter().filter(is_here).collect();
        log["state"] == "connected"
            && log["lag_records"] == 0
            && server.ask("GET", "/readyz", "").0 == 200
            && here.len() + 1 >= servers.len()
            && here.iter().all(|host| host["lag_records"] == 0)
    };
    await_that("the same records everywhere", || servers.iter().all(is_even), |even| *even);
}

/// Waits until all have `total` pixels, and compares the lists.
pub fn await_equal(servers: &[Server], total: u64) {
    let counts = || servers.iter().map(count).collect::<Vec<_>>();
    await_that("all pixels", counts, |counts| counts.iter().all(|count| *count == total));
    let first = pixels(&servers[0]);
    assert!(servers[1..].iter().all(|server| pixels(server) == first), "as many pixels, and other ones");
}

/// Says whether two directories are the same as far as both keep it.
pub fn assert_same(a: &Path, b: &Path) {
    let output = pixeld(&["inspect"]).arg(a).arg(b).output().expect("the binary starts");
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("same"), "{told}");
}
