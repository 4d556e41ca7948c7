//! `--keep` of applications whose items are in memory, over HTTP: the oldest go from lists, and their contents from the disk.

use crate::board;
use crate::process;
use crate::thumbs;

use std::path::Path;

use process::Server;
use process::client::plain;
use process::pair::await_that;
use serde_json::Value;

fn json(server: &Server, path: &str) -> Value {
    let (status, body) = server.ask("GET", path, "");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("an answer in JSON")
}

/// Waits until that many contents are kept in files.
fn await_blobs(data_dir: &Path, count: usize) {
    await_that("contents to go", || board::blob_files(data_dir).len(), |found| *found == count);
}

#[test]
fn the_newest_messages_and_their_pictures_are_kept() {
    let arguments = ["--keep", "board=3"];
    let server = Server::fresh(&arguments);
    let mut client = server.connect();
    for number in 0..8_u8 {
        assert_eq!(
            board::post(&mut client, &format!("message {number}"), "a.png", &board::png(number)).status,
            200
        );
    }
    let texts = |server: &Server| -> Vec<String> {
        let list = json(server, "/messages");
        let messages = list["messages"].as_array().unwrap();
        messages.iter().map(|message| message["message"].as_str().unwrap().to_owned()).collect()
    };
    let newest = ["message 7", "message 6", "message 5"];
    await_that("a cut", || texts(&server), |texts| *texts == newest);
    await_blobs(server.data_dir(), 3);
    assert_eq!(server.ask("GET", "/messages/1", "").0, 404);
    let server = server.kill_and_restart(&arguments);
    assert_eq!(texts(&server), newest);
    assert_eq!(board::post(&mut server.connect(), "message 8", "a.png", &board::png(8)).status, 200);
    await_that(
        "a cut behind a restart",
        || texts(&server).concat(),
        |texts| texts == "message 8message 7message 6",
    );
}

#[test]
fn thumbnails_are_kept_by_number_and_pictures_without_one_stay() {
    let server = Server::fresh(&["--keep", "thumbs=2"]);
    let mut client = server.connect();
    let ids: Vec<String> =
        (0..5).map(|seed| thumbs::submit(&mut client, "image/png", &thumbs::png(seed))).collect();
    let kept = |server: &Server| -> Vec<String> {
        let list = json(server, "/images");
        let images = list["images"].as_array().unwrap();
        images.iter().map(|image| image["media_id"].as_str().unwrap().to_owned()).collect()
    };
    await_that("a cut", || kept(&server), |kept| *kept == ids[3..]);
    await_blobs(server.data_dir(), 2);
    assert_eq!(server.ask("GET", &format!("/images/{}", ids[0]), "").0, 404);
}

#[test]
fn what_is_too_old_goes() {
    let server = Server::fresh(&["--keep", "board=1s", "--keep", "thumbs=1s"]);
    let mut client = server.connect();
    assert_eq!(board::post(&mut client, "hi", "a.png", &board::png(1)).status, 200);
    thumbs::submit(&mut client, "image/png", &thumbs::png(1));
    await_that(
        "no messages",
        || json(&server, "/messages"),
        |list| list["messages"].as_array().unwrap().is_empty(),
    );
    await_that(
        "no pictures",
        || json(&server, "/images"),
        |list| list["images"].as_array().unwrap().is_empty(),
    );
    await_blobs(server.data_dir(), 0);
}

#[test]
fn a_delete_with_a_parameter_that_there_is_not_removes_nothing() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    assert_eq!(board::post(&mut client, "hi", "a.png", &board::png(1)).status, 200);
    let id = thumbs::submit(&mut client, "image/png", &thumbs::png(1));
    for path in ["/messages/1".to_owned(), format!("/images/{id}")] {
        let answer = client.send(plain("DELETE", &format!("{path}?before=2026-11-29T10:00:00Z"))).answer();
        assert_eq!(answer.status, 422, "{path}");
        assert!(server.ask("GET", &path, "").0 < 400, "{path}");
        assert_eq!(client.send(plain("DELETE", &path)).answer().status, 204, "{path}");
    }
}

#[test]
fn what_is_kept_is_measured_by_application() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    let picture = board::png(1);
    assert_eq!(board::post(&mut client, "hi", "a.png", &picture).status, 200);
    for x in 0..3 {
        assert_eq!(client.send(process::client::post_pixel(x, 2, 'R', 3)).answer().status, 200);
    }
    let size = json(&server, "/messages")["messages"][0].clone();
    let metrics = server.ask("GET", "/metrics", "").1;
    let value = |series: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(series)).expect(series);
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("pixeld_data_bytes{app=\"pixel\"}"), 30.0);
    assert!(value("pixeld_data_bytes{app=\"board\"}") >= 2.0 + 5.0 + 24.0, "{size}");
    assert_eq!(value("pixeld_data_bytes{app=\"thumbs\"}"), 0.0);
    assert!(value("pixeld_data_growth_bytes").is_nan() && value("pixeld_disk_full_days").is_infinite());
}
