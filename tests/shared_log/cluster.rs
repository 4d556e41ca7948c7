//! Some hosts of one cluster that share a log.

use std::path::Path;

use pixeld::log::files::identity::Identity;
use pixeld::os::files::RealDisk;
use serde_json::Value;
use tempfile::TempDir;

use crate::nats::Nats;
use crate::process::pair::{Host, await_ready, await_that, count, pixels};
use crate::process::{Server, pixeld};

/// Hosts, and the servers of their log.
pub struct Cluster {
    pub nats: Nats,
    pub hosts: Vec<Host>,
    /// The directories' parent, which goes with them.
    directory: TempDir,
    /// The cluster's id.
    pub id: String,
}

impl Cluster {
    /// Three servers and so many new directories, the others made to join the first. Nothing where there is no server of NATS.
    pub fn found(count: usize) -> Option<Self> {
        Nats::start().map(|nats| Self::beside(nats, count))
    }

    /// So many new directories beside servers that run.
    pub fn beside(nats: Nats, count: usize) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (first, cluster) = Host::found(directory.path(), "h0", None);
        let join = |at: usize| Host::found(directory.path(), &format!("h{at}"), Some(&cluster)).0;
        let hosts = [first].into_iter().chain((1..count).map(join)).collect();
        Self { nats, hosts, directory, id: cluster }
    }

    /// Makes the directory of a host anew, as after the loss of its disk.
    pub fn make_anew(&mut self, at: usize) {
        std::fs::remove_dir_all(&self.hosts[at].data_dir).expect("a directory");
        self.hosts[at] = Host::found(self.directory.path(), &format!("h{at}"), Some(&self.id)).0;
    }

    /// The id of a host's directory.
    pub fn node(&self, at: usize) -> String {
        node_of(&self.hosts[at])
    }

    /// The stream of a host in the log.
    pub fn stream(&self, at: usize) -> String {
        format!("PX_{}_{}", self.id, self.node(at))
    }

    /// Starts a host; it is there when it takes writes.
    pub fn start(&self, at: usize, arguments: &[&str]) -> Server {
        let servers = self.nats.servers();
        let server = self.hosts[at].start_alone(&[&["--log", &servers][..], arguments].concat());
        await_ready(&server);
        server
    }

    /// Starts all hosts; each is connected to the log.
    pub fn start_all(&self, arguments: &[&str]) -> Vec<Server> {
        let servers: Vec<Server> = (0..self.hosts.len()).map(|at| self.start(at, arguments)).collect();
        servers.iter().for_each(await_log);
        servers
    }
}

/// The id of a host's directory.
pub fn node_of(host: &Host) -> String {
    let disk = RealDisk::open(&host.data_dir).expect("its directory");
    Identity::load(&disk).expect("its identity").expect("it was made").node.to_string()
}

/// A series without labels of a host.
pub fn metric(server: &Server, name: &str) -> f64 {
    let metrics = server.ask("GET", "/metrics", "").1;
    let found = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

/// What /health says of the log.
pub fn log_of(server: &Server) -> Value {
    let health: Value = serde_json::from_str(&server.ask("GET", "/health", "").1).expect("an object");
    health["log"].clone()
}

/// Waits until a host exchanges with the log.
pub fn await_log(server: &Server) {
    await_that("the log", || log_of(server), |log| log["state"] == "connected");
}

/// Waits until the log keeps everything that a host has made.
pub fn await_published(server: &Server) {
    await_that(
        "an even state",
        || log_of(server),
        |log| log["lag_records"] == 0 && log["state"] == "connected",
    );
}

/// Waits until all have `total` pixels, and compares the lists.
pub fn await_equal(servers: &[Server], total: u64) {
    let counts = || servers.iter().map(count).collect::<Vec<_>>();
    await_that("all pixels", counts, |counts| counts.iter().all(|count| *count == total));
    let first = pixels(&servers[0]);
    assert!(servers[1..].iter().all(|server| pixels(server) == first), "as many pixels, and other ones");
}

/// Says whether two directories are the same as far as both keep it.
pub fn assert_same(a: &Path, b: &Path) {
    let output = pixeld(&["inspect"]).arg(a).arg(b).output().expect("the binary starts");
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("same"), "{told}");
}
