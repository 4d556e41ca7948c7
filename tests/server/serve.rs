//! `pixeld serve` as an operator meets it: start, refusals, signals, restart.

use crate::process;

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use process::{PATIENCE, Server, free_address, pixeld};
use rustix::process::Signal;

/// As `pixeld init --show key` prints one.
const KEY: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const PIXEL: &str = r#"{"x":1,"y":2,"channel":"R","value":3}"#;

fn output(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = pixeld(arguments).output().expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("a text");
    (status.code().expect("no signal"), text(stdout), text(stderr))
}

#[test]
fn what_was_answered_is_there_after_a_stop_and_a_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let mut server = Server::start(address, directory.path(), &[]);
    server.wait_for(&format!("listens on http://{address}"));
    server.wait_for("try: curl ");
    assert_eq!(server.ask("POST", "/pixel", PIXEL), (200, r#"{"status":"ok"}"#.to_owned()));
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0), "{}", server.stderr());

    let server = Server::start(address, directory.path(), &[]);
    let list = format!(r#"{{"total":1,"data":[{PIXEL}]}}"#);
    assert_eq!(server.ask("GET", "/pixels", ""), (200, list));
}

#[test]
fn a_second_server_on_a_directory_is_refused_with_the_first_ones_pid() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = Server::start(free_address(), directory.path(), &[]);
    let path = directory.path().to_str().expect("a path");
    let (code, _, stderr) = output(&["serve", "--listen", &free_address().to_string(), "--data-dir", path]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains(&first.pid().to_string()) && stderr.contains(path), "{stderr}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = Server::start(free_address(), &directory.path().join("a"), &[]);
    let other = directory.path().join("b");
    let listen = first.address.to_string();
    let (code, _, stderr) =
        output(&["serve", "--listen", &listen, "--data-dir", other.to_str().expect("a path")]);
    assert!(code == 1 && stderr.contains(&listen), "{code}: {stderr}");
}

#[test]
fn usage_errors_end_with_2() {
    for (arguments, told) in [
        (
            &["serve", "--durability", "fast"][..],
            "--durability: durability = \"fast\": allowed is memory, disk, both or cluster",
        ),
        (&["serve", "--limit", "idle=3s"], "unknown key \"limits.idle\""),
        (&["serve", "--limit", "idle"], "NAME=VALUE"),
        (&["serve", "--no-such-flag"], "--no-such-flag"),
        (&["serve", "--config", "/nonexistent.toml"], "/nonexistent.toml cannot be read"),
        (&["serve", "--durability", "both"], "both needs a peer"),
        (&["serve", "--durability", "cluster"], "cluster needs a log"),
        (
            &["serve", "--log", "a", "--peer", "b:1", "--peer-key", KEY],
            "a host shares its records with a peer or by a log",
        ),
        (
            &["serve", "--log", "a", "--durability", "both"],
            "both needs a peer, and there is a log in its place",
        ),
        (&["serve", "--log", "http://a"], "nats://a:4222,nats://b:4222"),
        (&["serve", "--log", "s3://Logs"], "a bucket as s3://NAME/PREFIX"),
        (&["serve", "--log", "s3://logs/a,s3://logs/b"], "one bucket alone, or servers of NATS"),
        (&["serve", "--log", "s3://logs/a", "--log-ca", "ca.pem"], "none beside a bucket"),
        (&["serve", "--log-ca", "ca.pem"], "none without log"),
        (&["serve", "--log", "a", "--log-replicas", "2"], "need log.allow_weak"),
        (&["send"], "<PICTURE>"),
        (&["send", "Cargo.toml", "ftp://x"], "ftp://x"),
        (&["nonsense"], "nonsense"),
    ] {
        let (code, _, stderr) = output(arguments);
        assert!(code == 2 && stderr.contains(told), "{arguments:?}: {code}: {stderr}");
    }
}

#[cfg(not(feature = "nats"))]
#[test]
fn a_build_without_a_client_for_a_log_says_which_has_one() {
    let (code, _, stderr) = output(&["serve", "--log", "nats://127.0.0.1:4222"]);
    assert!(
        code == 2 && stderr.contains("take a released program, or build with `--features nats`"),
        "{code}: {stderr}"
    );
}

#[cfg(not(feature = "s3"))]
#[test]
fn a_build_without_a_client_for_a_bucket_says_how_to_build_one() {
    let (code, _, stderr) = output(&["serve", "--log", "s3://logs/a"]);
    assert!(code == 2 && stderr.contains("build with `--features s3`"), "{code}: {stderr}");
}

#[test]
fn a_configuration_is_checked_and_printed_without_starting() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("pixeld.toml");
    let path = file.to_str().expect("a path");
    fs::write(&file, "workers = 3\n").expect("a file");
    let (code, stdout, _) = output(&["serve", "--config", path, "--check-config"]);
    assert_eq!((code, stdout.as_str()), (0, "the configuration is sound\n"));
    let (code, stdout, _) = output(&["serve", "--config", path, "--print-config"]);
    assert!(
        code == 0 && stdout.contains("workers = 3") && stdout.contains(&format!("# {path}:1")),
        "{stdout}"
    );
    fs::write(&file, "\nworker = 3\n").expect("a file");
    let (code, _, stderr) = output(&["serve", "--config", path, "--check-config"]);
    assert!(code == 2 && stderr.contains(&format!("{path}:2: unknown key \"worker\"")), "{code}: {stderr}");
    assert!(!directory.path().join("pixeld-data").exists());
}

