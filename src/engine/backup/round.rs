//! A round of a backup: what the target lacks is copied, up to the last batch that the source has now.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::choice::choose;
use super::error::{BackupError, failed, of_journal};
use super::place::{Place, identity_of, open_to_write, pause, still};
use super::reached::{is_as_long, lacking_of, reached};
use super::target::{Piece, Target, copy_blob};
use crate::app::applied::{Applied, EmptyStates};
use crate::app::naming;
use crate::base::blob::BlobId;
use crate::base::ids::Position;
use crate::engine::lifecycle::rebuilding::Rebuilding;
use crate::engine::shared::key::KEY_NAME;
use crate::engine::storage::snapshots;
use crate::log::blobs::check::Fault;
use crate::log::blobs::files::{self as blobs, FileStore};
use crate::log::blobs::store::BlobStore;
use crate::log::copy::Follower;
use crate::log::copy::upto::{NAME, UpTo};
use crate::log::copy::view::View;
use crate::log::files::identity::{IDENTITY_NAME, Identity};
use crate::log::files::known_peer::PEER_NAME;
use crate::log::files::paired::PAIRED_NAME;
use crate::log::files::{newcomer, restoring, whole_file};
use crate::log::format::segment::{self, SEGMENT_FIRST};
use crate::log::recover::{Replay, joining};
use crate::log::runs::shelf::{self, Shelf};
use crate::log::snapshot;
use crate::os::clock::wall_us;
use crate::os::datadir::Hold;
use crate::os::disk::{Access, Disk};
use crate::os::files::RealDisk;

/// How often a round is begun again because a file went while it was copied.
const TRIES: u32 = 5;

/// A backup of one directory to one place, round by round.
pub struct Backup {
    place: Place,
    path: PathBuf,
    disk: Arc<dyn Disk>,
    target: Box<dyn Target>,
    empty: EmptyStates,
    follower: Follower,
    rebuilding: Rebuilding,
    /// Contents that batches named which no round has copied yet.
    named: BTreeSet<BlobId>,
    /// Whether those of all items were looked at.
    has_all_named: bool,
    /// Contents and runs that the target has.
    contents: BTreeSet<BlobId>,
    runs: BTreeSet<BlobId>,
    /// The last segment that the target has as a whole; 0 for none.
    complete: u32,
    /// Segments up to that one which the target lacks all the same, or has cut: something happened to it since.
    lacking: BTreeSet<u32>,
    /// What it has of the next one: its number, and how many bytes.
    tail: Option<(u32, u64)>,
    /// What was noted in the target last.
    upto: Option<UpTo>,
}

/// What a round has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// The target has everything up to here.
    pub position: Position,
    /// Time of the last batch before that, microseconds since 1970; 0 if there is none.
    pub time_us: u64,
    /// Bytes that were copied or linked.
    pub bytes: u64,
    /// Segments that the target has as a whole now, and had not before.
    pub segments: u64,
    /// Contents that were copied.
    pub contents: u64,
    /// Contents that records name and the source lacks or has damaged.
    pub faults: Vec<(BlobId, Fault)>,
}

impl Backup {
    /// Begins a backup of the directory at `path`, beside its server or without one: makes the target if it is missing, and reads
    /// both. `empty` makes the states of the applications.
    ///
    /// # Errors
    /// Fails as [`BackupError`] says; the source is never changed.
    pub fn open(place: &Place, path: &Path, empty: EmptyStates) -> Result<Self, BackupError> {
        let disk = open_source(path)?;
        let ours = settled_identity(path, &*disk)?;
        let _hold = Hold::of_backup(path);
        let target = open_to_write(place, path)?;
        let has = reached(place, path, &*disk, &ours, &*target)?;
        let mut rebuilding = Rebuilding::new(false, empty, Shelf::new(disk.clone()));
        let follower = Follower::begin(disk.clone(), None, pause, &mut |replay| rebuilding.take(replay))
            .map_err(|error| of_journal(error, |error| damaged(path, error)))
            .or_else(|error| still(path, &*disk, &ours, place).and(Err(error)))?;
        let listed = |root| FileStore::below(target.disk(), root).list();
        let complete = has.map_or(0, |(number, _)| number - 1);
        let numbers = follower.segments().map_err(failed("listing the segments"))?;
        let lacking = numbers.into_iter().filter(|&number| number <= complete);
        let lacking = lacking_of(lacking, ours.segment_bytes, &*target)
            .map_err(failed(format!("looking at the segments in {place}")))?;
        let contents = listed(blobs::DIRECTORY).map_err(failed(format!("listing {place}")))?;
        let runs = listed(shelf::DIRECTORY).map_err(failed(format!("listing {place}")))?;
        Ok(Self {
            place: place.clone(),
            path: path.to_owned(),
            disk,
            empty,
            follower,
            rebuilding,
            named: BTreeSet::new(),
            has_all_named: false,
            contents: contents.into_iter().collect(),
            runs: runs.into_iter().collect(),
            complete,
            lacking,
            tail: has,
            upto: None,
            target,
        })
    }

