//! The end of a server under every interleaving: what the workers left and what arrived last is committed, and nobody sleeps
//! for ever. The threads are boiled down to what they say and look at, in the order of `engine/lifecycle/server.rs` (`finish`),
//! `engine/commit/disk.rs` and the link.

use loom::sync::atomic::AtomicUsize;
use loom::sync::{Arc, Notify};
use loom::thread;
use std::sync::atomic::Ordering::Relaxed;

use crate::stopping::Stopping;

struct Host {
    stopping: Stopping,
    /// Records that the workers left in their lanes.
    lanes: AtomicUsize,
    /// What the link has received and nobody has committed.
    inbox: AtomicUsize,
    committed: AtomicUsize,
    /// Where the disk thread sleeps, and the link.
    disk: Notify,
    bell: Notify,
}

/// `commit_on_request`, of a server for which nobody starts a step any more.
fn commit(host: &Host) {
    let take_all = || {
        let taken = host.lanes.swap(0, Relaxed) + host.inbox.swap(0, Relaxed);
        host.committed.fetch_add(taken, Relaxed);
    };
    loop {
        if host.stopping.has_begun() && !host.stopping.has_committed_rest() {
            take_all();
            host.stopping.rest_is_committed();
            host.bell.notify();
        } else if host.stopping.is_over() {
            take_all();
            return;
        } else {
            host.disk.wait();
        }
    }
}

/// The link sends what was committed last, and takes one more batch before it ends.
fn link(host: &Host, records: usize) {
    while !host.stopping.has_committed_rest() {
        host.bell.wait();
    }
    assert_eq!(host.committed.load(Relaxed), records, "the rest is sent whole");
    host.inbox.store(1, Relaxed);
}

#[test]
fn what_is_left_is_committed_before_the_link_ends_and_what_arrives_then_too() {
    loom::model(|| {
        const RECORDS: usize = 2;
        let host = Arc::new(Host {
            stopping: Stopping::default(),
            lanes: AtomicUsize::new(0),
            inbox: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
            disk: Notify::new(),
            bell: Notify::new(),
        });
        let disk_thread = {
            let host = host.clone();
            thread::spawn(move || commit(&host))
        };
        let link_thread = {
            let host = host.clone();
            thread::spawn(move || link(&host, RECORDS))
        };
        // The workers have ended.
        host.lanes.store(RECORDS, Relaxed);
        host.stopping.begin();
        host.disk.notify();
        link_thread.join().expect("the link ends");
        host.stopping.link_has_ended();
        host.disk.notify();
        disk_thread.join().expect("the disk thread ends");
        assert_eq!(host.committed.load(Relaxed), RECORDS + 1, "what arrived last is kept");
    });
}
