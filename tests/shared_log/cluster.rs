//! Some hosts of one cluster that share a log.

use tempfile::TempDir;

use crate::nats::Nats;
use crate::process::Server;
use crate::process::pair::{Host, await_ready};
pub use crate::told::{
    assert_same, await_equal, await_even, await_log, await_published, log_of, metric, node_of,
};

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

    /// Makes a further directory that joins, with this number in its name.
    pub fn add(&self, number: usize) -> Host {
        Host::found(self.directory.path(), &format!("h{number}"), Some(&self.id)).0
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