    /// Returns whether the loss of the source's disk would take the backup along.
    #[must_use]
    pub fn is_same_disk(&self) -> bool {
        self.target.is_same_disk()
    }

    /// Copies what the target lacks. `on_bytes` hears how many bytes have come.
    ///
    /// # Errors
    /// Fails as [`BackupError`] says; the target is as good as before, and the next round goes on.
    pub fn round(&mut self, on_bytes: &mut dyn FnMut(u64)) -> Result<Round, BackupError> {
        let mut tries = 1;
        loop {
            match self.try_round(on_bytes) {
                // A server that is short of room, or of an earlier version, removes files all the same.
                Err(error) if error.is_gone() && tries < TRIES => tries += 1,
                // A directory that goes meanwhile looks like one that lacks what was promised.
                Err(error) => return self.still().and(Err(error)),
                outcome => return outcome,
            }
            pause();
        }
    }

    fn try_round(&mut self, on_bytes: &mut dyn FnMut(u64)) -> Result<Round, BackupError> {
        self.still()?;
        let _hold = Hold::of_backup(&self.path);
        self.read_on()?;
        let mut round = Round::default();
        let mut note = |bytes: u64| on_bytes(bytes);
        self.copy_contents(&mut round, &mut note)?;
        let own = runs_of(self.rebuilding.applied());
        self.copy_runs(&own, &mut round, &mut note)?;
        self.copy_segments(&mut round, &mut note)?;
        self.copy_snapshots(&mut round, &mut note)?;
        self.copy_small_files()?;
        self.note_end()?;
        self.copy_lacking(&mut round, &mut note)?;
        (round.position, round.time_us) = (self.follower.position(), self.follower.time_us());
        Ok(round)
    }

    /// Fails if the source is not the directory any more that the backup began with.
    fn still(&self) -> Result<(), BackupError> {
        still(&self.path, &*self.disk, self.follower.identity(), &self.place)
    }

    /// Reads what was written since the last round.
    fn read_on(&mut self) -> Result<(), BackupError> {
        let (rebuilding, named) = (&mut self.rebuilding, &mut self.named);
        let read = self.follower.advance(&mut |replay| {
            if let Replay::Batch(batch) = replay {
                rebuilding.applied().blobs_of_batch(batch.body, &mut |id| {
                    named.insert(id);
                });
            }
            rebuilding.take(replay)
        });
        // What the replay released is none of ours.
        self.rebuilding.applied().take_released();
        let path = &self.path;
        read.map_err(|error| of_journal(error, |error| damaged(path, error)))
    }

    fn copy_contents(&mut self, round: &mut Round, on_bytes: &mut dyn FnMut(u64)) -> Result<(), BackupError> {
        let applied = self.rebuilding.applied();
        if !self.has_all_named {
            let mut last = None;
            while let Some(id) = naming::next_of(applied, last.as_ref()).map_err(failed("reading a run"))? {
                self.named.insert(id);
                last = Some(id);
            }
            self.has_all_named = true;
        }
        let store = FileStore::new(self.disk.clone());
        let mut kept = BTreeSet::new();
        for id in std::mem::take(&mut self.named) {
            let is_there = self.contents.contains(&id)
                && is_as_long(&*self.target, &store, blobs::DIRECTORY, &id)
                    .map_err(failed(format!("looking at the content {id} in {}", self.place)))?;
            if is_there || !naming::names(applied, &id).map_err(failed("reading a run"))? {
                continue;
            }
            match copy_blob(&*self.target, &store, blobs::DIRECTORY, &id)
                .map_err(failed(format!("copying the content {id}")))?
            {
                Ok(bytes) => {
                    (round.bytes, round.contents) = (round.bytes + bytes, round.contents + 1);
                    on_bytes(bytes);
                    self.contents.insert(id);
                }
                Err(fault) => {
                    round.faults.push((id, fault));
                    kept.insert(id);
                }
            }
        }
        // Mended or removed by the next round.
        self.named = kept;
        Ok(())
    }

