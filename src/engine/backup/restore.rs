//! A restore: a backup is put back into an empty directory, as of its end or of an earlier instant.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use super::choice::choose;
use super::error::{BackupError, failed, in_use, of_journal};
use super::folder::{lies_in, put_content};
use super::place::{Place, identity_of, open_to_read, pause};
use super::round::runs_of;
use crate::app::applied::EmptyStates;
use crate::app::naming;
use crate::base::blob::BlobId;
use crate::base::ids::{Inc, Position};
use crate::base::vector::VersionVector;
use crate::engine::lifecycle::inspection;
use crate::engine::lifecycle::rebuilding::Rebuilding;
use crate::engine::lifecycle::vacancy::{self, Vacancy};
use crate::engine::shared::key::KEY_NAME;
use crate::engine::storage::snapshots::needs_from;
use crate::http::date::rfc3339;
use crate::log::blobs::check::{Fault, check};
use crate::log::blobs::files::{self as blobs, FileStore};
use crate::log::blobs::store::BlobStore;
use crate::log::copy::Follower;
use crate::log::copy::file::{self, Rest};
use crate::log::copy::upto::{self, UpTo};
use crate::log::copy::view::{Chosen, View};
use crate::log::files::identity::{IDENTITY_NAME, Identity};
use crate::log::files::known_peer::PEER_NAME;
use crate::log::files::paired::PAIRED_NAME;
use crate::log::files::{restoring, whole_file};
use crate::log::format::segment::{self, SEGMENT_FIRST};
use crate::log::runs::shelf::{self, Shelf};
use crate::log::snapshot::SnapshotFile;
use crate::log::write::spare::make_spare;
use crate::os::datadir::DataDir;
use crate::os::disk::{Access, Disk};
use crate::os::random;

/// The source may have started so often since the backup, and another host may have folded those starts: their numbers are not
/// given again.
const STARTS_SKIPPED: u32 = 1 << 16;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The backup.
    pub place: &'a Place,
    /// The directory that it is put back into: a new one, or an empty one.
    pub directory: &'a Path,
    /// The last instant whose records are wanted, microseconds since 1970; everything without.
    pub at: Option<u64>,
    /// Other hosts of the cluster go back as well: they join anew.
    pub whole_cluster: bool,
}

/// What was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The journal ends here.
    pub position: Position,
    /// Time of its last batch, microseconds since 1970; 0 if there is none.
    pub time_us: u64,
    /// How far each stream has come.
    pub vector: VersionVector,
    /// The new line of descent, after a restore to an earlier instant.
    pub lineage: Option<u64>,
    /// Contents that were put back.
    pub contents: u64,
    /// Contents that records name at that instant and the backup lacks, or has damaged.
    pub faults: Vec<(BlobId, Fault)>,
    /// Snapshots of the backup that can't be read, and what is wrong with them: an older one was taken.
    pub unreadable: Vec<String>,
}

/// A backup as it is read, up to the instant that is wanted.
struct Opened {
    place: String,
    disk: Arc<dyn Disk>,
    view: Arc<dyn Disk>,
    identity: Identity,
    follower: Follower,
    rebuilding: Rebuilding,
    chosen: Chosen,
    unreadable: Vec<String>,
}

