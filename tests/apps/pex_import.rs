//! `--import-fibo`: what the original Fibonacci server had counted is taken over once, durably, or not at all.

use crate::process;

use std::fs;
use std::path::Path;

use process::client::plain;
use process::{ANY_PORT, Server, pixeld};

/// Starts a server that must refuse, and gives what it says.
fn refused(data_dir: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut command =
        pixeld(&["serve", "--listen", "127.0.0.1:0", "--disk-reserve", "1MiB", "--segment-size", "4MiB"]);
    let output = command.arg("--data-dir").arg(data_dir).args(more).output().expect("it ends");
    (output.status.code(), String::from_utf8(output.stderr).expect("a text"))
}

fn get(server: &Server, path: &str) -> String {
    let answer = server.connect().send(plain("GET", path)).answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text().to_owned()
}

#[test]
fn a_count_is_taken_over_and_kept() {
    for durability in ["disk", "memory"] {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, data_dir) = (directory.path().join("fibo.csv"), directory.path().join("data"));
        fs::write(&file, "17,10,34,55,89\n").expect("a file");
        let import = ["--import-fibo", file.to_str().expect("a text"), "--durability", durability];
        let server = Server::start(ANY_PORT, &data_dir, &import);
        server.wait_for("took over the count");
        assert_eq!(get(&server, "/current"), "55\n");
        // A kill at once loses nothing of it.
        drop(server);
        let server = Server::start(ANY_PORT, &data_dir, &["--durability", durability]);
        assert_eq!(get(&server, "/state"), "{\"hits\":17,\"position\":10,\"digits\":2}");
        assert_eq!(get(&server, "/next"), "89\n");
        drop(server);
        let (code, said) = refused(&data_dir, &import);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("the Fibonacci service stands at position 1"), "{said}");
        assert!(said.contains("nothing was changed. Start without --import-fibo"), "{said}");
    }
}

#[test]
fn a_broken_file_is_named_and_nothing_is_changed() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, data_dir) = (directory.path().join("fibo.csv"), directory.path().join("data"));
    let path = file.to_str().expect("a text");
    let import = ["--import-fibo", path];
    for (content, reason) in [
        ("17,10,34,54,89", "Current is 54, but at Position 10 it is 55"),
        ("17,10,34", "found a line of 3"),
        ("many,10,34,55,89", "Hitcount is \"many\""),
        ("", "found empty"),
        ("1,2000000,0,0,0", "at Position 2000000"),
    ] {
        fs::write(&file, content).expect("a file");
        let (code, said) = refused(&data_dir, &import);
        assert_eq!(code, Some(2), "{content:?}: {said}");
        assert!(
            said.contains(path) && said.contains(reason) && said.contains("nothing was changed"),
            "{said}"
        );
    }
    fs::remove_file(&file).expect("a file");
    let (code, said) = refused(&data_dir, &import);
    assert_eq!(code, Some(2));
    assert!(said.contains(path) && said.contains("it cannot be read"), "{said}");
    let (code, said) = refused(&data_dir, &[&import[..], &["--apps", "pixel"]].concat());
    assert_eq!(code, Some(2));
    assert!(
        said.contains("pex, the application that it is for, is not among those that are served"),
        "{said}"
    );
    assert!(!data_dir.exists(), "no server was started");
}

/// F(n) as the original has it: modulo 2^64.
fn wrapped(n: u64) -> u64 {
    (0..n).fold((0_u64, 1_u64), |(a, b), _| (b, a.wrapping_add(b))).0
}

#[test]
fn steps_among_long_numbers_are_told_exactly_and_say_how_they_are_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, data_dir) = (directory.path().join("fibo.csv"), directory.path().join("data"));
    let line = format!("9000,4000,{},{},{}\n", wrapped(3_999), wrapped(4_000), wrapped(4_001));
    fs::write(&file, line).expect("a file");
    let server = Server::start(ANY_PORT, &data_dir, &["--import-fibo", file.to_str().expect("a text")]);
    let mut clients: Vec<_> = (0..16).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(plain("GET", "/next"));
    }
    let mut told: Vec<_> = clients
        .iter_mut()
        .map(|client| {
            let answer = client.answer();
            assert_eq!((answer.status, answer.field("durability")), (200, Some("disk")));
            answer.text().to_owned()
        })
        .collect();
    told.sort();
    let mut expected: Vec<_> = (4_001..=4_016).map(|n| get(&server, &format!("/fib/{n}"))).collect();
    expected.sort();
    assert_eq!(told, expected);
    assert_eq!(get(&server, "/state"), "{\"hits\":9016,\"position\":4016,\"digits\":839}");
}
