//! The scrub: reads every blob that a record names, again and again, and compares it with its hash.
//!
//! It has a thread of its own, which gives way to all that serves, and reads [`SCRUB_BYTES_PER_S`]: nobody waits for it, least
//! of all the next segment or a snapshot. What it finds is logged, counted and not served any more; with a peer the link asks
//! for it there.

use std::sync::Arc;
use std::time::Duration;

use crate::app::naming;
use crate::base::blob::BlobId;
use crate::base::limits::{SCRUB_BLOB_BYTES, SCRUB_BYTES_PER_S, SCRUB_PAUSE_US};
use crate::engine::shared::Shared;
use crate::engine::shared::log_throttle::LogThrottle;
use crate::log::blobs::faults::Faults;
use crate::log::recover::cut::LOST_SUFFIX;
use crate::os::disk::Disk;
use crate::os::thread;

/// How often it looks whether somebody else has met a fault.
const LOOK: Duration = Duration::from_millis(500);

/// What the scrub works with.
pub struct Scrub {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    /// When as much was read as may have been read.
    due_us: u64,
    throttle: LogThrottle,
}

impl Scrub {
    /// Starts it. It ends by itself when the server stops, and nobody waits for that: it only reads.
    ///
    /// # Errors
    /// Fails when the system has no thread left.
    pub fn start(shared: Arc<Shared>, disk: Arc<dyn Disk>) -> std::io::Result<()> {
        let scrub = Self { shared, disk, due_us: 0, throttle: LogThrottle::default() };
        thread::spawn("scrub", move || scrub.run()).map(drop)
    }

    fn run(mut self) {
        thread::give_way();
        let (mut next_us, mut has_looked) = (0, false);
        while !self.is_over() {
            // While a host joins, contents come before what names them.
            if !has_looked && !self.shared.space.is_joining() {
                self.find_leftovers();
                has_looked = true;
            }
            if self.shared.clock.now_us() >= next_us {
                self.pass();
                next_us = self.shared.clock.now_us() + SCRUB_PAUSE_US;
            }
            self.report();
            std::thread::park_timeout(LOOK);
        }
    }

    /// Finds blobs that a crash has left and no record names. The keeper removes them, unless a record that was given up may name them:
    /// whoever puts that back needs them.
    fn find_leftovers(&self) {
        let shared = &self.shared;
        let mut kept = 0;
        let found = self.disk.list().and_then(|names| {
            let given_up = names.iter().any(|name| name.ends_with(LOST_SUFFIX));
            shared.blobs.find_leftovers(|all| {
                let mut unnamed = naming::unnamed(&shared.applied, all)?;
                if given_up {
                    kept = unnamed.len();
                    unnamed.clear();
                }
                Ok(unnamed)
            })
        });
        match found {
            Ok(0) if kept > 0 => {
                tracing::info!(
                    blobs = kept,
                    "kept blobs that no record names, since *.lost may name them; without such files the next start removes them"
                );
            }
            Ok(0) => {}
            Ok(blobs) => {
                tracing::info!(blobs, "found blobs that no record names, left by a crash; they are removed");
            }
            Err(error) => {
                tracing::warn!(%error, "can't look for blobs that a crash has left; the next start looks again");
            }
        }
    }

    fn is_over(&self) -> bool {
        self.shared.stopping.has_begun()
    }

    /// Looks at every blob once.
    fn pass(&mut self) {
        let blobs = Arc::clone(&self.shared.blobs);
        if blobs.checks_contents() {
            // Runs are in the data directory all the same.
            return self.look_at_runs();
        }
        blobs.faults().ask_again();
        let mut last = None;
        while let Some(id) = self.next(last.as_ref()).filter(|_| !self.is_over()) {
            self.look_at(id);
            self.report();
            last = Some(id);
        }
        self.look_at_runs();
        if !self.is_over() {
            self.forget_unnamed(blobs.faults());
            self.shared.metrics.scrub.passes.add(1);
        }
    }

    /// Forgets what no record names any more. What is known is locked only before and after a look at the records: who holds
    /// these may be about to note a fault.
    fn forget_unnamed(&self, faults: &Faults) {
        for id in faults.ids().iter().filter(|id| !self.is_named(id)) {
            faults.clear(id);
        }
    }

