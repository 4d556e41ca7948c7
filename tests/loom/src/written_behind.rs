//! Writing behind the commits of a server at `memory`, under every interleaving: whatever is in the tail is written without
//! another call, whoever asks for a sync gets it, and a position that is told is behind the bytes in the file.
//!
//! The tail is a counter under its lock, as the reader's is: the lock is what orders a worker that puts something there
//! with a disk thread that is about to sleep.

use loom::sync::atomic::AtomicU64;
use loom::sync::{Arc, Mutex, Notify};
use loom::thread;
use std::sync::atomic::Ordering::Relaxed;

use crate::reach::Reach;

struct Host {
    reach: Reach,
    /// Bytes ever committed.
    tail: Mutex<u64>,
    /// Bytes in the file.
    file: AtomicU64,
    disk: Notify,
}

impl Host {
    fn new() -> Arc<Self> {
        let (tail, file) = (Mutex::new(0), AtomicU64::new(0));
        Arc::new(Self { reach: Reach::new(0), tail, file, disk: Notify::new() })
    }

    fn end(&self) -> u64 {
        *self.tail.lock().unwrap()
    }

    /// A worker's commit.
    fn put(&self, bytes: u64) {
        *self.tail.lock().unwrap() += bytes;
        if self.reach.is_to_be_called() {
            self.disk.notify();
        }
    }

    /// The disk thread, until so much is written and, if that is asked for, synced.
    fn write(&self, until: u64, is_synced: bool) {
        loop {
            let is_wanted = self.reach.take_sync();
            let end = self.end();
            self.file.store(end, Relaxed);
            self.reach.set_written(end);
            if is_wanted {
                self.reach.set_synced(end);
            }
            if end == until && (!is_synced || self.reach.synced() == until) {
                return;
            }
            // `rest`.
            let has_work = || self.end() > end || self.reach.wants_sync();
            if !has_work() {
                self.reach.doze();
                if !has_work() {
                    self.disk.wait();
                }
                let _ = self.reach.wake_up();
            }
        }
    }
}

/// Tries every interleaving in which so many threads are interrupted.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

#[test]
fn what_two_workers_put_into_the_tail_is_written() {
    check(3, || {
        let host = Host::new();
        let workers = [1, 2].map(|bytes| {
            let host = host.clone();
            thread::spawn(move || host.put(bytes))
        });
        host.write(3, false);
        workers.into_iter().for_each(|worker| worker.join().expect("a worker"));
    });
}

#[test]
fn a_sync_that_is_asked_for_covers_what_was_committed_before() {
    loom::model(|| {
        let host = Host::new();
        let worker = {
            let host = host.clone();
            thread::spawn(move || {
                host.put(1);
                host.reach.want_sync();
                host.disk.notify();
            })
        };
        host.write(1, true);
        worker.join().expect("a worker");
    });
}

#[test]
fn whoever_sees_a_position_finds_the_bytes_in_the_file() {
    loom::model(|| {
        let host = Host::new();
        *host.tail.lock().unwrap() = 1;
        let writer = {
            let host = host.clone();
            thread::spawn(move || host.write(1, false))
        };
        let written = host.reach.written();
        assert!(host.file.load(Relaxed) >= written);
        writer.join().expect("the writer");
    });
}
