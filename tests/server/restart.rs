//! Restarts under load: no request fails, nothing acknowledged is lost, the data directory never has two owners.

use crate::process;

use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::skip::skip;
use process::client::{Client, plain, post_pixel};
use process::pair::{Pair, await_that};
use process::{PATIENCE, Server, free_address, pixeld};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, Signal, kill_process};

/// Clients that post pixels, some on one connection for ever, some on a new one for each request.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(address: SocketAddr, kept: usize, fresh: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |is_fresh: bool| {
            let (stop, answered) = (stop.clone(), answered.clone());
            thread::spawn(move || {
                let mut client = Client::connect(address);
                while !stop.load(Ordering::Relaxed) {
                    if is_fresh {
                        client = Client::connect(address);
                    }
                    let answer = client.send(post_pixel(1, 2, 'R', 3)).answer();
                    assert_eq!(answer.status, 200, "{}", answer.head);
                    assert!(!answer.closes(), "nobody is told to go: {}", answer.head);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let clients = (0..kept + fresh).map(|number| client(number >= kept)).collect();
        Self { stop, answered, clients }
    }

    /// Waits for so many more answers.
    fn wait_for(&self, more: u64) {
        let (started, before) = (Instant::now(), self.answered.load(Ordering::Relaxed));
        while self.answered.load(Ordering::Relaxed) < before + more {
            assert!(started.elapsed() < PATIENCE, "no more answers");
            sleep(Duration::from_millis(2));
        }
    }

    /// Ends it; gives the number of answers. A client whose request failed has panicked.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("no request failed");
        }
        self.answered.load(Ordering::Relaxed)
    }
}

/// Asks on a connection of its own.
pub fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split_once("\r\n\r\n").expect("a head").1.to_owned()
}

pub fn pid(address: SocketAddr) -> u32 {
    let health: serde_json::Value = serde_json::from_str(&ask(address, "/health")).expect("JSON");
    health["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a number")
}

pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("a number");
    kill_process(pid, signal).expect("the process is there");
}

/// Sends SIGUSR2 to the process that serves and waits until another one does; gives its number.
pub fn restart(address: SocketAddr) -> u32 {
    let (old, started) = (pid(address), Instant::now());
    signal(old, Signal::USR2);
    loop {
        let new = pid(address);
        if new != old {
            return new;
        }
        assert!(started.elapsed() < PATIENCE, "still {old}");
        sleep(Duration::from_millis(5));
    }
}

