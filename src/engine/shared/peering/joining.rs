//! Joining: an empty host takes the peer's snapshot, and then the batches that the peer still keeps.
//!
//! ```text
//! link: offer -> commit step: the journal stands behind the starts, the state is the peer's
//!   -> batches as always; those that the state holds are kept and not applied
//!   -> commit step: everything up to the snapshot is there -> keeper: a snapshot of this host's own
//! ```
//!
//! Until then nothing is worth anything after a crash, so this host's own records wait. With or without a snapshot a host
//! has joined when it has the goal: all that the first host had when the two met first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::ids::Position;
use crate::base::streams::Streams;
use crate::base::vector::VersionVector;
use crate::log::blobs::Pin;
use crate::log::runs::run::Run;
use crate::log::snapshot::Snapshot;
use crate::os::disk::Disk;

/// A snapshot that came whole.
pub struct Join {
    /// Where each stream stands before the first batch that follows.
    pub starts: Streams,
    /// The peer's state, and how far its streams had come: batches up to there are kept and not applied.
    pub snapshot: Snapshot,
    /// The blobs that came with it; to be held until the state that names them is in force.
    pub blobs: Vec<Pin>,
    /// The runs that the snapshot names, open.
    pub runs: Vec<Arc<Run>>,
}

/// What link, commit step and keeper hand each other while a host joins.
#[derive(Default)]
pub struct Joining {
    under_way: AtomicBool,
    /// A snapshot was adopted; nothing ends the joining any more but its success.
    adopted: AtomicBool,
    offered: AtomicBool,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    offer: Option<(Arc<dyn Disk>, Join)>,
    /// What became of the offer.
    outcome: Option<Result<(), String>>,
    joined: Option<Snapshot>,
    goal: Option<Arc<VersionVector>>,
}

impl Joining {
    /// Sets what this host has to have before it has joined.
    pub fn aim(&self, goal: VersionVector) {
        self.slot().goal = Some(Arc::new(goal));
    }

    /// Returns what this host has to have before it has joined; nothing before the first host was met.
    #[must_use]
    pub fn goal(&self) -> Option<Arc<VersionVector>> {
        self.slot().goal.clone()
    }

    /// Offers the snapshot that the link has received. The link then has a commit started
    /// ([`crate::engine::replication::arrivals::Arrivals::commit`]) and waits for [`Joining::take_outcome`], for which the bell
    /// rings. `disk` is the data directory.
    pub fn offer(&self, disk: Arc<dyn Disk>, join: Join) {
        self.slot().offer = Some((disk, join));
        self.under_way.store(true, Ordering::Release);
        self.offered.store(true, Ordering::Release);
    }

    /// Takes the offer back when the connection that brought the snapshot is over. What the commit step has not taken yet is
    /// dropped: the next connection brings another one.
    pub fn withdraw(&self) {
        if self.slot().offer.take().is_some() {
            self.offered.store(false, Ordering::Release);
            self.under_way.store(self.adopted.load(Ordering::Acquire), Ordering::Release);
        }
    }

    /// Returns whether the commit step has an offer to look at.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        self.offered.load(Ordering::Acquire)
    }

    /// Returns whether a snapshot is on its way in: from the offer until the journal holds all of it, or it was refused.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.under_way.load(Ordering::Acquire)
    }

    /// Takes the offer, in the commit step.
    #[must_use]
    pub fn take_offer(&self) -> Option<(Arc<dyn Disk>, Join)> {
        self.offered.store(false, Ordering::Release);
        self.slot().offer.take()
    }

    /// Says that the commit step has adopted the snapshot, or why not.
    pub fn settle(&self, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.adopted.store(true, Ordering::Release),
            // A second offer, of a connection that followed on the first one's, comes too late and changes nothing.
            Err(_) => self.under_way.store(self.adopted.load(Ordering::Acquire), Ordering::Release),
        }
        self.slot().outcome = Some(outcome);
    }

    /// Returns what became of the offer, once: if it was adopted, batches may follow.
    #[must_use]
    pub fn take_outcome(&self) -> Option<Result<(), String>> {
        self.slot().outcome.take()
    }

    /// Takes this host's own snapshot, once everything up to the peer's is in the journal.
    pub fn reached(&self, snapshot: Snapshot) {
        self.slot().joined = Some(snapshot);
    }

    /// Returns that snapshot, once all before it is durable, for the keeper to store.
    #[must_use]
    pub fn joined(&self, synced: Position) -> Option<Snapshot> {
        self.slot().joined.clone().filter(|snapshot| snapshot.position <= synced)
    }

    /// Says that the keeper has stored it: a crash takes nothing of it any more.
    pub fn end(&self) {
        self.slot().joined = None;
        self.adopted.store(false, Ordering::Release);
        self.under_way.store(false, Ordering::Release);
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
