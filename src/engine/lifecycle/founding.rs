//! Founding: a data directory gets its identity and its key before anything is served from it.

use std::io;
use std::path::{Path, PathBuf};

use super::vacancy::{self, Vacancy};
use crate::base::fingerprint::Fingerprint;
use crate::base::ids::{ClusterId, NodeId};
use crate::engine::shared::key::HostKey;
use crate::log::files::identity::Identity;
use crate::log::files::newcomer;
use crate::log::files::paired::Paired;
use crate::log::files::restoring::RESTORING_NAME;
use crate::log::recover::mend;
use crate::log::recover::{self, OpenOptions, RecoverError};
use crate::os::datadir::{DataDir, DataDirError};
use crate::os::files::RealDisk;
use crate::os::random;

/// Who a data directory is, as the peer has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The pair of hosts.
    pub cluster: ClusterId,
    /// The line of descent of its records; 0 unless the cluster was restored to an earlier instant.
    pub lineage: u64,
    /// This directory.
    pub node: NodeId,
    /// Its public key.
    pub key: Fingerprint,
}

/// Why a directory has no identity, or gets none.
#[derive(Debug, thiserror::Error)]
pub enum FoundError {
    /// It is in use, or can't be made.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// Something else is in it.
    #[error(
        "{} is not empty ({what}): an identity is made in an empty directory or a new one; nothing was changed",
        path.display()
    )]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// What was found in it.
        what: String,
    },
    /// It has one, which stays.
    #[error(
        "{} has an identity already, of the cluster {cluster}; `pixeld init --data-dir {0} --show` prints it. A host \
         that joins another one starts with an empty directory. Nothing was changed",
        path.display()
    )]
    Already {
        /// The directory.
        path: PathBuf,
        /// Its cluster.
        cluster: ClusterId,
    },
    /// It has no records to share yet.
    #[error("{} has not joined its own first host yet: invite others on that one; nothing was changed", path.display())]
    Joining {
        /// The directory.
        path: PathBuf,
    },
    /// It has none.
    #[error("{} is not a data directory; `pixeld init` or `pixeld serve` makes one", path.display())]
    None {
        /// The directory.
        path: PathBuf,
    },
    /// Its journal can't be begun.
    #[error("{}: {source}", path.display())]
    Journal {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: RecoverError,
    },
    /// Its files.
    #[error("{}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Gives the directory at `path` an identity and a key, durable when this returns: in the cluster and lineage `join`, or in a new one.
/// The directory is made if there is none; one that exists has to be empty, but for what an earlier try left.
///
/// # Errors
/// Fails as [`FoundError`] says; what was there is unchanged.
pub fn found(path: &Path, segment_bytes: u64, join: Option<(ClusterId, u64)>) -> Result<Known, FoundError> {
    found_paired(path, segment_bytes, join, None)
}

/// Does the same, and has the directory know the host that it joins.
///
/// # Errors
/// Fails as [`FoundError`] says; what was there is unchanged.
pub(super) fn found_paired(
    path: &Path,
    segment_bytes: u64,
    join: Option<(ClusterId, u64)>,
    paired: Option<&Paired>,
) -> Result<Known, FoundError> {
    let io = |source| FoundError::Io { path: path.to_owned(), source };
    let fresh = || -> io::Result<_> {
        let cluster = join.map_or_else(random::cluster_id, |(cluster, _)| Ok(cluster))?;
        Ok((cluster, random::node_id()?, random::start()?))
    };
    if path.is_dir() {
        must_be_empty(path)?;
    }
    let directory = DataDir::open(path)?;
    let disk = directory.disk();
    must_be_empty(path)?;
    let (cluster, node, random) = fresh().map_err(io)?;
    let key = HostKey::load_or_make(&*disk).map_err(io)?.fingerprint();
    match join {
        Some(_) => newcomer::mark(&*disk).map_err(io)?,
        // An earlier try may have been to join.
        None => newcomer::clear(&*disk).map(drop).map_err(io)?,
    }
    match paired {
        Some(paired) => paired.store(&*disk).map_err(io)?,
        None => Paired::forget(&*disk).map_err(io)?,
    }
    let options = OpenOptions { segment_bytes, accept_loss: false, cluster, node, random };
    // Opening a new journal makes its first segment and then, last of all, the identity.
    let journal = |source| FoundError::Journal { path: path.to_owned(), source };
    let opened = recover::open(&disk, &options, &mut |_| Ok(())).map_err(journal)?;
    let lineage = join.map_or(0, |(_, lineage)| lineage);
    if lineage != 0 {
        // Killed before this, it is refused by the first host, and made anew.
        Identity { lineage, ..opened.identity }.store(&*disk).map_err(io)?;
    }
    Ok(Known { cluster: opened.identity.cluster, lineage, node: opened.identity.node, key })
}

