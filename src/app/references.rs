//! How often each blob is named by a state, and which ones it has ceased to name.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::base::blob::BlobId;

/// The blobs of one state.
#[derive(Clone, Debug, Default)]
pub struct References {
    counts: BTreeMap<BlobId, u64>,
    released: Vec<BlobId>,
}

impl References {
    /// Notes that one more record names the blob.
    pub fn add(&mut self, id: BlobId) {
        *self.counts.entry(id).or_default() += 1;
    }

    /// Notes that one record fewer names the blob. It must have been added.
    pub fn remove(&mut self, id: BlobId) {
        if let Some(count) = self.counts.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&id);
                self.released.push(id);
            }
        }
    }

    /// Notes that one record fewer names the blob here because a run names it: nothing is released.
    pub fn forget(&mut self, id: &BlobId) {
        if let Some(count) = self.counts.get_mut(id) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(id);
            }
        }
    }

    /// Notes that a run has ceased to name the blob: it goes unless something else names it.
    pub fn release(&mut self, id: BlobId) {
        self.released.push(id);
    }

    /// Notes a record that was undone before it was counted: it may have brought the blob with it.
    pub fn pass(&mut self, id: BlobId) {
        if !self.contains(&id) {
            self.released.push(id);
        }
    }

    /// Returns whether any record names it.
    #[must_use]
    pub fn contains(&self, id: &BlobId) -> bool {
        self.counts.contains_key(id)
    }

    /// Returns the first blob behind `after` that a record names, from the first one on without.
    #[must_use]
    pub fn next(&self, after: Option<&BlobId>) -> Option<BlobId> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(*after));
        self.counts.range((from, Bound::Unbounded)).next().map(|(id, _)| *id)
    }

    /// Returns whether there are blobs that no record names any more.
    #[must_use]
    pub fn has_released(&self) -> bool {
        !self.released.is_empty()
    }

    /// Returns whether this one is among them.
    #[must_use]
    pub fn has_released_blob(&self, id: &BlobId) -> bool {
        self.released.contains(id)
    }

    /// Gives those blobs, once.
    pub fn take_released(&mut self) -> Vec<BlobId> {
        std::mem::take(&mut self.released)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_takes_nothing_from_those_who_stay() {
        let (mut references, id) = (References::default(), BlobId([1; 32]));
        references.add(id);
        references.pass(id);
        assert!(references.contains(&id) && !references.has_released());
        references.remove(id);
        assert_eq!((references.contains(&id), references.take_released()), (false, vec![id]));
        references.pass(id);
        assert_eq!(references.take_released(), [id]);
    }
}