    fn copy_runs(
        &mut self,
        runs: &[BlobId],
        round: &mut Round,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<(), BackupError> {
        let store = FileStore::below(self.disk.clone(), shelf::DIRECTORY);
        for id in runs.iter().copied() {
            // One that a round has copied is not looked at again.
            let is_there = self.runs.contains(&id)
                && (self.upto.is_some()
                    || is_as_long(&*self.target, &store, shelf::DIRECTORY, &id)
                        .map_err(failed(format!("looking at the run {id} in {}", self.place)))?);
            if is_there {
                continue;
            }
            let copied = copy_blob(&*self.target, &store, shelf::DIRECTORY, &id)
                .map_err(failed(format!("copying the run {id}")))?;
            match copied {
                Ok(bytes) => {
                    round.bytes += bytes;
                    on_bytes(bytes);
                    self.runs.insert(id);
                }
                Err(Fault::Missing) => {
                    return Err(failed(format!("copying the run {id}"))(io::ErrorKind::NotFound.into()));
                }
                Err(fault) => return Err(damaged(&self.path, format!("the run {id} is {fault}"))),
            }
        }
        Ok(())
    }

    fn copy_segments(&mut self, round: &mut Round, on_bytes: &mut dyn FnMut(u64)) -> Result<(), BackupError> {
        let mut numbers = self.follower.segments().map_err(failed("listing the segments"))?;
        // One that nothing was written to yet is copied as it is, so that there is something to start from.
        let current = self.follower.current().unwrap_or(SEGMENT_FIRST);
        if numbers.is_empty() {
            numbers.push(current);
        }
        numbers.retain(|&number| number > self.complete);
        // Nothing is shared, or called a backup, that a power cut could take from the source.
        for &number in &numbers {
            self.sync_segment(number)?;
        }
        for number in numbers {
            let is_tail = number == current;
            let length = self.copy_segment(number, is_tail, round, on_bytes)?;
            self.tail = is_tail.then_some((number, length));
            if !is_tail {
                self.complete = number;
                round.segments += 1;
            }
        }
        Ok(())
    }

    /// Copies old segments again, behind all else: one that the source has damaged holds nothing up.
    fn copy_lacking(&mut self, round: &mut Round, on_bytes: &mut dyn FnMut(u64)) -> Result<(), BackupError> {
        let there = self.follower.segments().map_err(failed("listing the segments"))?;
        // Some may have been removed since.
        self.lacking.retain(|number| there.contains(number));
        while let Some(&number) = self.lacking.first() {
            self.sync_segment(number)?;
            self.copy_segment(number, false, round, on_bytes)?;
            self.lacking.remove(&number);
            round.segments += 1;
        }
        Ok(())
    }

    fn sync_segment(&self, number: u32) -> Result<(), BackupError> {
        let name = segment::name(number);
        let synced = self.disk.open(&name, Access::Read).and_then(|file| file.sync());
        synced.map_err(failed(name))
    }

    /// Copies a segment, or what was added to the last one; gives how many of its bytes the target has then.
    fn copy_segment(
        &self,
        number: u32,
        is_tail: bool,
        round: &mut Round,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<u64, BackupError> {
        let name = segment::name(number);
        let file = self.disk.open(&name, Access::Read).map_err(failed(name.clone()))?;
        let length = match is_tail {
            true => self.follower.offset(),
            false => {
                let checked = self.follower.check(number);
                checked.map_err(|error| of_journal(error, |error| damaged(&self.path, error)))?
            }
        };
        let size = self.follower.identity().segment_bytes;
        let piece = Piece { name: &name, file: &*file, length, size, is_final: !is_tail };
        let mut count = |bytes| {
            round.bytes += bytes;
            on_bytes(bytes);
        };
        let copied = match self.tail {
            Some((tail, from)) if is_tail && tail == number && from <= length => {
                if from < length {
                    self.target.extend(&piece, from, &mut count)
                } else {
                    Ok(())
                }
            }
            _ => self.target.put(&piece, &mut count),
        };
        copied.map_err(failed(format!("copying {name} to {}", self.place)))?;
        Ok(length)
    }

    fn copy_snapshots(
        &mut self,
        round: &mut Round,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<(), BackupError> {
        let listing = |source| failed("listing snapshots")(source);
        let there = snapshot::files(&*self.target.disk()).map_err(listing)?;
        for file in snapshot::files(&*self.disk).map_err(listing)? {
            if there.contains(&file) || file.position > self.follower.position() {
                continue;
            }
            let name = file.name();
            // One that can't be read is no way to start from, here or there.
            let Ok(stored) = snapshot::load(&*self.disk, file) else { continue };
            let shelf = Shelf::new(self.disk.clone());
            let restored = snapshots::restore(&stored, self.empty, Some(&shelf));
            let applied = restored.map_err(|error| damaged(&self.path, format!("{name}: {error}")))?;
            self.copy_runs(&runs_of(&applied), round, on_bytes)?;
            let opened = self.disk.open(&name, Access::Read).map_err(failed(name.clone()))?;
            let length = opened.size_bytes().map_err(failed(name.clone()))?;
            let piece = Piece { name: &name, file: &*opened, length, size: length, is_final: true };
            let mut count = |bytes| {
                round.bytes += bytes;
                on_bytes(bytes);
            };
            self.target
                .put(&piece, &mut count)
                .map_err(failed(format!("copying {name} to {}", self.place)))?;
        }
        Ok(())
    }

    /// Copies what says who the directory is, last, so that a backup without it was never whole.
    fn copy_small_files(&self) -> Result<(), BackupError> {
        let disk = self.target.disk();
        for name in [KEY_NAME, PEER_NAME, PAIRED_NAME, IDENTITY_NAME] {
            let (ours, theirs) = (whole_file::read(&*self.disk, name), whole_file::read(&*disk, name));
            let (ours, theirs) = (ours.map_err(failed(name))?, theirs.map_err(failed(name))?);
            let copied = match (&ours, &theirs) {
                (ours, theirs) if ours == theirs => Ok(()),
                (Some(content), _) => self.target.put_small(name, content),
                (None, _) => self.target.remove_small(name),
            };
            copied.map_err(failed(format!("copying {name} to {}", self.place)))?;
        }
        Ok(())
    }

    /// Notes in the target up to where it has everything, when that has moved, and once a minute.
    fn note_end(&mut self) -> Result<(), BackupError> {
        let now = UpTo {
            position: self.follower.position(),
            time_us: self.follower.time_us(),
            round_us: wall_us(),
        };
        if self.upto.is_some_and(|last| last.is_as_good_as(&now)) {
            return Ok(());
        }
        let put = self.target.put_small(NAME, &now.encode());
        put.map_err(failed(format!("writing {NAME} to {}", self.place)))?;
        self.upto = Some(now);
        Ok(())
    }

    /// Reads the target as a start would, from its newest snapshot to its end.
    ///
    /// # Errors
    /// Returns [`BackupError::Damaged`] if a start would refuse it, or if it ends before the last round did.
    pub fn verify(&self) -> Result<(), BackupError> {
        let (disk, place) = (self.target.disk(), self.place.to_string());
        let choice = choose(&disk, self.follower.identity(), None, &place)?;
        let mut rebuilding = Rebuilding::new(false, self.empty, Shelf::new(disk.clone()));
        let view = Arc::new(View::new(disk, choice.chosen));
        let broken = |error| BackupError::Damaged { place: place.clone(), error };
        let end = Follower::begin(view, None, pause, &mut |replay| rebuilding.take(replay))
            .map_err(|error| of_journal(error, broken))?;
        if end.position() == self.follower.position() {
            return Ok(());
        }
        let (theirs, ours) = (end.position(), self.follower.position());
        Err(broken(format!("it ends at {theirs} where {ours} was copied")))
    }
}

fn damaged(path: &Path, error: String) -> BackupError {
    BackupError::SourceDamaged { path: path.to_owned(), error }
}

fn open_source(path: &Path) -> Result<Arc<dyn Disk>, BackupError> {
    let disk = RealDisk::open(path).map_err(failed(format!("opening {}", path.display())))?;
    Ok(Arc::new(disk))
}

/// Returns whose directory it is; fails unless it has everything that a start needs.
fn settled_identity(path: &Path, disk: &dyn Disk) -> Result<Identity, BackupError> {
    let refused = |why: &str| BackupError::Source { path: path.to_owned(), why: why.to_owned() };
    let reading = || failed(format!("reading {}", path.display()));
    let identity = identity_of(disk, path.display(), |error| damaged(path, error))?;
    let identity = identity.ok_or_else(|| refused("is not a data directory: it has no file identity"))?;
    if restoring::is_marked(disk).map_err(reading())? {
        return Err(refused("holds a part of a backup: run `pixeld restore` again first"));
    }
    if joining::is_marked(disk).map_err(reading())? || newcomer::is_marked(disk).map_err(reading())? {
        return Err(refused("joins another host and does not have everything yet: back that host up"));
    }
    Ok(identity)
}

/// Returns the runs of all applications.
pub(super) fn runs_of(applied: &Applied) -> Vec<BlobId> {
    applied.aging().flat_map(|(_, aging)| aging.old().runs()).collect()
}
