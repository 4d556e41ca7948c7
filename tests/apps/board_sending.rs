//! Pictures on their way: to clients that read slowly, ask for more behind them, stop reading, or are gone.

use crate::board;
use crate::process;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use board::{blob_files, large, post};
use process::client::{Client, plain};
use process::pair::await_that;
use process::{PATIENCE, Server, free_address};
use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};

/// Nearly the largest picture: what a socket takes at once is a part of it.
const LONG: usize = (10 << 20) - 4_096;

struct Picture {
    url: String,
    content: Vec<u8>,
}

fn posted(server: &Server, seed: u32, length: usize) -> Picture {
    let content = large(seed, length);
    let answer = post(&mut server.connect(), "x", "a.png", &content);
    let url = format!("/media/{}", answer.json()["filename"].as_str().expect("a name"));
    Picture { url, content }
}

fn start(arguments: &[&str]) -> Server {
    Server::fresh(&[&["--apps", "board,pixel"], arguments].concat())
}

/// A connection with little room for what its client did not read yet.
fn narrow(server: &Server) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(32 * 1024).expect("a socket");
    socket.connect(&server.address.into()).expect("a connection");
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

fn ask(mut stream: &TcpStream, request: impl AsRef<[u8]>) {
    stream.write_all(request.as_ref()).expect("sent");
}

/// Reads the head of an answer and no byte more.
fn head(mut stream: &TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("a text")
}

fn take(mut stream: &TcpStream, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).map(|()| bytes)
}

/// Everything up to the end of the connection, which may be a reset.
fn rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => all,
    }
}

#[test]
fn slow_readers_get_every_byte_and_what_they_asked_for_behind() {
    // One thread of each kind: nobody may keep it for himself.
    let server = start(&["--workers", "1", "--job-threads", "1"]);
    let pictures = [posted(&server, 1, LONG), posted(&server, 2, LONG), posted(&server, 3, 1_000_000)];
    let clients: Vec<TcpStream> = pictures.iter().map(|_| narrow(&server)).collect();
    for (client, picture) in clients.iter().zip(&pictures) {
        ask(client, [plain("GET", &picture.url), plain("GET", "/livez")].concat());
    }
    for client in &clients {
        assert!(head(client).starts_with("HTTP/1.1 200 "));
    }
    // Most of it is still to come; others are served meanwhile.
    let small = posted(&server, 4, 10_000);
    assert!(server.connect().send(plain("GET", &small.url)).answer().body == small.content);
    for at in (0..LONG + 1_000).step_by(300_000) {
        for (client, Picture { content, url }) in clients.iter().zip(&pictures) {
            let piece = &content[at.min(content.len())..content.len().min(at + 300_000)];
            assert!(take(client, piece.len()).expect("more") == piece, "{url} from {at} on");
        }
        sleep(Duration::from_millis(2));
    }
    for client in &clients {
        assert!(head(client).contains("Content-Length: 5\r\n"));
        assert_eq!(take(client, 5).expect("an answer"), b"live\n");
    }
}

