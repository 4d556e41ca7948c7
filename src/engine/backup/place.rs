//! Where a backup is, and how it is opened.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::error::{BackupError, failed};
use super::folder::Folder;
use super::target::Target;
use crate::log::files::identity::Identity;
use crate::os::disk::Disk;
use crate::os::files::RealDisk;

/// Where a backup is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// A part of a bucket.
    #[cfg(feature = "s3")]
    Bucket {
        /// Its name.
        bucket: String,
        /// The start of the names of all objects of the backup.
        prefix: String,
    },
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            #[cfg(feature = "s3")]
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// Waits for as long as a server may need to write a batch.
pub(super) fn pause() {
    sleep(Duration::from_millis(20));
}

/// Opens a place that a backup of the directory `source` is written to; it is made if it is missing.
pub(super) fn open_to_write(place: &Place, source: &Path) -> Result<Box<dyn Target>, BackupError> {
    match place {
        Place::Folder(path) => Ok(Box::new(Folder::open(path, source)?)),
        #[cfg(feature = "s3")]
        Place::Bucket { bucket, prefix } => Ok(Box::new(super::bucket::Bucket::open(bucket, prefix)?)),
    }
}

/// Opens a backup for reading.
pub(super) fn open_to_read(place: &Place) -> Result<Arc<dyn Disk>, BackupError> {
    match place {
        Place::Folder(path) => {
            let disk = RealDisk::open(path).map_err(failed(format!("opening {}", path.display())))?;
            Ok(Arc::new(disk))
        }
        #[cfg(feature = "s3")]
        Place::Bucket { bucket, prefix } => Ok(super::bucket::Bucket::open(bucket, prefix)?.disk()),
    }
}

/// Returns whose the files at `place` are; nothing if there is no identity. A content that is wrong is damage, and no trouble of the machine.
pub(super) fn identity_of(
    disk: &dyn Disk,
    place: impl Display,
    damaged: impl FnOnce(String) -> BackupError,
) -> Result<Option<Identity>, BackupError> {
    Identity::load(disk).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => damaged(error.to_string()),
        _ => failed(format!("reading {place}"))(error),
    })
}

/// Fails if the directory at `path` is not the one any more that a backup to `place` began with. One that was replaced, or whose disk
/// is not mounted any more, looks like one to which nothing is written.
pub(super) fn still(
    path: &Path,
    disk: &dyn Disk,
    begun: &Identity,
    place: &Place,
) -> Result<(), BackupError> {
    let damaged = |error| BackupError::SourceDamaged { path: path.to_owned(), error };
    let Some(now) = identity_of(disk, path.display(), damaged)? else {
        let why = "is not there, or holds no data directory any more: it has no file identity".to_owned();
        return Err(BackupError::Source { path: path.to_owned(), why });
    };
    if (now.node, now.lineage) == (begun.node, begun.lineage) {
        return Ok(());
    }
    let (before, now) = told_apart(begun, &now);
    Err(BackupError::Replaced { place: place.to_string(), path: path.to_owned(), before, now })
}

/// Returns a name for each of two directories: their ids, and where these are the same what differs.
pub(super) fn told_apart(one: &Identity, other: &Identity) -> (String, String) {
    let name = |of: &Identity| match (one.node == other.node, one.cluster == other.cluster) {
        (false, _) => of.node.to_string(),
        (true, false) => format!("{} of the cluster {}", of.node, of.cluster),
        (true, true) => format!("{} of the lineage {:016x}", of.node, of.lineage),
    };
    (name(one), name(other))
}
