//! Members: hosts list themselves, each with a seat of its own that it keeps, and are forgotten.

use crate::process;

use std::collections::BTreeMap;
use std::path::Path;

use process::pair::{Host, Pair, await_connected, await_ready, await_that, init};
use process::{Server, pixeld};
use serde_json::Value;

const SHOP: [&str; 2] = ["--apps", "pixel,toys"];

/// Seats of the members that a host lists, by node.
fn seats(server: &Server) -> BTreeMap<String, u64> {
    let health: Value = serde_json::from_str(&server.ask("GET", "/health", "").1).expect("JSON");
    let members = health["members"].as_array().cloned().unwrap_or_default();
    let seat = |member: &Value| {
        let node = member["node"].as_str().expect("a node").to_owned();
        assert!(member["name"].is_string() && member["since"].is_u64(), "{member}");
        (node, member["seat"].as_u64().expect("a seat"))
    };
    members.iter().map(seat).collect()
}

fn await_members(server: &Server, count: usize) -> BTreeMap<String, u64> {
    await_that("members", || seats(server), |seats| seats.len() == count)
}

fn node_of(host: &Host) -> String {
    let path = host.data_dir.to_str().expect("a path");
    init(&["--show", "--data-dir", path]).expect("an identity")["node_id"]
        .as_str()
        .expect("a text")
        .to_owned()
}

/// Adds a toy; gives the seat in its number.
fn seat_of_new_toy(server: &Server) -> u64 {
    let (status, body) = server.ask("POST", "/api/products", r#"{"name":"Kite"}"#);
    assert_eq!(status, 201, "{body}");
    serde_json::from_str::<Value>(&body).expect("JSON")["id"].as_u64().expect("a number") % 128
}

fn forget(data_dir: &Path, node: &str) -> (Option<i32>, String) {
    let output = pixeld(&["forget-host", node, "--data-dir"]).arg(data_dir).output().expect("it runs");
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn hosts_keep_their_seats_alone_and_when_the_other_one_is_replaced() {
    let pair = Pair::found();
    let (node_a, node_b) = (node_of(&pair.a), node_of(&pair.b));
    let (a, b) = pair.start(&SHOP);
    let before = await_members(&a, 2);
    assert_eq!(await_members(&b, 2), before);
    assert_eq!(before.values().sum::<u64>(), 1, "0 and 1: {before:?}");
    assert_eq!((seat_of_new_toy(&a), seat_of_new_toy(&b)), (before[&node_a], before[&node_b]));
    drop((a, b));
    let a = pair.a.start_alone(&SHOP);
    assert_eq!(seat_of_new_toy(&a), before[&node_a], "it may not be alone for the other one");
    drop(a);

    // The disk of one is lost: the next host has neither its seat nor that of the one that stays, whatever its key.
    let (c, _) = Host::found(pair.directory.path(), "c", Some(&pair.cluster));
    let (a, on_c) = (pair.a.start(&c, &SHOP), c.start(&pair.a, &SHOP));
    await_ready(&on_c);
    let is_replaced = |seats: &BTreeMap<String, u64>| seats.len() == 2 && !seats.contains_key(&node_b);
    let after = await_that("the successor", || seats(&a), is_replaced);
    await_that("the same on both", || seats(&on_c), |seats| *seats == after);
    assert_eq!((after[&node_a], after[&node_of(&c)]), (before[&node_a], 2));
    assert_eq!((seat_of_new_toy(&a), seat_of_new_toy(&on_c)), (before[&node_a], 2));
}

#[test]
fn a_member_is_forgotten_by_name_and_is_one_again_when_it_comes_back() {
    let pair = Pair::found();
    let (node_a, node_b) = (node_of(&pair.a), node_of(&pair.b));
    let (a, b) = pair.start(&[]);
    let before = await_members(&a, 2);
    await_members(&b, 2);
    let (code, told) = forget(&pair.a.data_dir, &node_b);
    assert!(code == Some(1) && told.contains("in use"), "{told}");
    drop(b);
    let away = || {
        let health: Value = serde_json::from_str(&a.ask("GET", "/health", "").1).expect("JSON");
        let members = health["members"].as_array().cloned().expect("members");
        members.into_iter().find(|member| member["node"] == node_b.as_str()).expect("it is one")
    };
    let away = await_that("it is away", away, |member| member["state"] == "away");
    assert!(away["away_seconds"].is_f64() && away["waits"]["records"].is_u64(), "{away}");
    drop(a);

    let (code, told) = forget(&pair.a.data_dir, "00000000000000a1");
    assert!(code == Some(1) && told.contains("is no member") && told.contains(&node_b), "{told}");
    let (code, told) = forget(&pair.a.data_dir, &node_a);
    assert!(code == Some(1) && told.contains("forget it on a host that stays"), "{told}");
    assert_eq!(forget(&pair.a.data_dir, "a1").0, Some(2));
    assert!(pair.a.data_dir.join("peer").exists());
    let (code, told) = forget(&pair.a.data_dir, &node_b);
    assert!(code == Some(0) && told.contains(&format!("seat {}", before[&node_b])), "{told}");
    assert!(!pair.a.data_dir.join("peer").exists(), "nothing is kept for it");
    let a = pair.a.start_alone(&[]);
    assert_eq!(seats(&a).into_keys().collect::<Vec<_>>(), [node_a]);
    drop(a);

    let (a, b) = pair.start(&[]);
    [&a, &b].into_iter().for_each(await_connected);
    assert_eq!(await_members(&b, 2), before);
    assert_eq!(await_that("both", || seats(&a), |seats| seats.len() == 2), before);
}

#[test]
fn forgetting_the_peer_is_logged_too() {
    let pair = Pair::found();
    let node_b = node_of(&pair.b);
    let (a, b) = pair.start(&[]);
    await_members(&a, 2);
    drop((a, b));
    let forgotten = pixeld(&["forget-peer", "--data-dir"]).arg(&pair.a.data_dir).output().expect("it runs");
    assert!(String::from_utf8_lossy(&forgotten.stdout).contains(&node_b));
    assert_eq!(seats(&pair.a.start_alone(&[])).len(), 1);
    // The file is gone, and what is logged says it too.
    let again = pixeld(&["forget-peer", "--data-dir"]).arg(&pair.a.data_dir).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&again.stdout), "no peer was known\n");
}
