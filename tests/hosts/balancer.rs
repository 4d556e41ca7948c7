//! Two hosts behind nginx with `scripts/nginx.conf`: one is killed under load and comes back.

use crate::process;

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::skip::skip;
use process::client::{Client, Next, pixel, plain, post_pixel, request};
use process::pair::{Host, Pair, await_connected, await_that, count, pixels};
use process::{Server, free_address};
use rustix::process::Signal;

const WRITERS: usize = 8;
const READERS: usize = 4;

pub const CONFIGURATION: &str = include_str!("../../scripts/nginx.conf");

/// nginx over two hosts; ended when dropped.
pub struct Balancer {
    child: Child,
    pub address: SocketAddr,
}

impl Balancer {
    /// Nothing, with a word about it, where there is no nginx.
    pub fn start(directory: &Path, a: &Host, b: &Host) -> Option<Self> {
        Self::over(directory, [a.address, b.address], CONFIGURATION)
    }

    /// The same over whatever listens there, with a configuration like the one that is shipped.
    pub fn over(directory: &Path, hosts: [SocketAddr; 2], configuration: &str) -> Option<Self> {
        let address = free_address();
        let file = Self::configure(directory, address, hosts, configuration);
        let mut command = Command::new("nginx");
        command.arg("-p").arg(directory).arg("-c").arg(&file).args(["-g", "daemon off;"]);
        let Ok(child) = command.stderr(Stdio::null()).spawn() else {
            skip("nginx is not installed here");
            return None;
        };
        let balancer = Self { child, address };
        await_that("nginx", || std::net::TcpStream::connect(address).is_ok(), |is_there| *is_there);
        Some(balancer)
    }

    fn configure(
        directory: &Path,
        address: SocketAddr,
        hosts: [SocketAddr; 2],
        configuration: &str,
    ) -> PathBuf {
        let text = configuration
            .replace("127.0.0.1:8000", &address.to_string())
            .replace("127.0.0.1:8001", &hosts[0].to_string())
            .replace("127.0.0.1:8002", &hosts[1].to_string());
        let file = directory.join("nginx.conf");
        std::fs::write(&file, text).expect("a file");
        file
    }

    /// Takes another configuration over, as `nginx -s reload` does.
    pub fn reload(&self, directory: &Path, hosts: [SocketAddr; 2], configuration: &str) {
        Self::configure(directory, self.address, hosts, configuration);
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, Signal::HUP).expect("it runs");
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // SIGTERM reaches its workers, which SIGKILL would leave behind.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        let _ = self.child.wait();
    }
}

/// What the clients saw.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    next: AtomicI32,
    acked: Mutex<Vec<i32>>,
    failed_writes: AtomicUsize,
    /// Those of them that were answered.
    refused_writes: AtomicUsize,
    reads: AtomicUsize,
    failed_reads: AtomicUsize,
}

impl Seen {
    /// Posts pixels that nobody else posts, one after the other.
    fn write(&self, address: SocketAddr) {
        let mut client = Client::connect(address);
        while !self.stop.load(Ordering::Relaxed) {
            let x = self.next.fetch_add(1, Ordering::Relaxed);
            match client.send(post_pixel(x, 0, 'G', 7)).next(false) {
                Next::Answer(answer) if answer.status == 200 => {
                    self.acked.lock().expect("a lock").push(x);
                    if answer.closes() {
                        client = Client::connect(address);
                    }
                }
                outcome => {
                    self.refused_writes
                        .fetch_add(usize::from(matches!(outcome, Next::Answer(_))), Ordering::Relaxed);
                    self.failed_writes.fetch_add(1, Ordering::Relaxed);
                    if !matches!(&outcome, Next::Answer(answer) if !answer.closes()) {
                        client = Client::connect(address);
                    }
                }
            }
        }
    }

