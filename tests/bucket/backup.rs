//! A backup in a bucket: made beside a server, killed anywhere, followed, and put back.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::Bucket;
use crate::board::{large, post};
use crate::process::client::{post_pixel, request};
use crate::process::pair::await_that;
use crate::process::{ANY_PORT, Server, pixeld};

const TARGET: &str = "s3://pictures/backups/a";
/// How often a backup is killed, each time when the bucket has one object more than before.
const KILLS: usize = 5;

impl Bucket {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = pixeld(arguments);
        command.envs(self.variables());
        command
    }

    fn backup(&self, source: &Path) -> Command {
        self.command(&["backup", source.to_str().expect("a path"), TARGET])
    }

    fn restore(&self, directory: &Path) -> String {
        done(&mut self.command(&["restore", TARGET, directory.to_str().expect("a path")]))
    }

    /// Names of the pieces of segments that grow.
    fn pieces(&self) -> Vec<String> {
        let objects = self.objects().into_iter();
        objects.filter(|object| object.contains(".seg/")).collect()
    }
}

fn done(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let said = [String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)].concat();
    assert!(status.success(), "{said}");
    said
}

fn assert_same(one: &Path, other: &Path) {
    let said = done(pixeld(&["inspect"]).arg(one).arg(other));
    assert!(said.contains("same: every stream ends at the same record"), "{said}");
    assert!(said.contains("states: every application has the same digest"), "{said}");
}

/// Pixels of the binary form, some MB of journal.
fn many() -> Vec<u8> {
    let row = (0..450_000_i32).flat_map(|x| {
        let mut record = vec![0x12, 7];
        record.extend_from_slice(&(x % 1000).to_le_bytes());
        record.extend_from_slice(&2_i32.to_le_bytes());
        record
    });
    request("POST", "/pixels", "application/vnd.pixeld", row.collect::<Vec<u8>>())
}

/// A child that is killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_backup_in_a_bucket_is_killed_goes_on_and_comes_back() {
    let Some(bucket) = Bucket::start() else { return };
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| -> PathBuf { home.path().join(name) };
    let server = Server::start(ANY_PORT, &at("source"), &[]);
    assert_eq!(post(&mut server.connect(), "hello", "a.png", &large(1, 5_000)).status, 200);
    assert_eq!(server.connect().send(many()).answer().status, 200);
    for objects in 1..=KILLS {
        let mut child = Process(bucket.backup(&at("source")).stdout(Stdio::null()).spawn().expect("it runs"));
        let mut has_come =
            || bucket.objects().len() >= objects || child.0.try_wait().expect("a child").is_some();
        await_that("an object", &mut has_come, |has_come| *has_come);
    }
    let said = done(&mut bucket.backup(&at("source")));
    assert!(said.contains("s3://pictures/backups/a has everything up to"), "{said}");
    assert_eq!(server.connect().send(post_pixel(1, 2, 'R', 3)).answer().status, 200);
    let said = done(&mut bucket.backup(&at("source")));
    assert!(said.contains("0 whole segments, 0 pictures"), "only what is new: {said}");
    assert!(bucket.pieces().len() >= 2, "the tail grew by a piece: {:?}", bucket.objects());
    drop(server);
    bucket.restore(&at("restored"));
    assert_same(&at("source"), &at("restored"));
    drop(Server::start(ANY_PORT, &at("restored"), &[]));

    let mut other = bucket.command(&["backup", at("restored").to_str().expect("a path"), "s3://pictures"]);
    let told = String::from_utf8_lossy(&other.output().expect("it runs").stderr).into_owned();
    assert!(told.contains("s3://NAME/PREFIX"), "{told}");
}

#[test]
fn a_backup_that_follows_makes_whole_segments_of_the_pieces_of_their_tails() {
    let Some(bucket) = Bucket::start() else { return };
    let home = tempfile::tempdir().expect("a directory");
    let at = |name: &str| -> PathBuf { home.path().join(name) };
    let server = Server::start(ANY_PORT, &at("source"), &[]);
    assert_eq!(server.connect().send(post_pixel(0, 0, 'R', 3)).answer().status, 200);
    let mut follow = bucket.backup(&at("source"));
    follow.args(["--follow", "--every", "100ms"]).stdout(Stdio::null());
    let mut following = Process(follow.spawn().expect("it runs"));
    for x in 1..4_i32 {
        await_that("a piece", || bucket.pieces(), |pieces| pieces.len() as i32 >= x);
        assert_eq!(server.connect().send(post_pixel(x, 0, 'R', 3)).answer().status, 200);
    }
    assert_eq!(server.connect().send(many()).answer().status, 200);
    let is_whole = |objects: &Vec<String>| {
        let of_first = objects.iter().map(String::as_str).filter(|object| object.contains("0000000001.seg"));
        of_first.eq(["backups/a/0000000001.seg"])
    };
    await_that("the first segment as a whole", || bucket.objects(), is_whole);
    kill_process(Pid::from_child(&following.0), Signal::TERM).expect("it is there");
    assert!(following.0.wait().expect("a child").success(), "it ends in order");
    drop(server);
    bucket.restore(&at("restored"));
    assert_same(&at("source"), &at("restored"));
}
