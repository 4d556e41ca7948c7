//! Three real servers of NATS on loopback, each a process that a test may kill.

pub mod key;
mod words;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::cable::Cable;
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

/// Where the servers are to listen.
#[derive(Clone, Copy)]
pub struct Place {
    pub client: SocketAddr,
    pub route: SocketAddr,
    pub monitor: SocketAddr,
}

impl Place {
    fn free() -> Self {
        Self { client: free_address(), route: free_address(), monitor: free_address() }
    }
}

struct Node {
    place: Place,
    process: Option<Child>,
}

/// A way from one server to another.
struct Way {
    from: usize,
    to: usize,
    cable: Cable,
}

/// Some servers of one cluster; they end with it.
pub struct Nats {
    nodes: Vec<Node>,
    program: PathBuf,
    /// Between servers that can be cut off; none where they dial each other as they are.
    ways: Vec<Way>,
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

impl Setting {
    /// The configuration of a server that dials the others at `routes`.
    fn text(&self, directory: &Path, at: usize, place: &Place, routes: &[SocketAddr], more: &str) -> String {
        let Place { client, route, monitor } = place;
        let Self { max_payload, sync, more: last } = self;
        let urls: Vec<String> = routes.iter().map(|route| format!("nats://{route}")).collect();
        let cluster = if routes.len() > 1 {
            format!("cluster {{ name: test, listen: {route}, {more}routes: [{}] }}\n", urls.join(", "))
        } else {
            String::new()
        };
        format!(
            "server_name: n{at}\nlisten: {client}\nhttp: {monitor}\nmax_payload: {max_payload}\n\
             jetstream {{ store_dir: {:?}, sync_interval: {sync}, max_file_store: 10GB }}\n{cluster}{last}\n",
            store(directory, at)
        )
    }
}

/// Where a server keeps its messages.
fn store(directory: &Path, at: usize) -> PathBuf {
    directory.join(format!("store-{at}"))
}

impl Nats {
    /// Three sound servers that have a leader. Nothing, with a word about it, where the program is not to be had.
    pub fn start() -> Option<Self> {
        Self::start_as(3, SOUND)
    }

    /// `count` servers that are set as a test wants.
    pub fn start_as(count: usize, setting: Setting) -> Option<Self> {
        Self::start_with(count, |directory, places, at| {
            let routes: Vec<SocketAddr> = places.iter().map(|place| place.route).collect();
            setting.text(directory, at, &places[at], &routes, "")
        })
    }

    /// Three sound servers, of which each one can be cut off from the others.
    pub fn start_with_cables() -> Option<Self> {
        let mut ways = Vec::new();
        let mut servers = Self::start_with(3, |directory, places, at| {
            let others = (0..places.len()).filter(|other| *other != at);
            let made = others.map(|to| Way { from: at, to, cable: Cable::to(places[to].route) });
            let first = ways.len();
            ways.extend(made);
            let routes: Vec<SocketAddr> = ways[first..].iter().map(|way| way.cable.address).collect();
            // Where nobody listens: else the others would tell each other a way around the cables.
            SOUND.text(directory, at, &places[at], &routes, "advertise: \"127.0.0.1:9\", ")
        })?;
        servers.ways = ways;
        Some(servers)
    }

    /// `count` servers, each with the configuration that `text` gives for it: from their directory, where all are to listen, and its
    /// number.
    pub fn start_with(count: usize, mut text: impl FnMut(&Path, &[Place], usize) -> String) -> Option<Self> {
        let program = program()?;
        let places: Vec<Place> = (0..count).map(|_| Place::free()).collect();
        let directory = tempfile::tempdir().expect("a directory");
        for at in 0..count {
            let file = directory.path().join(format!("{at}.conf"));
            fs::write(file, text(directory.path(), &places, at)).expect("a file");
        }
        let nodes = places.into_iter().map(|place| Node { place, process: None }).collect();
        let mut servers = Self { nodes, program, ways: Vec::new(), directory };
        (0..count).for_each(|at| servers.run(at));
        servers.await_leader();
        Some(servers)
    }

    /// Starts a server that does not run.
    pub fn run(&mut self, at: usize) {
        let file = self.directory.path().join(format!("{at}.conf"));
        let log = fs::File::create(self.directory.path().join(format!("{at}.log"))).expect("a file");
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(file).stdout(Stdio::null()).stderr(log);
        self.nodes[at].process = Some(command.spawn().expect("it was asked for its version"));
    }

    /// Lets nothing through between a server and the others, and tells nobody.
    pub fn cut_off(&self, at: usize) {
        self.ways_of(at).for_each(Cable::pull);
    }

    /// Lets everything through again.
    pub fn reconnect(&self, at: usize) {
        self.ways_of(at).for_each(Cable::plug_in);
    }

    fn ways_of(&self, at: usize) -> impl Iterator<Item = &Cable> {
        self.ways.iter().filter(move |way| way.from == at || way.to == at).map(|way| &way.cable)
    }

    /// Asks the servers something by their own protocol; gives the answer, which is JSON.
    pub fn ask(&self, subject: &str, body: &str) -> Value {
        let at = self.running().next().expect("a server");
        words::ask(self.nodes[at].place.client, subject, body)
    }

    /// Tells the servers something, and waits for no answer.
    pub fn tell(&self, subject: &str, body: &str) {
        let at = self.running().next().expect("a server");
        words::tell(self.nodes[at].place.client, subject, body);
    }

    /// Where a server keeps its messages.
    pub fn store(&self, at: usize) -> PathBuf {
        store(self.directory.path(), at)
    }

    /// What `--log` is to be told.
    pub fn servers(&self) -> String {
        let urls: Vec<String> =
            self.nodes.iter().map(|node| format!("nats://{}", node.place.client)).collect();
        urls.join(",")
    }

    /// What `--log-monitor` is to be told.
    pub fn monitors(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(|node| node.place.monitor.to_string()).collect();
        addresses.join(",")
    }

    /// Ends a server with SIGKILL.
    pub fn kill(&mut self, at: usize) {
        let mut process = self.nodes[at].process.take().expect("a server that runs");
        process.kill().expect("the process is there");
        process.wait().expect("a child");
    }

    /// Waits until a server that was started has all that the others have.
    pub fn await_whole(&self, at: usize) {
        let started = Instant::now();
        while self.monitored(at, "/healthz").is_none_or(|health| health["status"] != "ok") {
            assert!(started.elapsed() < PATIENCE, "the server {at} is not whole: {}", self.words());
            std::thread::sleep(Duration::from_millis(50));
        }
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
        let mut stream = TcpStream::connect(self.nodes[at].place.monitor).ok()?;
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
