//! What `memory` promises: `kill -9` takes what no file has yet, and `pixeld_journal_unwritten_seconds` says how long ago the
//! oldest of that was acknowledged.

use crate::process;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use process::client::{Client, plain, post_pixels};
use process::slow::{SYNCING, WRITING};
use process::{PATIENCE, Server};
use rustix::process::Signal;

const MEMORY: [&str; 4] = ["--durability", "memory", "--segment-size", "4MiB"];
/// How long a call takes on the slow disk.
const SLOW: Duration = Duration::from_millis(800);
/// Uploads that are under way at once.
const DEPTH: usize = 4;

/// Promised on a disk that keeps up.
const USUAL_LOSS: Duration = Duration::from_millis(5);

/// What a writer saw: when each of its uploads was acknowledged, the first one first.
struct Acknowledged {
    at: Vec<Instant>,
    /// Pixels of each.
    pixels: usize,
}

impl Acknowledged {
    /// Returns how long before `killed` the oldest upload was acknowledged of which something is missing in `total` pixels.
    fn loss(&self, total: usize, killed: Instant) -> Duration {
        let whole = total / self.pixels;
        self.at.get(whole).map_or(Duration::ZERO, |at| killed.saturating_duration_since(*at))
    }

    /// Returns the longest time between two answers near the end: so exact is what this client sees.
    fn roughness(&self) -> Duration {
        let last = &self.at[self.at.len() / 2..];
        last.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }
}

/// Uploads `pixels` at a time over one connection, some uploads ahead of their answers, until the server is gone.
fn write(address: SocketAddr, pixels: usize, is_over: &AtomicBool) -> Acknowledged {
    const ANSWER_END: &[u8] = br#","rejected":[]}"#;
    let upload = post_pixels(pixels as u32);
    let mut acknowledged = Acknowledged { at: Vec::new(), pixels };
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut sender = stream.try_clone().expect("a descriptor");
    std::thread::scope(|scope| {
        let (ahead, answered) = std::sync::mpsc::sync_channel(DEPTH);
        scope.spawn(move || while ahead.send(()).is_ok() && sender.write_all(&upload).is_ok() {});
        let (mut text, mut buffer) = (Vec::new(), [0; 8192]);
        while let Ok(length @ 1..) = stream.read(&mut buffer)
            && !is_over.load(Ordering::Relaxed)
        {
            text.extend_from_slice(&buffer[..length]);
            while let Some(at) = text.windows(ANSWER_END.len()).position(|window| window == ANSWER_END) {
                assert!(text.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&text));
                text.drain(..at + ANSWER_END.len());
                acknowledged.at.push(Instant::now());
                answered.try_recv().ok();
            }
        }
        drop(answered);
    });
    acknowledged
}

/// The value of a series, and when it was true at the latest.
fn look(client: &mut Client, name: &str) -> (f64, Instant) {
    let metrics = client.send(plain("GET", "/metrics")).answer();
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    (line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}")), Instant::now())
}

/// What a kill took, and what the metric had said of it.
struct Killed {
    loss: Duration,
    said: Duration,
    /// The most that it had ever said.
    highest: Duration,
    roughness: Duration,
}

/// Loads a server, looks at the metric again and again, and kills it as soon as `is_time` says so of the number of segments and
/// of the metric.
fn kill_under_load(server: Server, pixels: usize, is_time: impl Fn(f64, f64) -> bool) -> Killed {
    let (address, is_over) = (server.address, AtomicBool::new(false));
    let (acknowledged, said, highest, killed) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(address, pixels, &is_over));
        let mut client = server.connect();
        let (started, mut highest) = (Instant::now(), 0.0_f64);
        let (said, looked) = loop {
            let (segments, _) = look(&mut client, "pixeld_journal_segments");
            let (said, looked) = look(&mut client, "pixeld_journal_unwritten_seconds");
            highest = highest.max(said);
            if is_time(segments, said) {
                break (said, looked);
            }
            assert!(started.elapsed() < 4 * PATIENCE, "it never came to that: {segments} segments, {said} s");
        };
        let killed = Instant::now();
        server.signal(Signal::KILL);
        is_over.store(true, Ordering::Relaxed);
        // It has grown until the kill.
        let said = Duration::from_secs_f64(said) + (killed - looked);
        (writer.join().expect("a writer"), said, Duration::from_secs_f64(highest), killed)
    });
    let server = server.kill_and_restart(&MEMORY);
    let total = server.ask("GET", "/pixels/count", "").1;
    let total: serde_json::Value = serde_json::from_str(&total).expect("JSON");
    let total = usize::try_from(total["total"].as_u64().expect("a number")).expect("it fits");
    let loss = acknowledged.loss(total, killed);
    println!(
        "acknowledged {}, lost {loss:?}, said {said:?}, at most {highest:?}",
        acknowledged.at.len() * pixels
    );
    Killed { loss, said, highest, roughness: acknowledged.roughness() }
}

