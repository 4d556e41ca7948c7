//! Healing: batches that bear a time of a clock that was wrong are found, and a record is logged that says as of which time they
//! count. No server may be running on the directory.

use std::path::{Path, PathBuf};

use super::offline::{self, OfflineError};
use crate::app::heal::{Heal, Heals};
use crate::base::ids::{Origin, Position, Seq};
use crate::base::kinds::Kinds;
use crate::base::limits::{BATCH_BODY_BYTES_MAX, CLOCK_AHEAD_US_MAX};
use crate::base::tag;
use crate::engine::shared::understanding::{self, Understanding};
use crate::log::files::identity::Identity;
use crate::log::files::known_peer::KnownPeer;
use crate::log::files::newcomer;
use crate::log::format::record;
use crate::log::read::scan::ReadError;
use crate::log::recover::joining;
use crate::log::recover::{self, OpenOptions, Opened, RecoverError, Replay};
use crate::os::clock::wall_us;
use crate::os::datadir::{DataDir, DataDirError};
use crate::os::files::RealDisk;
use crate::os::random;

/// Heals that are logged at once: all of them fit into a batch.
const HEALS_MAX: usize = BATCH_BODY_BYTES_MAX / 64;

/// What is to be healed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// As of which time, microseconds since 1970; now without it.
    pub time_us: Option<u64>,
    /// These records; without them all of which the time lies too far ahead.
    pub records: Option<(Origin, Seq, Seq)>,
    /// Only say what would be healed.
    pub is_dry: bool,
}

/// Why nothing was healed.
#[derive(Debug, thiserror::Error)]
pub enum HealError {
    /// It is in use, or can't be opened.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// Not a data directory.
    #[error("{} is not a data directory", path.display())]
    None {
        /// The directory.
        path: PathBuf,
    },
    /// It waits for its first host.
    #[error("this directory has not joined the first host yet: heal that one's")]
    Joining,
    /// Its journal.
    #[error("the journal: {0}")]
    Journal(#[from] RecoverError),
    /// Its journal can't be read back.
    #[error("the journal: {0}")]
    Read(#[from] ReadError),
    /// Nothing could be logged.
    #[error(transparent)]
    Unlogged(#[from] OfflineError),
    /// Its files.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// A batch whose time lies ahead.
struct Far {
    origin: Origin,
    first: Seq,
    last: Seq,
    time_us: u64,
}

/// Returns what was found and, unless the wish is dry, logged: each range of records with its new time.
///
/// # Errors
/// Fails as [`HealError`] says; nothing was logged then.
pub fn heal(path: &Path, wish: &Wish, own: Kinds) -> Result<Vec<Heal>, HealError> {
    let none = || HealError::None { path: path.to_owned() };
    if !path.is_dir() {
        return Err(none());
    }
    let identity = Identity::load(&RealDisk::open(path)?)?.ok_or_else(none)?;
    let directory = DataDir::open(path)?;
    let disk = directory.disk();
    if newcomer::is_marked(&*disk)? || joining::is_marked(&*disk)? {
        return Err(HealError::Joining);
    }
    let options = OpenOptions {
        segment_bytes: identity.segment_bytes,
        accept_loss: false,
        cluster: identity.cluster,
        node: identity.node,
        random: random::start()?,
    };
    let mut heals = Heals::default();
    let mut opened = recover::open(&disk, &options, &mut |replay| {
        match replay {
            Replay::Snapshot(snapshot) => {
                heals = snapshot.section(tag::app::ENGINE).and_then(Heals::read).unwrap_or_default();
            }
            Replay::Batch(batch) => understanding::of_journal(batch, &own)?,
            Replay::Oldest(_) => {}
        }
        Ok(())
    })?;
    let now_us = wall_us();
    let time_us = wish.time_us.unwrap_or(now_us);
    let found = match wish.records {
        Some((origin, first, last)) => vec![Heal { origin, first, last, time_us }],
        None => ranges(far(&opened, &mut heals, now_us)?, &heals, now_us, time_us),
    };
    if !wish.is_dry && !found.is_empty() {
        let understanding = Understanding::new(own);
        if let Some(known) = KnownPeer::load(&*disk)? {
            understanding.learn(known.node, known.kinds);
        }
        let body: Vec<u8> = found.iter().flat_map(Heal::record).collect();
        offline::log(&mut opened, &body, found.len(), &understanding, now_us)?;
    }
    Ok(found)
}

/// Returns the batches that are still there and whose time lies too far ahead, whether healed or not; adds to `heals` what the
/// journal says of them.
fn far(opened: &Opened, heals: &mut Heals, now_us: u64) -> Result<Vec<Far>, ReadError> {
    let mut found = Vec::new();
    let mut scan = opened.reader.scan(Position(0), opened.appender.position());
    while let Some(batch) = scan.next_batch()? {
        record::records(batch.body)
            .map_while(Result::ok)
            .filter_map(Heal::of)
            .for_each(|heal| heals.add(heal));
        if batch.time_us > now_us.saturating_add(CLOCK_AHEAD_US_MAX) {
            let (origin, first, last) = (batch.origin, batch.first_seq, batch.header.last_seq());
            found.push(Far { origin, first, last, time_us: batch.time_us });
        }
    }
    Ok(found)
}

/// Returns heals of the batches that are not healed yet, one for those that stand side by side.
fn ranges(mut far: Vec<Far>, heals: &Heals, now_us: u64, time_us: u64) -> Vec<Heal> {
    let is_far = |batch: &Far| {
        let counts_us = heals.time_us(batch.origin, batch.last, batch.time_us);
        counts_us > now_us.saturating_add(CLOCK_AHEAD_US_MAX)
    };
    far.retain(is_far);
    far.sort_unstable_by_key(|batch| (batch.origin, batch.first));
    let mut found: Vec<Heal> = Vec::new();
    for Far { origin, first, last, .. } in far {
        match found.last_mut() {
            Some(before) if before.origin == origin && before.last + 1 == first => before.last = last,
            _ => found.push(Heal { origin, first, last, time_us }),
        }
    }
    found.truncate(HEALS_MAX);
    found
}
