//! Two hosts that share their data: made, started, cut apart and compared.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::cable::Cable;
use super::{PATIENCE, Server, free_address, pixeld};

/// What one host of a pair is, whether it runs or not.
pub struct Host {
    pub data_dir: PathBuf,
    pub address: SocketAddr,
    pub peer_listen: SocketAddr,
    pub key: String,
}

/// Two hosts of one cluster.
pub struct Pair {
    pub a: Host,
    pub b: Host,
    pub cluster: String,
    pub directory: TempDir,
}

/// Runs `pixeld init` and gives what it printed.
pub fn init(arguments: &[&str]) -> Result<Value, String> {
    let output = pixeld(&["init", "--json"]).args(arguments).output().expect("the binary starts");
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).expect("an object")),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().expect("a text").to_owned()
}

impl Host {
    /// One whose directory is there already.
    pub fn of(data_dir: PathBuf) -> Self {
        let path = data_dir.to_str().expect("a path");
        let output =
            pixeld(&["init", "--show", "key", "--data-dir", path]).output().expect("the binary starts");
        let key = String::from_utf8(output.stdout).expect("a text").trim().to_owned();
        Self { data_dir, address: free_address(), peer_listen: free_address(), key }
    }

    /// Makes the directory `name`, in a cluster of its own or in one that is there.
    pub fn found(parent: &Path, name: &str, join: Option<&str>) -> (Self, String) {
        let data_dir = parent.join(name);
        let path = data_dir.to_str().expect("a path");
        let mut arguments = vec!["--data-dir", path, "--segment-size", "4MiB"];
        arguments.extend(join.iter().flat_map(|cluster| ["--join", *cluster]));
        let made = init(&arguments).expect("an identity");
        let host =
            Self { data_dir, address: free_address(), peer_listen: free_address(), key: text(&made, "key") };
        (host, text(&made, "cluster_id"))
    }

    /// The host as another one sees it through `cable`.
    pub fn behind(&self, cable: &Cable) -> Self {
        let (data_dir, key) = (self.data_dir.clone(), self.key.clone());
        Self { data_dir, address: self.address, peer_listen: cable.address, key }
    }

    /// Starts it with `peer` as its peer.
    pub fn start(&self, peer: &Self, arguments: &[&str]) -> Server {
        self.start_by(pixeld(&[]), peer, arguments)
    }

    /// Starts it with `peer` as its peer, by another program.
    pub fn start_by(&self, program: Command, peer: &Self, arguments: &[&str]) -> Server {
        let (listen, dial) = (self.peer_listen.to_string(), peer.peer_listen.to_string());
        let ours = ["--peer-listen", &listen, "--peer", &dial, "--peer-key", &peer.key];
        Server::start_by(program, self.address, &self.data_dir, &[&ours[..], arguments].concat())
    }

    /// Starts it with `peer` as its peer, which it does not dial: all that the other one learns goes through what that dials.
    pub fn start_listening(&self, peer: &Self) -> Server {
        self.start_alone(&["--peer-listen", &self.peer_listen.to_string(), "--peer-key", &peer.key])
    }

    /// Starts it without anybody.
    pub fn start_alone(&self, arguments: &[&str]) -> Server {
        Server::start(self.address, &self.data_dir, arguments)
    }

    /// Starts a server without a peer that is expected not to start; gives what it says.
    pub fn refusal(&self) -> String {
        let output = pixeld(&["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&self.data_dir).output();
        let output = output.expect("it runs");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// The records of each stream and their hash, as `pixeld inspect` sees them.
    pub fn hashes(&self) -> Vec<String> {
        let output = pixeld(&["inspect", "--hash"]).arg(&self.data_dir).output().expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a text").lines().map(str::to_owned).collect()
    }
}

impl Pair {
    /// Two new directories.
    pub fn found() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (a, cluster) = Host::found(directory.path(), "a", None);
        let (b, joined) = Host::found(directory.path(), "b", Some(&cluster));
        assert_eq!(cluster, joined);
        Self { a, b, cluster, directory }
    }

    /// Starts both; they have found each other and take writes when this returns.
    pub fn start(&self, arguments: &[&str]) -> (Server, Server) {
        let servers = (self.a.start(&self.b, arguments), self.b.start(&self.a, arguments));
        for server in [&servers.0, &servers.1] {
            await_connected(server);
            await_ready(server);
        }
        servers
    }
}

/// Asks until `done`; gives what it was.
pub fn await_that<T>(what: &str, mut ask: impl FnMut() -> T, done: impl Fn(&T) -> bool) -> T
where
    T: std::fmt::Debug,
{
    let started = Instant::now();
    loop {
        let now = ask();
        if done(&now) {
            return now;
        }
        assert!(started.elapsed() < PATIENCE, "{what} did not come: {now:?}");
        sleep(Duration::from_millis(10));
    }
}

/// What /health says of the peer.
pub fn peer_of(server: &Server) -> Value {
    let health: Value = serde_json::from_str(&server.ask("GET", "/health", "").1).expect("an object");
    health["peer"].clone()
}

/// Waits until the two hosts exchange.
pub fn await_connected(server: &Server) {
    await_that("a connection", || peer_of(server), |peer| peer["state"] == "connected");
}

/// Waits until a host takes writes: one that joins does not before it has met the other one.
pub fn await_ready(server: &Server) {
    await_that("readiness", || server.ask("GET", "/readyz", ""), |(status, _)| *status == 200);
}

/// Waits until the peer is found to be gone.
pub fn await_away(server: &Server) -> Value {
    await_that("an end of the connection", || peer_of(server), |peer| peer["state"] == "away")
}

/// The pixels as a sorted list of lines.
pub fn pixels(server: &Server) -> Vec<String> {
    let mut client = server.connect();
    client.send("GET /pixels HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n");
    let mut lines: Vec<String> = client.answer().text().lines().map(str::to_owned).collect();
    lines.sort_unstable();
    lines
}

/// How many pixels there are; no such number as long as the host joins.
pub fn count(server: &Server) -> u64 {
    let (status, body) = server.ask("GET", "/pixels/count", "");
    if status == 503 {
        return u64::MAX;
    }
    let body: Value = serde_json::from_str(&body).expect("an object");
    body["total"].as_u64().expect("a number")
}

/// Waits until both have as many pixels as `total`, then compares the lists.
pub fn await_same(a: &Server, b: &Server, total: usize) -> Vec<String> {
    let total = total as u64;
    await_that("all pixels", || (count(a), count(b)), |counts| *counts == (total, total));
    let (left, right) = (pixels(a), pixels(b));
    assert!(left == right, "as many pixels, and other ones");
    left
}