/// Puts a backup back. `on_bytes` hears how many bytes have come.
///
/// # Errors
/// Fails as [`BackupError`] says. What comes before the directory is marked changes nothing; a restore that fails later, or is
/// killed, is made again into the same directory, and no server starts from that before.
pub fn restore(
    wanted: &Wanted<'_>,
    empty: EmptyStates,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<Restored, BackupError> {
    must_be_empty(wanted)?;
    let mut backup = open(wanted, empty)?;
    let applied = backup.rebuilding.applied();
    applied.position = backup.follower.position();
    if wanted.at.is_some() && !wanted.whole_cluster {
        let others = applied.members.iter().any(|(node, _)| node != backup.identity.node);
        if others || whole_file::read(&*backup.disk, PEER_NAME).map_err(failed(PEER_NAME))?.is_some() {
            return Err(BackupError::Cluster);
        }
    }
    let lineage = match wanted.at {
        Some(_) => Some(random::number().map_err(failed("no random numbers"))?.max(1)),
        None => None,
    };
    let numbers = backup.numbers()?;
    backup.check_journal(&numbers)?;
    let directory = DataDir::open(wanted.directory).map_err(in_use)?;
    // Another process may have begun in the meantime.
    must_be_empty(wanted)?;
    let disk = directory.disk();
    let preparing = format!("preparing {}", wanted.directory.display());
    restoring::mark(&*disk).and_then(|()| clear(&*disk)).map_err(failed(preparing))?;
    let mut restored = Restored {
        position: backup.follower.position(),
        time_us: backup.follower.time_us(),
        vector: backup.rebuilding.applied().vector.clone(),
        lineage,
        contents: 0,
        faults: Vec::new(),
        unreadable: std::mem::take(&mut backup.unreadable),
    };
    backup.put_contents(&disk, &mut restored, on_bytes)?;
    backup.put_journal(&*disk, numbers, on_bytes)?;
    backup.put_small_files(&*disk, lineage)?;
    examine(wanted, &disk, empty)?;
    restoring::clear(&*disk).map_err(failed("removing the mark of a restore"))?;
    Ok(restored)
}

/// Fails unless nothing is in the directory but what an earlier try has left.
fn must_be_empty(wanted: &Wanted<'_>) -> Result<(), BackupError> {
    let path = wanted.directory;
    if let Place::Folder(backup) = wanted.place
        && lies_in(path, backup)
    {
        let why = "lies in the backup: restore to another directory".to_owned();
        return Err(BackupError::Place { place: path.display().to_string(), why });
    }
    if !path.exists() {
        return Ok(());
    }
    let why = match vacancy::look(path).map_err(failed(format!("reading {}", path.display())))? {
        Vacancy::Vacant | Vacancy::Restoring => return Ok(()),
        Vacancy::Ours(what) => {
            format!("has a journal ({what}): move it away, or restore to another directory")
        }
        Vacancy::Taken(what) => {
            format!("is not empty ({what}): a backup is put back into a new directory or an empty one")
        }
    };
    Err(BackupError::Place { place: path.display().to_string(), why })
}

/// Reads the backup up to the instant that is wanted.
fn open(wanted: &Wanted<'_>, empty: EmptyStates) -> Result<Opened, BackupError> {
    let (disk, place) = (open_to_read(wanted.place)?, wanted.place.to_string());
    let broken = |error| BackupError::Damaged { place: place.clone(), error };
    let identity = identity_of(&*disk, &place, broken)?;
    let identity = identity.ok_or_else(|| BackupError::Place {
        place: place.clone(),
        why: "holds no whole backup: it has no file identity".to_owned(),
    })?;
    let choice = choose(&disk, &identity, wanted.at, &place)?;
    let view: Arc<dyn Disk> = Arc::new(View::new(disk.clone(), choice.chosen.clone()));
    let mut rebuilding = Rebuilding::new(false, empty, Shelf::new(disk.clone()));
    let follower = Follower::begin(view.clone(), wanted.at, pause, &mut |replay| rebuilding.take(replay))
        .map_err(|error| of_journal(error, broken))?;
    let end = rfc3339(follower.time_us());
    let upto = whole_file::read(&*disk, upto::NAME).map_err(failed(upto::NAME))?;
    let upto = upto.map_or(Ok(UpTo::default()), |bytes| UpTo::decode(&bytes)).map_err(|error| {
        BackupError::Damaged { place: place.clone(), error: error.of(upto::NAME).to_string() }
    })?;
    let is_whole = choice.is_last || wanted.at.is_none();
    if is_whole && follower.cut_before().is_none() && follower.position() < upto.position {
        // What a start takes for a torn tail had been copied as a whole.
        let (had, error_at) = (rfc3339(upto.time_us), follower.position());
        let error = format!(
            "it had everything up to {had}, and can be read up to {end} only, to {error_at} of the journal"
        );
        return Err(BackupError::Damaged { place, error });
    }
    match (wanted.at, follower.cut_before()) {
        (Some(_), Some(first)) if follower.time_us() == 0 => {
            return Err(BackupError::Instant(format!(
                "the first record of the backup {place} is of {}: choose that instant or a later one; nothing was changed",
                rfc3339(first)
            )));
        }
        (Some(at), None) if at > follower.time_us() && !(choice.is_last && at <= upto.round_us) => {
            return Err(BackupError::Instant(if choice.is_last {
                let round = rfc3339(upto.round_us);
                format!(
                    "the backup {place} was brought up to date at {round} for the last time, its newest record is of {end}: leave \
                     --at away to have everything, or choose an earlier instant; nothing was changed"
                )
            } else {
                format!(
                    "the backup {place} lacks what was written behind {end} and removed by the source before the next round: \
                     choose that instant or an earlier one; nothing was changed"
                )
            }));
        }
        _ => {}
    }
    let (chosen, unreadable) = (choice.chosen, choice.unreadable);
    Ok(Opened { place, disk, view, identity, follower, rebuilding, chosen, unreadable })
}

/// Removes what an earlier try has left; contents stay, and are written again.
fn clear(disk: &dyn Disk) -> std::io::Result<()> {
    file::clear(disk)?;
    for name in disk.list()? {
        let is_small = [IDENTITY_NAME, KEY_NAME, PEER_NAME, PAIRED_NAME].contains(&&*name);
        if is_small || segment::number_of(&name).is_some() || SnapshotFile::of(&name).is_some() {
            disk.remove(&name)?;
        }
    }
    disk.sync_directory()
}

impl Opened {
    /// Puts back the runs and contents that are named at the instant.
    fn put_contents(
        &mut self,
        to: &Arc<dyn Disk>,
        restored: &mut Restored,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<(), BackupError> {
        let applied = self.rebuilding.applied();
        let mut put = |root: &'static str, id: &BlobId| {
            let store = FileStore::below(self.disk.clone(), root);
            let failed = || failed(format!("putting {id} back"));
            if let Some(fault) = check(&store, id, &mut |_| true).map_err(failed())? {
                return Ok(Some(fault));
            }
            let content = store.open(id).map_err(failed())?;
            put_content(to, root, id, &*content).map_err(failed())?;
            on_bytes(content.size_bytes());
            Ok(None)
        };
        for id in runs_of(applied) {
            if let Some(fault) = put(shelf::DIRECTORY, &id)? {
                let error = format!("the run {id} is {fault}");
                return Err(BackupError::Damaged { place: self.place.clone(), error });
            }
        }
        let mut last = None;
        while let Some(id) = naming::next_of(applied, last.as_ref()).map_err(failed("reading a run"))? {
            match put(blobs::DIRECTORY, &id)? {
                Some(fault) => restored.faults.push((id, fault)),
                None => restored.contents += 1,
            }
            last = Some(id);
        }
        Ok(())
    }

    /// Returns the segments that a start needs, up to the end; nothing if no batch was logged.
    fn numbers(&mut self) -> Result<Option<RangeInclusive<u32>>, BackupError> {
        let Some(current) = self.follower.current() else { return Ok(None) };
        let first = match self.chosen.snapshot {
            Some(_) => {
                let broken = |error| BackupError::Damaged { place: self.place.clone(), error };
                let infos = self.follower.infos().map_err(|error| of_journal(error, broken))?;
                needs_from(self.rebuilding.applied(), &infos).min(self.snapshot_segment())
            }
            None => SEGMENT_FIRST,
        };
        Ok(Some(first.max(SEGMENT_FIRST)..=current))
    }

    /// Reads every batch of the segments up to the snapshot's, which nobody has read yet: behind it all was read to rebuild the state.
    fn check_journal(&self, numbers: &Option<RangeInclusive<u32>>) -> Result<(), BackupError> {
        let Some(numbers) = numbers.as_ref().filter(|_| self.chosen.snapshot.is_some()) else {
            return Ok(());
        };
        for number in *numbers.start()..=self.snapshot_segment().min(*numbers.end()) {
            self.follower.check(number).map_err(|error| {
                of_journal(error, |error| BackupError::Damaged { place: self.place.clone(), error })
            })?;
        }
        Ok(())
    }

    /// Puts back these segments, and the snapshot.
    fn put_journal(
        &self,
        to: &dyn Disk,
        numbers: Option<RangeInclusive<u32>>,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<(), BackupError> {
        let size = self.identity.segment_bytes;
        let Some(numbers) = numbers else {
            return make_spare(to, SEGMENT_FIRST, size)
                .map(drop)
                .map_err(|error| failed("making the first segment")(std::io::Error::other(error)));
        };
        let current = *numbers.end();
        for number in numbers {
            let name = segment::name(number);
            let copied = self.view.open(&name, Access::Read).and_then(|from| {
                let bounds = match number == current {
                    true => (self.follower.offset(), size, Rest::Zeros),
                    false => (size, size, Rest::Hole),
                };
                file::copy(&*from, to, &name, bounds, on_bytes)
            });
            copied.map_err(failed(format!("putting {name} back")))?;
        }
        if let Some(snapshot) = self.chosen.snapshot {
            let name = snapshot.name();
            let copied = self.view.open(&name, Access::Read).and_then(|from| {
                let length = from.size_bytes()?;
                file::copy(&*from, to, &name, (length, length, Rest::Hole), on_bytes)
            });
            copied.map_err(failed(format!("putting {name} back")))?;
        }
        Ok(())
    }

    /// Returns the segment that the snapshot stands in.
    fn snapshot_segment(&self) -> u32 {
        let position = self.chosen.snapshot.map_or(Position(0), |file| file.position);
        u32::try_from(position.0 / self.identity.segment_bytes).unwrap_or(u32::MAX)
    }

    /// Puts back who the directory is. What a peer has counts only for the lineage that it is of.
    fn put_small_files(&self, to: &dyn Disk, lineage: Option<u64>) -> Result<(), BackupError> {
        let names = if lineage.is_some() { &[KEY_NAME][..] } else { &[KEY_NAME, PEER_NAME, PAIRED_NAME] };
        for name in names {
            let put = whole_file::read(&*self.disk, name).and_then(|content| match content {
                Some(content) => file::write_whole(to, name, &content),
                None => Ok(()),
            });
            put.map_err(failed(format!("putting {name} back")))?;
        }
        let random = random::start().map_err(failed("no random numbers"))?;
        let start = self.identity.start.saturating_add(STARTS_SKIPPED);
        let lineage = lineage.unwrap_or(self.identity.lineage);
        let identity = Identity { start, inc: Inc::of_start(start, random), lineage, ..self.identity };
        file::write_whole(to, IDENTITY_NAME, &identity.encode()).map_err(failed("putting the identity back"))
    }
}

/// Looks whether a start takes what was put back.
fn examine(wanted: &Wanted<'_>, disk: &Arc<dyn Disk>, empty: EmptyStates) -> Result<(), BackupError> {
    let place = wanted.place.to_string();
    let examined = inspection::examine(disk, empty);
    examined.map(drop).map_err(|error| of_journal(error, |error| BackupError::Damaged { place, error }))
}
