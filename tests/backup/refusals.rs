//! What is refused, with its exit code: damage by name, directories of others, and nothing is changed.

use std::path::{Path, PathBuf};

use crate::beside::many;
use crate::process::client::post_pixel;
use crate::process::pair::await_that;
use crate::process::{ANY_PORT, Server};
use crate::{Home, backup, board, done, files, restore, run};

fn filled(source: &Path) {
    let server = Server::start(ANY_PORT, source, &[]);
    assert_eq!(board::post(&mut server.connect(), "hello", "a.png", &board::png(1)).status, 200);
    assert_eq!(server.connect().send(many(450_000)).answer().status, 200);
    assert_eq!(server.connect().send(post_pixel(1, 2, 'R', 3)).answer().status, 200);
}

/// Fills some segments with pixels, and has a snapshot made behind them.
fn with_snapshot(source: &Path) {
    let server = Server::start(ANY_PORT, source, &["--limit", "young_bytes=1KiB"]);
    for _ in 0..4 {
        assert_eq!(server.connect().send(many(450_000)).answer().status, 200);
    }
    let has_snapshot =
        || files(source).iter().any(|(path, _)| path.extension().is_some_and(|end| end == "snap"));
    for number in 0..100 {
        assert_eq!(server.ask("GET", &format!("/api/products?product=Toy{number}"), "").0, 200);
    }
    await_that("a snapshot", has_snapshot, |is_there| *is_there);
}

/// Gives the files of a backup content of their own: a link would damage the source.
fn unlink(sound: &[(PathBuf, Vec<u8>)]) {
    for (path, content) in sound {
        let _ = std::fs::remove_file(path);
        std::fs::write(path, content).expect("written");
    }
}

/// Flips a bit of a file.
fn spoil(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("a file");
    bytes[at] ^= 1;
    std::fs::write(path, bytes).expect("written");
}

/// Where the last byte of a file is that is not zero.
fn last_byte(path: &Path) -> usize {
    std::fs::read(path).expect("a file").iter().rposition(|byte| *byte != 0).expect("some")
}