#[test]
fn requests_behind_a_picture_are_answered_in_their_order() {
    let server = start(&[]);
    let Picture { url, content } = posted(&server, 1, LONG);
    let with = |field: &str| {
        let text = format!("GET {url} HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n");
        text.into_bytes()
    };
    let mut client = server.connect();
    let first = client.send(plain("GET", &url)).answer();
    assert!(first.body == content);
    let etag = first.field("etag").expect("a tag").to_owned();
    let requests = [
        with("Range: bytes=1000000-9999999"),
        plain("HEAD", &url),
        with("Range: bytes=-200000"),
        with(&format!("If-None-Match: {etag}")),
        plain("GET", &url),
        plain("GET", "/livez"),
        with("Range: bytes=5-9"),
    ];
    client.send(requests.concat());
    let part = client.answer();
    assert_eq!((part.status, part.body.len()), (206, 9_000_000));
    assert!(part.body == content[1_000_000..10_000_000]);
    let length = content.len().to_string();
    assert_eq!(client.head_answer().field("content-length"), Some(&*length));
    assert!(client.answer().body == content[content.len() - 200_000..]);
    assert_eq!(client.head_answer().status, 304);
    assert!(client.answer().body == content);
    assert_eq!(client.answer().text(), "live\n");
    assert_eq!(client.answer().body, content[5..10]);
    // The oldest clients, which may close their side at once.
    for request in [
        format!("GET {url} HTTP/1.0\r\n\r\n"),
        format!("GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    ] {
        let stream = narrow(&server);
        ask(&stream, request);
        stream.shutdown(std::net::Shutdown::Write).expect("a socket");
        assert!(head(&stream).contains(" 200 "));
        assert!(rest(&stream) == content, "and nothing behind it");
    }
}

/// Number of descriptors that the server has.
fn descriptors(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("a process").count()
}

#[test]
fn clients_that_are_gone_leave_nothing_behind() {
    let server = start(&["--workers", "1", "--job-threads", "2"]);
    let picture = posted(&server, 1, LONG);
    let fetch = || server.connect().send(plain("GET", &picture.url)).answer().body == picture.content;
    assert!(fetch());
    let connections = || server.ask("GET", "/metrics", "").1.contains("pixeld_http_connections 1\n");
    await_that("the end of the connections", connections, |is_alone| *is_alone);
    let before = descriptors(&server);
    for round in 0..40 {
        let client = narrow(&server);
        ask(&client, plain("GET", &picture.url));
        // Before the answer, with its head, in the middle: with much of it unread, which resets the connection.
        match round % 4 {
            0 => {}
            1 => drop(head(&client)),
            _ => drop(take(&client, 100_000 * round).expect("a part")),
        }
        if round % 8 == 7 {
            // Its number may be given to the next connection at once.
            drop(client);
            assert!(fetch(), "round {round}");
        }
    }
    await_that("the end of the connections", connections, |is_alone| *is_alone);
    await_that("the descriptors", || descriptors(&server), |now| *now <= before);
    assert!(fetch());
}

#[test]
fn a_picture_that_is_removed_on_its_way_arrives_and_one_that_is_cut_never_seems_whole() {
    let server = start(&[]);
    for is_cut in [false, true] {
        let picture = posted(&server, 1 + u32::from(is_cut), LONG);
        let client = narrow(&server);
        ask(&client, plain("GET", &picture.url));
        assert!(head(&client).contains(" 200 "));
        assert!(take(&client, 100_000).expect("a part") == picture.content[..100_000]);
        if is_cut {
            let files = blob_files(server.data_dir());
            let file = std::fs::OpenOptions::new().write(true).open(&files[0]).expect("the only blob");
            file.set_len(1 << 20).expect("a shorter file");
            let rest = rest(&client);
            assert!(rest.len() < LONG - 100_000, "the connection ends before the picture does");
            assert!(rest.starts_with(&picture.content[100_000..1 << 20]));
        } else {
            let mut other = server.connect();
            let id = other.send(plain("GET", "/readMessages")).answer().json()[0]["id"].to_string();
            assert_eq!(other.send(plain("DELETE", &format!("/messages/{id}"))).answer().status, 204);
            await_that("its file to go", || blob_files(server.data_dir()).len(), |count| *count == 0);
            let rest = take(&client, picture.content.len() - 100_000).expect("all of it");
            assert!(rest == picture.content[100_000..]);
            assert_eq!(other.send(plain("GET", &picture.url)).answer().status, 404);
        }
    }
}

/// How long a client may take nothing here.
const STALL: Duration = Duration::from_millis(1_500);

#[test]
fn who_takes_nothing_is_reset_and_who_takes_some_now_and_then_is_not() {
    let server = start(&["--limit", &format!("write_stall_ms={}ms", STALL.as_millis())]);
    let picture = posted(&server, 1, LONG);
    let stuck = narrow(&server);
    ask(&stuck, plain("GET", &picture.url));
    while !read_now_and_then(&server, &picture) {}
    let reset = "rejected_total{reason=\"stalled\"}";
    let metrics = || server.ask("GET", "/metrics", "").1;
    await_that("the reset", metrics, |text| text.contains(reset) && !text.contains(&format!("{reset} 0\n")));
    assert!(rest(&stuck).len() < LONG);
}

/// Whether a client that takes a piece every 100 ms gets all, in more time than it may take nothing. If not, this machine
/// must have kept it from reading.
fn read_now_and_then(server: &Server, picture: &Picture) -> bool {
    let client = narrow(server);
    ask(&client, plain("GET", &picture.url));
    assert!(head(&client).contains(" 200 "));
    let (started, mut pause) = (Instant::now(), Duration::ZERO);
    for piece in picture.content.chunks(picture.content.len() / 24) {
        let before = Instant::now();
        match take(&client, piece.len()) {
            Ok(bytes) => assert!(bytes == piece),
            Err(error) => {
                assert!(pause > STALL / 5, "cut off although it read: {error}");
                return false;
            }
        }
        sleep(Duration::from_millis(100));
        pause = pause.max(before.elapsed());
    }
    assert!(started.elapsed() > STALL);
    true
}

/// Ends the process that took over, which is no child of ours.
struct Successor(Pid);

impl Drop for Successor {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[test]
fn a_picture_on_its_way_outlives_the_hand_over_and_its_connection_is_passed_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(free_address(), directory.path(), &["--apps", "board,pixel"]);
    let picture = posted(&server, 1, LONG);
    let client = narrow(&server);
    ask(&client, plain("GET", &picture.url));
    assert!(head(&client).contains(" 200 "));
    assert!(take(&client, 100_000).expect("a part") == picture.content[..100_000]);
    let pid_of = |text: &str| -> u32 {
        let health: serde_json::Value = serde_json::from_str(text).expect("JSON");
        health["pid"].as_u64().and_then(|pid| pid.try_into().ok()).expect("a number")
    };
    server.signal(Signal::USR2);
    server.wait_for("handing over to a new process");
    let left = picture.content.len() - 100_000;
    assert!(take(&client, left).expect("all of it") == picture.content[100_000..]);
    // The old process ends although the connection goes on.
    assert_eq!(server.wait().code(), Some(0), "{}", server.stderr());
    let new = pid_of(&server.ask("GET", "/health", "").1);
    let _successor = Successor(Pid::from_raw(new.cast_signed()).expect("a number"));
    assert_ne!(new, server.pid());
    let mut client = Client::over(client);
    let health = client.send(plain("GET", "/health")).answer();
    assert_eq!(pid_of(health.text()), new);
    assert!(client.send(plain("GET", &picture.url)).answer().body == picture.content);
}
