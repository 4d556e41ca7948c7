//! The start rule under every interleaving: whatever is published is committed, and whoever waits for it is woken.
//!
//! Workers and the disk thread are boiled down to what they say and look at, in the order of `engine/worker/lane.rs`,
//! `engine/commit/disk.rs` and `engine/commit/committer.rs`. The flags are the server's own; of a lane, which has a model beside it,
//! only its end is left. A call that gets lost leaves a thread asleep for ever, which loom reports as a deadlock.

use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use loom::sync::{Arc, Notify};
use loom::thread;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::waking::{Doze, Step};

/// A worker as the committer sees it.
#[derive(Default)]
struct Side {
    /// Records in its lane, ever.
    published: AtomicU64,
    committed: AtomicU64,
    doze: Doze,
    /// Where it sleeps.
    waker: Notify,
}

struct Host {
    step: Step,
    sides: Vec<Side>,
    /// Where the disk thread sleeps.
    disk: Notify,
    /// Batches from the peer that wait.
    inbox: AtomicUsize,
}

impl Host {
    fn new(workers: usize) -> Arc<Self> {
        let sides = (0..workers).map(|_| Side::default()).collect();
        Arc::new(Self { step: Step::default(), sides, disk: Notify::new(), inbox: AtomicUsize::new(0) })
    }
}

/// Publishes each of `records` in a turn of its own, then waits until all of them are committed.
fn work(host: &Host, index: usize, records: u64) {
    let side = &host.sides[index];
    let mut committed = 0;
    let mut turn = |position: u64| {
        // `start_commit`, of a worker whose polls find nothing.
        if position != committed && !host.step.is_under_way() && host.step.start() {
            host.disk.notify();
        }
        committed = side.committed.load(Acquire);
        committed
    };
    for position in 1..=records {
        side.published.store(position, Release);
        turn(position);
    }
    loop {
        let committed = turn(records);
        if committed == records {
            return;
        }
        // `wait`: the flag, the second look, the sleep.
        side.doze.fall_asleep();
        let has_news = side.committed.load(Acquire) != committed || !host.step.is_under_way();
        if !has_news {
            side.waker.wait();
        }
        side.doze.wake_up();
    }
}

/// The disk thread, until so many records of each worker are committed and so many batches are taken.
fn commit(host: &Host, records: &[u64], batches: usize) {
    let (mut reached, mut taken) = (vec![0; records.len()], 0);
    while reached != records || taken < batches {
        if !host.step.is_started() {
            host.disk.wait();
            continue;
        }
        let mut concerned = vec![false; records.len()];
        for (index, side) in host.sides.iter().enumerate() {
            let before = std::mem::replace(&mut reached[index], side.published.load(Acquire));
            concerned[index] = reached[index] != before;
        }
        taken += host.inbox.swap(0, Relaxed);
        for (side, reached) in host.sides.iter().zip(&reached) {
            side.committed.store(*reached, Release);
        }
        // `let_next_start`.
        host.step.end();
        for (index, side) in host.sides.iter().enumerate() {
            let has_left_some = || side.published.load(Acquire) != reached[index];
            if (concerned[index] || has_left_some()) && side.doze.is_to_be_called() {
                side.waker.notify();
            }
        }
        arrived(host);
    }
}

/// `commit_arrived`.
fn arrived(host: &Host) {
    if host.step.start_for(|| host.inbox.load(Relaxed) > 0) {
        host.disk.notify();
    }
}

/// Workers that publish so many records each, a link that leaves so many batches, and steps that another worker starts
/// for nothing, because it has not seen yet that its records are committed.
fn model(records: &'static [u64], batches: usize, strays: usize, preemptions: usize) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        let host = Host::new(records.len());
        let mut threads = Vec::new();
        for (index, &count) in records.iter().enumerate() {
            let host = host.clone();
            threads.push(thread::spawn(move || work(&host, index, count)));
        }
        if batches > 0 {
            let host = host.clone();
            threads.push(thread::spawn(move || {
                for _ in 0..batches {
                    host.inbox.fetch_add(1, Relaxed);
                    arrived(&host);
                }
            }));
        }
        for _ in 0..strays {
            let host = host.clone();
            threads.push(thread::spawn(move || {
                if host.step.start() {
                    host.disk.notify();
                }
            }));
        }
        commit(&host, records, batches);
        threads.into_iter().for_each(|thread| thread.join().expect("the thread ends"));
    });
}

#[test]
fn a_worker_that_found_a_step_under_way_is_woken_when_it_ends() {
    model(&[2], 0, 0, 2);
}

#[test]
fn a_step_that_found_nothing_leaves_nobody_asleep() {
    model(&[1], 0, 1, 2);
}

#[test]
fn what_arrives_while_a_step_ends_is_committed() {
    model(&[], 2, 0, 3);
    model(&[1], 1, 0, 1);
}

/// The mailbox, the bell of the link: something is left, and whoever sleeps is called.
#[test]
fn whoever_falls_asleep_sees_what_was_left_or_is_called() {
    loom::model(|| {
        let (side, left) = (Arc::new(Side::default()), Arc::new(AtomicBool::new(false)));
        let caller = {
            let (side, left) = (side.clone(), left.clone());
            thread::spawn(move || {
                left.store(true, Relaxed);
                if side.doze.is_to_be_called() {
                    side.waker.notify();
                }
            })
        };
        while !left.load(Relaxed) {
            side.doze.fall_asleep();
            if !left.load(Relaxed) {
                side.waker.wait();
            }
            side.doze.wake_up();
        }
        caller.join().expect("the caller ends");
    });
}
