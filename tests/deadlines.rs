//! Clients that are slow, or do not read, or say nothing: each has its time, set short here, and its answer.

#[path = "support/process/mod.rs"]
mod process;
#[path = "support/skip.rs"]
mod skip;

use std::thread::sleep;
use std::time::{Duration, Instant};

use process::Server;
use process::client::{Next, pixel, plain, post_pixel, request};

/// The deadline under test; nothing else may come near it.
const SHORT: &str = "200ms";
const SHORT_MS: Duration = Duration::from_millis(200);
/// It has not passed before this: clocks of milliseconds are cut at both ends.
const LEAST: Duration = Duration::from_millis(190);

fn limited(name: &str) -> Server {
    Server::fresh(&["--limit", &format!("{name}={SHORT}")])
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let server = limited("first_byte_ms");
    let started = Instant::now();
    let mut client = server.connect();
    client.assert_end();
    assert!(started.elapsed() >= LEAST);
    // Empty lines are no beginning.
    server.connect().send("\r\n\r\n").assert_end();
}

/// Asks every now and then on one connection. If the server closes it, this machine must have kept us from asking for
/// longer than the deadline; then it goes on with another one.
fn ask_now_and_then(server: &Server, first: &[u8], each: &[u8]) {
    let (mut client, mut asked) = (server.connect(), Instant::now());
    client.send(first);
    for _ in 0..16 {
        sleep(SHORT_MS / 4);
        let before = std::mem::replace(&mut asked, Instant::now());
        match client.send_in_vain(each).next(false) {
            Next::Answer(answer) if answer.status == 200 => {}
            other => {
                assert!(before.elapsed() >= LEAST, "closed too early: {other:?}");
                (client, asked) = (server.connect(), Instant::now());
                client.send(first);
            }
        }
    }
}

#[test]
fn an_idle_connection_is_closed_and_one_in_use_is_not() {
    let server = Server::fresh(&["--limit", &format!("idle_ms={SHORT}"), "--durability", "memory"]);
    ask_now_and_then(&server, b"", &plain("GET", "/livez"));
    ask_now_and_then(&server, b"", &post_pixel(1, 1, 'R', 1));
    let mut client = server.connect();
    let started = Instant::now();
    assert_eq!(client.send(plain("GET", "/livez")).answer().status, 200);
    client.assert_end();
    assert!(started.elapsed() >= LEAST);
}

#[test]
fn a_request_cut_at_every_read_is_no_slow_one() {
    // Each piece ends one request and begins the next: the time of a header begins with its own first byte.
    let request = plain("GET", "/livez");
    ask_now_and_then(&limited("header_ms"), &request[..10], &[&request[10..], &request[..10]].concat());
}

#[test]
fn a_header_has_its_time_however_it_trickles() {
    let server = limited("header_ms");
    let started = Instant::now();
    let mut client = server.connect();
    let answer = loop {
        client.send_in_vain("a");
        client.stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        if client.stream.peek(&mut [0]).is_ok() {
            break client.answer();
        }
    };
    assert!(answer.status == 408 && answer.closes(), "{}", answer.head);
    assert!(started.elapsed() >= LEAST);
    let mut client = server.connect();
    assert_eq!(client.send("GET /livez HTTP/1.1\r\nHost: x\r\n").answer().status, 408);
    client.assert_end();
}

#[test]
fn a_body_may_be_slow_but_not_slower_than_its_rate() {
    let server = Server::fresh(&["--limit", "body_grace_ms=200ms", "--limit", "body_rate_bytes=50"]);
    for (path, content_type) in [("/pixel", "application/json"), ("/pixels", "application/x-ndjson")] {
        let body = format!("{{\"n\":\"{}\",{}", "n".repeat(3_000), &pixel(1, 2, 'R', 3)[1..]);
        let whole = request("POST", path, content_type, &body);
        let head = whole.len() - body.len();
        let mut steady = server.connect();
        for piece in whole.chunks(100) {
            steady.send(piece);
            // A hundred times the rate: the machine may take its time as well.
            sleep(Duration::from_millis(20));
        }
        assert_eq!(steady.answer().status, 200, "{path}");
        let started = Instant::now();
        let mut stuck = server.connect();
        let answer = stuck.send(&whole[..head + 10]).answer();
        assert!(answer.status == 408 && answer.closes(), "{path}: {}", answer.head);
        assert!(started.elapsed() >= LEAST);
        stuck.assert_end();
    }
}

