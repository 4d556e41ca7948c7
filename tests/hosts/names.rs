//! Names of hosts: one that has no address yet is not a mistake, and is looked up again.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use crate::process::pair::{Pair, await_connected, await_that, peer_of};
use crate::process::{self, Server, pixeld};
use crate::skip::skip;

/// A key of the right form.
const KEY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_start_does_not_wait_for_the_peers_name_and_says_what_is_missing() {
    let pair = Pair::found();
    let peer = ["--peer", "nobody.invalid:9001", "--peer-key", &pair.b.key];
    let a = Server::start(pair.a.address, &pair.a.data_dir, &peer);
    let told = |peer: &serde_json::Value| peer["why"].to_string().contains("could not be resolved");
    await_that("the reason", || peer_of(&a), told);
    a.wait_for("no connection to the peer");
}

#[test]
fn a_name_has_a_sound_form_whether_it_has_an_address_or_not() {
    let check = |arguments: &[&str]| {
        let output = pixeld(&["serve", "--check-config"]).args(arguments).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(check(&["--listen", "nobody.invalid:8000"]).0, Some(0));
    assert_eq!(check(&["--peer", "nobody.invalid:9001", "--peer-key", KEY]).0, Some(0));
    let (code, told) = check(&["--peer", "nobody.invalid", "--peer-key", KEY]);
    assert_eq!(code, Some(2), "{told}");
}

#[test]
fn a_listener_whose_name_has_no_address_is_waited_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = pixeld(&["serve", "--listen", "nobody.invalid:8000", "--data-dir"]);
    let mut child =
        command.arg(directory.path().join("data")).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let told =
        lines.find(|line| !line.as_ref().is_ok_and(|line| line.is_empty())).expect("a line").expect("a text");
    child.kill().expect("it waits");
    child.wait().expect("it ran");
    assert!(told.contains("trying again every second"), "{told}");
    assert!(told.contains("nobody.invalid:8000 could not be resolved"), "{told}");
}

/// The process runs under a file of host names of its own, in which the peer's appears while it runs, and then gets another address.
#[test]
fn a_name_is_dialed_where_it_leads_at_the_moment() {
    if !may_mount() {
        skip("mounting a file of host names needs root and unshare");
        return;
    }
    let pair = Pair::found();
    let hosts = pair.directory.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost\n").expect("a file");
    let dial = format!("peer-to-come.invalid:{}", pair.b.peer_listen.port());
    let (address, key) = (pair.a.address.to_string(), &pair.b.key);
    let mut child = own_hosts(&hosts)
        .args([
            env!("CARGO_BIN_EXE_pixeld"),
            "serve",
            "--disk-reserve",
            "1MiB",
            "--listen",
            &address,
            "--data-dir",
        ])
        .arg(&pair.a.data_dir)
        .args(["--peer", &dial, "--peer-key", key])
        .spawn()
        .expect("it runs");
    await_that("the reason", || health(pair.a.address), |told| told.contains("could not be resolved"));
    let listen = pair.b.peer_listen.to_string();
    let start_at = |listen: &str| {
        let peer = ["--peer-listen", listen, "--peer-key", &pair.a.key];
        process::Server::start(pair.b.address, &pair.b.data_dir, &peer)
    };
    let b = start_at(&listen);
    // In place: the mount is of this very file.
    fs::OpenOptions::new()
        .append(true)
        .open(&hosts)
        .and_then(|mut file| file.write_all(b"127.0.0.1 peer-to-come.invalid\n"))
        .expect("a line");
    await_connected(&b);
    drop(b);
    fs::write(&hosts, "127.0.0.2 peer-to-come.invalid\n").expect("a file");
    let b = start_at(&listen.replace("127.0.0.1", "127.0.0.2"));
    await_connected(&b);
    child.kill().expect("it runs");
    child.wait().expect("it ran");
}

/// A command that sees `hosts` as the file of host names.
fn own_hosts(hosts: &std::path::Path) -> Command {
    let mut command = Command::new("unshare");
    let script = "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(hosts);
    command
}

fn may_mount() -> bool {
    let status = own_hosts(std::path::Path::new("/etc/hosts")).arg("true").stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// What /health says, or nothing while nobody listens.
fn health(address: SocketAddr) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let asked = stream.write_all(b"GET /health HTTP/1.0\r\nHost: x\r\n\r\n");
        let _ = asked.and_then(|()| stream.read_to_string(&mut answer));
    }
    answer
}