    fn read(&self, address: SocketAddr) {
        let mut client = Client::connect(address);
        while !self.stop.load(Ordering::Relaxed) {
            match client.send(plain("GET", "/pixels/count")).next(false) {
                Next::Answer(answer) if answer.status == 200 => self.reads.fetch_add(1, Ordering::Relaxed),
                outcome => {
                    eprintln!("{outcome:?}");
                    client = Client::connect(address);
                    self.failed_reads.fetch_add(1, Ordering::Relaxed)
                }
            };
        }
    }

    /// Reads counts, of which none may be below `least`.
    fn read_at_least(&self, address: SocketAddr, least: &AtomicI32) {
        let mut client = Client::connect(address);
        while !self.stop.load(Ordering::Relaxed) {
            let least = u64::try_from(least.load(Ordering::Acquire)).expect("no less than nothing");
            match client.send(plain("GET", "/pixels/count")).next(false) {
                Next::Answer(answer) if answer.status == 200 => {
                    let total = answer.json()["total"].as_u64().expect("a number");
                    assert!(total >= least, "{total} after {least}");
                    self.reads.fetch_add(1, Ordering::Relaxed);
                    if answer.closes() {
                        client = Client::connect(address);
                    }
                }
                // A connection that the balancer ends when it is reloaded is no answer.
                Next::Answer(answer) => {
                    eprintln!("{} {}", answer.status, answer.text());
                    self.failed_reads.fetch_add(1, Ordering::Relaxed);
                }
                _ => client = Client::connect(address),
            }
        }
    }

    /// Waits until `more` further writes were answered.
    fn await_writes(&self, more: usize) {
        let now = || self.acked.lock().expect("a lock").len();
        let before = now();
        await_that("a load", now, |now| *now >= before + more);
    }
}

/// Stops the load, however the test ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn one_of_two_is_killed_under_load_and_comes_back() {
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    let Some(balancer) = Balancer::start(pair.directory.path(), &pair.a, &pair.b) else { return };
    let seen = Seen::default();
    let b = thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| seen.write(balancer.address));
        }
        for _ in 0..READERS {
            scope.spawn(|| seen.read(balancer.address));
        }
        seen.await_writes(500);
        assert!(own_records(&a) > 0 && own_records(&b) > 0, "both take writes");
        b.signal(Signal::KILL);
        seen.await_writes(500);
        drop(b);
        let b = pair.b.start(&pair.a, &[]);
        await_connected(&a);
        await_connected(&b);
        // nginx tries it again after a second.
        let before = own_records(&b);
        await_that("writes on the host that is back", || own_records(&b), |now| *now > before + 50);
        seen.await_writes(500);
        seen.stop.store(true, Ordering::Relaxed);
        b
    });
    let failed = seen.failed_writes.load(Ordering::Relaxed);
    assert!(failed <= WRITERS, "{failed} writes failed, more than were in flight");
    assert_eq!(seen.failed_reads.load(Ordering::Relaxed), 0, "what may be sent twice fails nobody");
    assert!(seen.reads.load(Ordering::Relaxed) > 0);

    await_that("equal counts", || (count(&a), count(&b)), |(a, b)| a == b);
    thread::sleep(Duration::from_millis(100));
    let all = pixels(&a);
    assert!(all == pixels(&b), "as many, and other ones");
    assert!(all.windows(2).all(|two| two[0] != two[1]), "nothing is there twice");
    let acked = seen.acked.into_inner().expect("a lock");
    for x in &acked {
        let line = pixel(*x, 0, 'G', 7);
        assert!(all.binary_search(&line).is_ok(), "{line} was acknowledged and is lost");
    }
    assert!(all.len() <= acked.len() + failed, "nothing is there that nobody sent");
}