#[test]
fn damage_of_a_backup_is_named_and_has_an_exit_code_of_its_own() {
    let home = Home::new();
    let (source, target, directory) = (home.at("source"), home.at("target"), home.at("directory"));
    filled(&source);
    done(&mut backup(&source, &target));
    let sound = files(&target);
    let put_sound = || unlink(&sound);
    put_sound();
    let (first, last) = (target.join("0000000001.seg"), target.join("0000000002.seg"));
    for (path, at, named) in
        [(&first, 100_000, "0000000001.seg"), (&last, last_byte(&last), "had everything up to")]
    {
        spoil(path, at);
        let (code, said) = run(&mut restore(&target, &directory, &[]));
        assert!(code == Some(3) && said.contains(named) && said.contains("is damaged"), "{said}");
        assert!(!directory.exists(), "nothing was changed");
        put_sound();
    }
    std::fs::remove_file(&first).expect("there");
    let (code, said) = run(&mut restore(&target, &directory, &[]));
    assert!(code == Some(3) && said.contains("its first segment is missing"), "{said}");
    put_sound();
    // Without a picture everything else comes back, and the exit code tells.
    let picture = board::blob_files(&target).pop().expect("a picture");
    spoil(&picture, 50);
    let (code, said) = run(&mut restore(&target, &directory, &[]));
    assert!(
        code == Some(3) && said.contains("the picture ") && said.contains(" is damaged in the backup"),
        "{said}"
    );
    let restored = Server::start(ANY_PORT, &directory, &[]);
    assert_eq!(restored.ask("GET", "/pixels/count", "").1, r#"{"total":450001}"#);
}

/// Nobody reads what stands before the snapshot to rebuild the state, and the list of pixels is there.
#[test]
fn damage_before_the_snapshot_is_named_too() {
    let home = Home::new();
    let (source, target, directory) = (home.at("source"), home.at("target"), home.at("directory"));
    with_snapshot(&source);
    done(&mut backup(&source, &target));
    let sound = files(&target);
    for (name, at) in [("0000000001.seg", 100_000), ("0000000002.seg", 100_000)] {
        unlink(&sound);
        spoil(&target.join(name), at);
        let (code, said) = run(&mut restore(&target, &directory, &[]));
        assert!(code == Some(3) && said.contains(name) && said.contains("is damaged"), "{said}");
        assert!(!directory.exists(), "nothing was changed");
    }
    unlink(&sound);
    done(&mut restore(&target, &directory, &[]));
}

#[test]
fn a_backup_whose_identity_is_damaged_is_no_trouble_of_the_machine() {
    let home = Home::new();
    let (source, target) = (home.at("source"), home.at("target"));
    filled(&source);
    done(&mut backup(&source, &target));
    spoil(&target.join("identity"), 20);
    for mut command in [restore(&target, &home.at("directory"), &[]), backup(&source, &target)] {
        let (code, said) = run(&mut command);
        assert!(code == Some(3) && said.contains("identity"), "{said}");
    }
}

#[test]
fn a_picture_that_was_cut_in_a_backup_is_copied_again() {
    let home = Home::new();
    let (source, target) = (home.at("source"), home.at("target"));
    filled(&source);
    done(&mut backup(&source, &target));
    let sound = files(&target);
    unlink(&sound);
    std::fs::write(board::blob_files(&target).pop().expect("a picture"), "").expect("written");
    done(&mut backup(&source, &target));
    let (_, picture) = sound.iter().find(|(path, _)| path.starts_with(target.join("blobs"))).expect("one");
    assert_eq!(&std::fs::read(&board::blob_files(&target)[0]).expect("read"), picture);
    done(&mut restore(&target, &home.at("directory"), &[]));
}

/// The snapshot is behind these segments, so that no start reads them, and the list of pixels is in them.
#[test]
fn a_segment_that_a_backup_lost_is_copied_again() {
    let home = Home::new();
    let (source, target, directory) = (home.at("source"), home.at("target"), home.at("directory"));
    with_snapshot(&source);
    done(&mut backup(&source, &target));
    let sound = files(&target);
    unlink(&sound);
    std::fs::remove_file(target.join("0000000001.seg")).expect("removed");
    std::fs::File::options()
        .write(true)
        .open(target.join("0000000002.seg"))
        .unwrap()
        .set_len(100_000)
        .unwrap();
    let said = done(&mut backup(&source, &target));
    assert!(said.contains("2 whole segments"), "{said}");
    for (path, content) in sound.iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "seg")) {
        assert!(std::fs::read(path).expect("read") == *content, "{}", path.display());
    }
    done(&mut restore(&target, &directory, &[]));
    let restored = Server::start(ANY_PORT, &directory, &[]);
    assert_eq!(restored.ask("GET", "/pixels/count", "").1, r#"{"total":1800000}"#);
}

#[test]
fn a_damaged_source_is_named_and_the_backup_stays_as_it_was() {
    let home = Home::new();
    let (source, target) = (home.at("source"), home.at("target"));
    filled(&source);
    spoil(&source.join("0000000001.seg"), 100_000);
    let (code, said) = run(&mut backup(&source, &target));
    assert!(code == Some(3) && said.contains("0000000001.seg"), "{said}");
    let (code, said) = run(&mut restore(&target, &home.at("directory"), &[]));
    assert!(code == Some(1) && said.contains("holds no whole backup"), "{said}");
}

