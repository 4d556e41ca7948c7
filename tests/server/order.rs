//! What a client may rely on between its requests: answers in order, writes seen by every later read, nothing dropped
//! at a half-close or while the server stops.

use crate::process;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use process::client::{Next, pixel, plain, post_pixel, request};
use process::{PATIENCE, Server};
use rustix::process::Signal;

const LINES: &str = "application/x-ndjson";

#[test]
fn a_read_sees_every_write_answered_before_it_on_any_connection() {
    for durability in ["disk", "memory"] {
        let server = Server::fresh(&["--durability", durability]);
        // Enough connections that both workers have some.
        let mut clients: Vec<_> = (0..16).map(|_| server.connect()).collect();
        for count in 1..=200 {
            let writer = count % clients.len();
            assert_eq!(clients[writer].send(post_pixel(count as i32, 0, 'R', 1)).answer().status, 200);
            let reader = (count * 7 + 3) % clients.len();
            let answer = clients[reader].send(plain("GET", "/pixels/count")).answer();
            assert_eq!(answer.text(), format!(r#"{{"total":{count}}}"#), "{durability}");
        }
        for client in &mut clients {
            let list = client.send(plain("GET", "/pixels?x_min=199")).answer().json();
            assert_eq!((list["total"].as_u64(), list["data"][1]["x"].as_u64()), (Some(2), Some(200)));
        }
    }
}

#[test]
fn a_mixed_pipeline_is_answered_in_order_and_reads_see_the_writes_before_them() {
    for durability in ["disk", "memory"] {
        let server = Server::fresh(&["--durability", durability]);
        let mut client = server.connect();
        let mut pipeline = Vec::new();
        for round in 0..40 {
            pipeline.extend(post_pixel(round, 1, 'R', 1));
            pipeline.extend(plain("GET", "/pixels/count"));
            pipeline.extend(post_pixel(round, 2, 'G', 2));
            pipeline.extend(post_pixel(round, 3, 'B', 3));
            pipeline.extend(request("POST", "/pixel", "application/json", "{}"));
            pipeline.extend(plain("GET", &format!("/pixels?x_min={round}")));
            pipeline.extend(request("POST", "/pixels", LINES, pixel(round, 4, 'R', 4)));
            pipeline.extend(plain("GET", "/nowhere"));
            pipeline.extend(plain("GET", "/pixels/count"));
        }
        // In pieces, so that requests are cut anywhere.
        for piece in pipeline.chunks(997) {
            client.send(piece);
        }
        for round in 0..40 {
            let kept = round * 4;
            let statuses: Vec<_> = (0..9).map(|_| client.answer()).collect();
            let expected = [200, 200, 200, 200, 422, 200, 200, 404, 200];
            assert_eq!(statuses.iter().map(|answer| answer.status).collect::<Vec<_>>(), expected, "{round}");
            assert_eq!(statuses[1].text(), format!(r#"{{"total":{}}}"#, kept + 1));
            assert_eq!(statuses[5].json()["total"], 3);
            assert_eq!(statuses[6].text(), r#"{"accepted":1,"rejected":[]}"#);
            assert_eq!(statuses[8].text(), format!(r#"{{"total":{}}}"#, kept + 4));
        }
    }
}

#[test]
fn complete_requests_are_answered_after_a_half_close() {
    for durability in ["disk", "memory"] {
        let server = Server::fresh(&["--durability", durability]);
        for last in [plain("GET", "/pixels"), post_pixel(2, 2, 'G', 2), plain("GET", "/livez")] {
            let mut client = server.connect();
            // Behind a write, behind a list, and a part of a request that is never completed.
            client.send(
                [post_pixel(1, 1, 'R', 1), plain("GET", "/pixels"), last, b"GET /li".to_vec()].concat(),
            );
            client.half_close();
            let statuses = [client.answer(), client.answer(), client.answer()].map(|answer| answer.status);
            assert_eq!(statuses, [200, 200, 200], "{durability}");
            client.assert_end();
        }
    }
}

#[test]
fn a_request_cut_off_by_the_clients_end_is_not_taken() {
    let server = Server::fresh(&[]);
    let whole = post_pixel(1, 1, 'R', 1);
    for cut in [1, 20, whole.len() - 1] {
        let mut client = server.connect();
        client.send(&whole[..cut]).half_close().assert_end();
    }
    let mut client = server.connect();
    assert_eq!(client.send(plain("GET", "/pixels/count")).answer().text(), r#"{"total":0}"#);
}

#[test]
fn a_batch_of_which_nothing_is_left_to_commit_is_answered() {
    for durability in ["disk", "memory"] {
        let server = Server::fresh(&["--durability", durability]);
        let mut client = server.connect();
        // The records are committed long before the body ends.
        let head = "POST /pixels HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type:";
        let line = pixel(1, 2, 'R', 3) + "\n";
        client.send(format!("{head} {LINES}\r\n\r\n{:x}\r\n{line}\r\n", line.len()));
        let mut other = server.connect();
        while other.send(plain("GET", "/pixels/count")).answer().text() != r#"{"total":1}"# {}
        let answer = client.send("0\r\n\r\n").answer();
        assert_eq!((answer.status, answer.text()), (200, r#"{"accepted":1,"rejected":[]}"#));
        assert_eq!(answer.field("durability"), Some(durability));
        let nothing = client.send(request("POST", "/pixels", LINES, "")).answer();
        assert_eq!((nothing.status, nothing.text()), (200, r#"{"accepted":0,"rejected":[]}"#));
    }
}

#[test]
fn what_was_sent_before_a_stop_is_answered() {
    let mut server = Server::fresh(&[]);
    let mut kept: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut kept {
        assert_eq!(client.send(plain("GET", "/livez")).answer().status, 200);
    }
    // While the process stands still, requests arrive on open and on new connections, then the signal.
    server.freeze();
    let mut fresh: Vec<_> = (0..300).map(|_| server.connect()).collect();
    for client in kept.iter_mut().chain(&mut fresh) {
        client.send(post_pixel(1, 1, 'R', 1));
    }
    server.signal(Signal::TERM);
    server.signal(Signal::CONT);
    for client in kept.iter_mut().chain(&mut fresh) {
        assert_eq!(client.answer().status, 200);
        client.assert_end();
    }
    assert_eq!(server.wait().code(), Some(0), "{}", server.stderr());
}

#[test]
fn a_stop_finishes_what_is_under_way_and_takes_nothing_new() {
    let mut server = Server::fresh(&[]);
    let mut idle = server.connect();
    assert_eq!(idle.send(plain("GET", "/readyz")).answer().status, 200);
    let mut slow = server.connect();
    let request = post_pixel(1, 1, 'R', 1);
    slow.send(&request[..request.len() - 1]);
    assert_eq!(idle.send(plain("GET", "/livez")).answer().status, 200);
    server.signal(Signal::TERM);
    idle.assert_end();
    // The other worker stops listening in its own turn.
    let started = Instant::now();
    while TcpStream::connect(server.address).is_ok() {
        assert!(started.elapsed() < PATIENCE, "somebody still listens");
    }
    let answer = slow.send(&request[request.len() - 1..]).answer();
    assert!(answer.status == 200 && answer.closes(), "{}", answer.head);
    slow.assert_end();
    assert_eq!(server.wait().code(), Some(0), "{}", server.stderr());
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::fresh(&["--shutdown-timeout", "1h"]);
    let mut slow = server.connect();
    slow.send("POST /pixel HTTP/1.1\r\n");
    let mut idle = server.connect();
    assert_eq!(idle.send(plain("GET", "/livez")).answer().status, 200);
    server.signal(Signal::TERM);
    idle.assert_end();
    server.signal(Signal::TERM);
    assert_ne!(server.wait().code(), Some(0));
    assert!(matches!(slow.next(false), Next::Reset | Next::End));
}

#[test]
fn a_stop_does_not_wait_longer_than_it_may() {
    let mut server = Server::fresh(&["--shutdown-timeout", "300ms"]);
    let mut slow = server.connect();
    slow.send("POST /pixel HTTP/1.1\r\n");
    let mut idle = server.connect();
    assert_eq!(idle.send(plain("GET", "/livez")).answer().status, 200);
    let started = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(started.elapsed() >= Duration::from_millis(300) && started.elapsed() < PATIENCE);
    server.wait_for("before these were finished");
}