/// Makes the identity of the directory at `path` again from what its segments say, if its file is damaged or gone; the key
/// too, if that is gone. No server may be running on it.
///
/// # Errors
/// Fails as [`FoundError`] says; what was there is unchanged.
pub fn mend(path: &Path) -> Result<Known, FoundError> {
    let io = |source| FoundError::Io { path: path.to_owned(), source };
    if !path.is_dir() || !matches!(vacancy::look(path).map_err(io)?, Vacancy::Ours(_)) {
        return Err(FoundError::None { path: path.to_owned() });
    }
    let directory = DataDir::open(path)?;
    let disk = directory.disk();
    let identity =
        mend::mend(&*disk).map_err(|source| FoundError::Journal { path: path.to_owned(), source })?;
    let key = HostKey::load_or_make(&*disk).map_err(io)?.fingerprint();
    let Identity { cluster, lineage, node, .. } = identity;
    Ok(Known { cluster, lineage, node, key })
}

/// Returns who the directory at `path` is. A server may be running on it.
///
/// # Errors
/// Fails as [`FoundError`] says.
pub fn known(path: &Path) -> Result<Known, FoundError> {
    let io = |source| FoundError::Io { path: path.to_owned(), source };
    let none = || FoundError::None { path: path.to_owned() };
    if !path.is_dir() {
        return Err(none());
    }
    let disk = RealDisk::open(path).map_err(io)?;
    let identity = Identity::load(&disk).map_err(io)?.ok_or_else(none)?;
    let key = match HostKey::load(&disk).map_err(io)? {
        Some(key) => key,
        // Of a time before there were keys. A server that runs now makes none any more.
        None => HostKey::load_or_make(&*DataDir::open(path)?.disk()).map_err(io)?,
    };
    let Identity { cluster, lineage, node, .. } = identity;
    Ok(Known { cluster, lineage, node, key: key.fingerprint() })
}

/// Checks that nothing is there but what [`found`], or a first start, makes before the identity.
fn must_be_empty(path: &Path) -> Result<(), FoundError> {
    let io = |source| FoundError::Io { path: path.to_owned(), source };
    let what = match vacancy::look(path).map_err(io)? {
        Vacancy::Vacant => return Ok(()),
        Vacancy::Taken(what) => what,
        Vacancy::Restoring => RESTORING_NAME.to_owned(),
        Vacancy::Ours(what) => match Identity::load(&RealDisk::open(path).map_err(io)?).map_err(io)? {
            Some(identity) => {
                return Err(FoundError::Already { path: path.to_owned(), cluster: identity.cluster });
            }
            None => what,
        },
    };
    Err(FoundError::NotEmpty { path: path.to_owned(), what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::SEGMENT_BYTES_MIN;
    use crate::os::datadir::LOCK_NAME;

    #[test]
    fn an_identity_is_made_once_and_joined_by_others() {
        let parent = tempfile::tempdir().unwrap();
        let (a, b) = (parent.path().join("a"), parent.path().join("b"));
        assert!(matches!(known(&a), Err(FoundError::None { .. })));
        let first = found(&a, SEGMENT_BYTES_MIN, None).unwrap();
        assert_eq!(known(&a).unwrap(), first);
        let second = found(&b, SEGMENT_BYTES_MIN, Some((first.cluster, 9))).unwrap();
        assert_eq!((second.cluster, second.lineage), (first.cluster, 9));
        assert_eq!(known(&b).unwrap(), second);
        assert!(second.node != first.node && second.key != first.key);
        for join in [None, Some((second.cluster, 0)), Some((ClusterId([1; 16]), 0))] {
            assert!(matches!(found(&a, SEGMENT_BYTES_MIN, join), Err(FoundError::Already { .. })));
        }
        assert_eq!(known(&a).unwrap(), first);
    }

    #[test]
    fn only_an_empty_directory_is_taken_or_one_that_was_half_done() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("letter"), "dear").unwrap();
        let refused = found(directory.path(), SEGMENT_BYTES_MIN, None);
        assert!(matches!(refused, Err(FoundError::NotEmpty { what, .. }) if what == "letter"));
        assert!(!directory.path().join(LOCK_NAME).exists(), "nothing was changed");
        std::fs::remove_file(directory.path().join("letter")).unwrap();
        let made = found(directory.path(), SEGMENT_BYTES_MIN, None).unwrap();
        std::fs::remove_file(directory.path().join("identity")).unwrap();
        let again = found(directory.path(), SEGMENT_BYTES_MIN, None).unwrap();
        assert!(again.node != made.node && again.key == made.key, "it was not finished without an identity");
    }
}