#[test]
fn a_client_that_takes_nothing_is_reset() {
    let server = limited("write_stall_ms");
    let mut client = server.connect();
    let records: Vec<u8> = [0x11; 10].repeat(400_000);
    assert_eq!(
        client.send(request("POST", "/pixels", "application/vnd.pixeld", records)).answer().status,
        200
    );
    client.send(plain("GET", "/pixels"));
    let mut watcher = server.connect();
    while !watcher
        .send(plain("GET", "/metrics"))
        .answer()
        .text()
        .contains("rejected_total{reason=\"stalled\"} 1\n")
    {
        sleep(Duration::from_millis(20));
    }
    assert!(!client.rest().ends_with(b"0\r\n\r\n"));
}

#[test]
fn idle_connections_go_sooner_when_most_are_used() {
    let server = Server::fresh(&[
        "--limit",
        "connections=20",
        "--limit",
        "idle_ms=1h",
        "--limit",
        "idle_crowded_ms=200ms",
    ]);
    let mut clients: Vec<_> = (0..16).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.send(plain("GET", "/livez")).answer().status, 200);
    }
    clients[0].assert_silence(Duration::from_millis(600));
    let mut last = server.connect();
    assert_eq!(last.send(plain("GET", "/livez")).answer().status, 200);
    for client in &mut clients {
        client.assert_end();
    }
}

#[test]
fn the_only_connection_that_is_allowed_is_served() {
    let server = Server::fresh(&["--limit", "connections=1"]);
    let mut only = server.connect();
    assert_eq!(only.send(plain("GET", "/livez")).answer().status, 200);
    let mut crowded = server.connect();
    assert_eq!(crowded.answer().status, 503);
    assert_eq!(only.send(plain("GET", "/livez")).answer().status, 200, "it is served on");
}

#[test]
fn connections_over_the_limit_are_refused() {
    let server = Server::fresh(&["--limit", "connections=20"]);
    let mut clients: Vec<_> = (0..19).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.send(plain("GET", "/livez")).answer().status, 200);
    }
    let mut crowded = server.connect();
    let answer = crowded.answer();
    assert_eq!((answer.status, answer.closes()), (503, true));
    assert!(answer.field("retry-after").is_some());
    crowded.assert_end();
    drop(crowded);
    clients.truncate(10);
    let started = Instant::now();
    loop {
        // The server learns of the closed ones in its time.
        let mut client = server.connect();
        if let Next::Answer(answer) = client.send_in_vain(plain("GET", "/livez")).next(false)
            && answer.status == 200
        {
            break;
        }
        assert!(started.elapsed() < process::PATIENCE, "it never takes connections again");
        sleep(Duration::from_millis(5));
    }
    let metrics = clients[0].send(plain("GET", "/metrics")).answer();
    assert!(metrics.text().contains("pixeld_http_connections_limit 20\n"));
}

#[test]
fn there_are_never_more_connections_than_descriptors() {
    let server = Server::fresh(&["--limit", "connections=1000000"]);
    let metrics = server.connect().send(plain("GET", "/metrics")).answer();
    let value = |name: &str| -> u64 {
        let line = metrics.text().lines().find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim().parse().expect("a number")
    };
    let most = value("process_max_fds ");
    assert_eq!(value("pixeld_http_connections_limit "), 1_000_000.min(most - 256.min(most / 2)));
}

/// Longer than the turn of a worker's wheel, by which it finds its deadlines.
const SILENCE: Duration = Duration::from_secs(27);

#[test]
fn deadlines_come_after_a_long_silence_too() {
    // A server of its own for each: what one of them does would end the silence of the others.
    let limit = |name: &str| Server::fresh(&["--workers", "1", "--limit", &format!("{name}={SHORT}")]);
    let mut servers = Vec::from(["first_byte_ms", "header_ms", "idle_ms", "body_grace_ms"].map(limit));
    servers.push(Server::fresh(&["--workers", "1", "--toys-heavy-ms", SHORT]));
    // Beside them, for the time is the same: a wait that is longer than the turn.
    let (patient, started) = (Server::fresh(&["--workers", "1", "--toys-heavy-ms", "27s"]), Instant::now());
    let mut waiting = patient.connect();
    waiting.send(plain("GET", "/api/misc/heavy"));
    sleep(SILENCE);
    let mut clients: Vec<_> = servers.iter().map(Server::connect).collect();
    clients[1].send("GET /livez HTTP/1.1\r\nHost: x\r\n");
    clients[2].send(plain("GET", "/livez"));
    clients[3].send(&post_pixel(1, 1, 'R', 1)[..90]);
    clients[4].send(plain("GET", "/api/misc/heavy"));
    clients[0].assert_end();
    assert_eq!(clients[1].answer().status, 408);
    assert_eq!(clients[2].answer().status, 200);
    clients[2].assert_end();
    assert_eq!(clients[3].answer().status, 408);
    assert_eq!(clients[4].answer().status, 200);
    assert_eq!(waiting.answer().status, 200);
    assert!(started.elapsed() >= SILENCE);
}
