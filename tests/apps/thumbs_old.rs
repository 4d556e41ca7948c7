//! Pictures whose states are on the disk: lists, thumbnails, deletes, known contents and cuts are what they are with all in memory.

use crate::board;
use crate::process;
use crate::thumbs;

use board::blob_files;
use process::Server;
use process::client::{Client, plain};
use process::pair::await_that;
use serde_json::Value;
use thumbs::{end_of, get, png, post, submit, thumbnail};

/// So little that nearly every state is on the disk. A busy machine leaves little to a decoder.
const TINY: [&str; 6] = ["--apps", "thumbs", "--thumbs-deadline", "60s", "--limit", "young_bytes=1KiB"];

/// Waits until all states but a few are on the disk.
fn await_old(server: &Server, at_least: u64) {
    let old = || {
        let (_, text) = server.ask("GET", "/metrics", "");
        let line = text.lines().find(|line| line.starts_with("pixeld_old_items{app=\"thumbs\"}"));
        line.and_then(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).unwrap_or(0)
    };
    await_that("states on the disk", old, |old| *old >= at_least);
}

/// Hands so many pictures in, of four contents and one that is none; gives their names when all have come to an end.
fn hand_in(client: &mut Client, count: u32) -> Vec<String> {
    let content = |number: u32| if number % 5 == 4 { b"no picture".to_vec() } else { png(number % 5) };
    let ids: Vec<String> = (0..count).map(|number| submit(client, "image/png", &content(number))).collect();
    for (number, id) in (0..).zip(&ids) {
        let expected = if number % 5 == 4 { 400 } else { 200 };
        assert_eq!(end_of(client, id).status, expected, "{number}");
    }
    ids
}

/// The names of all pictures in a state, page by page.
fn all(client: &mut Client, state: &str) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(client, &format!("/images?limit=3{state}{after}"));
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        let ids = page["images"].as_array().expect("a list").iter();
        found.extend(ids.map(|one| one["media_id"].as_str().expect("a name").to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return found,
        }
    }
}

fn delete(client: &mut Client, id: &str) -> u16 {
    client.send(plain("DELETE", &format!("/images/{id}"))).answer().status
}

/// Pictures that this process began to decode.
fn attempts(server: &Server) -> u64 {
    let (_, text) = server.ask("GET", "/metrics", "");
    let line = text.lines().find(|line| line.starts_with("pixeld_thumbs_attempts_total"));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).expect("a series")
}

#[test]
fn old_pictures_are_listed_shown_deleted_and_kept_through_a_kill() {
    let server = Server::fresh(&TINY);
    let mut client = server.connect();
    let ids = hand_in(&mut client, 30);
    await_old(&server, 28);
    assert_eq!(all(&mut client, ""), ids);
    let failed: Vec<String> = ids.iter().skip(4).step_by(5).cloned().collect();
    assert_eq!(all(&mut client, "&state=Error"), failed);
    assert_eq!(all(&mut client, "&state=Processing"), Vec::<String>::new());
    let small = thumbnail(&mut client, &ids[0]);
    let binary = get(&mut client, &format!("/images/{}/thumbnail?encoding=binary", ids[25]));
    assert_eq!((binary.status, &binary.body), (200, &small), "another one with its content");
    let etag = binary.field("etag").expect("a tag").to_owned();
    let path = format!("/images/{}/thumbnail?encoding=binary", ids[0]);
    let again =
        client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nIf-None-Match: {etag}\r\n\r\n")).answer();
    assert_eq!(again.status, 304);
    let none = get(&mut client, &format!("/images/{}/thumbnail", ids[4]));
    assert!(none.status == 404 && none.text().contains("There is no thumbnail of"), "{}", none.text());
    let status = get(&mut client, &format!("/images/{}", ids[4]));
    assert_eq!((status.status, status.json()["state"].as_str()), (400, Some("Error")));

    // All of one content go, and with the last of them its thumbnail.
    let blobs = blob_files(server.data_dir()).len();
    for id in ids.iter().step_by(5) {
        assert_eq!(delete(&mut client, id), 204);
        assert_eq!((delete(&mut client, id), get(&mut client, &format!("/images/{id}")).status), (404, 404));
    }
    let left: Vec<String> =
        ids.iter().enumerate().filter(|(at, _)| at % 5 != 0).map(|(_, id)| id.clone()).collect();
    assert_eq!(all(&mut client, ""), left);
    await_that("its thumbnail goes", || blob_files(server.data_dir()).len(), |count| *count == blobs - 1);

    drop(client);
    let server = server.kill_and_restart(&TINY);
    let mut client = server.connect();
    assert_eq!(all(&mut client, ""), left);
    assert_eq!(get(&mut client, &format!("/images/{}", ids[0])).status, 404);
    // What is known of a content is known from the disk: nobody decodes it again.
    let more = submit(&mut client, "image/png", &png(1));
    assert_eq!(end_of(&mut client, &more).status, 200);
    assert_eq!(thumbnail(&mut client, &more), thumbnail(&mut client, &ids[1]));
    assert_eq!(attempts(&server), 0, "no attempt since the start");
    let list = all(&mut client, "");
    assert_eq!((list.len(), list.last()), (left.len() + 1, Some(&more)));
}

#[test]
fn a_cut_reaches_into_runs_of_pictures() {
    let server = Server::fresh(&TINY);
    let mut client = server.connect();
    let ids = hand_in(&mut client, 20);
    await_old(&server, 18);
    drop(client);
    let server = server.kill_and_restart(&[&TINY[..], &["--keep", "thumbs=2"]].concat());
    let mut client = server.connect();
    await_that("the newest two", || all(&mut client, ""), |left| *left == ids[18..]);
    await_that("their thumbnail", || blob_files(server.data_dir()).len(), |files| *files == 1);
    let answer = post(&mut client, "image/png", &png(9));
    let id: Value = answer.json()["media_id"].clone();
    assert_eq!(end_of(&mut client, id.as_str().expect("a name")).status, 200);
}
