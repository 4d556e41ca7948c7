//! What is refused by name: a bucket that is not what it has to be, and a process on a copy of a directory.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::{fs, thread};

use crate::cluster::{Cluster, LOG, post_apart};
use crate::process::client::pixel;
use crate::process::pair::await_that;
use crate::process::{ANY_PORT, Server, pixeld};
use crate::told::{await_equal, await_log, log_of, node_of};

/// A server that answers every request in the same way.
fn answering(status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(ANY_PORT).expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                loop {
                    let (mut length, mut line) = (0, String::new());
                    while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line != "\r\n" {
                        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse().expect("a number");
                        }
                        line.clear();
                    }
                    let mut body = vec![0; length];
                    if line.is_empty() || reader.read_exact(&mut body).is_err() {
                        return;
                    }
                    let answer = format!("HTTP/1.1 {status}\r\nETag: \"e\"\r\nContent-Length: 0\r\n\r\n");
                    if reader.get_mut().write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn variables(address: SocketAddr) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
    ]
}

/// Starts a host with such a bucket, and waits for what it says of it; it takes writes all the same.
fn refusal(variables: &[(&'static str, String)], log: &str, told: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().join("data");
    let server = Server::start_in(variables, ANY_PORT, &data_dir, &["--log", log]);
    assert_eq!(server.ask("POST", "/pixel", &pixel(1, 2, 'R', 3)).0, 200);
    await_that(told, || log_of(&server), |log| log["why"].as_str().is_some_and(|why| why.contains(told)));
    let mut doctor = pixeld(&["doctor", "--log", log]);
    doctor.arg("--data-dir").arg(directory.path()).envs(variables.iter().map(|(name, value)| (name, value)));
    let output = doctor.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: Vec<&str> = said.split_whitespace().collect();
    let words: Vec<&str> = told.split_whitespace().collect();
    assert!(said.windows(words.len()).any(|window| window == words), "{told} is not in {said:?}");
}

#[test]
fn a_bucket_that_does_not_compare_is_refused_by_name() {
    for status in ["200 OK", "501 Not Implemented"] {
        refusal(&variables(answering(status)), LOG, "s3://pictures/a/b does not compare before it puts");
    }
}

#[test]
fn a_bucket_that_does_not_let_a_host_in_is_named_with_the_rights_it_lacks() {
    refusal(&variables(answering("403 Forbidden")), LOG, "s3:PutObject");
}

#[test]
fn a_bucket_that_is_not_there_is_named() {
    let Some(cluster) = Cluster::found(1) else { return };
    refusal(&cluster.bucket.variables(), "s3://nothing/a", "there is no such bucket:");
}

#[test]
fn the_doctor_says_how_long_a_put_takes() {
    let Some(cluster) = Cluster::found(1) else { return };
    let mut doctor = pixeld(&["doctor", "--json", "--log", LOG]);
    doctor.arg("--data-dir").arg(&cluster.hosts[0].data_dir).envs(cluster.bucket.variables());
    let output = doctor.output().expect("it runs");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = |id: &str| {
        let checks = report["checks"].as_array().expect("a list");
        checks.iter().find(|check| check["id"] == id).expect("a check").clone()
    };
    assert_eq!(of("log.servers")["status"], "PASS", "{report}");
    assert!(of("log.path")["current"].as_str().expect("a text").contains("to make an object"), "{report}");
    assert_eq!(cluster.bucket.objects(), Vec::<String>::new(), "it leaves nothing");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").map(|entry| entry.expect("an entry")) {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).expect("a copy")),
        }
    }
}

#[test]
fn a_process_on_a_copy_of_a_directory_is_refused_by_name() {
    let Some(cluster) = Cluster::found(2) else { return };
    let mut servers = cluster.start_all(&[]);
    post_apart(&servers[0], 5, 0);
    await_equal(&servers, 5);
    servers[0].kill();
    let (original, data_dir) = (&cluster.hosts[0].data_dir, cluster.hosts[0].data_dir.with_extension("copy"));
    copy(original, &data_dir);
    servers[0] = cluster.start(0, &[]);
    servers.iter().for_each(await_log);
    post_apart(&servers[0], 5, 1);
    let other = Server::start_in(&cluster.bucket.variables(), ANY_PORT, &data_dir, &["--log", LOG]);
    other.ask("POST", "/pixel", &pixel(9, 9, 'R', 1));
    let told = format!("two processes with the node id {} are running", node_of(&cluster.hosts[0]));
    let refused = |log: &serde_json::Value| log["why"].as_str().is_some_and(|why| why.contains(&told));
    await_that(&told, || log_of(&other), refused);
    drop(other);
    await_equal(&servers, 10);
}
