//! Pictures whose files are damaged behind the server's back: found, named, not served, mended.

use crate::board;
use crate::process;

use std::fs;
use std::path::{Path, PathBuf};

use board::{large, png, post};
use process::client::{Answer, Client, plain, post_pixel};
use process::pair::{Host, Pair, await_connected, await_ready, await_that, count};
use process::{Server, pixeld};

const APPS: [&str; 2] = ["--apps", "board,pixel"];

/// A picture that was posted.
struct Posted {
    url: String,
    content: Vec<u8>,
}

impl Posted {
    fn new(client: &mut Client, content: Vec<u8>) -> Self {
        let answer = post(client, "x", "a.png", &content);
        assert_eq!(answer.status, 200, "{}", answer.head);
        Self { url: format!("/media/{}", answer.json()["filename"].as_str().expect("a name")), content }
    }

    fn name(&self) -> String {
        pixeld::log::blobs::id_of(&self.content).to_string()
    }

    fn file(&self, data_dir: &Path) -> PathBuf {
        let name = self.name();
        data_dir.join("blobs").join(&name[..2]).join(&name[2..])
    }

    fn get(&self, server: &Server) -> Answer {
        server.connect().send(plain("GET", &self.url)).answer()
    }
}

/// Posts a sound picture and four others, two of them in several pieces.
fn post_all(server: &Server) -> Vec<Posted> {
    let mut client = server.connect();
    let contents = [png(1), large(2, 700_000), large(3, 600_000), png(4), png(5)];
    contents.into_iter().map(|content| Posted::new(&mut client, content)).collect()
}

/// Flips a byte of one, cuts one, empties one, deletes one; the first stays sound.
fn damage(posted: &[Posted], data_dir: &Path) {
    let flipped = posted[1].file(data_dir);
    let mut content = fs::read(&flipped).expect("a picture");
    let last = content.len() - 1;
    content[last] ^= 1;
    fs::write(&flipped, content).expect("written");
    let cut = fs::OpenOptions::new().write(true).open(posted[2].file(data_dir)).expect("a picture");
    cut.set_len(300_000).expect("cut");
    fs::write(posted[3].file(data_dir), "").expect("emptied");
    fs::remove_file(posted[4].file(data_dir)).expect("deleted");
}

fn metric(server: &Server, name: &str) -> u64 {
    let text = server.ask("GET", "/metrics", "").1;
    let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).expect(name).to_owned();
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

fn faults(server: &Server) -> (u64, u64) {
    (metric(server, "pixeld_scrub_damaged"), metric(server, "pixeld_scrub_missing"))
}

fn inspect(directories: &[&Path]) -> (Option<i32>, String) {
    let output = pixeld(&["inspect"]).args(directories).output().expect("the binary");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn damaged_pictures_are_named_and_not_served_until_they_are_posted_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let start = || Server::start(process::ANY_PORT, directory.path(), &APPS);
    let mut server = start();
    let posted = post_all(&server);
    server.kill();
    let (code, text) = inspect(&[directory.path()]);
    assert!(code == Some(0) && text.contains("blobs     5"), "{text}");
    damage(&posted, directory.path());
    let (code, text) = inspect(&[directory.path()]);
    assert_eq!(code, Some(1), "{text}");
    for (picture, fault) in posted[1..].iter().zip(["damaged", "damaged", "damaged", "missing"]) {
        assert!(text.contains(&format!("{} is {fault}", picture.name())), "{text}");
    }
    let server = start();
    await_that("the damage", || faults(&server), |found| *found == (3, 1));
    for picture in &posted[1..] {
        server.wait_for(&picture.name());
        let answer = picture.get(&server);
        assert_eq!((answer.status, answer.field("etag")), (404, None), "{}", answer.head);
        assert!(!answer.head.contains("immutable"), "{}", answer.head);
    }
    assert!(posted[0].get(&server).body == posted[0].content);
    for (mended, picture) in (1..).zip(&posted[1..]) {
        let again = Posted::new(&mut server.connect(), picture.content.clone());
        assert!(again.get(&server).body == picture.content && picture.get(&server).status == 200);
        let (damaged, missing) = faults(&server);
        assert_eq!(damaged + missing, 4 - mended);
    }
}

#[test]
fn what_is_damaged_on_one_host_is_fetched_from_the_other() {
    let pair = Pair::found();
    let (mut a, b) = pair.start(&APPS);
    let posted = post_all(&a);
    for picture in &posted {
        await_that("the picture there", || picture.get(&b).status, |status| *status == 200);
    }
    // Deleted beside the running server: whoever asks for it finds that.
    fs::remove_file(posted[4].file(&pair.a.data_dir)).expect("deleted");
    await_that("the picture again", || posted[4].get(&a).status, |status| *status == 200);
    assert_eq!(metric(&a, "pixeld_scrub_mended_total"), 1);
    a.kill();
    damage(&posted, &pair.a.data_dir);
    let a = pair.a.start(&pair.b, &APPS);
    await_connected(&a);
    await_that("all to be mended", || metric(&a, "pixeld_scrub_mended_total"), |mended| *mended == 4);
    assert_eq!(faults(&a), (0, 0));
    for picture in &posted {
        assert!(picture.get(&a).body == picture.content);
    }
    let (code, text) = inspect(&[&pair.a.data_dir, &pair.b.data_dir]);
    assert_eq!(code, Some(0), "{text}");
}

/// The first host has damage when the second one joins; and where neither has it, both say so.
#[test]
fn a_damaged_picture_stops_no_replication() {
    let pair = Pair::found();
    let a = pair.a.start(&pair.b, &APPS);
    let posted = post_all(&a);
    damage(&posted, &pair.a.data_dir);
    for value in 0..20 {
        assert_eq!(a.connect().send(post_pixel(1, 1, 'R', value)).answer().status, 200);
    }
    let b = pair.b.start(&pair.a, &APPS);
    await_ready(&b);
    await_that("all pixels", || count(&b), |count| *count == 20);
    let request = String::from_utf8(post_pixel(2, 2, 'G', 1)).expect("a text");
    let request = request.replacen("\r\n", "\r\nDurability: both\r\n", 1);
    assert_eq!(a.connect().send(request).answer().status, 200, "`both` is answered");
    await_that("the sound one", || posted[0].get(&b).status, |status| *status == 200);
    assert!(posted[0].get(&b).body == posted[0].content);
    for host in [&a, &b] {
        for picture in &posted[1..] {
            let answer = picture.get(host);
            assert!(answer.status == 404 && !answer.head.contains("immutable"), "{}", answer.head);
            host.wait_for(&picture.name());
        }
    }
    b.wait_for("the peer does not have it either");
    let verdict = |host: &Host| inspect(&[&host.data_dir]).0;
    assert_eq!((verdict(&pair.a), verdict(&pair.b)), (Some(1), Some(1)));
    let (code, text) = inspect(&[&pair.a.data_dir, &pair.b.data_dir]);
    assert!(code == Some(1) && text.contains(&posted[4].name()), "{text}");
    // Posted again on one of them it is there on both.
    for picture in &posted[1..] {
        Posted::new(&mut b.connect(), picture.content.clone());
    }
    for picture in &posted {
        await_that("the picture on both", || picture.get(&a).body == picture.content, |is| *is);
    }
}
