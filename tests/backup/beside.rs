//! Beside a server under load whose retention cuts: what is put back is what was there, and nothing goes while it is copied.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use rustix::process::Signal;

use crate::process::client::{Client, plain, request};
use crate::process::pair::{await_that, count};
use crate::process::{ANY_PORT, Server};
use crate::{Home, assert_same, backup, board, done, restore};

/// Records of the binary form: each overwrites the same row of cells.
pub(crate) fn many(pixels: usize) -> Vec<u8> {
    let row = (0..pixels as i32).flat_map(|x| {
        let mut record = vec![0x12, 7];
        record.extend_from_slice(&(x % 1000).to_le_bytes());
        record.extend_from_slice(&2i32.to_le_bytes());
        record
    });
    request("POST", "/pixels", "application/vnd.pixeld", row.collect::<Vec<u8>>())
}

fn write_pixels(client: &mut Client, stop: &AtomicBool) {
    let some = many(20_000);
    while !stop.load(Ordering::Relaxed) {
        assert_eq!(client.send(&some).answer().status, 200);
    }
}

/// Messages 1, 2, 3..., each with a picture, and every third one deletes the one before it.
fn write_messages(client: &mut Client, stop: &AtomicBool, written: &AtomicU32) {
    while !stop.load(Ordering::Relaxed) {
        let id = written.load(Ordering::Relaxed) + 1;
        assert_eq!(board::post(client, "hello", "a.png", &board::large(id, 4096)).status, 200);
        if id.is_multiple_of(3) {
            assert_eq!(client.send(plain("DELETE", &format!("/messages/{}", id - 1))).answer().status, 204);
        }
        written.store(id, Ordering::Relaxed);
    }
}

/// Stops the writers, however the test ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn what_is_put_back_is_what_a_loaded_server_has_although_it_removes_the_oldest() {
    let home = Home::new();
    let (source, target) = (home.at("source"), home.at("target"));
    let limits = ["--keep", "pixel=200000", "--keep", "board=60", "--limit", "young_bytes=1KiB"];
    let mut server = Server::start(ANY_PORT, &source, &limits);
    let (stop, written) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| write_pixels(&mut server.connect(), &stop));
        scope.spawn(|| write_messages(&mut server.connect(), &stop, &written));
        for round in 1..=5 {
            await_that("load", || written.load(Ordering::Relaxed), |written| *written >= round * 25);
            let said = done(&mut backup(&source, &target));
            assert!(said.contains("has everything up to 20"), "{said}");
            let restored = home.at(&format!("restored-{round}"));
            done(&mut restore(&target, &restored, &[]));
            done(crate::process::pixeld(&["inspect"]).arg(&restored));
        }
        let first = source.join("0000000001.seg");
        await_that("the first segment goes", || first.exists(), |is_there| !is_there);
        await_that("messages are old", || source.join("runs").exists(), |is_there| *is_there);
    });
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    done(&mut backup(&source, &target));
    let restored = home.at("restored");
    done(&mut restore(&target, &restored, &[]));
    assert_same(&source, &restored);
    // What the source does from now on is none of the copy's.
    let server = Server::start(ANY_PORT, &source, &limits);
    assert_eq!(server.connect().send(many(500_000)).answer().status, 200);
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    drop(server);
    let again = home.at("again");
    done(&mut restore(&target, &again, &[]));
    assert_same(&again, &restored);
    let total = count(&Server::start(ANY_PORT, &restored, &[]));
    assert!(total >= 200_000, "{total}");
}

#[test]
fn no_file_goes_while_a_backup_copies() {
    let home = Home::new();
    let source = home.at("source");
    let server = Server::start(ANY_PORT, &source, &[]);
    done(&mut backup(&source, &home.at("target")));
    let hold = File::open(source.join("backup")).expect("made by the first backup");
    hold.lock_shared().expect("locked");
    for _ in 0..2 {
        assert_eq!(server.connect().send(many(450_000)).answer().status, 200);
    }
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    // A picture that was deleted is looked after in the same turn as segments.
    assert_eq!(board::post(&mut server.connect(), "hello", "a.png", &board::png(1)).status, 200);
    assert_eq!(server.ask("DELETE", "/messages/1", "").0, 204);
    let first = source.join("0000000001.seg");
    // Each of these needs segments that are made in turns in which files would go.
    for _ in 0..3 {
        assert_eq!(server.connect().send(many(450_000)).answer().status, 200);
    }
    assert!(first.exists() && board::blob_files(&source).len() == 1, "a file went");
    drop(hold);
    await_that("the first segment goes", || first.exists(), |is_there| !is_there);
    await_that("the picture goes", || board::blob_files(&source).len(), |left| *left == 0);
}
