//! A full disk behind stdout or stderr, or nobody who reads there: a server goes on, a tool ends as Unix tools do.

use crate::process;

use std::fs::{File, OpenOptions};
use std::io::pipe;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use process::client::{Client, plain};
use process::{PATIENCE, Server, free_address, pixeld};
use rustix::process::{Pid, Signal, kill_process};

/// Exit code of a command that a closed pipe has ended.
const READER_GONE: i32 = 141;

/// A file on which every write fails with "no space left".
fn full() -> Stdio {
    let file: File = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    file.into()
}

/// A pipe that nobody reads.
fn closed() -> Stdio {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// Number of the process that serves at `address`, once one does.
fn serving(address: SocketAddr, child: &mut Child) -> u32 {
    let started = Instant::now();
    loop {
        if std::net::TcpStream::connect(address).is_ok() {
            let answer = Client::connect(address).send(plain("GET", "/health")).answer();
            let health: serde_json::Value = serde_json::from_str(answer.text()).expect("JSON");
            return health["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a number");
        }
        assert_eq!(child.try_wait().expect("a child"), None, "it ended before it served");
        assert!(started.elapsed() < PATIENCE, "nobody serves");
        sleep(Duration::from_millis(5));
    }
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a number");
    kill_process(pid, signal).expect("the process is there");
}

#[test]
fn a_server_goes_on_when_stderr_cannot_be_written() {
    for (name, stderr) in [("full", full as fn() -> Stdio), ("closed", closed)] {
        for form in ["text", "json"] {
            let (directory, address) = (tempfile::tempdir().expect("a directory"), free_address());
            let mut command =
                pixeld(&["serve", "--workers", "2", "--disk-reserve", "1MiB", "--log-format", form]);
            command.args(["--segment-size", "4MiB", "--listen", &address.to_string(), "--data-dir"]);
            let mut child = command.arg(directory.path()).stderr(stderr()).spawn().expect("the binary");
            let old = serving(address, &mut child);
            assert_eq!(old, child.id(), "{name} {form}");
            signal(old, Signal::USR2);
            assert!(child.wait().expect("a child").success(), "{name} {form}: handed over");
            // The new one has said all that it says at a start before it relieves the old one, or says it just now.
            sleep(Duration::from_millis(100));
            let answer = Client::connect(address).send(plain("GET", "/health")).answer();
            let health: serde_json::Value = serde_json::from_str(answer.text()).expect("JSON");
            let new: u32 = health["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a number");
            assert_ne!(new, old, "{name} {form}");
            signal(new, Signal::KILL);
        }
    }
}

fn outcome(arguments: &[&str], stdout: Stdio) -> Output {
    pixeld(arguments).stdout(stdout).stderr(Stdio::piped()).output().expect("the binary")
}

fn assert_ends_well(arguments: &[&str]) {
    let output = outcome(arguments, closed());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(READER_GONE), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked") && !stderr.contains("written"), "{arguments:?}: {stderr}");
    let output = outcome(arguments, full());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked") && stderr.contains("No space left"), "{arguments:?}: {stderr}");
}

#[test]
fn a_tool_ends_quietly_without_a_reader_and_with_an_error_on_a_full_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let data = path("data");
    let made = pixeld(&["init", "--data-dir", &data]).output().expect("the binary");
    assert!(made.status.success());
    for arguments in [
        &["--version"][..],
        &["--help"],
        &["serve", "--help"],
        &["serve", "--print-config"],
        &["serve", "--check-config"],
        &["init", "--show", "--data-dir", &data],
        &["init", "--show", "key", "--data-dir", &data],
        &["inspect", &data],
        &["inspect", &data, &data],
        &["forget-peer", "--data-dir", &data],
        &["doctor", "--data-dir", &data, "--root", &data],
        &["doctor", "--data-dir", &data, "--root", &data, "--json"],
        &["doctor", "--data-dir", &data, "--root", &data, "--fix-script"],
        &["doctor", "--explain", "net.core.somaxconn"],
        &["doctor", "--root", &data, "--watch", "100ms"],
        &["bench", "null", "--listen", "127.0.0.1:0"],
    ] {
        assert_ends_well(arguments);
    }
    // A directory is made even if nobody hears of it.
    assert_eq!(outcome(&["init", "--data-dir", &path("new")], closed()).status.code(), Some(READER_GONE));
    assert!(Path::new(&path("new")).join("identity").exists());
}

#[test]
fn a_measurement_is_kept_though_its_table_cannot_be_written() {
    let server = Server::fresh(&[]);
    let url = format!("http://{}", server.address);
    let directory = tempfile::tempdir().expect("a directory");
    let report = directory.path().join("report.json").display().to_string();
    let run = ["bench", &url, "-d", "200ms", "-c", "2", "--json", &report];
    for stdout in [closed(), full()] {
        let output = outcome(&run, stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(1 | READER_GONE)), "{}: {stderr}", output.status);
        assert!(!stderr.contains("panicked"), "{stderr}");
        std::fs::remove_file(&report).expect("the report is there");
    }
    // A goal that was missed is told by the exit code all the same.
    let output = outcome(&["bench", &url, "-d", "200ms", "-c", "2", "--goal", "p99<1ns"], closed());
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_exit_code_says_what_stderr_cannot() {
    for (arguments, code) in [
        (&["serve", "--bogus"][..], 2),
        (&["serve", "--workers", "none"], 2),
        (&["healthy", "http://127.0.0.1:1"], 1),
        (&["inspect", "/nowhere"], 1),
        (&["bench", "diff", "/nowhere", "/nowhere"], 2),
        (&["send", "/nowhere.png"], 2),
    ] {
        for stderr in [closed(), full()] {
            let status = pixeld(arguments).stdout(Stdio::null()).stderr(stderr).status().expect("the binary");
            assert_eq!(status.code(), Some(code), "{arguments:?}");
        }
    }
}
