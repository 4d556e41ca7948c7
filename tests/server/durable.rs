//! Acknowledged is kept: real processes, real load, kill -9 at any moment.
//!
//! `PIXELD_TEST_KILLS=200 scripts/test acknowledged` runs a longer campaign.

use crate::process;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use process::client::{Client, Next};
use process::traced::{Changing, Fate, record_serving_at};
use process::{PATIENCE, Server, free_address, pixeld};
use rustix::process::Signal;

const SEGMENT: [&str; 2] = ["--segment-size", "4MiB"];
/// Connections, and the requests that each has in flight.
const WRITERS: u32 = 4;
const DEPTH: u32 = 16;
const ANSWER_END: &[u8] = br#"{"status":"ok"}"#;

fn kills() -> u32 {
    std::env::var("PIXELD_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// Writes pixels (writer, 0), (writer, 1), ... `from` on, pipelined, until the server is gone or `stop`; gives how
/// many were acknowledged: answers come in order, so these are the first ones.
fn write(address: SocketAddr, writer: u32, from: u32, headers: &str, stop: &AtomicBool) -> u32 {
    let Ok(mut stream) = TcpStream::connect(address) else { return from };
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let (mut next, mut acknowledged, mut text) = (from, from, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let batch: String = (next..next + DEPTH).map(|n| request(writer, n, headers)).collect();
        next += DEPTH;
        if stream.write_all(batch.as_bytes()).is_err() {
            break;
        }
        while acknowledged < next {
            let mut buffer = [0; 8192];
            match stream.read(&mut buffer) {
                Ok(length) if length > 0 => text.extend_from_slice(&buffer[..length]),
                _ => return acknowledged,
            }
            while let Some(at) = text.windows(ANSWER_END.len()).position(|window| window == ANSWER_END) {
                assert!(text.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&text));
                text.drain(..at + ANSWER_END.len());
                acknowledged += 1;
            }
        }
    }
    acknowledged
}

fn request(writer: u32, n: u32, headers: &str) -> String {
    let body = format!(r#"{{"x":{writer},"y":{n},"channel":"R","value":{}}}"#, n % 256);
    let length = body.len();
    format!(
        "POST /pixel HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Runs all writers for a while, then `end`s the server under them; gives how far each was acknowledged.
fn load(
    server: &Server,
    from: &[u32],
    headers: &'static str,
    during: Duration,
    end: impl FnOnce(),
) -> Vec<u32> {
    let (address, stop) = (server.address, AtomicBool::new(false));
    thread::scope(|scope| {
        let stop = &stop;
        let writers = (0..WRITERS)
            .zip(from)
            .map(|(writer, &from)| scope.spawn(move || write(address, writer, from, headers, stop)));
        let writers: Vec<_> = writers.collect();
        thread::sleep(during);
        end();
        stop.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().expect("a writer")).collect()
    })
}

/// For each writer, the numbers of its pixels as the server lists them.
fn listed(server: &Server) -> Vec<Vec<u32>> {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.write_all(b"GET /pixels HTTP/1.0\r\nAccept: text/csv\r\n\r\n").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("a list");
    let mut lists = vec![Vec::new(); WRITERS as usize];
    for line in text.split_once("\r\n\r\n").expect("a head").1.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [x, y, "R", value] = fields[..] else { panic!("invented: {line}") };
        let (writer, n): (usize, u32) = (x.parse().expect(line), y.parse().expect(line));
        assert_eq!(value, (n % 256).to_string(), "changed: {line}");
        lists[writer].push(n);
    }
    lists
}

/// Every acknowledged pixel is there, once, in the order it was sent; gives how far each list goes.
fn check(lists: &[Vec<u32>], acknowledged: &[u32]) -> Vec<u32> {
    let check = |(list, &acknowledged): (&Vec<u32>, &u32)| {
        let length = u32::try_from(list.len()).expect("fewer than 2^32");
        assert!(length >= acknowledged, "{acknowledged} were acknowledged, {length} are there");
        assert!(list.iter().copied().eq(0..length), "a gap, a double or another order");
        length
    };
    lists.iter().zip(acknowledged).map(check).collect()
}

#[test]
fn no_acknowledged_pixel_is_lost_by_kill_9() {
    let mut server = Server::fresh(&SEGMENT);
    let mut from = vec![0; WRITERS as usize];
    for round in 0..kills() {
        let during = Duration::from_millis(10 + u64::from(round * 37 % 120));
        let end = || server.signal(Signal::KILL);
        let acknowledged = load(&server, &from, "", during, end);
        server = server.kill_and_restart(&SEGMENT);
        // What was stored without its answer having arrived is there too; the next round goes on behind it.
        from = check(&listed(&server), &acknowledged);
    }
    assert!(from.iter().sum::<u32>() > kills() * WRITERS, "there was no load");
}

#[test]
fn a_stop_in_order_answers_what_it_took_and_keeps_what_it_answered() {
    let mut server = Server::fresh(&SEGMENT);
    let end = || server.signal(Signal::TERM);
    let acknowledged = load(&server, &[0; WRITERS as usize], "", Duration::from_millis(150), end);
    assert!(server.wait().success(), "{}", server.stderr());
    let server = server.kill_and_restart(&SEGMENT);
    check(&listed(&server), &acknowledged);
}

#[test]
fn disk_asked_of_a_memory_server_is_kept() {
    let memory = ["--durability", "memory", SEGMENT[0], SEGMENT[1]];
    let mut server = Server::fresh(&memory);
    let mut from = vec![0; WRITERS as usize];
    for _ in 0..3 {
        let end = || server.signal(Signal::KILL);
        let acknowledged = load(&server, &from, "Durability: disk\r\n", Duration::from_millis(60), end);
        server = server.kill_and_restart(&memory);
        from = check(&listed(&server), &acknowledged);
    }
    assert!(from.iter().sum::<u32>() > 0, "there was no load");
}

/// The last milliseconds may be gone; what is left is a beginning of what was sent, whole and in order.
#[test]
fn at_memory_kill_9_takes_nothing_out_of_the_middle() {
    let memory = ["--durability", "memory", SEGMENT[0], SEGMENT[1]];
    let mut server = Server::fresh(&memory);
    let mut from = vec![0; WRITERS as usize];
    for _ in 0..3 {
        let end = || server.signal(Signal::KILL);
        load(&server, &from, "", Duration::from_millis(60), end);
        server = server.kill_and_restart(&memory);
        from = check(&listed(&server), &from);
    }
    assert!(from.iter().sum::<u32>() > 0, "there was no load");
}

#[test]
fn a_clear_frees_its_segments_and_survives() {
    let server = Server::fresh(&SEGMENT);
    let body: Vec<u8> = (0..400_000_u32).flat_map(|n| [0x12, 7, n as u8, 0, 0, 0, 0, 0, 0, 0]).collect();
    for _ in 0..3 {
        let mut client = server.connect();
        client.send(format!(
            "POST /pixels HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.pixeld\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        client.send(&body);
        assert_eq!(client.answer().status, 200);
    }
    let segments = |server: &Server| {
        let names = std::fs::read_dir(server.data_dir()).expect("a directory");
        names
            .filter(|entry| entry.as_ref().expect("an entry").path().extension() == Some("seg".as_ref()))
            .count()
    };
    assert!(segments(&server) >= 3, "12 MB take three segments");
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    server.wait_for("removed segments");
    let server = server.kill_and_restart(&SEGMENT);
    assert_eq!(server.ask("GET", "/pixels/count", "").1, r#"{"total":0}"#);
    let kept = request(0, 0, "");
    assert_eq!(server.connect().send(kept).answer().status, 200);
    let server = server.kill_and_restart(&SEGMENT);
    assert_eq!(server.ask("GET", "/pixels/count", "").1, r#"{"total":1}"#);
}

#[test]
fn an_answer_comes_after_a_write_that_is_durable_when_it_returns() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = free_address();
    let mut command = pixeld(&["serve", "--workers", "1", "--listen", &address.to_string(), "--data-dir"]);
    command.arg(directory.path()).args(["--disk-reserve", "1MiB"]).args(SEGMENT);
    let (counts, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let tracer = thread::spawn({
        let (counts, seen) = (Arc::clone(&counts), Arc::clone(&seen));
        move || record_serving_at(&command, 64, counts, seen)
    });
    while TcpStream::connect(address).is_err() {
        if tracer.is_finished() {
            assert_eq!(tracer.join().expect("no panic"), None, "it serves");
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let mut client = Client::connect(address);
    let mut post = |n| client.send(request(0, n, "Durability: disk\r\n")).next(false);
    assert!(matches!(post(0), Next::Answer(answer) if answer.status == 200));
    // Nothing else writes durably: what is noted between the request and its answer is this pixel's.
    counts.store(true, Ordering::SeqCst);
    assert!(matches!(post(1), Next::Answer(answer) if answer.status == 200));
    let calls = seen.lock().expect("no panic").clone();
    let is_durable = |at: usize| match calls[at] {
        Changing::DurableWrite => true,
        Changing::Write => calls[at..].contains(&Changing::Sync),
        _ => false,
    };
    assert!((0..calls.len()).any(is_durable), "{calls:?}");
    // The tracer kills it at one of the next calls.
    for n in 2.. {
        if !matches!(post(n), Next::Answer(_)) {
            break;
        }
    }
    assert_eq!(tracer.join().expect("no panic"), Some(Fate::Killed));
}