/// Ends the process that a hand-over left behind, which is no child of ours.
pub struct Last(pub u32);

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.0.cast_signed()) {
            // It may have ended already.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn ten_restarts(durability: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(free_address(), directory.path(), &["--durability", durability]);
    let address = server.address;
    let mut idle = Client::connect(address);
    assert_eq!(idle.send(post_pixel(9, 9, 'B', 9)).answer().status, 200);
    let load = Load::start(address, 6, 2);
    let mut last = Last(server.pid());
    for _ in 0..10 {
        load.wait_for(50);
        last.0 = restart(address);
    }
    load.wait_for(50);
    let answered = load.end();
    assert_eq!(server.wait().code(), Some(0), "{}", server.stderr());
    // The connection that nobody used has come through all ten.
    assert_eq!(idle.send(post_pixel(9, 9, 'B', 9)).answer().status, 200);
    assert_eq!(ask(address, "/pixels/count"), format!(r#"{{"total":{}}}"#, answered + 2));
    signal(last.0, Signal::TERM);
    server.wait_for("message=stopped");
    assert!(!server.stderr().contains("handed over before"), "{}", server.stderr());
}

#[test]
fn ten_restarts_at_disk_fail_no_request() {
    ten_restarts("disk");
}

#[test]
fn ten_restarts_at_memory_fail_no_request() {
    ten_restarts("memory");
}

/// Requests that only wait, for longer than any test lasts; who asks for news of the board, for less.
fn waiting(address: SocketAddr) -> Vec<Client> {
    let paths = ["/board/events", "/api/misc/heavy?name=x", "/api/orders/do?order=x"];
    let ask = |path: &str| {
        let mut client = Client::connect(address);
        client.send(plain("GET", path)).assert_silence(Duration::from_millis(50));
        client
    };
    paths.map(ask).into()
}

const SLOW: [&str; 4] = ["--toys-heavy-ms", "1h", "--toys-order-ms", "1h"];

#[test]
fn who_only_waits_is_answered_by_a_restart_and_holds_nobody_up() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(free_address(), directory.path(), &SLOW);
    let address = server.address;
    let load = Load::start(address, 4, 2);
    load.wait_for(50);
    let mut half = Client::connect(address);
    half.send("GET /livez HTTP/1.1\r\nHo").assert_silence(Duration::from_millis(50));
    let clients = waiting(address);
    let last = Last(restart(address));
    for mut client in clients {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(half.answer().status, 408);
    load.wait_for(50);
    load.end();
    assert_eq!(server.wait().code(), Some(0), "{}", server.stderr());
    assert!(!server.stderr().contains("handed over before"), "{}", server.stderr());
    drop(last);
}

#[test]
fn who_only_waits_is_answered_by_a_stop() {
    let mut server = Server::fresh(&SLOW);
    let clients = waiting(server.address);
    server.signal(Signal::TERM);
    for mut client in clients {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(server.wait().code(), Some(0));
    assert!(!server.stderr().contains("stopped before"), "{}", server.stderr());
}

#[test]
fn a_successor_with_another_number_of_workers_leaves_nobody_waiting() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("pixeld.toml");
    std::fs::write(&file, "workers = 3\n").expect("a file");
    let path = file.to_str().expect("a path");
    let address = free_address();
    let mut child = spawn(&["--config", path, "--listen", &address.to_string()], directory.path());
    await_start(address);
    let load = Load::start(address, 4, 2);
    let mut last = Last(child.id());
    for workers in [1, 4, 2] {
        std::fs::write(&file, format!("workers = {workers}\n")).expect("a file");
        load.wait_for(50);
        last.0 = restart(address);
        let metrics = ask(address, "/metrics");
        let found = metrics.matches("pixeld_worker_turns_total{").count();
        assert_eq!(found, workers);
    }
    load.wait_for(50);
    load.end();
    child.wait().expect("a child");
}

#[test]
fn a_new_process_that_cannot_start_leaves_the_old_one_serving() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("pixeld.toml");
    std::fs::write(&file, "").expect("a file");
    let path = file.to_str().expect("a path");
    let server = Server::start(free_address(), &directory.path().join("data"), &["--config", path]);
    std::fs::write(&file, "worker = 3\n").expect("a file");
    server.signal(Signal::USR2);
    server.wait_for("this process goes on serving");
    assert!(server.stderr().contains("unknown key \"worker\""), "{}", server.stderr());
    assert_eq!(pid(server.address), server.pid());
    let taken = |value: u8| format!("\npixeld_config_last_reload_successful {value}\n");
    assert!(ask(server.address, "/metrics").contains(&taken(0)), "an alert hangs on it");
    std::fs::write(&file, "").expect("a file");
    let _last = Last(restart(server.address));
    assert!(ask(server.address, "/metrics").contains(&taken(1)));
}

/// `pixeld serve` with these arguments, its data below `directory`.
fn spawn(arguments: &[&str], directory: &std::path::Path) -> Child {
    let mut command = pixeld(&["serve", "--disk-reserve", "1MiB", "--segment-size", "4MiB", "--data-dir"]);
    command
        .arg(directory.join("data"))
        .args(arguments)
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts")
}

fn await_start(address: SocketAddr) {
    let started = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(started.elapsed() < PATIENCE, "nobody listens on {address}");
        sleep(Duration::from_millis(5));
    }
}

/// What a manager such as systemd is told, in order, until `last`.
fn reported(manager: &UnixDatagram, last: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    manager.set_read_timeout(Some(PATIENCE)).expect("a socket");
    while !lines.iter().any(|line| line == last) {
        let mut text = [0; 512];
        let length =
            manager.recv(&mut text).unwrap_or_else(|error| panic!("{error}: no {last} in {lines:?}"));
        lines.extend(String::from_utf8_lossy(&text[..length]).lines().map(str::to_owned));
    }
    lines
}

#[test]
fn a_manager_is_notified_of_start_life_hand_over_and_stop() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("notify");
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    let address = free_address();
    let mut command = pixeld(&[
        "serve",
        "--disk-reserve",
        "1MiB",
        "--segment-size",
        "4MiB",
        "--listen",
        &address.to_string(),
    ]);
    command.arg("--data-dir").arg(directory.path().join("data")).stderr(Stdio::null());
    let mut child = command
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "300000")
        .spawn()
        .expect("the binary starts");
    let mut last = Last(child.id());
    reported(&manager, "READY=1");
    reported(&manager, "WATCHDOG=1");
    signal(child.id(), Signal::USR2);
    let lines = reported(&manager, "READY=1");
    let successor = lines.iter().find_map(|line| line.strip_prefix("MAINPID=")).expect("a new main process");
    last.0 = successor.parse().expect("a number");
    assert_eq!(child.wait().expect("a child").code(), Some(0));
    assert_eq!(pid(address), last.0);
    signal(last.0, Signal::TERM);
    reported(&manager, "STOPPING=1");
}

