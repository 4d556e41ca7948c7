//! Real kills: `kill -9` right before each system call that may change the file system.

use crate::no_write;
use crate::process;

use std::path::Path;
use std::process::Command;

use process::small_disk::{Kind, SmallDisk};
use process::traced::{Fate, kill_at};
use process::{ANY_PORT, Server, pixeld};

const PIXEL: &str = r#"{"x":1,"y":2,"channel":"R","value":3}"#;

fn serve(data: &Path) -> Command {
    let mut command =
        pixeld(&["serve", "--listen", "127.0.0.1:0", "--segment-size", "4MiB", "--workers", "1"]);
    command.args(["--disk-reserve", "1MiB", "--apps", "pixel,board,thumbs", "--data-dir"]).arg(data);
    command
}

/// Kills a command at each of its calls; `look` sees what each kill has left, and `prepare` makes what each begins with. Gives
/// what became of the one that there was no call left for.
fn kill_at_each(
    command: &Command,
    mut prepare: impl FnMut(),
    mut look: impl FnMut(usize),
) -> Option<(usize, Fate)> {
    for number in 0.. {
        prepare();
        match kill_at(command, number)? {
            Fate::Killed => look(number),
            end => return Some((number, end)),
        }
    }
    unreachable!("a command ends")
}

fn remove(data: &Path) {
    if data.exists() {
        std::fs::remove_dir_all(data).expect("removed");
    }
}

#[test]
fn the_first_start_after_a_first_start_that_was_killed_anywhere() {
    let Some(disk) = SmallDisk::new() else { return };
    let data = disk.data();
    let look = |number| {
        let server = Server::start(ANY_PORT, &data, &["--workers", "1"]);
        assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 200, "killed at call {number}");
    };
    let Some((calls, fate)) = kill_at_each(&serve(&data), || remove(&data), look) else { return };
    println!("killed at {calls} calls");
    assert!(fate == Fate::Serving && calls > 20, "{calls} {fate:?}");
}

#[test]
fn init_after_an_init_that_was_killed_anywhere() {
    let Some(disk) = SmallDisk::new() else { return };
    let data = disk.data();
    let joined = "0123456789abcdef0123456789abcdef";
    for join in [&[][..], &["--join", joined]] {
        let init = || {
            let mut command = pixeld(&["init", "--segment-size", "4MiB", "--data-dir"]);
            command.arg(&data).args(join);
            command
        };
        let run = |mut command: Command| {
            let output = command.output().expect("it runs");
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let look = |number| {
            // One whose identity was there already says so, and what is there is whole.
            let (code, told) = run(init());
            let is_whole = told.contains("has an identity already");
            assert!(code == Some(0) || is_whole, "killed at call {number}: {told}");
            let mut show = pixeld(&["init", "--show", "--data-dir"]);
            show.arg(&data);
            assert_eq!(run(show), (Some(0), String::new()), "killed at call {number}");
            if join.is_empty() && number % 4 == 0 {
                let server = Server::start(ANY_PORT, &data, &["--workers", "1"]);
                assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 200, "killed at call {number}");
            }
            if !join.is_empty() {
                assert!(data.join("newcomer").exists(), "killed at call {number}: it still has to join");
            }
        };
        let Some((calls, fate)) = kill_at_each(&init(), || remove(&data), look) else { return };
        println!("killed at {calls} calls");
        assert!(fate == Fate::Ended(0) && calls > 15, "{calls} {fate:?}");
    }
}

/// A start that is killed on a full disk leaves the directory as it was, whatever it was at.
#[test]
fn a_start_on_a_full_disk_that_was_killed_anywhere() {
    for kind in [Kind::Tmpfs, Kind::Ext4] {
        let Some(disk) = SmallDisk::of(kind) else { continue };
        let data = disk.data();
        no_write::prepare(&data);
        disk.fill();
        let before = no_write::content(&data);
        let look =
            |number| no_write::assert_same(&before, &data, &format!("{kind:?}, killed at call {number}"));
        let Some((calls, fate)) = kill_at_each(&serve(&data), || {}, look) else { return };
        println!("{kind:?}: killed at {calls} calls");
        assert!(fate == Fate::Serving && calls > 5, "{calls} {fate:?}");
        let server = Server::start(ANY_PORT, &data, &["--workers", "1"]);
        assert_eq!(server.ask("GET", "/pixels/count", "").1, r#"{"total":7}"#);
    }
}
