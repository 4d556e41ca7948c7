//! Batches that are stopped half way: the answer says how many of their pixels are stored, and just so many are. Each cell of
//! the table in docs/answers.md that needs neither a peer (tests/hosts/both.rs) nor a full disk (`disk_full`).

use crate::process;

use process::Server;
use process::client::{Answer, Client, pixel, plain, request};

const LINES: &str = "application/x-ndjson";
const BINARY: &str = "application/vnd.pixeld";
const JSON: &str = "application/json";
/// Pixels that have come before a body is stopped.
const COUNT: usize = 30;

/// A body of so many pixels that has no end yet.
fn begun(content_type: &str, pixels: usize) -> Vec<u8> {
    let texts = (0..pixels).map(|x| pixel(x as i32, 2, 'R', 3));
    match content_type {
        LINES => texts.map(|text| text + "\n").collect::<String>().into_bytes(),
        BINARY => (0..pixels).flat_map(|x| [0x11, 3, x as u8, 0, 0, 0, 2, 0, 0, 0]).collect(),
        _ => ("[".to_owned() + &texts.map(|text| text + ",").collect::<String>()).into_bytes(),
    }
}

fn chunked(content_type: &str) -> String {
    format!(
        "POST /pixels HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn count(server: &Server) -> u64 {
    server.connect().send(plain("GET", "/pixels/count")).answer().json()["total"].as_u64().expect("a number")
}

/// Asserts what the answer says, that it is the last one, and that so many pixels were added to `before`.
fn assert_stopped(server: &Server, client: &mut Client, before: u64, status: u16, stored: u64) -> Answer {
    let answer = client.answer();
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.closes() && answer.field("content-type") == Some(JSON), "{}", answer.head);
    let told = answer.json();
    assert_eq!((told["accepted"].as_u64(), told["detail"].is_string()), (Some(stored), true), "{told}");
    assert_eq!(answer.field("durability"), (stored > 0).then_some("disk"), "{}", answer.head);
    client.half_close().assert_end();
    assert_eq!(count(server), before + stored, "what the answer says");
    answer
}

/// What each form has stored of [`COUNT`] pixels when it is stopped before its end.
const FORMS: [(&str, u64); 3] = [(LINES, COUNT as u64), (BINARY, COUNT as u64), (JSON, 0)];

#[test]
fn malformed_on_the_wire() {
    let server = Server::fresh(&[]);
    for (content_type, stored) in FORMS {
        for (pixels, stored) in [(COUNT, stored), (0, 0)] {
            let before = count(&server);
            let mut client = server.connect();
            client.send(chunked(content_type));
            if pixels > 0 {
                client.send(chunk(&begun(content_type, pixels)));
            }
            assert_stopped(&server, client.send("no size\r\n"), before, 400, stored);
        }
    }
    // Trailers that are too long come when all of the body is there, and are refused all the same.
    let before = count(&server);
    let mut client = server.connect();
    client.send(chunked(LINES)).send(chunk(&begun(LINES, COUNT)));
    client.send(format!("0\r\nT: {}\r\n", "t".repeat(5_000)));
    assert_stopped(&server, &mut client, before, 431, COUNT as u64);
}

#[test]
fn too_long() {
    let server = Server::fresh(&["--limit", "batch_body_bytes=4KiB"]);
    for (content_type, stored) in FORMS {
        for (pixels, stored) in [(COUNT, stored), (0, 0)] {
            let before = count(&server);
            let mut client = server.connect();
            client.send(chunked(content_type));
            if pixels > 0 {
                client.send(chunk(&begun(content_type, pixels)));
            }
            assert_stopped(&server, client.send("1001\r\n"), before, 413, stored);
        }
        // With a length the head says it, and nothing is read.
        let before = count(&server);
        let head = format!(
            "POST /pixels HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: 4097\r\n\r\n"
        );
        assert_stopped(&server, server.connect().send(head), before, 413, 0);
    }
}

