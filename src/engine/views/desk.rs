//! What the thread of the views has at hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::app::applied_lock::AppliedLock;
use crate::app::view::ViewDesk;
use crate::app::wait::{Ticket, Wake};
use crate::base::ids::NodeId;
use crate::engine::shared::Shared;
use crate::log::read::reader::Reader;
use crate::os::clock::wall_us;
use crate::os::disk::Disk;

/// The desk of the one thread.
pub struct OwnDesk {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    is_over: Arc<AtomicBool>,
}

impl OwnDesk {
    /// Returns the desk of a server, which has ended once `is_over`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, disk: Arc<dyn Disk>, is_over: Arc<AtomicBool>) -> Self {
        Self { shared, disk, is_over }
    }

    /// Returns what the threads of the server share.
    #[must_use]
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Returns whether the thread has to end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

impl ViewDesk for OwnDesk {
    fn applied(&self) -> &AppliedLock {
        &self.shared.applied
    }

    fn reader(&self) -> &Arc<Reader> {
        &self.shared.reader
    }

    fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    fn has_room(&self) -> bool {
        !self.shared.space.is_short() && !self.shared.space.is_unsettled()
    }

    fn node(&self) -> NodeId {
        self.shared.node
    }

    fn clock_us(&self) -> u64 {
        self.shared.clock.now_us()
    }

    fn wall_us(&self) -> u64 {
        wall_us()
    }

    fn wake(&self, ticket: Ticket) {
        Wake::wake(&*self.shared, ticket);
    }

    fn is_over(&self) -> bool {
        self.has_ended()
    }

    fn warn(&self, sentence: &str) {
        tracing::warn!("{sentence}");
    }
}
