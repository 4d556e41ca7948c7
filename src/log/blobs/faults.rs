//! The blobs that are known to be missing or damaged although a record names them, until they are mended.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::check::Fault;
use crate::base::blob::BlobId;

/// What is known of one host's blobs.
#[derive(Default)]
pub struct Faults(Mutex<BTreeMap<BlobId, Known>>);

#[derive(Clone, Copy)]
struct Known {
    fault: Fault,
    /// It was logged for an operator.
    is_reported: bool,
    /// The peer was asked for it.
    is_asked: bool,
}

/// How many there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Blobs that are not there.
    pub missing: u64,
    /// Blobs with another content.
    pub damaged: u64,
}

impl Faults {
    /// Takes note that a blob is not what it should be.
    pub fn note(&self, id: BlobId, fault: Fault) {
        let news = Known { fault, is_reported: false, is_asked: false };
        let mut known = self.known();
        if known.get(&id).is_none_or(|known| known.fault != fault) {
            known.insert(id, news);
        }
    }

    /// Returns what is known to be wrong with a blob.
    #[must_use]
    pub fn of(&self, id: &BlobId) -> Option<Fault> {
        self.known().get(id).map(|known| known.fault)
    }

    /// Notes that the blob is sound, or that nobody needs it any more; gives whether something was wrong with it.
    pub fn clear(&self, id: &BlobId) -> bool {
        self.known().remove(id).is_some()
    }

    /// Returns every blob that is missing or damaged.
    #[must_use]
    pub fn ids(&self) -> Vec<BlobId> {
        self.known().keys().copied().collect()
    }

    /// Gives what an operator was not told of yet, once.
    #[must_use]
    pub fn take_unreported(&self) -> Vec<(BlobId, Fault)> {
        let mut known = self.known();
        let untold = |(id, known): (&BlobId, &mut Known)| {
            (!std::mem::replace(&mut known.is_reported, true)).then_some((*id, known.fault))
        };
        known.iter_mut().filter_map(untold).collect()
    }

    /// Gives a blob for which the peer was not asked yet; it counts as asked from now on.
    #[must_use]
    pub fn take_unasked(&self) -> Option<BlobId> {
        let mut known = self.known();
        let (id, unasked) = known.iter_mut().find(|(_, known)| !known.is_asked)?;
        unasked.is_asked = true;
        Some(*id)
    }

    /// Asks again for what the peer did not have: it may by now.
    pub fn ask_again(&self) {
        self.known().values_mut().for_each(|known| known.is_asked = false);
    }

    /// Returns how many blobs are missing or damaged.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let known = self.known();
        let damaged = known.values().filter(|known| known.fault == Fault::Damaged).count() as u64;
        Counts { missing: known.len() as u64 - damaged, damaged }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<BlobId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
