//! A log that is not what it has to be is refused by name, and keeps no host from its own work.

use crate::cluster::log_of;
use crate::nats::{Nats, Setting};
use crate::process::pair::await_that;
use crate::process::{Server, pixeld};

const SOUND: Setting = Setting { max_payload: "2MB", sync: "always", more: "" };

/// Starts a host with such a log, and waits for what it says of it.
fn refusal(nats: &Nats, arguments: &[&str], told: &str) {
    let servers = nats.servers();
    let server = Server::fresh(&[&["--log", &servers][..], arguments].concat());
    let pixel = r#"{"x":1,"y":2,"channel":"R","value":3}"#;
    assert_eq!(server.ask("POST", "/pixel", pixel).0, 200);
    await_that(told, || log_of(&server), |log| log["why"].as_str().is_some_and(|why| why.contains(told)));
    server.wait_for(told);
}

/// Starts a host with such a log, and waits until it is connected.
fn taken(nats: &Nats, arguments: &[&str]) {
    let servers = nats.servers();
    let server = Server::fresh(&[&["--log", &servers][..], arguments].concat());
    await_that("the log", || log_of(&server), |log| log["state"] == "connected");
}

#[test]
fn a_server_alone_is_weak_unless_that_is_allowed() {
    let Some(nats) = Nats::start_as(1, SOUND) else { return };
    refusal(&nats, &[], "with 3 replica(s) can't be made");
    taken(&nats, &["--log-replicas", "1", "--log-allow-weak"]);
}

#[test]
fn a_stream_of_one_replica_is_refused_where_three_are_asked_for() {
    let Some(nats) = Nats::start() else { return };
    let servers = nats.servers();
    let weak = ["--log", &servers, "--log-replicas", "1", "--log-allow-weak"];
    let server = Server::fresh(&weak);
    await_that("the log", || log_of(&server), |log| log["state"] == "connected");
    // The same directory, as its operator meant it.
    let path = server.data_dir().to_owned();
    let mut server = server;
    server.kill();
    let again = Server::start(crate::process::ANY_PORT, &path, &["--log", &servers]);
    let told = "has 1 replica(s)";
    await_that(told, || log_of(&again), |log| log["why"].as_str().is_some_and(|why| why.contains(told)));
}

#[test]
fn a_server_that_takes_small_messages_only_is_named() {
    let Some(nats) = Nats::start_as(3, Setting { max_payload: "1MB", ..SOUND }) else { return };
    refusal(&nats, &[], "set `max_payload: 2MB`");
}

#[test]
fn servers_that_sync_lazily_are_found_by_their_monitoring() {
    let Some(nats) = Nats::start_as(3, Setting { sync: "2m", ..SOUND }) else { return };
    let monitors = nats.monitors();
    refusal(&nats, &["--log-monitor", &monitors], "set `sync_interval: always`");
    taken(&nats, &["--log-monitor", &monitors, "--log-allow-weak"]);
    taken(&nats, &[]);
}

#[test]
fn credentials_that_are_missing_or_wrong_or_not_enough_are_named() {
    let accounts = r#"accounts { A { jetstream: enabled, users: [
        { user: whole, password: s3cret }
        { user: reader, password: s3cret, permissions: { publish: { deny: ["px.>"] } } }
        { user: nobody, password: s3cret, permissions: { publish: { deny: ["$JS.API.STREAM.CREATE.>"] } } }
    ] } }"#;
    let Some(nats) = Nats::start_as(3, Setting { more: accounts, ..SOUND }) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("a path").to_owned()
    };
    refusal(&nats, &[], "start this host with --log-credentials");
    let with = |name: &str| ["--log-credentials".to_owned(), file(name, &format!("{name}:s3cret\n"))];
    let [flag, wrong] = ["--log-credentials".to_owned(), file("wrong", "whole:guess")];
    refusal(&nats, &[&flag, &wrong], "does not accept the credentials of --log-credentials");
    let [flag, nobody] = with("nobody");
    refusal(&nats, &[&flag, &nobody], "the log does not let this host do what it has to");
    let [flag, whole] = with("whole");
    taken(&nats, &[&flag, &whole]);
    // Another host's subject, and its own, are not this user's to publish on.
    let [flag, reader] = with("reader");
    refusal(&nats, &[&flag, &reader], "the log does not let this host do what it has to");
}

#[test]
fn a_file_that_is_not_there_is_no_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = pixeld(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--log",
        "127.0.0.1:1",
        "--log-credentials",
        "/nowhere.creds",
        "--data-dir",
    ])
    .arg(directory.path().join("data"))
    .output()
    .expect("the binary starts");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && told.contains("--log-credentials /nowhere.creds"), "{told}");
}
