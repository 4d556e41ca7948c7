//! One question to a server of NATS, in the words of its protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::process::PATIENCE;

/// Publishes `body` on `subject`, and gives what comes back, which is JSON.
pub fn ask(server: SocketAddr, subject: &str, body: &str) -> Value {
    let length = body.len();
    let mut reader =
        begin(server, &format!("SUB _INBOX.test 1\r\nPUB {subject} _INBOX.test {length}\r\n{body}\r\n"));
    let told = await_line(&mut reader, "MSG ", subject);
    let length = told.trim_end().rsplit(' ').next().and_then(|text| text.parse().ok());
    let mut answer = vec![0; length.expect("a length")];
    reader.read_exact(&mut answer).expect("all of it");
    serde_json::from_slice(&answer).expect("JSON")
}

/// Publishes `body` on `subject`, and waits until the server has it.
pub fn tell(server: SocketAddr, subject: &str, body: &str) {
    let length = body.len();
    let mut reader = begin(server, &format!("PUB {subject} {length}\r\n{body}\r\nPING\r\n"));
    await_line(&mut reader, "PONG", subject);
}

fn begin(server: SocketAddr, words: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(server).expect("a server of NATS");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let all = format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\n{words}");
    stream.write_all(all.as_bytes()).expect("it listens");
    BufReader::new(stream)
}

/// Gives the next line that begins so, behind that.
fn await_line(reader: &mut BufReader<TcpStream>, begin: &str, subject: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).expect("an answer") > 0, "no answer to {subject}");
        assert!(!line.starts_with("-ERR"), "{subject}: {line}");
        if let Some(told) = line.strip_prefix(begin) {
            return told.to_owned();
        }
    }
}
