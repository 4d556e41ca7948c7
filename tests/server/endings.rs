//! How connections end: an answer that is cut is never taken for a whole one, and none is lost because its client still
//! sends.

use crate::process;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use process::client::{plain, request};
use process::{PATIENCE, Server, free_address};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Pixels whose list is longer than what sockets hold.
const PIXELS: usize = 1_500_000;

/// A server with a long list.
fn server(arguments: &[&str]) -> (Server, TempDir) {
    let place = tempfile::tempdir().expect("a directory");
    let arguments = [&["--durability", "memory"], arguments].concat();
    let server = Server::start(free_address(), place.path(), &arguments);
    let pixels = [0x11_u8; 10].repeat(PIXELS);
    let answer = server.connect().send(request("POST", "/pixels", "application/vnd.pixeld", pixels)).answer();
    assert_eq!(answer.status, 200);
    (server, place)
}

/// A client of HTTP/1.0 that has asked for the list and reads nothing.
fn asked(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.write_all(b"GET /pixels HTTP/1.0\r\nAccept: text/csv\r\n\r\n").expect("sent");
    stream
}

/// A server, and a client that has read the beginning of the list.
fn begun(arguments: &[&str]) -> (Server, TcpStream, TempDir) {
    let (server, place) = server(arguments);
    let mut stream = asked(&server);
    stream.read_exact(&mut [0; 1_000]).expect("a beginning");
    (server, stream, place)
}

/// Lines up to the end of the connection, and whether that is in order.
fn rest(mut stream: TcpStream) -> (usize, bool) {
    let (mut lines, mut piece) = (0, vec![0; 1 << 16]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return (lines, true),
            Ok(length) => lines += piece[..length].iter().filter(|byte| **byte == b'\n').count(),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (lines, false),
            Err(error) => panic!("{error}"),
        }
    }
}

fn assert_reset(stream: TcpStream) {
    let (lines, in_order) = rest(stream);
    assert!(!in_order && lines < PIXELS, "{lines} lines look like all of them");
}

#[test]
fn a_whole_list_for_http_1_0_ends_in_order() {
    let (_server, stream, _place) = begun(&[]);
    let (lines, in_order) = rest(stream);
    // The beginning had some of the lines.
    assert!(in_order && lines > PIXELS - 200, "{lines}");
}

#[test]
fn a_list_that_is_cut_by_a_stop_ends_with_a_reset() {
    let (mut server, stream, _place) = begun(&["--shutdown-timeout", "100ms"]);
    server.signal(Signal::TERM);
    server.wait();
    assert_reset(stream);
    // By a second signal, before the time is up.
    let (mut server, stream, _place) = begun(&["--shutdown-timeout", "1h"]);
    server.signal(Signal::TERM);
    server.wait_for("stopping");
    server.signal(Signal::TERM);
    server.wait();
    assert_reset(stream);
}

#[test]
fn a_list_that_is_cut_by_a_crash_ends_with_a_reset() {
    let (mut server, stream, _place) = begun(&[]);
    server.kill();
    assert_reset(stream);
}

#[test]
fn a_list_that_is_cut_by_a_hand_over_ends_with_a_reset() {
    let (mut server, stream, _place) = begun(&["--shutdown-timeout", "100ms"]);
    server.signal(Signal::USR2);
    server.wait();
    assert_reset(stream);
    let (_, health) = server.ask("GET", "/health", "");
    let health: serde_json::Value = serde_json::from_str(&health).expect("JSON");
    let pid = health["pid"].as_i64().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).expect("a number");
    kill_process(pid, Signal::KILL).expect("the new process is there");
}

#[test]
fn a_list_that_meets_damage_ends_with_a_reset() {
    let (server, place) = server(&[]);
    for entry in std::fs::read_dir(place.path()).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "seg") {
            let file = std::fs::File::options().write(true).open(path).expect("a file");
            file.write_all_at(&[0xff; 64], 2_000_000).expect("written");
        }
    }
    assert_reset(asked(&server));
}