#[test]
fn too_slow() {
    let server = Server::fresh(&["--limit", "body_grace_ms=300ms", "--limit", "body_rate_bytes=1000000"]);
    for (content_type, stored) in FORMS {
        for (pixels, stored) in [(COUNT, stored), (0, 0)] {
            let before = count(&server);
            let mut client = server.connect();
            client.send(chunked(content_type));
            if pixels > 0 {
                client.send(chunk(&begun(content_type, pixels)));
            }
            assert_stopped(&server, &mut client, before, 408, stored);
        }
    }
}

#[test]
fn an_array_with_bad_syntax_stores_nothing() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    let long = format!("{{\"note\":\"{}\"}}", "n".repeat(5_000));
    for (end, status) in [("x]", 422), ("", 422), ("\"\u{fffd}", 422), (&*long, 413)] {
        let body = [&begun(JSON, COUNT)[..], end.as_bytes()].concat();
        let answer = client.send(request("POST", "/pixels", JSON, body)).answer();
        assert_eq!((answer.status, answer.json()["accepted"].as_u64()), (status, Some(0)), "{end:.20}");
        assert!(answer.field("durability").is_none() && !answer.closes(), "{}", answer.head);
    }
    assert_eq!(count(&server), 0);
}

#[test]
fn what_was_rejected_before_is_reported_as_well() {
    let server = Server::fresh(&[]);
    let mut client = server.connect();
    let body = [&begun(LINES, 2)[..], b"7\n", &begun(LINES, 1)].concat();
    client.send(chunked(LINES)).send(chunk(&body)).send("no size\r\n");
    let answer = assert_stopped(&server, &mut client, 0, 400, 3);
    let told = answer.json();
    assert_eq!(told["rejected"][0]["index"].as_u64(), Some(2), "{told}");
    assert_eq!(told["rejected"].as_array().map(Vec::len), Some(1));
}

/// Nothing of a form or of a picture is logged before its end, so they are refused as ever.
#[test]
fn uploads_that_log_at_their_end_store_nothing() {
    let server = Server::fresh(&[]);
    for (path, content_type) in [("/upload/", "multipart/form-data; boundary=b"), ("/images", "image/png")] {
        let mut client = server.connect();
        client.send(chunked(content_type).replace("/pixels", path)).send(chunk(b"YWJj"));
        let answer = client.send("no size\r\n").answer();
        assert_eq!((answer.status, answer.closes()), (400, true), "{path}");
        assert!(answer.field("durability").is_none(), "{}", answer.head);
    }
}

#[test]
fn the_server_ends_before_the_body_does() {
    for (content_type, stored) in FORMS {
        let mut server = Server::fresh(&["--shutdown-timeout", "1s"]);
        let mut clients: Vec<_> = [COUNT, 0]
            .into_iter()
            .map(|pixels| {
                let mut client = server.connect();
                client.send(chunked(content_type));
                if pixels > 0 {
                    client.send(chunk(&begun(content_type, pixels)));
                }
                client
            })
            .collect();
        // Both heads have been read before the server is told to stop.
        let started = std::time::Instant::now();
        while stored > 0 && count(&server) < stored {
            assert!(started.elapsed() < process::PATIENCE);
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        server.signal(rustix::process::Signal::TERM);
        for (client, stored) in clients.iter_mut().zip([stored, 0]) {
            let answer = client.answer();
            let told = answer.json();
            assert_eq!(told["accepted"].as_u64(), Some(stored), "{told}");
            assert_eq!(answer.field("durability"), (stored > 0).then_some("disk"));
            let (status, again) = if stored > 0 { (408, None) } else { (503, Some("1")) };
            assert_eq!((answer.status, answer.field("retry-after")), (status, again), "{content_type}");
            client.half_close();
        }
        assert!(server.wait().success());
        assert_eq!(count(&server.kill_and_restart(&[])), stored, "after a restart");
    }
}