impl Killed {
    /// Fails unless the loss is what was said, within 10 % and what the client can tell apart.
    fn assert_as_said(&self) {
        let Self { loss, said, roughness, .. } = *self;
        let within = said / 10 + 2 * roughness;
        assert!(loss <= said + within, "lost {loss:?}, said {said:?}, answers {roughness:?} apart");
        assert!(loss + within >= said, "lost {loss:?}, said {said:?}, answers {roughness:?} apart");
    }
}

#[test]
fn a_slow_sync_costs_a_kill_nothing_and_the_metric_says_so() {
    let server = Server::fresh(&MEMORY);
    let Some(slowed) = server.slow("sync", SYNCING, SLOW) else { return };
    let killed = kill_under_load(server, 10_000, |segments, _| segments >= 10.0);
    assert!(slowed.calls() > 0, "a segment was synced meanwhile");
    killed.assert_as_said();
    assert!(
        killed.highest < SLOW * 3 / 4,
        "a sync that takes {SLOW:?} kept the file back: {:?}",
        killed.highest
    );
}

#[test]
fn on_a_slow_disk_a_kill_takes_what_the_metric_said() {
    let server = Server::fresh(&MEMORY);
    let Some(slowed) = server.slow("disk", WRITING, SLOW) else { return };
    let killed = kill_under_load(server, 1_000, |_, said| said > SLOW.as_secs_f64());
    assert!(slowed.calls() > 0, "a write was slow");
    assert!(killed.loss > SLOW / 2, "nothing to speak of was lost: {:?}", killed.loss);
    killed.assert_as_said();
}

#[test]
fn over_twenty_changes_of_segment_a_kill_takes_five_milliseconds_or_what_the_metric_said() {
    let killed = kill_under_load(Server::fresh(&MEMORY), 1_000, |segments, _| segments >= 22.0);
    // A machine that stalls the disk thread makes it longer, and the metric says so too.
    let Killed { loss, said, roughness, .. } = killed;
    let bound = USUAL_LOSS.max(said + said / 10 + 2 * roughness);
    assert!(loss <= bound, "lost {loss:?}, said {said:?}, answers {roughness:?} apart");
}

/// A record that comes after a silence is as old as it is, whatever was written last.
#[test]
fn the_metric_does_not_count_a_silence() {
    const SILENCE: Duration = Duration::from_millis(1500);
    let server = Server::fresh(&MEMORY);
    let pixel = r#"{"x":1,"y":2,"channel":"R","value":3}"#;
    assert_eq!(server.ask("POST", "/pixel", pixel).0, 200);
    let mut client = server.connect();
    let name = "pixeld_journal_unwritten_seconds";
    let started = Instant::now();
    while look(&mut client, name).0 > 0.0 {
        assert!(started.elapsed() < PATIENCE, "it is never written");
    }
    // Nobody may write before the disk thread is held; it has gone to sleep by then.
    std::thread::sleep(SILENCE);
    let Some(hold) = server.hold("disk") else { return };
    let sent = Instant::now();
    assert_eq!(server.ask("POST", "/pixel", pixel).0, 200);
    let (said, looked) = look(&mut client, name);
    assert!(said > 0.0, "it is in no file");
    assert!(said <= (looked - sent).as_secs_f64(), "{said} s, of a record {:?} old", looked - sent);
    drop(hold);
}