#[test]
fn a_reload_takes_limits_over_or_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("pixeld.toml");
    fs::write(&file, "").expect("a file");
    let path = file.to_str().expect("a path");
    let server =
        Server::start(free_address(), &directory.path().join("data"), &["--config", path, "--workers", "1"]);
    let long = format!("{{\"note\":\"{}\",{}", "x".repeat(200), PIXEL.trim_start_matches('{'));
    assert_eq!(server.ask("POST", "/pixel", &long).0, 200);

    fs::write(&file, "job_threads = 3\n[limits]\npixel_body_bytes = 100\n").expect("a file");
    server.signal(Signal::HUP);
    server.wait_for("changed=limits.pixel_body_bytes");
    server.wait_for("keys=job_threads");
    // The worker takes them over in its next turn, which may come after this request's.
    let started = Instant::now();
    while server.ask("POST", "/pixel", &long).0 != 413 {
        assert!(started.elapsed() < PATIENCE, "the limit is not taken over: {}", server.stderr());
    }

    fs::write(&file, "[limits]\npixel_body_bytes = 10MiB\n").expect("a file");
    server.signal(Signal::HUP);
    server.wait_for("configuration refused");
    assert_eq!(server.ask("POST", "/pixel", &long).0, 413, "nothing has changed");
    assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 200);
}

#[test]
fn a_socket_that_does_not_listen_is_refused_in_words() {
    let directory = tempfile::tempdir().expect("a directory");
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    bound.bind(&free_address().into()).expect("a free port");
    let server = pixeld(&["serve", "--data-dir", directory.path().join("data").to_str().expect("a path")]);
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@""#]);
    command.arg(server.get_program()).args(server.get_args()).stdin(OwnedFd::from(bound));
    let output = command.output().expect("the binary starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("descriptor 3 is a TCP socket that does not listen"), "{told}");
}

#[test]
fn json_logs_are_json_from_the_first_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(free_address(), directory.path(), &["--log-format", "json"]);
    server.wait_for("listening");
    server.signal(Signal::INT);
    assert_eq!(server.wait().code(), Some(0));
    for line in server.stderr().lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect(line);
        // A machine may allow fewer open files than are wanted, which is a warning.
        let is_level = event["level"] == "info" || event["level"] == "warn";
        assert!(event["time"].is_string() && is_level && event["message"].is_string(), "{line}");
        if event["message"] == "listening" {
            assert!(event["workers"].is_u64(), "a number is a number: {line}");
        }
    }
}

#[test]
fn inspect_tells_a_sound_directory_from_a_damaged_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path");
    let mut server = Server::start(free_address(), directory.path(), &[]);
    for _ in 0..3 {
        assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 200);
    }
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    let (code, stdout, stderr) = output(&["inspect", path]);
    assert!(code == 0 && stdout.starts_with("sound: "), "beside a server: {stdout}{stderr}");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));

    let (code, stdout, _) = output(&["inspect", path]);
    assert!(code == 0 && stdout.contains("3 pixels of channel R") && stdout.contains("1 clears"), "{stdout}");
    let (code, stdout, _) = output(&["inspect", path, "--dump"]);
    assert!(code == 0 && stdout.lines().count() == 4, "{stdout}");
    assert!(stdout.contains(" 1 ") && stdout.contains("pixel x=1 y=2 channel=R value=3"), "{stdout}");
    let (code, stdout, _) = output(&["inspect", path, "--hash"]);
    assert!(code == 0 && stdout.lines().count() == 1 && stdout.contains(" 1..4 "), "{stdout}");

    let segment = flip(directory.path(), |batches| batches.first().copied());
    let (code, stdout, stderr) = output(&["inspect", path]);
    let name = segment.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(code == 1 && stderr.contains(name) && stderr.contains("offset"), "{code}: {stdout}{stderr}");
    let (code, _, stderr) = output(&["inspect", "src"]);
    assert!(code == 1 && stderr.contains("not a data directory"), "{code}: {stderr}");
}

/// Flips a bit in the body of one batch of the journal; `choose` picks it among the places of all. Gives the file.
fn flip(directory: &Path, choose: fn(&[usize]) -> Option<usize>) -> PathBuf {
    let files = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let segment = files.filter(|path| path.metadata().is_ok_and(|data| data.len() > 1 << 20)).min();
    let segment = segment.expect("a segment");
    let mut bytes = fs::read(&segment).expect("a file");
    let batches: Vec<usize> = memchr::memmem::find_iter(&bytes, b"PXB1").collect();
    bytes[choose(&batches).expect("a batch") + 70] ^= 1;
    fs::write(&segment, bytes).expect("a file");
    segment
}

#[test]
fn a_start_tells_what_it_cut_off_and_refuses_to_lose_what_was_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path");
    let address = free_address();
    let mut server = Server::start(address, directory.path(), &[]);
    server.wait_for("the data directory is new");
    for _ in 0..4 {
        assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 200);
    }
    server.kill();

    flip(directory.path(), |batches| batches.last().copied());
    let mut server = Server::start(address, directory.path(), &[]);
    server.wait_for("cut off a torn tail");
    assert_eq!(server.ask("POST", "/pixel", PIXEL).0, 200);
    server.kill();

    flip(directory.path(), |batches| batches.get(1).copied());
    let listen = address.to_string();
    let (code, _, stderr) = output(&["serve", "--listen", &listen, "--data-dir", path]);
    assert!(code == 1 && stderr.contains("missing") && stderr.contains("--accept-loss"), "{code}: {stderr}");
    let server = Server::start(address, directory.path(), &["--accept-loss"]);
    server.wait_for("acknowledged data is lost, as --accept-loss allows");
    assert_eq!(server.ask("GET", "/pixels/count", ""), (200, r#"{"total":1}"#.to_owned()));
}