    fn look_at(&mut self, id: BlobId) {
        let blobs = Arc::clone(&self.shared.blobs);
        // What is pinned and named after that is not removed before the look is over.
        let pin = blobs.pin(id);
        if !self.is_named(&id) {
            return;
        }
        self.wait_for(SCRUB_BLOB_BYTES);
        match blobs.check(&id, &mut |bytes| self.wait_for(bytes)) {
            Ok(None) => {
                blobs.faults().clear(&id);
            }
            Ok(Some(fault)) => blobs.faults().note(id, fault),
            Err(_) if self.is_over() => return,
            Err(error) => {
                if self.throttle.is_news(&error.to_string(), self.shared.clock.now_us()) {
                    tracing::warn!(blob = %id, %error, "can't look at a blob; it is looked at again with the next round");
                }
                return;
            }
        }
        drop(pin);
        self.shared.metrics.scrub.blobs.add(1);
    }

    /// Looks at every run of old items once.
    fn look_at_runs(&mut self) {
        let Some(shelf) = self.shared.shelf.clone() else { return };
        let faults = shelf.blobs().faults();
        faults.ask_again();
        let runs: Vec<BlobId> = {
            let applied = self.shared.applied.read();
            applied.aging().flat_map(|(_, aging)| aging.old().runs()).collect()
        };
        for id in runs {
            let pin = shelf.blobs().pin(id);
            let checked = shelf.blobs().check(&id, &mut |bytes| self.wait_for(bytes));
            drop(pin);
            match checked {
                Ok(None) => {
                    let was_mended = faults.clear(&id);
                    if let Some(Err(error)) = was_mended.then(|| shelf.renew(&id)) {
                        tracing::warn!(run = %id, %error, "can't open a run that was mended");
                    }
                }
                // One that was merged meanwhile may be gone.
                Ok(Some(fault)) if self.has_run(&id) => faults.note(id, fault),
                Ok(Some(_)) => {}
                Err(_) => return,
            }
            self.shared.metrics.scrub.blobs.add(1);
            self.report();
        }
        for id in faults.ids().iter().filter(|id| !self.has_run(id)) {
            faults.clear(id);
        }
    }

    fn has_run(&self, id: &BlobId) -> bool {
        naming::has_run(&self.shared.applied.read(), id)
    }

    /// Waits until the next bytes may be read; false if the server stops.
    fn wait_for(&mut self, bytes: u64) -> bool {
        self.shared.metrics.scrub.bytes.add(bytes);
        let now_us = self.shared.clock.now_us();
        self.due_us = self.due_us.max(now_us) + bytes * 1_000_000 / SCRUB_BYTES_PER_S;
        loop {
            let now_us = self.shared.clock.now_us();
            if now_us >= self.due_us || self.is_over() {
                return !self.is_over();
            }
            std::thread::park_timeout(Duration::from_micros(self.due_us - now_us).min(LOOK));
        }
    }

    /// Logs what was found, by whomever, once.
    fn report(&self) {
        self.report_runs();
        let faults = self.shared.blobs.faults();
        for (blob, fault) in faults.take_unreported() {
            if !self.is_named(&blob) {
                faults.clear(&blob);
            } else if self.shared.peering.is_some() {
                tracing::error!(%blob, %fault, "a content that a record names is not what it should be; it is fetched from the peer");
            } else {
                tracing::error!(
                    %blob,
                    %fault,
                    "a content that a record names is not what it should be, and is not served. Post it again, or put a sound copy \
                     from a backup in its place: blobs/ and the name, with a / after its first two digits"
                );
            }
        }
    }

    fn report_runs(&self) {
        let Some(shelf) = &self.shared.shelf else { return };
        for (run, fault) in shelf.blobs().faults().take_unreported() {
            if self.shared.peering.is_some() {
                tracing::error!(%run, %fault, "a run of old items is not what it should be; it is fetched from the peer if that has it");
            } else {
                tracing::error!(
                    %run,
                    %fault,
                    "a run of old items is not what it should be: put a sound copy from a backup in its place: runs/ and the name, \
                     with a / after its first two digits"
                );
            }
        }
    }

    fn next(&self, after: Option<&BlobId>) -> Option<BlobId> {
        naming::next_named(&self.shared.applied, after).unwrap_or_else(|error| {
            tracing::warn!(%error, "can't read which blobs old items name; they are looked at with the next round");
            None
        })
    }

    fn is_named(&self, id: &BlobId) -> bool {
        naming::is_named(&self.shared.applied, id).unwrap_or(true)
    }
}
