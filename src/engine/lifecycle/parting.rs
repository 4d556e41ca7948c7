//! Parting: what a server that hands over keeps until its successor serves, so that there is a way back.
//!
//! Its state is whole and its journal is open, so it can go on although the directory could not be started from: the disk is
//! full, or a part of it is damaged that a running server does not need.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::opening::{self, OpenError, Opening};
use crate::app::applied_lock::AppliedLock;
use crate::engine::shared::Shared;
use crate::engine::shared::settings::Settings;
use crate::engine::storage::keeper::Keeper;
use crate::engine::storage::settling::{self, Settling};
use crate::engine::storage::snapshots;
use crate::log::blobs::Blobs;
use crate::log::files::identity::Identity;
use crate::log::read::reader::Reader;
use crate::log::recover::owed::Owed;
use crate::log::recover::{self, Opened, Report};
use crate::log::snapshot::Snapshot;
use crate::log::write::append::Appender;
use crate::log::write::writer::Writer;
use crate::os::clock::wall_us;
use crate::os::datadir::{DataDir, DataDirError};
use crate::os::random;

/// How long the lock of a process that has ended may take to go.
const LOCK_PATIENCE_US: u64 = 5_000_000;
const PAUSE: Duration = Duration::from_millis(5);

/// A server that has stopped, everything durable and its data directory released.
pub struct Parted {
    path: PathBuf,
    /// Nothing while it joins: that begins anew.
    kept: Option<Kept>,
}

/// What a start makes of the directory.
struct Kept {
    applied: Arc<AppliedLock>,
    blobs: Arc<Blobs>,
    reader: Arc<Reader>,
    appender: Appender,
    writer: Writer,
    keeper: Keeper,
    identity: Identity,
    shared: Arc<Shared>,
}

impl Parted {
    /// Releases the directory and keeps the rest. The threads have ended.
    #[must_use]
    pub(super) fn new(
        directory: DataDir,
        identity: Identity,
        shared: Arc<Shared>,
        parts: Option<(Appender, Writer, Keeper)>,
    ) -> Self {
        let path = directory.path().to_owned();
        let kept = parts.filter(|_| !shared.space.is_joining()).map(|(appender, writer, keeper)| Kept {
            applied: shared.applied.clone(),
            blobs: shared.blobs.clone(),
            reader: shared.reader.clone(),
            appender,
            writer,
            keeper,
            identity,
            shared,
        });
        Self { path, kept }
    }

    /// Takes the directory again. What was kept goes on if nobody has written to the journal meanwhile; otherwise it is
    /// opened as at a start.
    ///
    /// # Errors
    /// Fails as [`opening::open`] does.
    pub(super) fn reopen(self, settings: &Settings) -> Result<Opening, OpenError> {
        let directory = lock(&self.path)?;
        match self.kept {
            Some(kept) if kept.is_as_left(&directory) => kept.go_on(directory),
            _ => {
                drop(directory);
                opening::open(settings)
            }
        }
    }
}

/// Locks the directory; the successor that has just ended may still have it.
fn lock(path: &std::path::Path) -> Result<DataDir, DataDirError> {
    let until_us = wall_us() + LOCK_PATIENCE_US;
    loop {
        match DataDir::open(path) {
            Err(DataDirError::Locked { .. }) if wall_us() < until_us => std::thread::sleep(PAUSE),
            outcome => return outcome,
        }
    }
}

impl Kept {
    fn is_as_left(&self, directory: &DataDir) -> bool {
        recover::is_as_left(
            &*directory.disk(),
            self.appender.position(),
            self.appender.layout(),
            &self.reader,
        )
        .unwrap_or(false)
    }

    /// Goes on as another start of the process: the peer may have met the one that came to nothing.
    fn go_on(self, directory: DataDir) -> Result<Opening, OpenError> {
        let Self { applied, blobs, reader, appender, writer, keeper, identity, shared } = self;
        // The number of the start that came to nothing may be stored already; ours is above it.
        let stored = Identity::load(&*directory.disk()).ok().flatten();
        let former = stored.filter(|stored| stored.start > identity.start).unwrap_or(identity);
        let identity = former.next(random::start()?);
        let appender = appender.renewed(identity.inc);
        let parts = keeper.into_parts();
        let ((last, last_file), known_peer, unsettled) =
            parts.ok_or_else(|| std::io::Error::other("folding has failed"))?;
        let state = Snapshot {
            cluster: shared.cluster,
            node: shared.node,
            position: appender.position(),
            time_us: appender.time_us(),
            streams: appender.streams().clone(),
            sections: applied.read().sections(),
        };
        let seating = applied.read().seating;
        let mut applied = snapshots::restore(&state, shared.empty_states, shared.shelf.as_ref())
            .map_err(std::io::Error::other)?;
        applied.seating = seating;
        opening::settle_doubts(&mut applied);
        let files = shared.files.clone();
        let settling = match unsettled {
            // What was owed before still is, the old number with it.
            Some(settling) => Some(settling.renumbered(identity)),
            None => {
                let owed = Owed::for_number(directory.disk(), identity, appender.position(), files.clone());
                Settling::begin(owed).map_err(std::io::Error::other)?.err()
            }
        };
        if settling.is_none() {
            applied.take_released();
            settling::tidy_up(&*directory.disk(), &blobs, false);
        }
        let spare_ready = shared.spare.is_ready();
        let opened =
            Opened { identity, appender, writer, reader, files, spare_ready, report: Report::default() };
        let newcomer = None;
        Ok(Opening { directory, applied, opened, last, last_file, blobs, known_peer, newcomer, settling })
    }
}
