//! The shelf: where a host's runs are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::item::Item;
use super::merge::{self, Part};
use super::run::Run;
use super::writer;
use crate::base::blob::BlobId;
use crate::log::blobs::files::FileStore;
use crate::log::blobs::store::BlobStore;
use crate::log::blobs::{Blobs, Pin};
use crate::os::disk::Disk;

/// The directory.
pub const DIRECTORY: &str = "runs";

/// The runs of one host. A clone is the same shelf.
#[derive(Clone)]
pub struct Shelf {
    blobs: Arc<Blobs>,
    /// What is open: a run is read once, however many states name it.
    open: Arc<Mutex<BTreeMap<BlobId, Weak<Run>>>>,
}

impl Shelf {
    /// Returns the shelf below the directory that `disk` is. Touches nothing.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self::over(Box::new(FileStore::below(disk, DIRECTORY)))
    }

    /// Returns the shelf in another place.
    #[must_use]
    pub fn over(store: Box<dyn BlobStore>) -> Self {
        Self { blobs: Arc::new(Blobs::new(store)), open: Arc::default() }
    }

    /// Returns the runs as contents with names, for those who send, check and mend them.
    #[must_use]
    pub fn blobs(&self) -> &Arc<Blobs> {
        &self.blobs
    }

    /// Opens a run. Waits for the disk, unless somebody has it open.
    ///
    /// # Errors
    /// Fails with `NotFound`, `InvalidData` for a damaged one or one of a later program, or with the error of the disk.
    pub fn open(&self, id: &BlobId) -> io::Result<Arc<Run>> {
        match self.opened(id) {
            Some(run) => Ok(run),
            None => self.open_pinned(self.blobs.pin(*id)),
        }
    }

    /// Has everybody who has a run open read its file anew: another one has taken its place, whose content is sound.
    ///
    /// # Errors
    /// Fails as [`Shelf::open`] does; the run is read from the file that it had.
    pub fn renew(&self, id: &BlobId) -> io::Result<()> {
        let Some(run) = self.opened(id) else { return Ok(()) };
        // Who has read the old file meanwhile has noted that it is damaged.
        self.blobs.faults().clear(id);
        run.renew(self.blobs.open(id)?);
        self.blobs.faults().clear(id);
        Ok(())
    }

    /// Writes a run of these items.
    ///
    /// # Errors
    /// Returns the error of writing; nothing is left then.
    pub fn write(&self, app: u8, items: &[Item]) -> io::Result<Arc<Run>> {
        self.open_pinned(writer::write(self.blobs.writer()?, app, items)?)
    }

    /// Merges runs without what is gone of them.
    ///
    /// # Errors
    /// Fails as [`Shelf::write`] does, and with the error of reading.
    pub fn merge(&self, app: u8, parts: &[Part<'_>]) -> io::Result<Arc<Run>> {
        self.open_pinned(merge::merge(self.blobs.writer()?, app, parts)?)
    }

    /// Removes all runs that are not among `named` and that nobody has open, and what was never finished.
    ///
    /// # Errors
    /// Returns the error of the disk; what is left goes with the next sweep.
    pub fn sweep(&self, named: &BTreeSet<BlobId>) -> io::Result<u64> {
        self.blobs.clear_abandoned()?;
        let (removed, _) = self.blobs.remove(self.blobs.list()?, |id| named.contains(id))?;
        Ok(removed)
    }

    fn opened(&self, id: &BlobId) -> Option<Arc<Run>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(id)?.upgrade()
    }

    fn open_pinned(&self, pin: Pin) -> io::Result<Arc<Run>> {
        let id = pin.id();
        let named = |error: io::Error| io::Error::new(error.kind(), format!("the run {id}: {error}"));
        let reader = self.blobs.open(&id).map_err(named)?;
        let run = Arc::new(Run::open(pin, reader)?);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, run| run.strong_count() > 0);
        open.insert(id, Arc::downgrade(&run));
        Ok(run)
    }
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}
