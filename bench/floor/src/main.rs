//! The floor: one thread, one epoll, one fixed answer. It keeps nothing, looks at nothing and is what pixeld's cost per
//! request is divided by; nothing that serves HTTP through the kernel's TCP can be cheaper by much.
//!
//! `floor [--listen ADDR] [--answer FILE] [--burn NS|N%]`: FILE holds the exact bytes of one answer (`bench/quick` takes them
//! from pixeld, so that both send the same number of bytes). NS nanoseconds of CPU are wasted for each answer, or N % of what it
//! costs: a server that is slower by a known amount, to see whether a comparison finds it. Prints the address it listens on.
//!
//! The first request ever read tells how long a request is; every later one is taken to be as long, so that pipelined
//! requests are counted by a division. A load of requests of different lengths therefore gets wrong numbers of answers.

use std::error::Error;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

mod burn;

use burn::{Amount, Burn};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{\"status\":\"ok\"}";
const READ_BYTES: usize = 64 * 1024;
/// Most requests that one read can complete: the shortest one pixeld accepts has more than 16 bytes.
const ANSWERS_PER_READ_MAX: usize = READ_BYTES / 16;
const LISTENER: u64 = u64::MAX;

struct Connection {
    stream: TcpStream,
    /// Bytes of a request that is not complete yet.
    partial: usize,
}

struct Floor {
    /// The answer, as often as one read can ask for it.
    answers: Vec<u8>,
    answer_bytes: usize,
    /// Length of every request; 0 until the first one was read.
    request_bytes: usize,
    input: Vec<u8>,
    burn: Burn,
}

impl Floor {
    /// Answers what one readiness brought; false when the connection is to be closed.
    fn serve(&mut self, connection: &mut Connection) -> bool {
        let received = match rustix::net::recv(&connection.stream, &mut self.input[..], RecvFlags::empty()) {
            Ok((_, 0)) => return false,
            Ok((_, received)) => received,
            Err(Errno::AGAIN) => return true,
            Err(_) => return false,
        };
        if self.request_bytes == 0 {
            match request_length(&self.input[..received]) {
                Some(length) => self.request_bytes = length,
                None => return false,
            }
        }
        let available = connection.partial + received;
        let complete = available / self.request_bytes;
        connection.partial = available % self.request_bytes;
        self.burn.waste(complete);
        let output = &self.answers[..(complete * self.answer_bytes).min(self.answers.len())];
        // The socket's buffer holds more answers than a client that reads can leave there.
        output.is_empty()
            || rustix::net::send(&connection.stream, output, SendFlags::NOSIGNAL) == Ok(output.len())
    }
}

/// Length of the request that `input` starts with, if its head is complete.
fn request_length(input: &[u8]) -> Option<usize> {
    let head = input.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&input[..head]).ok()?;
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    };
    Some(head + text.lines().find_map(field).unwrap_or(0))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut address = "127.0.0.1:0".to_owned();
    let mut answer = ANSWER.as_bytes().to_vec();
    let mut burn = Burn::new(Amount::Fixed(Duration::ZERO));
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or("each flag has a value")?;
        match flag.as_str() {
            "--listen" => address = value,
            "--answer" => answer = std::fs::read(value)?,
            "--burn" => {
                burn =
                    Burn::new(Burn::parse(&value).ok_or("--burn takes nanoseconds or a share, such as 5%")?)
            }
            _ => return Err("usage: floor [--listen ADDR] [--answer FILE] [--burn NS|N%]".into()),
        }
    }
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let floor = Floor {
        answer_bytes: answer.len(),
        answers: answer.repeat(ANSWERS_PER_READ_MAX),
        request_bytes: 0,
        input: vec![0; READ_BYTES],
        burn,
    };
    run(&listener, floor)
}

fn run(listener: &TcpListener, mut floor: Floor) -> Result<(), Box<dyn Error>> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Err(Errno::INTR) => continue,
            result => result?,
        };
        for event in &events {
            let token = event.data.u64();
            if token == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    let place = connections.iter().position(Option::is_none).unwrap_or(connections.len());
                    let token = EventData::new_u64(place as u64);
                    epoll::add(&epoll, &stream, token, EventFlags::IN | EventFlags::ET)?;
                    connections.resize_with(connections.len().max(place + 1), || None);
                    connections[place] = Some(Connection { stream, partial: 0 });
                }
            } else if let Some(connection) = &mut connections[token as usize]
                && !floor.serve(connection)
            {
                connections[token as usize] = None;
            }
        }
    }
}
