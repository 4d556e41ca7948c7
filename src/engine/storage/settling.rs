//! Settling: what a start owes the disk before anything may be written is paid when there is room and a right to.

use super::backoff::Backoff;
use crate::engine::shared::log_throttle::LogThrottle;
use crate::engine::shared::refused::Refused;
use crate::log::blobs::Blobs;
use crate::log::files::identity::Identity;
use crate::log::files::newcomer;
use crate::log::recover::owed::{Owed, Unsettled};
use crate::log::runs::shelf::Shelf;
use crate::os::disk::Disk;

/// A debt that could not be paid at the start.
pub struct Settling {
    owed: Owed,
    /// Why it was not paid yet.
    refused: Refused,
    backoff: Backoff,
    throttle: LogThrottle,
}

impl Settling {
    /// Tries to pay at once; gives the copies of a torn tail, or the debt, if there is hope.
    ///
    /// # Errors
    /// Any error is final.
    pub fn begin(mut owed: Owed) -> Result<Result<Vec<String>, Self>, Unsettled> {
        match owed.settle() {
            Ok(copies) => Ok(Ok(copies)),
            Err(unsettled) if unsettled.is_final => Err(unsettled),
            Err(Unsettled { what, source, .. }) => {
                let refused = Refused::unsettled(what, &source);
                Ok(Err(Self { owed, refused, backoff: Backoff::default(), throttle: LogThrottle::default() }))
            }
        }
    }

    /// Returns the same debt with another number of the start.
    #[must_use]
    pub fn renumbered(mut self, identity: Identity) -> Self {
        self.owed.renumber(identity);
        self
    }

    /// Returns why writes are refused meanwhile.
    #[must_use]
    pub fn refused(&self) -> &Refused {
        &self.refused
    }

    /// Tries again if it is due; gives the copies of a torn tail once everything is paid.
    ///
    /// # Errors
    /// Any error is final.
    pub fn look(&mut self, now_us: u64) -> Result<Option<Vec<String>>, Unsettled> {
        if !self.backoff.is_due(now_us) {
            return Ok(None);
        }
        match self.owed.settle() {
            Ok(copies) => Ok(Some(copies)),
            Err(unsettled) if unsettled.is_final => Err(unsettled),
            Err(Unsettled { what, source, .. }) => {
                self.backoff.failed(now_us);
                self.refused = Refused::unsettled(what, &source);
                if self.throttle.is_news(&self.refused.reason, now_us) {
                    tracing::error!(
                        reason = self.refused.reason,
                        "the data directory can't be written: reads are served, writes are refused until it can"
                    );
                }
                Ok(None)
            }
        }
    }
}

/// Removes what a crash has left and nothing needs, once the directory may be written, and before anything is: a mark of a newcomer
/// beside what was written since, and blobs that were never finished. What can't be removed only takes room.
pub fn tidy_up(disk: &dyn Disk, blobs: &Blobs, is_newcomer: bool) {
    let cleared = if is_newcomer { Ok(false) } else { newcomer::clear(disk) };
    if let Err(error) = cleared.and_then(|_| blobs.remove_unfinished()) {
        tracing::warn!(%error, "can't remove what a crash has left; the next start tries again");
    }
}

/// Removes what a crash left of runs that were being written. A run that no snapshot names goes when the next one is folded.
pub fn clear_shelf(shelf: Option<&Shelf>) {
    if let Some(Err(error)) = shelf.map(|shelf| shelf.blobs().remove_unfinished()) {
        tracing::warn!(%error, "can't remove what a crash has left of a run; the next start tries again");
    }
}