/// What a client sees that sends all of `head` and `megabytes` behind it before it reads anything.
fn status_after(server: &Server, head: &str, megabytes: usize) -> u16 {
    let mut client = server.connect();
    client.send(head);
    let piece = vec![b'a'; 1 << 20];
    for _ in 0..megabytes {
        client.send(&piece);
    }
    client.answer().status
}

/// Heads that are refused, and what they are told.
fn refused() -> Vec<(String, Vec<u16>)> {
    let post = |path: &str, fields: &str| format!("POST {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n");
    let long = "Content-Length: 99999999";
    let chunked = "Transfer-Encoding: chunked";
    vec![
        (post("/images", &format!("Content-Type: application/json\r\n{long}")), vec![413]),
        (post("/pixel", &format!("Content-Type: application/json\r\n{long}")), vec![413]),
        (post("/pixels", &format!("Content-Type: text/plain\r\n{chunked}")), vec![415]),
        (
            post("/pixels", &format!("Content-Type: application/x-ndjson\r\nDurability: both\r\n{chunked}")),
            vec![503],
        ),
        (post("/pixels", &format!("Content-Type: application/x-ndjson\r\n{chunked}")) + "zz\r\n", vec![400]),
        (post("/upload/", &format!("Content-Type: multipart/form-data; boundary=b\r\n{long}")), vec![413]),
        (post("/nope", long), vec![404, 413]),
        (post("/livez", long), vec![405, 413]),
        (post("/pixel", "Content-Length: 1\r\nContent-Length: 2"), vec![400]),
        (post("/pixel", "Transfer-Encoding: gzip, chunked"), vec![501]),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n".to_owned(), vec![505]),
        ("GET /".to_owned(), vec![414]),
        ("GET / HTTP/1.1\r\nHost: x\r\nField: ".to_owned(), vec![431]),
        ("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), vec![200]),
    ]
}

#[test]
fn no_refusal_is_lost_because_its_client_still_sends() {
    let server = Server::fresh(&[]);
    for (head, expected) in refused() {
        for megabytes in [1, 20, 40] {
            let status = status_after(&server, &head, megabytes);
            assert!(expected.contains(&status), "{status} after {megabytes} MiB for {head}");
        }
    }
}

#[test]
fn a_request_that_came_too_slowly_is_answered_so_however_much_follows() {
    let server = Server::fresh(&["--limit", "header_ms=50ms"]);
    let mut client = server.connect();
    client.send("GET /livez HTTP/1.1\r\nHost: x\r\nField: ");
    client.stream.peek(&mut [0]).expect("an answer");
    let piece = vec![b'a'; 1 << 20];
    for _ in 0..20 {
        client.send(&piece);
    }
    assert_eq!(client.answer().status, 408);
}

#[test]
fn others_are_served_beside_one_that_sends_without_an_end() {
    let server = Server::fresh(&["--workers", "1"]);
    let mut sender = server.connect();
    sender.send("GET / HTTP/2.0\r\nHost: x\r\n\r\n");
    let sending = thread::spawn(move || {
        let (started, piece) = (Instant::now(), vec![0; 1 << 20]);
        let mut sent = 0;
        while started.elapsed() < Duration::from_secs(2) && (&*sender.stream).write_all(&piece).is_ok() {
            sent += 1;
        }
        sent
    });
    let mut client = server.connect();
    let mut answers = 0;
    while !sending.is_finished() {
        assert_eq!(client.send(plain("GET", "/livez")).answer().status, 200);
        answers += 1;
    }
    let sent = sending.join().expect("a sender");
    assert!(answers > 0 && sent > 0, "{answers} answers beside {sent} MiB");
}

/// Log rotation sends SIGUSR1, and operators of nginx stop a server with SIGQUIT.
#[test]
fn signals_of_other_servers_do_no_harm() {
    let mut server = Server::fresh(&["--durability", "disk"]);
    server.signal(rustix::process::Signal::USR1);
    server.wait_for("SIGUSR1 changes nothing");
    assert_eq!(server.connect().send(crate::process::client::post_pixel(1, 2, 'R', 3)).answer().status, 200);
    server.signal(rustix::process::Signal::QUIT);
    assert!(server.wait().success());
    assert!(server.stderr().contains("stopped"), "{}", server.stderr());
}
