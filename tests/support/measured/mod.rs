//! Servers for the tests of `pixeld bench`: each misbehaves in one way that the generator has to show as what it is.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod command;
pub mod encrypted;
#[path = "../port.rs"]
mod port;

use pixeld_bench::client::target::Target;
use pixeld_bench::driver::run::{Measured, Watch, run};
use pixeld_bench::driver::server::ServerProbe;
use pixeld_bench::scenario::Scenario;
use pixeld_bench::scenario::request::{Bodies, RequestForm};
use pixeld_bench::scenario::template::Template;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MS;
pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}";

/// What a server does with a request: bytes to answer, or the end of the connection.
pub enum Reply {
    Bytes(Vec<u8>),
    Close,
    /// Close with unread input, which makes the kernel send a reset.
    Reset,
}

/// Serves each connection on a thread of its own; `reply` sees the request's body and its number on the connection.
pub fn serve<F>(reply: F) -> SocketAddr
where
    F: Fn(&[u8], u64) -> Reply + Send + Sync + 'static,
{
    serve_by_head(move |_, body, number| reply(body, number))
}

/// As [`serve`]; `reply` sees the request's head too.
pub fn serve_by_head<F>(reply: F) -> SocketAddr
where
    F: Fn(&str, &[u8], u64) -> Reply + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let reply = Arc::new(reply);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let reply = Arc::clone(&reply);
            thread::spawn(move || answer_all(stream, &*reply));
        }
    });
    address
}

fn answer_all(mut stream: TcpStream, reply: &(impl Fn(&str, &[u8], u64) -> Reply + ?Sized)) {
    stream.set_nodelay(true).unwrap();
    let (mut input, mut buffer, mut number) = (Vec::new(), vec![0; 16 * 1024], 0);
    loop {
        while let Some((head, body)) = whole_request(&input) {
            let text = std::str::from_utf8(&input[..head]).unwrap();
            let answer = reply(text, &input[head..head + body], number);
            number += 1;
            input.drain(..head + body);
            match answer {
                Reply::Bytes(bytes) => {
                    if stream.write_all(&bytes).is_err() {
                        return;
                    }
                }
                Reply::Close => return,
                Reply::Reset => {
                    stream.set_linger_zero();
                    return;
                }
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(bytes) => input.extend_from_slice(&buffer[..bytes]),
        }
    }
}

/// Answers the first request of each connection with `answer` and closes.
pub fn serve_then_close(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            let mut input = Vec::new();
            while whole_request(&input).is_none() {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(bytes) => input.extend_from_slice(&buffer[..bytes]),
                }
            }
            let _ = stream.write_all(&answer);
        }
    });
    address
}

/// Lengths of head and body of the first request, when it is there in full.
pub fn whole_request(input: &[u8]) -> Option<(usize, usize)> {
    let head = input.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&input[..head]).unwrap().to_ascii_lowercase();
    let body = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |value| value.trim().parse().unwrap());
    (input.len() >= head + body).then_some((head, body))
}

trait LingerZero {
    fn set_linger_zero(&self);
}

impl LingerZero for TcpStream {
    fn set_linger_zero(&self) {
        socket2::SockRef::from(self).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    }
}

/// A closed loop of one thread and four connections that posts pixels to `address` for half a second.
pub fn scenario(address: SocketAddr) -> Scenario {
    let target = Target::resolve(&format!("http://{address}/pixel"), None, "/").unwrap();
    let form = RequestForm {
        method: "POST".into(),
        path: target.path.clone(),
        host: target.host.clone(),
        headers: Vec::new(),
        bodies: Bodies::One(Template::compile(pixeld_bench::scenario::template::PIXEL).unwrap()),
    };
    Scenario {
        connections: 4,
        threads: 1,
        duration_ns: SECOND / 2,
        timeout_ns: SECOND,
        ..Scenario::new(target, form)
    }
}

pub fn measure(scenario: &Scenario) -> Measured {
    try_measure(scenario).unwrap()
}

pub fn try_measure(scenario: &Scenario) -> Result<Measured, String> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut watch = Watch {
        server: &ServerProbe::default(),
        stop: &stop,
        onlooker: &mut (),
        abort_if: &|_, _| None,
        on_start: &mut |_| {},
    };
    run(scenario, &mut watch)
}
