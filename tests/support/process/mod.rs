//! A real server process for black-box tests: started, asked, killed.

#![allow(dead_code, reason = "each test program uses some of it")]

pub mod cable;
pub mod client;
pub mod hold;
pub mod pair;
#[path = "../port.rs"]
mod port;
pub mod slow;
pub mod small_disk;
pub mod traced;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pixeld::http::date::Civil;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use client::Client;

/// How long anything may take before a test gives up; generous, since the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running `pixeld serve`; killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
    /// Goes with the server.
    directory: Option<TempDir>,
}

/// What a server of a test has unless it says otherwise: few threads, small files, no bound by the machine's disk.
const USUAL: [(&str, &str); 3] = [("--workers", "2"), ("--disk-reserve", "1MiB"), ("--segment-size", "4MiB")];

/// Times that a test does not run into because the machine is busy, unless it is about one of them.
const PATIENT: [&str; 6] =
    ["first_byte_ms", "header_ms", "body_grace_ms", "idle_ms", "write_stall_ms", "lane_full_ms"];

/// Port 0: the kernel picks a free one.
pub const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The command, with an environment free of the caller's settings.
pub fn pixeld(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pixeld"));
    command.args(arguments);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PIXELD_")) {
        command.env_remove(name);
    }
    command
}

/// An address that nobody listens on at the moment.
pub fn free_address() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port::free_port())
}

/// This moment in RFC 3339.
pub fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let Civil { year, month, day, hour, minute, second } = Civil::of(since.as_secs());
    let micros = since.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

impl Server {
    /// Starts a server with this data directory and waits until it takes requests.
    pub fn start(address: SocketAddr, data_dir: &Path, arguments: &[&str]) -> Self {
        Self::start_in(&[], address, data_dir, arguments)
    }

    /// Starts one with some variables in its environment.
    pub fn start_in(
        variables: &[(&'static str, String)],
        address: SocketAddr,
        data_dir: &Path,
        arguments: &[&str],
    ) -> Self {
        let mut command = pixeld(&[]);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        Self::start_by(command, address, data_dir, arguments)
    }

    /// Starts one by a command that is perhaps another program than the one that is tested.
    pub fn start_by(mut command: Command, address: SocketAddr, data_dir: &Path, arguments: &[&str]) -> Self {
        command.args(["serve", "--listen", &address.to_string(), "--data-dir"]);
        command.arg(data_dir).args(arguments).stderr(Stdio::piped());
        for (flag, value) in USUAL.iter().filter(|(flag, _)| !arguments.contains(flag)) {
            command.args([flag, value]);
        }
        for limit in PATIENT.iter().map(|name| format!("{name}=")) {
            if !arguments.iter().any(|argument| argument.starts_with(&limit)) {
                command.args(["--limit".to_owned(), limit + "60s"]);
            }
        }
        let mut child = command.spawn().expect("the binary starts");
        let lines = collect(child.stderr.take().expect("piped"));
        let mut server = Self { child, address, lines, directory: None };
        server.address = server.await_start();
        server
    }

    /// Starts one with a port and a directory of its own.
    pub fn fresh(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut server = Self::start(ANY_PORT, directory.path(), arguments);
        server.directory = Some(directory);
        server
    }

    /// Ends one made by [`Server::fresh`] with SIGKILL and starts it again on what it left.
    pub fn kill_and_restart(mut self, arguments: &[&str]) -> Self {
        let directory = self.directory.take().expect("a server with a directory of its own");
        drop(self);
        let mut server = Self::start(ANY_PORT, directory.path(), arguments);
        server.directory = Some(directory);
        server
    }

    /// The directory of a server made by [`Server::fresh`].
    pub fn data_dir(&self) -> &Path {
        self.directory.as_ref().expect("a server with a directory of its own").path()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Waits for the start line and reads the address in it.
    fn await_start(&mut self) -> SocketAddr {
        let started = Instant::now();
        loop {
            let stderr = self.stderr();
            if let Some((_, rest)) = stderr.split_once("http://") {
                let is_part = |letter: char| letter.is_ascii_hexdigit() || ".:[]".contains(letter);
                return rest
                    .split(|letter| !is_part(letter))
                    .next()
                    .and_then(|at| at.parse().ok())
                    .expect(&stderr);
            }
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("the server ended with {status}: {}", self.stderr());
            }
            assert!(started.elapsed() < PATIENCE, "no start line: {stderr}");
            sleep(Duration::from_millis(2));
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What was written to stderr so far.
    pub fn stderr(&self) -> String {
        self.lines.lock().expect("a lock").join("\n")
    }

    /// Waits until stderr has `text`.
    pub fn wait_for(&self, text: &str) {
        let started = Instant::now();
        while !self.stderr().contains(text) {
            assert!(started.elapsed() < PATIENCE, "no {text:?} in: {}", self.stderr());
            sleep(Duration::from_millis(5));
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the process is there");
    }

    /// Stops every thread where it is until [`Signal::CONT`]. The signal comes back before they stand.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let threads = || fs::read_dir(format!("/proc/{}/task", self.pid())).expect("the process is there");
        let stands = |stat: String| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T"));
        let all_stand = || {
            threads().flatten().all(|thread| fs::read_to_string(thread.path().join("stat")).is_ok_and(stands))
        };
        while !all_stand() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the end of a process that was told to stop.
    pub fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "still running: {}", self.stderr());
            sleep(Duration::from_millis(5));
        }
    }

    /// Ends it like a crash, with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process is there");
        self.child.wait().expect("a child");
    }

    /// Sends one request on a connection of its own; gives status and body.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.get(9..12).and_then(|text| text.parse().ok()).expect("a status");
        (status, answer.split_once("\r\n\r\n").expect("a head").1.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stderr: ChildStderr) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            shared.lock().expect("a lock").push(line);
        }
    });
    lines
}
