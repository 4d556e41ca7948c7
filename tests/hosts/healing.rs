//! A partition that heals while both hosts are under load: nobody is refused, nothing is lost or doubled.

use crate::process;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::thread;

use process::Server;
use process::cable::Cable;
use process::client::{Client, pixel, plain, post_pixel};
use process::pair::{Pair, await_away, await_connected, await_ready, await_that, count, pixels};

/// What clients were answered.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    next: AtomicI32,
    acked: Mutex<Vec<String>>,
    reads: AtomicUsize,
}

impl Seen {
    /// Posts pixels that nobody else posts; every one has to be taken.
    fn write(&self, server: &Server, y: i32) {
        let mut client = Client::connect(server.address);
        while !self.stop.load(Ordering::Relaxed) {
            let x = self.next.fetch_add(1, Ordering::Relaxed);
            let answer = client.send(post_pixel(x, y, 'G', 7)).answer();
            assert_eq!(answer.status, 200, "a write: {}", answer.text());
            self.acked.lock().expect("no panic").push(pixel(x, y, 'G', 7));
        }
    }

    /// Asks for a count, which never goes back.
    fn read(&self, server: &Server) {
        let (mut client, mut before) = (Client::connect(server.address), 0);
        while !self.stop.load(Ordering::Relaxed) {
            let answer = client.send(plain("GET", "/pixels/count")).answer();
            assert_eq!(answer.status, 200, "a read: {}", answer.text());
            let now = answer.json()["total"].as_u64().expect("a number");
            assert!(now >= before, "{now} after {before}");
            before = now;
            let ready = client.send(plain("GET", "/readyz")).answer();
            assert_eq!(ready.status, 200, "{}", ready.text());
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn await_more(&self, more: usize) {
        let now = || self.acked.lock().expect("no panic").len();
        let before = now();
        await_that("a load", now, |now| *now >= before + more);
    }
}

/// Stops the load, however the test ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_partition_under_load_heals_and_nobody_is_refused() {
    let pair = Pair::found();
    let cables = [Cable::to(pair.a.peer_listen), Cable::to(pair.b.peer_listen)];
    let (far_a, far_b) = (pair.a.behind(&cables[0]), pair.b.behind(&cables[1]));
    let (a, b) = (pair.a.start(&far_b, &[]), pair.b.start(&far_a, &[]));
    for server in [&a, &b] {
        await_connected(server);
        await_ready(server);
    }
    let seen = Seen::default();
    thread::scope(|scope| {
        let _stop = Stop(&seen.stop);
        for (server, y) in [(&a, 1), (&b, 2)] {
            let seen = &seen;
            scope.spawn(move || seen.write(server, y));
            scope.spawn(move || seen.read(server));
        }
        for _ in 0..2 {
            seen.await_more(200);
            cables.iter().for_each(Cable::pull);
            await_away(&a);
            await_away(&b);
            seen.await_more(500);
            assert!(count(&a) != count(&b), "they go apart");
            cables.iter().for_each(Cable::plug_in);
            await_connected(&a);
            await_connected(&b);
        }
        seen.await_more(200);
    });
    let mut acked = seen.acked.into_inner().expect("no panic");
    acked.sort_unstable();
    let total = acked.len() as u64;
    await_that("the same", || (count(&a), count(&b)), |counts| *counts == (total, total));
    assert!(pixels(&a) == acked && pixels(&b) == acked, "nothing lost, nothing doubled");
    assert!(seen.reads.load(Ordering::Relaxed) > 100);
}
