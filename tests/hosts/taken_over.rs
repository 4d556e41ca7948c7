//! A host is away, and the other one makes the thumbnails that it has left; their states go to the disk before it is back.

use crate::old_items;
use crate::process;
use crate::thumbs;

use old_items::metric;
use process::cable::Cable;
use process::client::{Client, plain};
use process::pair::{Host, Pair, await_away, await_connected, await_ready, await_that, peer_of};
use process::{Server, pixeld};
use serde_json::Value;
use thumbs::{end_of, list, png, submit, thumbnail};

/// So little that nearly every state is on the disk.
const TINY: [&str; 4] = ["--apps", "pixel,thumbs", "--limit", "young_bytes=1KiB"];
/// Pictures that have come to an end, and are on the disk, before the host goes away; and those that it leaves.
const BEFORE: u32 = 12;
const LEFT: u32 = 6;
/// States that may stay in memory.
const YOUNG: u64 = 2;
/// A debug build's decoder never ends this one, so the only thread of its host comes to none of the others.
const ENDLESS: &[u8] = b"PIXELD-TEST loop";

fn at_a(deadline: &'static str) -> Vec<&'static str> {
    [&TINY[..], &["--thumbs-workers", "1", "--thumbs-deadline", deadline]].concat()
}

fn at_b(deadline: &'static str) -> Vec<&'static str> {
    let more = ["--thumbs-workers", "2", "--thumbs-takeover", "300ms", "--thumbs-deadline", deadline];
    [&TINY[..], &more].concat()
}

/// Pictures whose states are on the disk.
fn old(server: &Server) -> u64 {
    metric(server, "pixeld_old_items{app=\"thumbs\"}")
}

fn made(server: &Server) -> u64 {
    metric(server, "pixeld_thumbs_done_total")
}

/// Hands pictures in that come to an end, and waits until both hosts have them on the disk.
fn fill(at: &Server, other: &Server) -> Vec<String> {
    let mut client = at.connect();
    let ids: Vec<String> = (0..BEFORE).map(|seed| submit(&mut client, "image/png", &png(seed))).collect();
    for id in &ids {
        assert_eq!(end_of(&mut client, id).status, 200);
    }
    let both = || (old(at), old(other));
    let least = u64::from(BEFORE) - YOUNG;
    await_that("states on the disk", both, |(one, other)| *one >= least && *other >= least);
    ids
}

/// Hands in the one without an end and some others, which stay behind it, and waits until the other host has them.
fn leave(client: &mut Client, other: &Server) -> (String, Vec<String>) {
    let endless = submit(client, "image/png", ENDLESS);
    let ids = (100..100 + LEFT).map(|seed| submit(client, "image/png", &png(seed))).collect();
    let open = || list(other).iter().filter(|one| one["state"] == "Processing").count();
    await_that("the pictures", open, |open| *open == LEFT as usize + 1);
    (endless, ids)
}

/// Waits until a host has all of these with their thumbnails, `others` beside them, and nearly all of them on the disk.
fn await_all_old(server: &Server, ids: &[String], others: usize) {
    let done = || list(server).iter().filter(|one| one["state"] == "Completed").count();
    await_that(
        "all thumbnails",
        || (done(), list(server).len()),
        |(done, all)| *done == ids.len() && *all == ids.len() + others,
    );
    await_that("states on the disk", || old(server), |old| *old + YOUNG >= ids.len() as u64);
}

/// Kills both when neither has anything that the other one lacks, and has their directories compared.
fn expect_same(a: &Host, b: &Host, servers: [Server; 2]) {
    let lags = || servers.each_ref().map(|server| peer_of(server)["lag_records"].as_u64());
    await_that("an even state", lags, |lags| *lags == [Some(0); 2]);
    // One that is told to stop says of the picture in its hands that it came to nothing.
    servers.into_iter().for_each(|mut server| server.kill());
    let output = pixeld(&["inspect", "--json"]).arg(&a.data_dir).arg(&b.data_dir).output().expect("it runs");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!((output.status.code(), &told["verdict"]), (Some(0), &"same".into()), "{told:#}");
    assert_eq!(told["states_differ"], Value::Array(Vec::new()), "{told:#}");
}

/// Compares the answers of both for each picture.
fn expect_alike(ids: &[String], a: &Server, b: &Server) {
    assert_eq!(list(a), list(b));
    let (mut at_a, mut at_b) = (a.connect(), b.connect());
    for id in ids {
        assert_eq!(thumbnail(&mut at_a, id), thumbnail(&mut at_b, id));
    }
}

#[test]
fn what_a_dead_host_left_is_made_once_and_is_old_when_it_is_back() {
    let pair = Pair::found();
    let (a_says, b_says) = (at_a("60s"), at_b("60s"));
    let (mut a, b) = (pair.a.start(&pair.b, &a_says), pair.b.start(&pair.a, &b_says));
    for server in [&a, &b] {
        await_connected(server);
        await_ready(server);
    }
    let mut ids = fill(&a, &b);
    assert_eq!((made(&a), made(&b)), (u64::from(BEFORE), 0), "its host is there");
    let (endless, left) = leave(&mut a.connect(), &b);
    a.kill();
    await_that("it is taken over", || metric(&b, "pixeld_thumbs_attempts_total"), |begun| *begun > 0);
    assert_eq!(b.connect().send(plain("DELETE", &format!("/images/{endless}"))).answer().status, 204);
    ids.extend(left);
    await_all_old(&b, &ids, 0);
    assert_eq!(made(&b), u64::from(LEFT), "each once");

    // Its thread begins with the one without an end again, and hears of the others meanwhile.
    let a = pair.a.start(&pair.b, &a_says);
    await_all_old(&a, &ids, 0);
    expect_alike(&ids, &a, &b);
    assert_eq!((made(&a), made(&b)), (0, u64::from(LEFT)), "and no more");
    expect_same(&pair.a, &pair.b, [a, b]);
}

/// Both make them, because neither knows of the other one. What each hears of the other one's ends is of pictures on the disk.
#[test]
fn what_both_made_while_they_were_parted_is_one_thumbnail_each() {
    let pair = Pair::found();
    let cables = [Cable::to(pair.a.peer_listen), Cable::to(pair.b.peer_listen)];
    // Both give the endless one up after so much time of the processor, which is enough for the cables to be pulled.
    let a = pair.a.start(&pair.b.behind(&cables[1]), &at_a("1s"));
    let b = pair.b.start(&pair.a.behind(&cables[0]), &at_b("1s"));
    for server in [&a, &b] {
        await_connected(server);
        await_ready(server);
    }
    let mut ids = fill(&a, &b);
    let (_, left) = leave(&mut a.connect(), &b);
    cables.iter().for_each(Cable::pull);
    await_away(&b);
    ids.extend(left);
    await_all_old(&b, &ids, 1);
    await_all_old(&a, &ids, 1);
    assert_eq!((made(&a), made(&b)), (u64::from(BEFORE + LEFT), u64::from(LEFT)), "each by both");
    cables.iter().for_each(Cable::plug_in);
    let said = |server: &Server| metric(server, "pixeld_replication_received_records_total");
    let before = (said(&a), said(&b));
    [&a, &b].into_iter().for_each(await_connected);
    // The ends of each host.
    let heard = || (said(&a) - before.0, said(&b) - before.1);
    await_that("the other one's words", heard, |(a, b)| *a > u64::from(LEFT) && *b > u64::from(LEFT));
    await_all_old(&a, &ids, 1);
    await_all_old(&b, &ids, 1);
    let running = || [&a, &b].map(|server| metric(server, "pixeld_thumbs_running"));
    await_that("the end of the endless one", running, |running| *running == [0, 0]);
    expect_alike(&ids, &a, &b);
    expect_same(&pair.a, &pair.b, [a, b]);
}