/// The procedure of docs/operations.md: the new host is `down` in the balancer until it says that it is ready.
#[test]
fn a_newcomer_behind_the_balancer_refuses_nobody() {
    const OLD: i32 = 3_000;
    let pair = Pair::found();
    let a = pair.a.start(&pair.b, &[]);
    let lines: Vec<String> = (0..OLD).map(|x| pixel(x, 1, 'R', 3)).collect();
    let old = request("POST", "/pixels", "application/x-ndjson", lines.join("\n"));
    assert_eq!(a.connect().send(old).answer().status, 200);
    let second = "server 127.0.0.1:8002 max_fails";
    let kept_out = CONFIGURATION.replace(second, "server 127.0.0.1:8002 down max_fails");
    assert_ne!(kept_out, CONFIGURATION);
    let hosts = [pair.a.address, pair.b.address];
    let Some(balancer) = Balancer::over(pair.directory.path(), hosts, &kept_out) else { return };
    let (seen, least) = (Seen::default(), AtomicI32::new(OLD));
    let b = thread::scope(|scope| {
        let _stop = Stop(&seen.stop);
        for _ in 0..WRITERS {
            scope.spawn(|| seen.write(balancer.address));
        }
        for _ in 0..READERS {
            scope.spawn(|| seen.read_at_least(balancer.address, &least));
        }
        seen.await_writes(200);
        let b = pair.b.start(&pair.a, &[]);
        await_that("readiness", || b.ask("GET", "/readyz", "").0, |status| *status == 200);
        // What it had to have is at least what there was before; it is asked from now on, too.
        let when_met = i32::try_from(count(&b)).expect("few");
        assert!(when_met >= OLD + 200, "{when_met}");
        least.store(when_met, Ordering::Release);
        balancer.reload(pair.directory.path(), hosts, CONFIGURATION);
        await_that("writes on the new host", || own_records(&b), |now| *now > 100);
        seen.await_writes(200);
        b
    });
    let refused = (seen.refused_writes.load(Ordering::Relaxed), seen.failed_reads.load(Ordering::Relaxed));
    assert_eq!(refused, (0, 0), "writes and reads that were refused");
    // nginx lets go of a connection when it is reloaded, and one request may just have been on its way.
    let (acked, unsure) = (seen.acked.into_inner().expect("a lock").len(), seen.failed_writes.into_inner());
    let least = acked as u64 + OLD as u64;
    let is_whole = |&(a, b): &(u64, u64)| a == b && (least..=least + unsure as u64).contains(&a);
    await_that("the same", || (count(&a), count(&b)), is_whole);
    assert!(pixels(&a) == pixels(&b));
}

/// A DELETE through the balancer removes what the host that it reached had seen, which is everything once both have it.
#[test]
fn a_delete_through_the_balancer_clears_both() {
    let pair = Pair::found();
    let (a, b) = pair.start(&[]);
    let Some(balancer) = Balancer::start(pair.directory.path(), &pair.a, &pair.b) else { return };
    let post = |from: i32, to: i32| {
        let mut client = Client::connect(balancer.address);
        for x in from..to {
            assert_eq!(client.send(post_pixel(x, 0, 'G', 7)).answer().status, 200);
        }
    };
    let delete = || {
        let answer = Client::connect(balancer.address).send(plain("DELETE", "/pixels")).answer();
        assert_eq!(answer.json(), serde_json::json!({ "status": "cleared" }), "{}", answer.status);
    };
    post(0, 40);
    await_that("all on both", || (count(&a), count(&b)), |counts| *counts == (40, 40));
    delete();
    await_that("none on either", || (count(&a), count(&b)), |counts| *counts == (0, 0));
    post(40, 60);
    await_that("all on both", || (count(&a), count(&b)), |counts| *counts == (20, 20));
    // Asked of a dead host, the other one does it: to delete twice is to delete once.
    drop(b);
    delete();
    assert_eq!(count(&a), 0);
    post(60, 65);
    let b = pair.b.start(&pair.a, &[]);
    await_that("what came after it", || (count(&a), count(&b)), |counts| *counts == (5, 5));
}

/// A host that dies over each request that reaches it; counts them.
fn dying_host(seen: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // One that only looks whether somebody listens sends nothing.
            if stream.read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0) {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    address
}

