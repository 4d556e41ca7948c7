//! Opening a data directory: lock, recovery, and the state that its records add up to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rebuilding::{Replayed, replayed};
use super::vacancy::{self, Vacancy};
use crate::app::applied::Applied;
use crate::app::members::{Seating, Ties};
use crate::app::returning;
use crate::base::ids::{NodeId, Position};
use crate::base::kinds::Kinds;
use crate::base::limits::SNAPSHOTS_KEPT;
use crate::base::seat::Seat;
use crate::base::streams::Streams;
use crate::base::vector::VersionVector;
use crate::engine::shared::key::HostKey;
use crate::engine::shared::settings::{BlobPlace, PeerSettings, Settings, Trust};
use crate::engine::storage::settling::{self, Settling};
use crate::log::blobs::Blobs;
use crate::log::blobs::files::FileStore;
use crate::log::blobs::store::BlobStore;
use crate::log::files::known_peer::KnownPeer;
use crate::log::files::newcomer::{self, Mark};
use crate::log::files::paired::Paired;
use crate::log::recover::{OpenOptions, Opened, RecoverError};
use crate::log::snapshot::{self, Snapshot, SnapshotFile};
use crate::os::datadir::{DataDir, DataDirError};
use crate::os::disk::{Disk, is_bad_medium};
use crate::os::random;