#[test]
fn directories_of_others_are_left_alone() {
    let home = Home::new();
    let (source, other, target) = (home.at("source"), home.at("other"), home.at("target"));
    filled(&source);
    drop(Server::start(ANY_PORT, &other, &[]));
    done(&mut backup(&source, &target));
    let strangers = home.at("strangers");
    std::fs::create_dir(&strangers).expect("made");
    std::fs::write(strangers.join("letter.tmp"), "dear").expect("written");
    let (from, to, into) = (files(&source), files(&target), files(&strangers));
    for (mut command, why) in [
        (backup(&other, &target), "is the backup of the data directory"),
        (backup(&source, &strangers), "letter.tmp in it does not belong to pixeld"),
        (backup(&source, &source), "is the data directory itself"),
        (backup(&source, &source.join("deep/backup")), "lies in the data directory"),
        (backup(&strangers, &home.at("new")), "is not a data directory"),
        (backup(&source, Path::new("s3://NO")), ""),
        (restore(&target, &source, &[]), "has a journal"),
        (restore(&target, &target.join("deep/restored"), &[]), "lies in the backup"),
        (restore(&target, &strangers, &[]), "is not empty"),
        (restore(&strangers, &home.at("new"), &[]), "holds no whole backup"),
        (restore(&home.at("nowhere"), &home.at("new"), &[]), "No such file"),
    ] {
        let (code, said) = run(&mut command);
        assert!(code == Some(1) || code == Some(2), "{said}");
        assert!(said.contains(why), "{why}: {said}");
    }
    assert!(
        files(&source) == from && files(&target) == to && files(&strangers) == into,
        "something was changed"
    );
    assert!(!home.at("new").exists());
}

#[test]
fn a_source_that_went_back_in_time_does_not_overwrite_what_its_backup_has() {
    let home = Home::new();
    let (source, target, earlier) = (home.at("source"), home.at("target"), home.at("earlier"));
    filled(&source);
    done(&mut backup(&source, &earlier));
    let server = Server::start(ANY_PORT, &source, &[]);
    assert_eq!(server.connect().send(post_pixel(9, 9, 'R', 3)).answer().status, 200);
    drop(server);
    done(&mut backup(&source, &target));
    std::fs::remove_dir_all(&source).expect("removed");
    done(&mut restore(&earlier, &source, &[]));
    let server = Server::start(ANY_PORT, &source, &[]);
    assert_eq!(server.connect().send(post_pixel(8, 8, 'G', 4)).answer().status, 200);
    let before = files(&target);
    let (code, said) = run(&mut backup(&source, &target));
    assert!(code == Some(1) && said.contains("choose a new target"), "{said}");
    assert!(files(&target) == before, "the target was changed");
}

#[test]
fn a_backup_that_follows_tells_of_a_directory_that_went_and_of_another_one_in_its_place() {
    let home = Home::new();
    let (source, target) = (home.at("source"), home.at("target"));
    filled(&source);
    let mut follow = backup(&source, &target);
    let log = home.at("log");
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    let written = std::fs::File::create(&log).expect("a file");
    let also = written.try_clone().expect("a file");
    let follow = follow.args(["--follow", "--every", "100ms"]).stdout(also).stderr(written);
    let mut following = follow.spawn().expect("it runs");
    await_that("a first round", said, |said| said.contains("has everything up to"));
    // As a disk that is not mounted leaves it.
    std::fs::rename(&source, home.at("elsewhere")).expect("moved");
    std::fs::create_dir(&source).expect("made");
    await_that("a complaint", said, |said| said.contains("holds no data directory any more"));
    assert_eq!(files(&source), [], "nothing is made in it");
    std::fs::remove_dir(&source).expect("removed");
    std::fs::rename(home.at("elsewhere"), &source).expect("moved");
    await_that("it goes on", said, |said| said.contains("is up to date again"));
    std::fs::rename(&source, home.at("elsewhere")).expect("moved");
    let before = files(&target);
    drop(Server::start(ANY_PORT, &source, &[]));
    assert_eq!(following.wait().expect("a child").code(), Some(1));
    assert!(said().contains("choose another target"), "{}", said());
    assert!(files(&target) == before, "it stays the backup of the first one");
}
