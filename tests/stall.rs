//! A disk that stalls: the disk thread is held still. Nothing is acknowledged and nothing becomes visible meanwhile,
//! everything else goes on, and what the lanes cannot hold is pushed back.

#[path = "support/process/mod.rs"]
mod process;
#[path = "support/skip.rs"]
mod skip;

use std::time::{Duration, Instant};

use process::Server;
use process::client::{Client, plain, post_pixel, request};

const SHORT: Duration = Duration::from_millis(50);

fn count(client: &mut Client) -> u64 {
    client.send(plain("GET", "/pixels/count")).answer().json()["total"].as_u64().expect("a number")
}

#[test]
fn nothing_is_acknowledged_or_shown_before_the_disk_has_it_and_reads_go_on() {
    let server = Server::fresh(&[]);
    let mut reader = server.connect();
    assert_eq!(reader.send(post_pixel(0, 0, 'R', 1)).answer().status, 200);
    let Some(hold) = server.hold("disk") else { return };
    let mut writers: Vec<_> = (0..16).map(|_| server.connect()).collect();
    for (x, writer) in (1..).zip(&mut writers) {
        let clear = plain("DELETE", "/pixels");
        writer.send(if x == 16 { clear } else { post_pixel(x, 0, 'R', 1) });
    }
    let mut times: Vec<Duration> = (0..500)
        .map(|_| {
            let started = Instant::now();
            let health = reader.send(plain("GET", "/health")).answer();
            assert!(
                health.status == 200 && health.text().ends_with(r#""store_size":1}"#),
                "{}",
                health.text()
            );
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("GET /health while the disk stands still: p99 {:?}", times[times.len() * 99 / 100]);
    for _ in 0..16 {
        let mut other = server.connect();
        assert_eq!(other.send(plain("GET", "/pixels")).answer().json()["total"], 1);
        assert_eq!(other.send(plain("GET", "/metrics")).answer().status, 200);
    }
    for writer in &mut writers {
        writer.assert_silence(Duration::from_millis(5));
    }
    // A read pipelined behind a write waits with it.
    writers[0].send(plain("GET", "/health")).assert_silence(SHORT);
    drop(hold);
    for writer in &mut writers {
        assert_eq!(writer.answer().status, 200);
    }
    assert_eq!(writers[0].answer().status, 200);
    assert!(count(&mut reader) < 16);
}

#[test]
fn at_memory_a_stalled_disk_holds_only_those_who_ask_for_it() {
    let server = Server::fresh(&["--durability", "memory"]);
    let Some(hold) = server.hold("disk") else { return };
    let mut client = server.connect();
    assert_eq!(client.send(post_pixel(1, 0, 'R', 1)).answer().status, 200);
    let asks = String::from_utf8(post_pixel(2, 0, 'G', 1)).expect("a text");
    let asks = asks.replace("Host: x", "Host: x\r\nDurability: disk");
    let mut patient = server.connect();
    patient.send(&asks).assert_silence(SHORT);
    assert_eq!(count(&mut client), 2, "it is taken and visible, only not answered");
    drop(hold);
    let answer = patient.answer();
    assert_eq!((answer.status, answer.field("durability")), (200, Some("disk")));
}

/// Pixels as records of the journal, numbered by x.
fn records(count: i32) -> Vec<u8> {
    (0..count).flat_map(|x| [&[0x11_u8, 7][..], &x.to_le_bytes(), &0_i32.to_le_bytes()].concat()).collect()
}

#[test]
fn a_full_lane_pushes_back_and_then_refuses_without_logging() {
    const BATCH: i32 = 100_000;
    let server = Server::fresh(&["--workers", "1", "--limit", "lane_full_ms=100"]);
    let mut refused = server.connect();
    assert_eq!(refused.send(post_pixel(-1, 0, 'R', 1)).answer().status, 200);
    let Some(hold) = server.hold("disk") else { return };
    let mut batch = server.connect();
    let sending = std::thread::spawn(move || {
        batch.send(request("POST", "/pixels", "application/vnd.pixeld", records(BATCH)));
        batch
    });
    // Until the lane is full single pixels are taken; the first one that finds it full is refused after its time.
    let mut taken = Vec::new();
    let answer = loop {
        let mut client = server.connect();
        client.send(post_pixel(-2, 0, 'G', 1));
        client.stream.set_read_timeout(Some(Duration::from_millis(400))).expect("a socket");
        if client.stream.peek(&mut [0]).is_ok() {
            break client.answer();
        }
        taken.push(client);
        assert!(taken.len() < 50, "never refused");
    };
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")));
    assert!(!answer.closes() && answer.field("durability").is_none());
    // On a connection that was used before, pipelined, with a read behind: in order, and the connection stays.
    refused.send([post_pixel(-3, 0, 'B', 1), post_pixel(-3, 0, 'B', 1), plain("GET", "/livez")].concat());
    assert_eq!([(); 3].map(|()| refused.answer().status), [503, 503, 200]);
    let batch_list = "[".to_owned() + &process::client::pixel(-4, 0, 'R', 1) + "]";
    let metrics = refused.send(plain("GET", "/metrics")).answer();
    assert!(
        metrics.text().contains("pixeld_http_rejected_total{reason=\"lane_full\"} 3"),
        "{}",
        metrics.text()
    );
    // A whole array is like a batch: it waits.
    refused.send(request("POST", "/pixels", "application/json", batch_list)).assert_silence(SHORT);
    drop(hold);
    assert_eq!(refused.answer().text(), r#"{"accepted":1,"rejected":[]}"#);
    let mut batch = sending.join().expect("sent");
    assert_eq!(batch.answer().text(), format!(r#"{{"accepted":{BATCH},"rejected":[]}}"#));
    for client in &mut taken {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(count(&mut refused), 2 + BATCH as u64 + taken.len() as u64);
    let list = refused.send(plain("GET", "/pixels?x_max=-3")).answer().json();
    assert_eq!(list["total"], 1, "what was refused is not there: {list}");
}

/// Waits until the sockets have taken all they can: no bytes but those of the questions go out for a while.
fn await_standstill(server: &Server) {
    let mut client = server.connect();
    let mut pieces = || {
        let metrics = client.send(plain("GET", "/metrics")).answer();
        let line = metrics.text().lines().find(|line| line.starts_with("pixeld_job_pieces_total"));
        line.expect("a metric").to_owned()
    };
    let (mut last, mut same) = (pieces(), 0);
    while same < 10 {
        std::thread::sleep(Duration::from_millis(20));
        let now = pieces();
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
}

#[test]
fn a_full_queue_of_jobs_refuses_new_ones_and_cuts_half_an_answer_off() {
    const QUEUE: usize = pixeld::base::limits::JOB_QUEUE_MAX;
    let server = Server::fresh(&["--job-threads", "1", "--durability", "memory"]);
    let mut slow = server.connect();
    let taken = slow.send(request("POST", "/pixels", "application/vnd.pixeld", records(400_000))).answer();
    assert_eq!(taken.status, 200);
    // Its client takes some of the list and then none: the next piece is not asked for.
    slow.send(plain("GET", "/pixels"));
    slow.take(100);
    await_standstill(&server);
    let Some(hold) = server.hold("job-0") else { return };
    let mut others: Vec<_> = (0..QUEUE + 10).map(|_| server.connect()).collect();
    for client in &mut others {
        client.send(plain("GET", "/pixels?limit=1"));
    }
    let mut metrics = server.connect();
    let refused = "pixeld_http_rejected_total{reason=\"busy\"} 10\n";
    while !metrics.send(plain("GET", "/metrics")).answer().text().contains(refused) {
        std::thread::sleep(SHORT);
    }
    let rest = slow.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "what is not whole must not look so");
    drop(hold);
    let answers: Vec<_> = others.iter_mut().map(Client::answer).collect();
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((taken.len(), refused.len()), (QUEUE, 10));
    assert!(refused.iter().all(|answer| answer.status == 503 && answer.field("retry-after") == Some("1")));
}

#[test]
fn a_batch_that_is_partly_logged_is_never_said_to_be_refused() {
    const LINES: &str = "application/x-ndjson";
    let server = Server::fresh(&["--workers", "1", "--limit", "buffered_bytes=1MiB"]);
    let line = process::client::pixel(1, 2, 'R', 3) + "\n";
    let body = line.repeat(4_000);
    let whole = request("POST", "/pixels", LINES, &body);
    let begun = whole.len() - body.len() + line.len();
    let Some(hold) = server.hold("disk") else { return };
    // Their first lines are in the lane, then it is full.
    let mut batches: Vec<_> = (0..24).map(|_| server.connect()).collect();
    for client in &mut batches {
        client.send(&whole[..begun]);
    }
    let mut filler = server.connect();
    filler.send(request("POST", "/pixels", "application/vnd.pixeld", records(40_000)));
    let mut watcher = server.connect();
    assert_eq!(watcher.send(plain("GET", "/livez")).answer().status, 200);
    // What they send now is kept in memory, all together beyond the bound for bodies.
    for client in &mut batches {
        client.send(&whole[begun..]);
    }
    for client in &mut batches {
        client.assert_silence(Duration::from_millis(5));
    }
    drop(hold);
    for client in &mut batches {
        assert_eq!(client.answer().text(), r#"{"accepted":4000,"rejected":[]}"#);
    }
    assert_eq!(filler.answer().status, 200);
    assert_eq!(count(&mut watcher), 24 * 4_000 + 40_000);
}
