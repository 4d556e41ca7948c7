//! Some hosts of one cluster whose log is in a bucket.

use tempfile::TempDir;

use crate::bucket::Bucket;
use crate::process::Server;
use crate::process::client::{Answer, Client, pixel, request};
use crate::process::pair::{Host, await_ready};
use crate::told::await_log;

/// Where the log is.
pub const LOG: &str = "s3://pictures/a/b";
/// The prefix of that log in the bucket.
pub const ROOT: &str = "a/b";

/// Hosts, and the bucket of their log.
pub struct Cluster {
    pub bucket: Bucket,
    pub hosts: Vec<Host>,
    /// The directories' parent, which goes with them.
    directory: TempDir,
    /// The cluster's id.
    id: String,
}

impl Cluster {
    /// A bucket and so many new directories, the others made to join the first. Nothing where there is no server for it.
    pub fn found(count: usize) -> Option<Self> {
        let bucket = Bucket::start()?;
        let directory = tempfile::tempdir().expect("a directory");
        let (first, id) = Host::found(directory.path(), "h0", None);
        let mut cluster = Self { bucket, hosts: vec![first], directory, id };
        (1..count).for_each(|_| cluster.add());
        Some(cluster)
    }

    /// A further directory that joins.
    pub fn add(&mut self) {
        self.hosts.push(self.make(self.hosts.len()));
    }

    /// Makes a directory that joins, with this number in its name.
    pub fn make(&self, number: usize) -> Host {
        Host::found(self.directory.path(), &format!("h{number}"), Some(&self.id)).0
    }

    /// Makes the directory of a host anew, as after the loss of its disk.
    pub fn make_anew(&mut self, at: usize) {
        std::fs::remove_dir_all(&self.hosts[at].data_dir).expect("a directory");
        self.hosts[at] = Host::found(self.directory.path(), &format!("h{at}"), Some(&self.id)).0;
    }

    /// Starts a host; it is there when it takes writes.
    pub fn start(&self, at: usize, arguments: &[&str]) -> Server {
        let Host { address, data_dir, .. } = &self.hosts[at];
        let all = [&["--log", LOG][..], arguments].concat();
        let mut variables = self.bucket.variables().to_vec();
        // A busy machine is no reason for a 504; a flag says otherwise.
        variables.push(("PIXELD_DURABILITY_TIMEOUT", "20s".to_owned()));
        let server = Server::start_in(&variables, *address, data_dir, &all);
        await_ready(&server);
        server
    }

    /// Starts all hosts; each is connected to the log.
    pub fn start_all(&self, arguments: &[&str]) -> Vec<Server> {
        let servers: Vec<Server> = (0..self.hosts.len()).map(|at| self.start(at, arguments)).collect();
        servers.iter().for_each(await_log);
        servers
    }

    /// Names of the objects that have messages of a host.
    pub fn messages(&self, at: usize) -> Vec<String> {
        let node = crate::told::node_of(&self.hosts[at]);
        let folder = format!("{ROOT}/{}/log/{node}/", self.id);
        self.bucket.objects().into_iter().filter(|name| name.starts_with(&folder)).collect()
    }
}

/// Posts a pixel at a level.
pub fn post_at(client: &mut Client, level: &str, x: i32, y: i32) -> Answer {
    let usual = request("POST", "/pixel", "application/json", pixel(x, y, 'R', 1));
    let text = String::from_utf8(usual).expect("a text");
    client.send(text.replacen("\r\n", &format!("\r\nDurability: {level}\r\n"), 1));
    client.answer()
}

/// Posts pixels one after the other, each at `cluster`, so that each has a message of its own.
pub fn post_apart(server: &Server, count: i32, y: i32) {
    let mut client = server.connect();
    for x in 0..count {
        let answer = post_at(&mut client, "cluster", x, y);
        assert_eq!((answer.status, answer.field("durability")), (200, Some("cluster")), "{}", answer.head);
    }
}
