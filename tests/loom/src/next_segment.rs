//! The spare segment under every interleaving: the committer never enters one that is not made, and the keeper never makes one
//! twice or leaves one out.

use loom::sync::atomic::AtomicU32;
use loom::sync::{Arc, Notify};
use loom::thread;
use std::sync::atomic::Ordering::Relaxed;

use crate::spare::Spare;

struct Host {
    spare: Spare,
    /// The newest segment whose file is there.
    made: AtomicU32,
    keeper: Notify,
    disk: Notify,
}

const FIRST: u32 = 2;
const SEGMENTS: u32 = 2;

/// The keeper, until it has made them all.
fn keep(host: &Host) {
    let mut due = FIRST;
    while due < FIRST + SEGMENTS {
        match host.spare.missing() {
            Some(number) => {
                assert_eq!(number, due, "the next one, once");
                due += 1;
                host.made.store(number, Relaxed);
                host.spare.made();
                host.disk.notify();
            }
            None => host.keeper.wait(),
        }
    }
}

#[test]
fn each_segment_is_made_once_and_entered_when_it_is_there() {
    loom::model(|| {
        let host = Arc::new(Host {
            spare: Spare::new(FIRST, false),
            made: AtomicU32::new(0),
            keeper: Notify::new(),
            disk: Notify::new(),
        });
        let keeper = {
            let host = host.clone();
            thread::spawn(move || keep(&host))
        };
        for number in FIRST..FIRST + SEGMENTS {
            while !host.spare.is_ready() {
                host.disk.wait();
            }
            assert_eq!(host.made.load(Relaxed), number, "its file is there");
            host.spare.enter(number + 1);
            host.keeper.notify();
        }
        keeper.join().expect("the keeper ends");
    });
}
