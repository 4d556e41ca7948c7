//! Three real servers of NATS on loopback, each a process that a test may kill.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{PATIENCE, free_address};
use crate::skip::skip;

/// How servers are set that a test does not weaken.
const SOUND: Setting = Setting { max_payload: "2MB", sync: "always", more: "" };

/// What a test may set.
#[derive(Clone, Copy)]
pub struct Setting {
    pub max_payload: &'static str,
    pub sync: &'static str,
    /// Goes into the file as it is.
    pub more: &'static str,
}

struct Node {
    client: SocketAddr,
    route: SocketAddr,
    monitor: SocketAddr,
    process: Option<Child>,
}

/// Some servers of one cluster; they end with it.
pub struct Nats {
    nodes: Vec<Node>,
    program: PathBuf,
    setting: Setting,
    directory: TempDir,
}

/// The program of the server. Nothing, with a word about it, where it is not to be had.
pub fn program() -> Option<PathBuf> {
    let program = PathBuf::from(std::env::var("NATS_SERVER").unwrap_or_else(|_| "nats-server".to_owned()));
    let version = Command::new(&program).arg("--version").output();
    if version.is_ok_and(|output| output.status.success()) {
        return Some(program);
    }
    skip(format_args!(
        "{} is not there: `pip install --require-hashes -r tests/support/nats/requirements.txt`, or name it in NATS_SERVER",
        program.display()
    ));
    None
}

impl Nats {
    /// Three sound servers that have a leader. Nothing, with a word about it, where the program is not to be had.
    pub fn start() -> Option<Self> {
        Self::start_as(3, SOUND)
    }

    /// `count` servers that are set as a test wants.
    pub fn start_as(count: usize, setting: Setting) -> Option<Self> {
        let program = program()?;
        let address =
            || Node { client: free_address(), route: free_address(), monitor: free_address(), process: None };
        let nodes = (0..count).map(|_| address()).collect();
        let mut servers =
            Self { nodes, program, setting, directory: tempfile::tempdir().expect("a directory") };
        (0..count).for_each(|at| servers.run(at));
        servers.await_leader();
        Some(servers)
    }

    /// Starts a server that does not run.
    pub fn run(&mut self, at: usize) {
        let file = self.directory.path().join(format!("{at}.conf"));
        fs::write(&file, self.configuration(at)).expect("a file");
        let log = fs::File::create(self.directory.path().join(format!("{at}.log"))).expect("a file");
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(file).stdout(Stdio::null()).stderr(log);
        self.nodes[at].process = Some(command.spawn().expect("it was asked for its version"));
    }

    fn configuration(&self, at: usize) -> String {
        let Setting { max_payload, sync, more } = self.setting;
        let node = &self.nodes[at];
        let (client, route, monitor) = (node.client, node.route, node.monitor);
        let routes: Vec<String> = self.nodes.iter().map(|node| format!("nats://{}", node.route)).collect();
        let cluster = if self.nodes.len() > 1 {
            format!("cluster {{ name: test, listen: {route}, routes: [{}] }}\n", routes.join(", "))
        } else {
            String::new()
        };
        format!(
            "server_name: n{at}\nlisten: {client}\nhttp: {monitor}\nmax_payload: {max_payload}\n\
             jetstream {{ store_dir: {:?}, sync_interval: {sync}, max_file_store: 10GB }}\n{cluster}{more}\n",
            self.store(at)
        )
    }

    /// Where a server keeps its messages.
    pub fn store(&self, at: usize) -> PathBuf {
        self.directory.path().join(format!("store-{at}"))
    }

    /// What `--log` is to be told.
    pub fn servers(&self) -> String {
        let urls: Vec<String> = self.nodes.iter().map(|node| format!("nats://{}", node.client)).collect();
        urls.join(",")
    }

    /// What `--log-monitor` is to be told.
    pub fn monitors(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(|node| node.monitor.to_string()).collect();
        addresses.join(",")
    }

    /// Ends a server with SIGKILL.
    pub fn kill(&mut self, at: usize) {
        let mut process = self.nodes[at].process.take().expect("a server that runs");
        process.kill().expect("the process is there");
        process.wait().expect("a child");
    }

    /// Ends a server in order.
    pub fn stop(&mut self, at: usize) {
        let mut process = self.nodes[at].process.take().expect("a server that runs");
        kill_process(Pid::from_child(&process), Signal::TERM).expect("the process is there");
        process.wait().expect("a child");
    }

    /// Which server leads the stream of a node, as one of those says that run.
    pub fn leader_of(&self, node: &str) -> usize {
        let is_its = |stream: &Value| stream["name"].as_str().is_some_and(|name| name.ends_with(node));
        let started = Instant::now();
        loop {
            let streams = self.running().find_map(|at| self.monitored(at, "/jsz?streams=true"));
            let all = streams.iter().flat_map(|jsz| jsz["account_details"].as_array()).flatten();
            let leader = all
                .flat_map(|account| account["stream_detail"].as_array())
                .flatten()
                .find(|stream| is_its(stream))
                .and_then(|stream| stream["cluster"]["leader"].as_str()?.strip_prefix('n')?.parse().ok());
            if let Some(leader) = leader {
                return leader;
            }
            assert!(started.elapsed() < PATIENCE, "no leader of {node} in {streams:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Calls of JetStream's interface that a server has answered so far.
    pub fn calls(&self, at: usize) -> u64 {
        self.monitored(at, "/jsz").and_then(|jsz| jsz["api"]["total"].as_u64()).unwrap_or_default()
    }

    fn running(&self) -> impl Iterator<Item = usize> {
        self.nodes.iter().enumerate().filter(|(_, node)| node.process.is_some()).map(|(at, _)| at)
    }

    /// Waits until the servers have agreed who leads them.
    pub fn await_leader(&self) {
        let started = Instant::now();
        let is_led = |at| {
            let jsz = self.monitored(at, "/jsz");
            jsz.is_some_and(|jsz| {
                self.nodes.len() == 1
                    || jsz["meta_cluster"]["leader"].as_str().is_some_and(|name| !name.is_empty())
            })
        };
        while !self.running().all(is_led) {
            assert!(started.elapsed() < PATIENCE, "the servers have no leader: {}", self.words());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn words(&self) -> String {
        let log =
            |at| fs::read_to_string(self.directory.path().join(format!("{at}.log"))).unwrap_or_default();
        (0..self.nodes.len()).map(log).collect::<Vec<_>>().join("\n")
    }

    fn monitored(&self, at: usize, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.nodes[at].monitor).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        for process in self.nodes.iter_mut().filter_map(|node| node.process.as_mut()) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
