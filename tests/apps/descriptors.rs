//! A hard limit of open files that is low: clients are refused before the journal lacks one.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::board::{large, post};
use crate::process::client::{Client, Next, plain, request};
use crate::process::{PATIENCE, Server, free_address};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

/// How long a server is watched that has nothing to do.
const PAUSE: Duration = Duration::from_secs(2);

struct Limited(Child);

impl Drop for Limited {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks on new connections until one is taken and answered with 200.
fn insist(address: std::net::SocketAddr, bytes: &[u8]) {
    let started = Instant::now();
    loop {
        let mut client = Client::connect(address);
        match client.send_in_vain(bytes).next(false) {
            Next::Answer(answer) if answer.status == 200 => return,
            _ => assert!(started.elapsed() < PATIENCE, "nobody is served any more"),
        }
    }
}

#[test]
fn clients_that_do_not_read_their_pictures_leave_descriptors_for_writes() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 1024; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_pixeld"), "serve"]);
    command.args(["--workers", "2", "--disk-reserve", "1MiB", "--segment-size", "4MiB"]);
    command.args(["--limit", "write_stall_ms=1h", "--listen", &address.to_string(), "--data-dir"]);
    let server = command.arg(directory.path().join("data")).stderr(Stdio::null()).spawn();
    let mut server = Limited(server.expect("a shell"));
    let started = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        assert!(started.elapsed() < PATIENCE, "nobody listens");
    }
    let mut writer = Client::connect(address);
    let answer = post(&mut writer, "a", "a.png", &large(1, 7_700_000));
    assert_eq!(answer.status, 200, "{}", answer.head);
    let path = format!("/media/{}", answer.json()["filename"].as_str().expect("a name"));
    let batch = request("POST", "/pixels", "application/vnd.pixeld", [0x11; 10].repeat(150_000));
    let (mut slow, mut refused) = (Vec::new(), 0);
    for number in 0..500 {
        let mut client = Client::connect(address);
        client.send_in_vain(plain("GET", &path));
        let mut start = [0; 12];
        match client.stream.peek(&mut start) {
            Ok(12) if start.ends_with(b"200") => slow.push(client),
            _ => refused += 1,
        }
        if number % 50 == 0 {
            assert_eq!(writer.send(&batch).answer().status, 200, "who is there goes on writing");
        }
    }
    assert!(slow.len() > 100 && refused > 100, "{} {refused}", slow.len());
    for _ in 0..4 {
        insist(address, &batch);
    }
    assert!(server.0.try_wait().expect("a child").is_none());
    drop(slow);
    insist(address, &plain("GET", &path));
}

/// What a start under a hard limit of open files says of it.
fn warnings_of(limit: u32, arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new("sh");
    let limited = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_pixeld"), "serve", "--listen", "127.0.0.1:0"]);
    command.args(["--disk-reserve", "1MiB", "--segment-size", "4MiB", "--data-dir"]).arg(directory.path());
    let server = command.args(arguments).stderr(Stdio::piped()).spawn();
    let mut server = Limited(server.expect("a shell"));
    let stderr = BufReader::new(server.0.stderr.take().expect("piped"));
    // Whatever there is to say is said before the line with an example.
    let before = stderr.lines().map_while(Result::ok).take_while(|line| !line.starts_with("try: "));
    before.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_limit_that_allows_the_usual_connections_is_no_trouble() {
    let is_warned = |limit, arguments: &[&str]| warnings_of(limit, arguments).contains("fewer connections");
    assert!(!is_warned(20_000, &[]), "what the server needs itself is nothing that anybody asked for");
    assert!(is_warned(19_999, &[]) && is_warned(1_024, &[]));
    assert!(is_warned(20_000, &["--limit", "connections=20000"]), "somebody wants that many");
    assert!(!is_warned(20_000, &["--limit", "connections=19000"]));
}

/// What a process has used of all CPUs, in ticks of 10 ms.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    let fields: Vec<_> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    [11, 12].map(|field| fields[field].parse::<u64>().expect("a number")).iter().sum()
}

#[test]
fn a_worker_without_descriptors_waits_before_it_tries_again() {
    let server = Server::fresh(&["--workers", "1", "--durability", "memory"]);
    let pid = Pid::from_raw(server.pid() as i32);
    let used = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("the process is there").count();
    let usual = getrlimit(Resource::Nofile);
    let few = Rlimit { current: Some(used as u64), maximum: usual.maximum };
    let usual = prlimit(pid, Resource::Nofile, few).expect("our own child");
    let mut clients = Vec::new();
    // Some numbers below the limit may be free.
    for _ in 0..16 {
        clients.push(server.connect());
    }
    for client in &mut clients {
        client.send(plain("GET", "/livez"));
    }
    std::thread::sleep(PAUSE / 8);
    let before = ticks(server.pid());
    std::thread::sleep(PAUSE);
    let spent = ticks(server.pid()) - before;
    assert!(spent < 10, "{spent} ticks of 10 ms in {PAUSE:?} in which nothing could be done");
    prlimit(pid, Resource::Nofile, usual).expect("our own child");
    for client in &mut clients {
        assert_eq!(client.answer().status, 200, "they are served once there are descriptors");
    }
}