/// systemd's own activator holds the socket: while the server is away, connections wait in it.
#[test]
fn an_activated_socket_outlives_its_server() {
    let activator = "systemd-socket-activate";
    if !Command::new(activator).arg("--version").output().is_ok_and(|output| output.status.success()) {
        skip(format_args!("{activator} is not there"));
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let server = pixeld(&[
        "serve",
        "--disk-reserve",
        "1MiB",
        "--segment-size",
        "4MiB",
        "--workers",
        "2",
        "--data-dir",
    ]);
    let mut command = Command::new(activator);
    command.arg("-l").arg(address.to_string()).arg(server.get_program()).args(server.get_args());
    let mut child =
        command.arg(directory.path().join("data")).stderr(Stdio::null()).spawn().expect("it starts");
    let _last = Last(child.id());
    await_start(address);
    // The activator becomes the server with the first connection.
    let mut client = Client::connect(address);
    assert_eq!(client.send(post_pixel(1, 2, 'R', 3)).answer().status, 200);
    assert_eq!(pid(address), child.id());
    let load = Load::start(address, 2, 2);
    load.wait_for(100);
    let answered = load.end();
    assert_eq!(ask(address, "/pixels/count"), format!(r#"{{"total":{}}}"#, answered + 1));
    signal(child.id(), Signal::TERM);
    assert_eq!(child.wait().expect("a child").code(), Some(0));
}

/// What a manager keeps for a service is one descriptor; systemd hands it to the next process as number 3.
struct Keeper {
    directory: tempfile::TempDir,
    notify: UnixDatagram,
    address: SocketAddr,
}

impl Keeper {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let notify = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
        notify.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Self { directory, notify, address: free_address() }
    }

    fn start(&self, kept: Option<OwnedFd>) -> Child {
        let server = pixeld(&["serve", "--disk-reserve", "1MiB", "--segment-size", "4MiB", "--workers", "2"]);
        let given =
            if kept.is_some() { "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1;" } else { "" };
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!(r#"{given} exec "$0" "$@""#));
        command.arg(server.get_program()).args(server.get_args());
        command.arg("--listen").arg(self.address.to_string());
        command.arg("--data-dir").arg(self.directory.path().join("data"));
        command.env("NOTIFY_SOCKET", self.directory.path().join("notify")).env("FDSTORE", "1");
        command.stdin(kept.map_or(Stdio::null(), Stdio::from)).stderr(Stdio::null());
        let child = command.spawn().expect("the binary starts");
        while self.message().0 != "READY=1\nSTATUS=serving" {}
        child
    }

    /// The next thing that we are told, and what came with it.
    fn message(&self) -> (String, Option<OwnedFd>) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut text = [0; 512];
        let mut places = [IoSliceMut::new(&mut text)];
        let received = recvmsg(&self.notify, &mut places, &mut control, RecvFlags::CMSG_CLOEXEC);
        let bytes = received.expect("a message").bytes;
        let descriptors = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        let descriptor = descriptors.flatten().next();
        (String::from_utf8_lossy(&text[..bytes]).into_owned(), descriptor)
    }

    /// Stops the server as a restart does; gives what it left.
    fn stop(&self, mut child: Child) -> Option<OwnedFd> {
        signal(child.id(), Signal::TERM);
        let mut kept = None;
        loop {
            match self.message() {
                (text, descriptor) if text == "FDSTORE=1\nFDNAME=sockets\nFDPOLL=0" => kept = descriptor,
                (text, _) if text == "BARRIER=1" => break,
                _ => {}
            }
        }
        assert_eq!(child.wait().expect("a child").code(), Some(0));
        kept
    }
}

#[test]
fn a_manager_that_keeps_sockets_can_stop_and_start_without_a_failed_request() {
    let keeper = Keeper::new();
    let mut child = keeper.start(None);
    let mut idle = Client::connect(keeper.address);
    assert_eq!(idle.send(post_pixel(9, 9, 'B', 9)).answer().status, 200);
    let load = Load::start(keeper.address, 6, 2);
    let mut last = Last(child.id());
    for _ in 0..10 {
        load.wait_for(50);
        let kept = keeper.stop(child).expect("a descriptor");
        child = keeper.start(Some(kept));
        last.0 = child.id();
    }
    load.wait_for(50);
    let answered = load.end();
    assert_eq!(idle.send(post_pixel(9, 9, 'B', 9)).answer().status, 200);
    assert_eq!(ask(keeper.address, "/pixels/count"), format!(r#"{{"total":{}}}"#, answered + 2));
    // A manager that lets go of what it keeps, as at a stop that is no restart, closes it.
    drop(keeper.stop(child));
    assert_eq!((&*idle.stream).read(&mut [0]).expect("closed"), 0);
    assert!(TcpStream::connect(keeper.address).is_err());
}

/// The new process meets the peer again; what waits for the peer meanwhile is answered when they have met.
#[test]
fn a_host_with_a_peer_is_restarted_without_a_failed_request() {
    let pair = Pair::found();
    let patient = ["--durability", "both", "--durability-timeout", "30s"];
    let (mut a, mut b) = pair.start(&patient);
    let load = Load::start(a.address, 3, 1);
    let (mut last_a, mut last_b) = (Last(a.pid()), Last(b.pid()));
    for _ in 0..3 {
        load.wait_for(50);
        last_a.0 = restart(a.address);
        load.wait_for(50);
        last_b.0 = restart(b.address);
    }
    load.wait_for(50);
    let answered = load.end();
    assert_eq!(a.wait().code(), Some(0), "{}", a.stderr());
    assert_eq!(b.wait().code(), Some(0), "{}", b.stderr());
    let total = format!(r#"{{"total":{answered}}}"#);
    assert_eq!(ask(a.address, "/pixels/count"), total);
    await_that("the same list", || ask(b.address, "/pixels/count"), |count| *count == total);
}
