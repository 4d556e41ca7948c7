//! A data directory that is somebody else's is refused and left alone; what an interrupted first start leaves is not.

use crate::process;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use process::{ANY_PORT, Server, pixeld};

/// Every file below a directory and what is in it.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut due = vec![directory.to_owned()];
    while let Some(path) = due.pop() {
        for entry in fs::read_dir(path).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                due.push(path);
            } else {
                let name = path.strip_prefix(directory).expect("below").to_string_lossy().into_owned();
                found.insert(name, fs::read(path).expect("a file"));
            }
        }
    }
    found
}

fn run(command: &[&str], data: &Path) -> Output {
    pixeld(command).arg("--data-dir").arg(data).output().expect("it runs")
}

#[test]
fn somebody_elses_directory_is_refused_and_left_as_it_is() {
    // Files of others, by names that are like ours too.
    for (name, content) in [
        ("report.tmp", &b"mine"[..]),
        ("letter.txt", b""),
        ("blobs/new-old", b"mine"),
        ("blobs/ab/cd", b"mine"),
        ("lock", b"a lock of somebody's"),
        ("identity", b"a passport"),
        ("identity.tmp", b"a passport"),
        ("newcomer", b"a list of guests"),
        ("0000000001.seg", b"one"),
        ("0000000001.seg.tmp", b"one"),
        ("0000000007.seg", b""),
        ("00000000000000000007.snap", b"a photograph"),
        ("peer.key", b"a riddle"),
        ("peer", b"a poem"),
        ("music/song.ogg", b"la"),
    ] {
        let parent = tempfile::tempdir().expect("a directory");
        let data = parent.path().join("data");
        let file = data.join(name);
        fs::create_dir_all(file.parent().expect("a parent")).expect("made");
        fs::write(&file, content).expect("written");
        let before = contents(&data);
        for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["init"]] {
            let output = run(command, &data);
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{name}, {command:?}: {told}");
            let first = name.split('/').next().expect("a name");
            assert!(
                told.contains(first) && told.contains("othing was changed"),
                "{name}, {command:?}: {told}"
            );
            assert_eq!(contents(&data), before, "{name}, {command:?}");
        }
    }
}

#[test]
fn what_a_first_start_leaves_and_what_nobody_sees_is_no_obstacle() {
    for command in ["serve", "init"] {
        let parent = tempfile::tempdir().expect("a directory");
        let data = parent.path().join("data");
        for directory in ["lost+found", ".Trash-0", "blobs/00"] {
            fs::create_dir_all(data.join(directory)).expect("made");
        }
        for (name, content) in [
            (".hidden.tmp", &b"mine"[..]),
            (".Trash-0/letter", b"mine"),
            ("lock", b"4711\n"),
            ("identity.tmp", b""),
            ("peer.key.tmp", b""),
            ("newcomer", b""),
            ("0000000001.seg.tmp", &[0; 5000]),
        ] {
            fs::write(data.join(name), content).expect("written");
        }
        if command == "init" {
            let output = run(&["init"], &data);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        } else {
            fs::remove_file(data.join("newcomer")).expect("removed");
        }
        let server = Server::start(ANY_PORT, &data, &[]);
        assert_eq!(server.ask("POST", "/pixel", r#"{"x":1,"y":2,"channel":"R","value":3}"#).0, 200);
        drop(server);
        let found = contents(&data);
        assert!(found[".hidden.tmp"] == b"mine" && found[".Trash-0/letter"] == b"mine");
        assert!(!found.contains_key("identity.tmp"), "what is ours is tidied up");
    }
}

/// Files that were never the program's are left alone in its own directory too.
#[test]
fn a_strangers_file_in_a_data_directory_stays() {
    let parent = tempfile::tempdir().expect("a directory");
    let data = parent.path().join("data");
    drop(Server::start(ANY_PORT, &data, &[]));
    fs::write(data.join("report.tmp"), "mine").expect("written");
    fs::write(data.join("0000000009.seg.tmp"), "ours").expect("written");
    drop(Server::start(ANY_PORT, &data, &[]));
    assert_eq!(fs::read(data.join("report.tmp")).expect("it is there"), b"mine");
    assert!(!data.join("0000000009.seg.tmp").exists());
}

#[test]
fn a_file_in_the_place_of_a_directory_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("letter");
    fs::write(&file, "dear").expect("written");
    let output = run(&["serve", "--listen", "127.0.0.1:0"], &file);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("it is a file; a directory is needed"), "{said}");
}
