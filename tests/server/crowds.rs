//! Many clients, slow clients, clients that do not read: the others are served, and memory stays within its bounds.

use crate::process;

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use process::Server;
use process::client::{Client, plain, post_pixel, request};
use rustix::process::Signal;

const MIB: usize = 1024 * 1024;
/// A list of 18 MB: more than the sockets of its client can hold.
const MANY: usize = 400_000;

/// Resident memory in bytes.
fn resident(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

fn fill(server: &Server) {
    let body: Vec<u8> = [0x11; 10].repeat(MANY);
    let answer = server.connect().send(request("POST", "/pixels", "application/vnd.pixeld", body)).answer();
    assert_eq!(answer.status, 200);
}

/// Sends the same request until the server stops reading; gives the number of bytes it took.
fn send_until_pushed_back(client: &mut Client, request: &[u8]) -> usize {
    let many = request.repeat(1024);
    client.stream.set_write_timeout(Some(Duration::from_millis(100))).expect("a socket");
    let mut taken = 0;
    loop {
        match (&*client.stream).write(&many[taken % request.len()..]) {
            Ok(bytes) => taken += bytes,
            Err(_) => return taken,
        }
        assert!(taken < 64 * MIB, "the server reads on although nobody takes its answers");
    }
}

#[test]
fn answers_that_nobody_reads_stop_the_reading() {
    let server = Server::fresh(&["--durability", "memory"]);
    fill(&server);
    for (request, status) in [
        (plain("GET", "/metrics"), 200),
        (plain("GET", "/nowhere"), 404),
        (plain("GET", "/pixels?limit=20000"), 200),
        (post_pixel(1, 1, 'R', 1), 200),
    ] {
        let before = resident(&server);
        let mut clients: Vec<_> = (0..4).map(|_| server.connect()).collect();
        let taken: Vec<_> =
            clients.iter_mut().map(|client| send_until_pushed_back(client, &request)).collect();
        let grown = resident(&server).saturating_sub(before);
        // The answers to what the clients sent would be hundreds of MB. What two workers and two job threads have freed is
        // resident, too, as the allocator keeps it: half of the bound.
        assert!(grown < 8 * MIB, "{grown} bytes for four clients");
        assert_eq!(server.connect().send(plain("GET", "/livez")).answer().status, 200);
        // One of them comes back to its senses: the requests that were taken whole are answered.
        for _ in 0..(taken[0] / request.len()).min(100) {
            assert_eq!(clients[0].answer().status, status);
        }
    }
}

#[test]
fn an_idle_connection_costs_little() {
    const CLIENTS: usize = 4_000;
    pixeld::os::thread::raise_descriptor_limit();
    let server = Server::fresh(&["--durability", "memory", "--limit", "idle_ms=1h"]);
    let greet = |client: &mut Client| {
        assert_eq!(client.send(post_pixel(1, 1, 'R', 1)).answer().status, 200);
        assert_eq!(client.send(plain("GET", "/health")).answer().status, 200);
    };
    // What is made once and kept is there before the counting begins.
    let mut warm: Vec<_> = (0..64).map(|_| server.connect()).collect();
    warm.iter_mut().for_each(greet);
    let before = resident(&server);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(greet);
    let each = resident(&server).saturating_sub(before) / CLIENTS;
    println!("{each} bytes for each idle connection");
    assert!(each <= 1024, "{each} bytes for each idle connection");
}

#[test]
fn thousands_of_slow_clients_do_not_hold_up_the_others() {
    const SLOW: usize = 5_000;
    pixeld::os::thread::raise_descriptor_limit();
    let server = Server::fresh(&[
        "--limit",
        "header_ms=1h",
        "--limit",
        "first_byte_ms=1h",
        "--limit",
        "body_rate_bytes=0",
    ]);
    let whole = post_pixel(7, 7, 'B', 7);
    let mut slow: Vec<_> = (0..SLOW).map(|_| server.connect()).collect();
    for (at, client) in slow.iter_mut().enumerate() {
        client.send(&whole[..10 + at % (whole.len() - 11)]);
    }
    let mut fast = server.connect();
    let mut times: Vec<Duration> = (0..500)
        .map(|at| {
            // The slow ones go on, a byte at a time.
            let client = &mut slow[at];
            let sent = 10 + at % (whole.len() - 11);
            client.send(&whole[sent..=sent]);
            let started = Instant::now();
            assert_eq!(fast.send(plain("GET", "/health")).answer().status, 200);
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("GET /health beside {SLOW} slow clients: p99 {:?}", times[times.len() * 99 / 100]);
    for (at, client) in slow.iter_mut().enumerate() {
        let sent = 10 + at % (whole.len() - 11) + usize::from(at < 500);
        client.send(&whole[sent..]);
    }
    for client in &mut slow {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(fast.send(plain("GET", "/pixels/count")).answer().text(), format!(r#"{{"total":{SLOW}}}"#));
}

#[test]
fn slow_readers_of_a_long_list_hold_no_job_thread_and_little_memory() {
    let server = Server::fresh(&["--job-threads", "1", "--durability", "memory"]);
    fill(&server);
    let before = resident(&server);
    let mut slow: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut slow {
        client.send(plain("GET", "/pixels"));
        client.stream.peek(&mut [0]).expect("the list begins");
    }
    let mut fast = server.connect();
    for _ in 0..3 {
        let list = fast.send(plain("GET", "/pixels?limit=1000")).answer().json();
        assert_eq!(list["data"].as_array().map(Vec::len), Some(1_000));
    }
    // What is written meanwhile is in no list that was begun before.
    assert_eq!(fast.send(post_pixel(1, 1, 'R', 1)).answer().status, 200);
    let whole = fast.send(plain("GET", "/pixels")).answer();
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 16 * MIB, "{grown} bytes for nine lists");
    assert!(whole.text().starts_with(&format!("{{\"total\":{},", MANY + 1)));
    for client in &mut slow {
        let list = client.answer();
        assert!(list.text().starts_with(&format!("{{\"total\":{MANY},")) && list.text().ends_with("}]}"));
        assert_eq!(list.text().matches("\"x\":").count(), MANY);
    }
}

#[test]
fn a_head_request_of_one_too_many_is_refused_without_content() {
    let server = Server::fresh(&["--limit", "connections=2", "--workers", "1"]);
    let served: Vec<_> = (0..2)
        .map(|_| {
            let mut client = server.connect();
            assert_eq!(client.send(plain("GET", "/livez")).answer().status, 200);
            client
        })
        .collect();
    // The worker is stopped, so that the request has come when it accepts the connection.
    server.freeze();
    let mut client = server.connect();
    client.send(plain("HEAD", "/livez"));
    server.signal(Signal::CONT);
    let answer = client.head_answer();
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")), "{}", answer.head);
    client.half_close().assert_end();
    drop(served);
}
