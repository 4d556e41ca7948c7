//! Opening a data directory: lock, recovery, and the state that its records add up to.

use std::sync::Arc;

use super::link::key::HostKey;
use super::settings::{BlobPlace, PeerSettings, Settings};
use super::settling::{self, Settling};
use super::snapshots;
use super::understanding;
use crate::apps::registry;
use crate::apps::state::{Applied, Batch, Entry, Side};
use crate::base::ids::NodeId;
use crate::base::ids::Position;
use crate::base::streams::Streams;
use crate::log::blobs::Blobs;
use crate::log::blobs::files::FileStore;
use crate::log::blobs::store::BlobStore;
use crate::log::known_peer::KnownPeer;
use crate::log::newcomer;
use crate::log::recover::{self, OpenOptions, Opened, RecoverError, Replay};
use crate::log::snapshot::Snapshot;
use crate::os::datadir::{DataDir, DataDirError};
use crate::os::disk::Disk;
use crate::os::random;

/// Why a data directory can't be served from.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is in use, or can't be made.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// Its journal.
    #[error("the journal in {}: {source}", path.display())]
    Journal {
        /// The directory.
        path: std::path::PathBuf,
        /// What is wrong.
        #[source]
        source: RecoverError,
    },
    /// The file that says that it is new.
    #[error("the file that says that this host is new: {0}")]
    Newcomers(#[source] std::io::Error),
    /// It was made to join, and nobody is to be joined.
    #[error(
        "{} was made by `pixeld init --join` and has not met the first host yet, so --peer or --peer-listen is needed, \
         and --peer-key; if that host is lost for good, `pixeld forget-peer --data-dir {0}` lets this one take writes alone",
        path.display()
    )]
    Newcomer {
        /// The directory.
        path: std::path::PathBuf,
    },
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
    /// The blobs, without those that nothing names.
    pub blobs: Arc<Blobs>,
    /// The peer that was known when the process ended last.
    pub known_peer: Option<KnownPeer>,
    /// It was made to join a first host that it has not met yet.
    pub is_newcomer: bool,
    /// What the disk does not take yet: until then this host serves reads only.
    pub settling: Option<Settling>,
}

/// Locks, recovers and replays. A directory that can't be written, on a full disk or a read-only one, is opened for
/// reading.
///
/// # Errors
/// See [`OpenError`].
pub fn open(settings: &Settings) -> Result<Opening, OpenError> {
    let directory = DataDir::open(&settings.data_dir)?;
    let options = OpenOptions {
        segment_bytes: settings.segment_bytes,
        accept_loss: settings.accept_loss,
        cluster: random::cluster_id()?,
        node: random::node_id()?,
        random: random::start()?,
    };
    let mut last = None;
    let mut applied = None;
    let mut on_replay = |replay: Replay<'_>| match replay {
        Replay::Snapshot(snapshot) => {
            applied = Some(snapshots::restore(snapshot).map_err(|error| error.to_string())?);
            last = Some(snapshot.clone());
            Ok(())
        }
        Replay::Batch(batch) => {
            understanding::of_journal(batch)?;
            let first = Entry { origin: batch.origin, seq: batch.first_seq, time_us: batch.time_us };
            let applied = applied.get_or_insert_with(registry::new_applied);
            applied.apply_batch(&Batch { first, count: batch.count, body: batch.body, end: batch.end });
            Ok(())
        }
    };
    let journal = |source| OpenError::Journal { path: settings.data_dir.clone(), source };
    let (mut opened, owed) = recover::look(&directory.disk(), &options, &mut on_replay).map_err(journal)?;
    let is_blank = opened.appender.is_blank();
    let is_newcomer = is_blank && newcomer::is_marked(&*directory.disk()).map_err(OpenError::Newcomers)?;
    if is_newcomer && settings.peer.is_none() {
        return Err(OpenError::Newcomer { path: settings.data_dir.clone() });
    }
    let last = last.unwrap_or_else(|| nothing(&opened));
    let mut applied = applied.unwrap_or_else(registry::new_applied);
    applied.position = opened.appender.position();
    applied.side = settings.peer.as_ref().map(|peer| side_of(peer, &directory)).transpose()?;
    let store =
        store_of(&settings.blobs, opened.identity.node, directory.disk()).map_err(OpenError::Blobs)?;
    let blobs = Arc::new(Blobs::new(store));
    // What the replay released is found anyway.
    applied.take_released();
    let known_peer = KnownPeer::load(&*directory.disk()).map_err(OpenError::Peer)?;
    let settling = match Settling::begin(owed).map_err(|unsettled| journal(unsettled.into()))? {
        Ok(copies) => {
            opened.report.note_copies(copies);
            settling::tidy_up(&*directory.disk(), &blobs, is_newcomer, |id| applied.names_blob(id));
            None
        }
        Err(settling) => Some(settling),
    };
    Ok(Opening { directory, applied, opened, last, blobs, known_peer, is_newcomer, settling })
}

/// Which of two hosts this is, as both see it: by their keys, or where they have none, by who dials.
fn side_of(peer: &PeerSettings, directory: &DataDir) -> Result<Side, OpenError> {
    let is_first = match peer.pinned {
        Some(theirs) => {
            HostKey::load_or_make(&*directory.disk()).map_err(OpenError::Key)?.fingerprint().0 < theirs.0
        }
        None => peer.dial.is_some(),
    };
    Ok(if is_first { Side::Even } else { Side::Odd })
}

/// The place of the blobs of `node`, whose directory is `disk`.
fn store_of(place: &BlobPlace, node: NodeId, disk: Arc<dyn Disk>) -> std::io::Result<Box<dyn BlobStore>> {
    match place {
        BlobPlace::Files => Ok(Box::new(FileStore::new(disk))),
        #[cfg(feature = "s3")]
        BlobPlace::Bucket { bucket, prefix } => {
            let store = super::bucket::BucketStore::new(bucket, prefix, node, disk)?;
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

/// The snapshot of a journal before its first batch.
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