#[test]
fn what_does_something_is_sent_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let seen: Arc<AtomicUsize> = Arc::default();
    let hosts = [dying_host(seen.clone()), dying_host(seen.clone())];
    // No host is left out, so that each request finds both.
    let configuration = CONFIGURATION.replace("max_fails=1 fail_timeout=1s", "max_fails=0");
    let Some(balancer) = Balancer::over(directory.path(), hosts, &configuration) else { return };
    for (method, path, sent) in [
        ("GET", "/pixels/count", 2),
        ("GET", "/state", 2),
        ("GET", "/api/products/last", 2),
        ("DELETE", "/pixels", 2),
        ("GET", "/next", 1),
        ("GET", "/previous", 1),
        ("GET", "/reset", 1),
        ("GET", "/%6eext?x=y", 1),
        ("GET", "/api/products?product=Kite", 1),
        ("GET", "/api/orders/do?order=Kite", 1),
        ("POST", "/next", 1),
        ("POST", "/pixel", 1),
        ("POST", "/api/orders", 1),
    ] {
        seen.store(0, Ordering::SeqCst);
        let answer = Client::connect(balancer.address).send(plain(method, path)).answer();
        assert_eq!(answer.status, 502, "{method} {path}");
        assert_eq!(seen.load(Ordering::SeqCst), sent, "{method} {path}");
    }
}

/// A host is killed while a step that it has logged waits for the other one. nginx asked for it again there, and it was
/// two steps.
#[test]
fn a_step_that_a_host_died_over_is_made_once() {
    let pair = Pair::found();
    let (a, b) = pair.start(&["--durability-timeout", "20s"]);
    let Some(balancer) = Balancer::start(pair.directory.path(), &pair.a, &pair.b) else { return };
    let hits = |server: &Server| {
        let state: serde_json::Value =
            serde_json::from_str(&server.ask("GET", "/state", "").1).expect("JSON");
        state["hits"].as_u64().expect("a number")
    };
    b.freeze();
    let step = "GET /next HTTP/1.1\r\nHost: x\r\nDurability: both\r\n\r\n";
    let mut clients = Vec::new();
    // The first one may go to the host that is stopped; it waits there, and the next one goes to the other.
    while hits(&a) == 0 {
        assert!(clients.len() < 2, "each host has one now");
        let mut client = Client::connect(balancer.address);
        client.send(step);
        clients.push(client);
        for _ in 0..20 {
            if hits(&a) == 0 {
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
    drop(a);
    b.signal(Signal::CONT);
    let sent = clients.len() as u64;
    let a = pair.a.start(&pair.b, &[]);
    let statuses: Vec<_> = clients.iter_mut().map(|client| client.answer().status).collect();
    assert!(statuses.contains(&502), "the client is told: {statuses:?}");
    await_that(
        "as many steps as were asked for",
        || (hits(&a), hits(&b)),
        |both| both.0 == both.1 && both.0 >= sent,
    );
    thread::sleep(Duration::from_millis(200));
    assert_eq!((hits(&a), hits(&b)), (sent, sent), "each was made once");
}

/// Records that this host has made since its directory was.
fn own_records(server: &Server) -> u64 {
    let metrics = server.ask("GET", "/metrics", "").1;
    let line = "pixeld_replication_records{stream=\"own\",at=\"here\"} ";
    metrics
        .lines()
        .find_map(|found| found.strip_prefix(line))
        .and_then(|text| text.parse().ok())
        .expect("a figure")
}

#[test]
fn a_refusal_comes_through_nginx_while_the_client_still_sends() {
    let pair = Pair::found();
    let (_a, _b) = pair.start(&[]);
    let Some(balancer) = Balancer::start(pair.directory.path(), &pair.a, &pair.b) else { return };
    let json = request("POST", "/images", "application/json", vec![b' '; 12 << 20]);
    let text = request("POST", "/pixels", "text/plain", vec![b' '; 8 << 20]);
    for (request, status) in [(json, 413), (text, 415)] {
        for _ in 0..40 {
            let mut client = Client::connect(balancer.address);
            assert_eq!(client.send_in_vain(&request).answer().status, status);
        }
    }
}
