//! The queue is the log: whatever is killed when, every picture that was taken comes to an end, on either host.

use crate::process;
use crate::thumbs;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;

use image::ImageFormat;
use process::Server;
use process::client::{Next, plain};
use process::pair::{Pair, await_connected, await_that};
use rustix::process::Signal;
use serde_json::Value;
use thumbs::{animation, bomb, end_of, list, picture, png, post_bytes, submit, thumbnail};

/// A busy machine leaves little to a decoder, which is no fault of the picture.
const APPS: [&str; 4] = ["--apps", "pixel,thumbs", "--thumbs-deadline", "60s"];

/// A picture, a large one, an animation, or none.
fn content(seed: u32) -> (Vec<u8>, &'static str) {
    match seed % 8 {
        0 => (picture(900, 700, seed, ImageFormat::Png), "Completed"),
        1 => ([animation(80, 60, 10), seed.to_le_bytes().to_vec()].concat(), "Completed"),
        2 => (seed.to_le_bytes().to_vec(), "Error"),
        3 => ([bomb(0), seed.to_le_bytes().to_vec()].concat(), "Error"),
        _ => (png(seed), "Completed"),
    }
}

/// Hands pictures in until the server is gone; notes those that were taken, with the state they are to end in.
fn post_until_the_end(server: &Server, first: u32, taken: &Mutex<BTreeMap<String, &'static str>>) {
    let mut client = server.connect();
    for seed in first.. {
        let (content, state) = content(seed);
        client.send_in_vain(post_bytes("image/png", &content));
        match client.next(false) {
            Next::Answer(answer) if answer.status == 202 => {
                let id = answer.json()["media_id"].as_str().expect("a name").to_owned();
                taken.lock().expect("a lock").insert(id, state);
            }
            Next::Answer(answer) => panic!("{}", answer.head),
            _ => return,
        }
    }
}

#[test]
fn every_picture_that_was_taken_comes_to_an_end_after_kills() {
    let mut server = Server::fresh(&APPS);
    let taken = Mutex::new(BTreeMap::new());
    for round in 0..5_u32 {
        thread::scope(|scope| {
            for client in 0..2_u32 {
                let (server, taken) = (&server, &taken);
                scope.spawn(move || post_until_the_end(server, (round * 2 + client) * 100_000, taken));
            }
            // By what it has taken, and not by time: a slow machine takes enough, a quick one not too much.
            let wanted = 5 * (round as usize + 1) * (round as usize + 2) / 2;
            await_that("pictures", || taken.lock().expect("a lock").len(), |&count| count >= wanted);
            server.signal(Signal::KILL);
        });
        server = server.kill_and_restart(&APPS);
    }
    let taken = taken.into_inner().expect("a lock");
    assert!(taken.len() >= 75, "{}", taken.len());
    let mut client = server.connect();
    for (id, state) in &taken {
        let answer = end_of(&mut client, id);
        let text = answer.text();
        // One that was cut off twice is given up.
        let is_unlucky = text.contains("ended its decoder twice");
        assert!(is_unlucky || answer.json()["state"] == *state, "{text}");
        if answer.status == 200 {
            assert!(!thumbnail(&mut client, id).is_empty());
        }
    }
    // Those too whose answer was lost.
    await_that(
        "the end of all",
        || list(&server),
        |all| all.iter().all(|item| item["state"] != "Processing"),
    );
}

fn states(server: &Server) -> BTreeMap<String, Value> {
    list(server)
        .into_iter()
        .map(|item| (item["media_id"].as_str().expect("a name").to_owned(), item["state"].clone()))
        .collect()
}

#[test]
fn both_hosts_know_every_state_and_list_the_same() {
    let pair = Pair::found();
    let (a, b) = pair.start(&APPS);
    let (mut at_a, mut at_b) = (a.connect(), b.connect());
    let mut ids = Vec::new();
    for seed in 0..16 {
        let (content, state) = content(seed);
        let client = if seed % 2 == 0 { &mut at_a } else { &mut at_b };
        ids.push((submit(client, "image/png", &content), state));
    }
    for (id, state) in &ids {
        // Held on the host that did not take it, until the word comes from the other one.
        for client in [&mut at_a, &mut at_b] {
            let answer = await_that("the picture", || end_of(client, id), |answer| answer.status != 404);
            assert_eq!(answer.json()["state"], *state, "{}", answer.text());
        }
        if *state == "Completed" {
            assert_eq!(thumbnail(&mut at_a, id), thumbnail(&mut at_b, id));
        }
    }
    assert_eq!((list(&a), list(&a).len()), (list(&b), ids.len()));
    at_a.send(plain("DELETE", &format!("/images/{}", ids[1].0))).answer();
    await_that("the delete", || states(&b), |states| !states.contains_key(&ids[1].0));
    assert_eq!(list(&a), list(&b));
}

#[test]
fn what_a_dead_host_left_is_made_by_the_other_one() {
    let at_a = [&APPS[..], &["--thumbs-workers", "1"]].concat();
    let at_b = [&APPS[..], &["--thumbs-workers", "2", "--thumbs-takeover", "300ms"]].concat();
    let pair = Pair::found();
    let (mut a, b) = (pair.a.start(&pair.b, &at_a), pair.b.start(&pair.a, &at_b));
    await_connected(&a);
    await_connected(&b);
    let mut client = a.connect();
    // A debug build's decoder never ends this one, so the only thread of its host comes to none of the others.
    let endless = submit(&mut client, "image/png", b"PIXELD-TEST loop");
    let ids: Vec<String> = (0..6).map(|seed| submit(&mut client, "image/png", &png(seed))).collect();
    let left = await_that("the pictures", || states(&b), |states| states.len() == 7);
    assert!(left.values().all(|state| state == "Processing"), "{left:?}");
    a.kill();
    let mut client = b.connect();
    for id in &ids {
        assert_eq!(end_of(&mut client, id).status, 200);
    }
    let gone = client.send(plain("DELETE", &format!("/images/{endless}"))).answer();
    assert_eq!(gone.status, 204);
    // The other one comes back and learns of it.
    let a = pair.a.start(&pair.b, &at_a);
    let ends = |server: &Server| {
        let states = states(server);
        states.len() == ids.len() && states.values().all(|state| *state == "Completed")
    };
    await_that("the same", || (ends(&a), ends(&b)), |ends| *ends == (true, true));
    assert_eq!(list(&a), list(&b));
    let (mut at_a, mut at_b) = (a.connect(), b.connect());
    for id in &ids {
        assert_eq!(thumbnail(&mut at_a, id), thumbnail(&mut at_b, id));
    }
}
