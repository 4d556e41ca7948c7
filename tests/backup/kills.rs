//! kill -9 in the middle of a backup and of a restore: the same command goes on, and no server starts from a part.

use std::thread::sleep;
use std::time::Duration;

use crate::beside::many;
use crate::process::client::post_pixel;
use crate::process::pair::await_that;
use crate::process::traced::{Fate, kill_at};
use crate::process::{ANY_PORT, Server, pixeld};
use crate::{Home, assert_same, backup, board, done, restore, run};

/// A directory with whole segments, a tail, a picture and snapshots, which no server runs on.
fn prepared(home: &Home) -> std::path::PathBuf {
    let source = home.at("source");
    let server = Server::start(ANY_PORT, &source, &[]);
    assert_eq!(board::post(&mut server.connect(), "hello", "a.png", &board::png(1)).status, 200);
    assert_eq!(server.connect().send(many(450_000)).answer().status, 200);
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    assert_eq!(server.connect().send(post_pixel(1, 2, 'R', 3)).answer().status, 200);
    let has_snapshot = || {
        let names = std::fs::read_dir(&source).expect("a directory");
        names.flatten().any(|entry| entry.path().extension().is_some_and(|end| end == "snap"))
    };
    await_that("a snapshot", has_snapshot, |is_there| *is_there);
    source
}

#[test]
fn a_backup_that_is_killed_anywhere_goes_on() {
    let home = Home::new();
    let source = prepared(&home);
    let target = home.at("target");
    let mut killed = 0;
    for number in (0..).step_by(3) {
        let _ = std::fs::remove_dir_all(&target);
        match kill_at(&backup(&source, &target), number) {
            None => return,
            Some(Fate::Ended(code)) => {
                assert_eq!(code, 0);
                break;
            }
            Some(_) => killed += 1,
        }
        done(&mut backup(&source, &target));
        assert_same(&source, &target);
    }
    assert!(killed > 8, "{killed} places");
    let restored = home.at("restored");
    done(&mut restore(&target, &restored, &[]));
    assert_same(&source, &restored);
}

#[test]
fn a_restore_that_is_killed_anywhere_is_made_again_and_nothing_starts_before() {
    let home = Home::new();
    let source = prepared(&home);
    let (target, directory) = (home.at("target"), home.at("directory"));
    done(&mut backup(&source, &target));
    let mut refused = 0;
    for number in (0..).step_by(3) {
        let _ = std::fs::remove_dir_all(&directory);
        match kill_at(&restore(&target, &directory, &[]), number) {
            None => return,
            Some(Fate::Ended(code)) => {
                assert_eq!(code, 0);
                break;
            }
            Some(_) if directory.join("restoring").exists() => {
                let mut serve = pixeld(&["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
                let (code, said) = run(serve.arg(&directory));
                assert!(
                    code == Some(1) && said.contains("`pixeld restore` did not come to its end"),
                    "{said}"
                );
                refused += 1;
            }
            Some(_) => {}
        }
        // It was as good as done if only the mark's removal was not synced yet.
        if directory.join("restoring").exists() || !directory.join("identity").exists() {
            done(&mut restore(&target, &directory, &[]));
        }
        assert_same(&source, &directory);
    }
    assert!(refused > 5, "{refused} places");
}

#[test]
fn a_backup_that_follows_is_killed_and_lacks_no_more_than_its_pause() {
    let home = Home::new();
    let (source, target) = (home.at("source"), home.at("target"));
    let server = Server::start(ANY_PORT, &source, &[]);
    let ends = || std::fs::read(target.join("upto")).unwrap_or_default();
    for round in 0..3 {
        let mut following =
            backup(&source, &target).args(["--follow", "--every", "100ms"]).spawn().expect("it runs");
        await_that("a first round", ends, |end| !end.is_empty());
        let before = ends();
        assert_eq!(server.connect().send(many(200_000)).answer().status, 200);
        await_that("the next one", ends, |end| *end != before);
        sleep(Duration::from_millis(30 * round));
        following.kill().expect("it is there");
        following.wait().expect("a child");
    }
    let mut following =
        backup(&source, &target).args(["--follow", "--every", "100ms"]).spawn().expect("it runs");
    let before = ends();
    assert_eq!(server.connect().send(post_pixel(7, 7, 'B', 7)).answer().status, 200);
    await_that("the last pixel", ends, |end| *end != before);
    let pid = rustix::process::Pid::from_child(&following);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is there");
    assert!(following.wait().expect("a child").success(), "it ends in order");
    drop(server);
    let restored = home.at("restored");
    done(&mut restore(&target, &restored, &[]));
    assert_same(&source, &restored);
}