/// Why a data directory can't be served from.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is in use, or can't be made.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// It is somebody's.
    #[error(
        "{} is not a data directory and not empty: {what} in it does not belong to pixeld. Serve from an empty directory or a new \
         one: --data-dir. Nothing was changed",
        path.display()
    )]
    Taken {
        /// The directory.
        path: PathBuf,
        /// The first file in it that does not belong to pixeld.
        what: String,
    },
    /// A backup is being put back into it, or was not to the end.
    #[error(
        "{} holds a part of a backup: `pixeld restore` did not come to its end there, or still runs. Run it again with the same \
         directory; nothing was changed",
        path.display()
    )]
    Restoring {
        /// The directory.
        path: PathBuf,
    },
    /// Its journal.
    #[error("the journal in {}: {source}", path.display())]
    Journal {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: RecoverError,
    },
    /// The file that says that it is new.
    #[error("the file that says that this host is joining: {0}; `pixeld forget-peer` removes it")]
    Newcomers(#[source] std::io::Error),
    /// It was made to join, and nobody is to be joined.
    #[error(
        "{} was made by `pixeld init --join` and does not have everything of the first host yet, so --peer or --peer-listen \
         is needed, and --peer-key, or --log; if that host is lost for good, `pixeld forget-peer --data-dir {0}` lets this one serve \
         what it has",
        path.display()
    )]
    Newcomer {
        /// The directory.
        path: PathBuf,
    },
    /// The beginning of the list after a loss that was accepted.
    #[error("noting where the list begins: {0}")]
    List(#[source] std::io::Error),
    /// Its blobs.
    #[error("the blobs: {0}")]
    Blobs(#[source] std::io::Error),
    /// The file that names the peer.
    #[error("the file that says what the peer has: {0}; `pixeld forget-peer` removes it if it is damaged")]
    Peer(std::io::Error),
    /// This host's key, which tells it from its peer.
    #[error("the key of this host: {0}")]
    Key(#[source] std::io::Error),
    /// No randomness for identities.
    #[error("no random numbers: {0}")]
    Random(#[from] std::io::Error),
}

/// An opened data directory.
pub struct Opening {
    /// The lock.
    pub directory: DataDir,
    /// The state as of the journal's end.
    pub applied: Applied,
    /// The journal.
    pub opened: Opened,
    /// The snapshot that the start began with.
    pub last: Snapshot,
    /// Its file; nothing before the first one.
    pub last_file: Option<SnapshotFile>,
    /// The blobs, without those that nothing names.
    pub blobs: Arc<Blobs>,
    /// The peer that was known when the process ended last.
    pub known_peer: Option<KnownPeer>,
    /// It was made to join a first host, of which it does not have everything yet.
    pub newcomer: Option<Mark>,
    /// What the disk does not take yet: until then this host serves reads only.
    pub settling: Option<Settling>,
}

/// Locks, recovers and replays. A directory that can't be written, on a full disk or a read-only one, is opened for
/// reading.
///
/// # Errors
/// Fails as [`OpenError`] says.
pub fn open(settings: &Settings) -> Result<Opening, OpenError> {
    must_be_ours(&settings.data_dir)?;
    let directory = DataDir::open(&settings.data_dir)?;
    // Another process may have begun in the meantime.
    must_be_ours(&settings.data_dir)?;
    let disk = directory.disk();
    let options = OpenOptions {
        segment_bytes: settings.segment_bytes,
        accept_loss: settings.accept_loss,
        cluster: random::cluster_id()?,
        node: random::node_id()?,
        random: random::start()?,
    };
    // What may refuse comes before the journal is touched.
    let known_peer = known_peer(&*disk)?;
    let journal = |source| OpenError::Journal { path: settings.data_dir.clone(), source };
    let Replayed { mut opened, owed, mut rebuilding } =
        replayed(&disk, &options, settings.empty_states).map_err(journal)?;
    let (vector, is_blank) = (opened.appender.vector(), opened.appender.is_blank());
    let newcomer = newcomer::look(&*disk, &vector, is_blank).map_err(OpenError::Newcomers)?;
    if newcomer.is_some() && !settings.is_shared() {
        return Err(OpenError::Newcomer { path: settings.data_dir.clone() });
    }
    let (mut last, mut last_file) =
        (rebuilding.last.take().unwrap_or_else(|| nothing(&opened)), opened.report.snapshot);
    let lost = rebuilding.lose(&opened.reader, opened.appender.position());
    let is_shortened = lost.map_err(|error| OpenError::List(std::io::Error::other(error)))?;
    let mut applied = rebuilding.take_applied();
    let ties = match &settings.peer {
        Some(peer) => Ties::Pair(seat_of(peer, &directory)?),
        None if settings.shared_log.is_some() => {
            ties_to_log(opened.identity.node, &vector, newcomer.is_some())
        }
        None => Ties::Alone,
    };
    applied.seating = Seating { own: Some(opened.identity.node), ties };
    settle_doubts(&mut applied);
    let store = store_of(&settings.blobs, opened.identity.node, disk.clone()).map_err(OpenError::Blobs)?;
    let blobs = Arc::new(Blobs::new(store));
    // What the replay released is found with whatever else no record names.
    applied.take_released();
    let settling = match Settling::begin(owed).map_err(|unsettled| journal(unsettled.into()))? {
        Ok(copies) => {
            opened.report.note_copies(copies);
            settling::tidy_up(&*disk, &blobs, newcomer.is_some());
            settling::clear_shelf(applied.shelf.as_ref());
            None
        }
        Err(settling) => Some(settling),
    };
    if is_shortened {
        (last, last_file) =
            note_beginning(last, &applied, &opened, &*disk, settling.is_none()).map_err(OpenError::List)?;
    }
    Ok(Opening { directory, applied, opened, last, last_file, blobs, known_peer, newcomer, settling })
}

/// Finds out what the replay left open, so that whoever is served sees all that was answered before. What can't be read is tried again
/// by the keeper.
pub(super) fn settle_doubts(applied: &mut Applied) {
    if let Err(error) = returning::take_all(applied) {
        tracing::error!(%error, "can't read an old item that a new record is about; trying again");
    }
}

/// Fails if the directory is there and has somebody else's files in it.
fn must_be_ours(path: &Path) -> Result<(), OpenError> {
    if !path.is_dir() {
        return Ok(());
    }
    let failed = |source| DataDirError::Io { path: path.to_owned(), source };
    match vacancy::look(path).map_err(failed)? {
        Vacancy::Taken(what) => Err(OpenError::Taken { path: path.to_owned(), what }),
        Vacancy::Restoring => Err(OpenError::Restoring { path: path.to_owned() }),
        Vacancy::Vacant | Vacancy::Ours(_) => Ok(()),
    }
}

/// Returns the peer that the file `peer` names. A damaged one says that there is a peer and not what it has, so everything waits
/// for it until it says so itself.
fn known_peer(disk: &dyn Disk) -> Result<Option<KnownPeer>, OpenError> {
    match KnownPeer::load(disk) {
        Err(error) if is_bad_medium(&error) => {
            tracing::error!(
                %error,
                "what the peer has is not known, so every segment waits for it until it connects; \
                 `pixeld forget-peer` ends the waiting if there is no peer any more"
            );
            Ok(Some(KnownPeer { node: NodeId(0), kinds: Kinds::FIRST, durable: VersionVector::new() }))
        }
        known => known.map_err(OpenError::Peer),
    }
}

/// Stores where the list begins after a loss that was accepted, in two snapshots without what was lost: no start needs the
/// operator's word again. Gives the snapshot.
fn note_beginning(
    last: Snapshot,
    applied: &Applied,
    opened: &Opened,
    disk: &dyn Disk,
    is_writable: bool,
) -> std::io::Result<(Snapshot, Option<SnapshotFile>)> {
    if !is_writable {
        return Err(std::io::ErrorKind::StorageFull.into());
    }
    tracing::error!(
        "the list of records begins with the oldest segment that is there, as --accept-loss allows"
    );
    let (position, time_us) = (opened.appender.position(), opened.appender.time_us());
    let (streams, sections) = (opened.appender.streams().clone(), applied.sections());
    let whole = Snapshot { position, time_us, streams, sections, ..last };
    let mut file = None;
    for _ in 0..SNAPSHOTS_KEPT {
        file = snapshot::store(disk, &whole)?.first().copied();
    }
    Ok((whole, file))
}

/// Returns the ties of the host `own` to a log. A cluster has begun with a host that was not made to join one, or has not met another
/// one: whoever has joined has something of others.
#[must_use]
pub fn ties_to_log(own: NodeId, vector: &VersionVector, is_joining: bool) -> Ties {
    Ties::Log { is_first: !is_joining && !vector.names_another(own) }
}

/// Returns this host's place of two, as both see it: by their keys, or where they have none, by who dials. Of two that are paired by an
/// invitation the one that has invited is the first: it may not know the other one's key yet.
fn seat_of(peer: &PeerSettings, directory: &DataDir) -> Result<Seat, OpenError> {
    let is_first = match peer.trust {
        Trust::Key(theirs) => {
            HostKey::load_or_make(&*directory.disk()).map_err(OpenError::Key)?.fingerprint().0 < theirs.0
        }
        Trust::Nothing => peer.dial.is_some(),
        Trust::Directory => Paired::load(&*directory.disk())
            .map_err(OpenError::Peer)?
            .is_none_or(|paired| paired.accepted.is_none()),
    };
    Ok(Seat::of_pair(is_first))
}

/// Returns the place of the blobs of `node`, whose directory is `disk`.
fn store_of(place: &BlobPlace, node: NodeId, disk: Arc<dyn Disk>) -> std::io::Result<Box<dyn BlobStore>> {
    match place {
        BlobPlace::Files => Ok(Box::new(FileStore::new(disk))),
        #[cfg(feature = "s3")]
        BlobPlace::Bucket { bucket, prefix } => {
            let store = crate::engine::bucket::BucketStore::new(bucket, prefix, node, disk)?;
            let moved = store.take_over_files()?;
            if moved > 0 {
                tracing::info!(moved, bucket, "moved blobs from the data directory into the bucket");
            }
            Ok(Box::new(store))
        }
        #[cfg(not(feature = "s3"))]
        BlobPlace::Bucket { .. } => {
            let _ = node;
            Err(std::io::Error::other("this build knows no buckets: build with `--features s3`"))
        }
    }
}

/// Returns the snapshot of a journal before its first batch.
fn nothing(opened: &Opened) -> Snapshot {
    Snapshot {
        cluster: opened.identity.cluster,
        node: opened.identity.node,
        position: Position(0),
        time_us: 0,
        streams: Streams::default(),
        sections: Vec::new(),
    }
}
