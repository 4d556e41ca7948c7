//! Large batches over a real server: many times what a lane holds, so that the body meets a full lane at any byte.

use crate::process;

use std::io::{Read, Write};
use std::net::TcpStream;

use process::{PATIENCE, Server, free_address};

const PIXELS: usize = 300_000;
const UPLOADS: usize = 12;

/// One connection, one upload after the other; each is answered and counted, although the lane fills again and again
/// and the last bytes of a body often arrive while it is full.
#[test]
fn a_body_of_many_lanes_is_answered_every_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(free_address(), directory.path(), &[]);
    let body: Vec<u8> = (0..PIXELS as u32).flat_map(record).collect();
    let mut stream = TcpStream::connect(server.address).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    for _ in 0..UPLOADS {
        let head = format!(
            "POST /pixels HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.pixeld\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(&body).expect("sent");
        let answer = answer(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with(&format!("{{\"accepted\":{PIXELS},\"rejected\":[]}}")), "{answer}");
    }
    let mut stream = TcpStream::connect(server.address).expect("connected");
    stream.write_all(b"GET /pixels/count HTTP/1.0\r\n\r\n").expect("sent");
    let mut count = String::new();
    stream.read_to_string(&mut count).expect("read");
    assert!(count.ends_with(&format!("{{\"total\":{}}}", PIXELS * UPLOADS)), "{count}");
}

fn record(n: u32) -> [u8; 10] {
    let mut record = [0; 10];
    record[0] = 0x11 + (n % 3) as u8;
    record[1] = n as u8;
    record[2..6].copy_from_slice(&n.to_le_bytes());
    record
}

/// Reads up to the end of the answer's JSON.
fn answer(stream: &mut TcpStream) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.ends_with("]}") {
        let length = stream.read(&mut buffer).expect("an answer in time");
        assert!(length > 0, "closed after {text}");
        text.push_str(std::str::from_utf8(&buffer[..length]).expect("text"));
    }
    text
}

/// A body that is packed is refused as such: what is in it would be read as something else, or be stored as it is.
#[test]
fn a_body_with_a_coding_is_refused_by_every_route_that_reads_one() {
    let server = Server::fresh(&[]);
    for path in ["/pixel", "/pixels", "/upload/", "/images", "/api/products", "/api/orders"] {
        for (coding, is_refused) in [("gzip", true), ("IDENTITY", false), ("", false), ("identity, br", true)]
        {
            let body = process::client::pixel(1, 2, 'R', 3);
            let sent = process::client::request("POST", path, "application/json", body);
            let text = String::from_utf8(sent).expect("a text");
            let coded = text.replacen("\r\n", &format!("\r\nContent-Encoding: {coding}\r\n"), 1);
            let answer = server.connect().send(coded).answer();
            let taken = answer.field("accept-encoding");
            assert_eq!(answer.status == 415 && taken == Some("identity"), is_refused, "{path} {coding}");
        }
    }
}
