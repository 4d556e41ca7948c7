//! The blobs of a data directory, as `pixeld inspect` looks at them: what the records come to is replayed, and each content
//! that is named then is read and compared with its name. Changes nothing.

use std::io;
use std::sync::Arc;

use crate::app::applied::Applied;
use crate::app::naming;
use crate::apps::registry;
use crate::base::blob::BlobId;
use crate::base::vector::VersionVector;
use crate::engine::lifecycle::rebuilding::Rebuilding;
use crate::log::blobs::check::{Fault, check};
use crate::log::blobs::files::FileStore;
use crate::log::inspect::{InspectError, batches};
use crate::log::recover::{Replay, joining};
use crate::log::runs::shelf::Shelf;
use crate::log::snapshot;
use crate::os::disk::Disk;

/// What was found.
pub(super) struct Look {
    /// Number of contents that records name.
    pub named: u64,
    /// Those that are not what they should be.
    pub faults: Vec<(BlobId, Fault)>,
    /// What the records come to, where all of it could be read.
    pub states: Option<States>,
}

/// What records come to.
#[derive(PartialEq, Eq)]
pub(super) struct States {
    /// Which records they are.
    pub vector: VersionVector,
    /// The digest of each application, by its id.
    pub digests: Vec<(u8, [u8; 32])>,
}

impl Look {
    /// Returns a line for each of them.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.faults.iter().map(|(id, fault)| format!("{id} is {fault}"))
    }

    /// Fails if there are any, of so many.
    pub(super) fn verdict(&self) -> Result<(), InspectError> {
        match self.faults.len() {
            0 => Ok(()),
            faults => Err(InspectError::Blobs { faults, named: self.named }),
        }
    }
}

/// Looks at every blob. While a host joins, what its records name is not settled, and nothing is looked at.
///
/// # Errors
/// Returns the error of the journal and of the disk.
pub(super) fn look(disk: &Arc<dyn Disk>) -> Result<Look, InspectError> {
    let mut look = Look { named: 0, faults: Vec::new(), states: None };
    if joining::is_marked(&**disk).map_err(failed("looking for a mark"))? {
        return Ok(look);
    }
    let (applied, store) = (replayed(disk)?, FileStore::new(disk.clone()));
    look_at_runs(&applied, &mut look)?;
    let digests = match applied.digests() {
        // Of a run that is what its name says, nobody else would tell that it can't be read.
        Err(error) if error.kind() == io::ErrorKind::InvalidData && look.faults.is_empty() => {
            return Err(failed("reading a run")(error));
        }
        digests => digests.ok(),
    };
    look.states = digests.map(|digests| States { vector: applied.vector.clone(), digests });
    let mut last = None;
    let next =
        |last: Option<BlobId>| naming::next_of(&applied, last.as_ref()).map_err(failed("reading a run"));
    while let Some(id) = next(last)? {
        look.named += 1;
        if let Some(fault) = check(&store, &id, &mut |_| true).map_err(failed("reading a blob"))? {
            look.faults.push((id, fault));
        }
        last = Some(id);
    }
    if !look.faults.is_empty() {
        // A server that runs removes what nothing names any more.
        let applied = replayed(disk)?;
        let is_run = |id: &BlobId| runs_of(&applied).any(|(run, _)| run == *id);
        look.faults.retain(|(id, _)| is_run(id) || naming::names(&applied, id).unwrap_or(true));
    }
    Ok(look)
}

/// Looks at every run: its content is compared with its name, as that of any blob.
fn look_at_runs(applied: &Applied, look: &mut Look) -> Result<(), InspectError> {
    for (id, shelf) in runs_of(applied) {
        look.named += 1;
        let fault = shelf.blobs().check(&id, &mut |_| true).map_err(failed("reading a run"))?;
        look.faults.extend(fault.map(|fault| (id, fault)));
    }
    Ok(())
}

fn runs_of(applied: &Applied) -> impl Iterator<Item = (BlobId, &Shelf)> {
    let runs = applied.aging().flat_map(|(_, aging)| aging.old().runs());
    runs.filter_map(|id| Some((id, applied.shelf.as_ref()?)))
}

/// Returns what the newest snapshot and the journal behind it come to.
pub(super) fn replayed(disk: &Arc<dyn Disk>) -> Result<Applied, InspectError> {
    let (shelf, disk) = (Shelf::new(disk.clone()), &**disk);
    let files = snapshot::files(disk).map_err(failed("listing snapshots"))?;
    // One that can't be read was reported already; a start goes on from the older one.
    let stored = files.into_iter().find_map(|file| snapshot::load(disk, file).ok());
    let mut rebuilding = Rebuilding::new(false, registry::new_applied, shelf);
    let mut taken = stored.map_or(Ok(()), |stored| rebuilding.take(Replay::Snapshot(&stored)));
    let from = rebuilding.applied().position;
    batches(disk, &mut |batch| {
        if batch.end > from && taken.is_ok() {
            taken = rebuilding.take(Replay::Batch(batch));
        }
    })?;
    taken.map_err(|error| failed("replaying the journal")(io::Error::other(error)))?;
    Ok(rebuilding.take_applied())
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> InspectError {
    move |source| InspectError::Io { what, source }
}
