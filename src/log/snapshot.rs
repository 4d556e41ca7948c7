//! Snapshots: the applications' state at a position of the journal, so that a start replays only what came after.
//!
//! ```text
//!  0 u32 magic 'PXN1'       4 u32 version              8 u128 cluster         24 u64 node
//! 32 u64 position          40 u64 time_us             48 u32 streams         52 u32 sections
//! 56 the streams, then (version 2) the folded ones, then the sections: u32 app id, u32 zero, u64 length, that many bytes
//!  n u32 crc32c of 0..n
//! ```
//!
//! Where no stream is folded, version 1 is written. Versions 3 and 4 are 1 and 2 with a section that names runs (app id 16),
//! without which the states are not whole.
//!
//! Two files are kept that read well, each whole by itself: two positions, or one position twice, as after a clear, when
//! the second file's name has a letter. A file is written under another name, synced, renamed, and the directory synced,
//! so that a crash leaves it whole or not at all.

use std::io;

use super::streams::{STREAM_BYTES, StreamFault, Streams};
use crate::base::folds::Folds;
use crate::base::ids::{ClusterId, NodeId, Position};
use crate::base::limits::{READ_TRIES_MAX, SNAPSHOTS_KEPT};
use crate::base::numbers::{u32_at, u64_at};
use crate::base::tag::app;
use crate::log::files::whole_file;
use crate::log::read::scan::BatchView;
use crate::os::disk::{Access, Disk, is_bad_medium};

/// First bytes of a file.
pub const SNAPSHOT_MAGIC: [u8; 4] = *b"PXN1";
const VERSION: u32 = 1;
/// With folded streams.
const VERSION_FOLDS: u32 = 2;
/// With runs.
const VERSION_RUNS: u32 = 3;
/// With both.
const VERSION_BOTH: u32 = 4;
const FIXED_BYTES: usize = 56;
const SECTION_HEAD_BYTES: usize = 16;
const CRC_BYTES: usize = 4;
const SUFFIX: &str = ".snap";

/// State at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The cluster the directory belongs to.
    pub cluster: ClusterId,
    /// The directory.
    pub node: NodeId,
    /// All batches before this are in the sections; a batch ends here. Durable when the snapshot was made.
    pub position: Position,
    /// The latest time of any of them, microseconds since 1970.
    pub time_us: u64,
    /// How far each stream had come.
    pub streams: Streams,
    /// Each application's id and the bytes of its state.
    pub sections: Vec<(u8, Vec<u8>)>,
}

impl Snapshot {
    /// Moves position, streams and time on over a batch that the one who folds has applied.
    ///
    /// # Errors
    /// Fails if the batch is not the next one of its stream.
    pub fn follow(&mut self, batch: &BatchView<'_>) -> Result<(), StreamFault> {
        self.streams.follow(self.cluster, &batch.header, &batch.folds())?;
        self.position = batch.end;
        self.time_us = self.time_us.max(batch.time_us);
        Ok(())
    }

    /// Returns the bytes of an application's state, if it had any.
    #[must_use]
    pub fn section(&self, app: u8) -> Option<&[u8]> {
        self.sections.iter().find(|(id, _)| *id == app).map(|(_, bytes)| &bytes[..])
    }

    fn version(&self) -> u32 {
        match (self.section(app::RUNS).is_some(), self.streams.folds().is_empty()) {
            (false, true) => VERSION,
            (false, false) => VERSION_FOLDS,
            (true, true) => VERSION_RUNS,
            (true, false) => VERSION_BOTH,
        }
    }

    /// Returns the length of its file's content in bytes.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        let sections: usize = self.sections.iter().map(|(_, bytes)| SECTION_HEAD_BYTES + bytes.len()).sum();
        let streams = self.streams.len() * STREAM_BYTES + self.streams.folds().encoded_bytes();
        FIXED_BYTES + streams + sections + CRC_BYTES
    }

    /// Returns its file's content.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let length = self.encoded_bytes();
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(&SNAPSHOT_MAGIC);
        out.extend_from_slice(&self.version().to_le_bytes());
        out.extend_from_slice(&self.cluster.0);
        out.extend_from_slice(&self.node.0.to_le_bytes());
        out.extend_from_slice(&self.position.0.to_le_bytes());
        out.extend_from_slice(&self.time_us.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.streams.len()).expect("bounded").to_le_bytes());
        out.extend_from_slice(
            &u32::try_from(self.sections.len()).expect("one per application").to_le_bytes(),
        );
        self.streams.encode(&mut out);
        self.streams.folds().encode(&mut out);
        for (app, bytes) in &self.sections {
            out.extend_from_slice(&u32::from(*app).to_le_bytes());
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        debug_assert_eq!(out.len(), length);
        out
    }

    /// Reads a file's content; nothing if it is damaged, cut, or of another version.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, crc) = bytes.split_last_chunk::<CRC_BYTES>()?;
        let (fixed, rest) = content.split_first_chunk::<FIXED_BYTES>()?;
        let is_sound = fixed[..4] == SNAPSHOT_MAGIC && (VERSION..=VERSION_BOTH).contains(&u32_at(fixed, 4));
        if !is_sound || crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (streams, rest) =
            rest.split_at_checked((u32_at(fixed, 48) as usize).checked_mul(STREAM_BYTES)?)?;
        let (folds, folds_bytes) = match u32_at(fixed, 4) {
            VERSION | VERSION_RUNS => (Folds::default(), 0),
            _ => Folds::decode(rest)?,
        };
        let rest = &rest[folds_bytes..];
        Some(Self {
            cluster: ClusterId(fixed[8..24].try_into().expect("sixteen bytes")),
            node: NodeId(u64_at(fixed, 24)),
            position: Position(u64_at(fixed, 32)),
            time_us: u64_at(fixed, 40),
            streams: Streams::decode(streams)?.with_folds(folds),
            sections: decode_sections(rest, u32_at(fixed, 52))?,
        })
    }
}

fn decode_sections(mut rest: &[u8], count: u32) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut sections = Vec::new();
    for _ in 0..count {
        let (head, after) = rest.split_first_chunk::<SECTION_HEAD_BYTES>()?;
        let app = u32_at(head, 0);
        let length = u64_at(head, 8);
        let (bytes, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        sections.push((u8::try_from(app).ok()?, bytes.to_vec()));
        rest = after;
    }
    rest.is_empty().then_some(sections)
}

/// Letters behind the position of further files of the same snapshot; the first one has none.
const LETTERS: [&str; 26] = [
    "", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u",
    "v", "w", "x", "y", "z",
];

/// Room for letters in a file's number.
const LETTERS_ROOM: u64 = LETTERS.len().next_power_of_two() as u64;

/// A file of a snapshot. In the order of their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotFile {
    /// Where its state stands.
    pub position: Position,
    /// Which of that position's files it is; an index of [`LETTERS`].
    letter: usize,
}

impl SnapshotFile {
    /// Returns the first file of the snapshot at `position`.
    #[must_use]
    pub fn first(position: Position) -> Self {
        Self { position, letter: 0 }
    }

    /// Returns the file that goes by this name, if it is a snapshot's.
    #[must_use]
    pub fn of(file_name: &str) -> Option<Self> {
        let (digits, letter) = file_name.strip_suffix(SUFFIX)?.split_at_checked(20)?;
        let letter = LETTERS.iter().position(|known| *known == letter)?;
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let position = digits.parse().ok().filter(|_| is_plain).map(Position)?;
        Some(Self { position, letter })
    }

    /// Returns a number that names it among all files of its directory.
    #[must_use]
    pub fn key(self) -> u64 {
        self.position.0 * LETTERS_ROOM + self.letter as u64
    }

    /// Returns its name.
    #[must_use]
    pub fn name(self) -> String {
        format!("{:020}{}{SUFFIX}", self.position.0, LETTERS[self.letter])
    }
}

/// Why a file gives no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The disk can't read it, or its checksum does not agree, however often it is tried.
    #[error("{0}")]
    Damaged(io::Error),
    /// Its checksum agrees, and it is a snapshot of something else.
    #[error("it belongs to another data directory or place")]
    Foreign,
    /// A later program wrote it.
    #[error("snapshot version {0} is unknown: a later pixeld wrote it")]
    Version(u32),
    /// The machine, not the file: it has to be read by another start.
    #[error("{0}")]
    Machine(io::Error),
}

/// Returns the snapshots' files that there are, newest first.
///
/// # Errors
/// Returns the error of the disk.
pub fn files(disk: &dyn Disk) -> io::Result<Vec<SnapshotFile>> {
    let mut found: Vec<_> = disk.list()?.iter().filter_map(|file| SnapshotFile::of(file)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Reads a snapshot; up to [`READ_TRIES_MAX`] times, if it does not read well.
///
/// # Errors
/// Fails as [`LoadError`] says.
pub fn load(disk: &dyn Disk, file: SnapshotFile) -> Result<Snapshot, LoadError> {
    let mut tries = 1;
    loop {
        match load_once(disk, file) {
            Err(LoadError::Damaged(_)) if tries < READ_TRIES_MAX => tries += 1,
            outcome => return outcome,
        }
    }
}

fn load_once(disk: &dyn Disk, file: SnapshotFile) -> Result<Snapshot, LoadError> {
    let bytes = read(disk, file).map_err(|error| match is_bad_medium(&error) {
        true => LoadError::Damaged(error),
        false => LoadError::Machine(error),
    })?;
    let Some(snapshot) = Snapshot::decode(&bytes) else {
        let damaged = io::Error::new(io::ErrorKind::InvalidData, "its checksum does not agree");
        return Err(later_version(&bytes).map_or(LoadError::Damaged(damaged), LoadError::Version));
    };
    if snapshot.position == file.position { Ok(snapshot) } else { Err(LoadError::Foreign) }
}

fn read(disk: &dyn Disk, file: SnapshotFile) -> io::Result<Vec<u8>> {
    let file = disk.open(&file.name(), Access::Read)?;
    let mut bytes = vec![0; usize::try_from(file.size_bytes()?).map_err(io::Error::other)?];
    let length = file.read_at(&mut bytes, 0)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// Returns the version of a snapshot that is none of ours and whose checksum agrees: every version has the magic number, the
/// version and the checksum in these places.
fn later_version(bytes: &[u8]) -> Option<u32> {
    let (content, crc) = bytes.split_last_chunk::<CRC_BYTES>()?;
    let version = u32::from_le_bytes(content.get(4..8)?.try_into().ok()?);
    let is_sound =
        content.starts_with(&SNAPSHOT_MAGIC) && crc32c::crc32c(content) == u32::from_le_bytes(*crc);
    (is_sound && version > VERSION_BOTH).then_some(version)
}

/// Returns the newest snapshot that reads well; nothing if there is none.
///
/// # Errors
/// Returns the error of the disk, but not a damaged file.
pub fn load_newest(disk: &dyn Disk) -> io::Result<Option<Snapshot>> {
    for file in files(disk)? {
        match load(disk, file) {
            Ok(snapshot) => return Ok(Some(snapshot)),
            Err(LoadError::Machine(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
    }
    Ok(None)
}

/// Writes a snapshot to a file of its own, reads it back, and then removes all but the newest [`SNAPSHOTS_KEPT`] that
/// read well. Nothing is removed while there are fewer. Gives those that are kept, newest first.
///
/// # Errors
/// Returns the error of the disk (no space is one, see [`crate::os::disk::is_no_space`]); what was there stays then.
pub fn store(disk: &dyn Disk, snapshot: &Snapshot) -> io::Result<Vec<SnapshotFile>> {
    let there = files(disk)?;
    let is_free = |file: &SnapshotFile| !there.contains(file);
    let of_position = (0..LETTERS.len()).map(|letter| SnapshotFile { position: snapshot.position, letter });
    let file = of_position.clone().find(is_free).unwrap_or(SnapshotFile::first(snapshot.position));
    let name = file.name();
    whole_file::replace(disk, &name, &snapshot.encode())?;
    match load(disk, file) {
        Ok(read) if read == *snapshot => remove_old(disk, file, there),
        _ => {
            // Nobody may take it for the newest: it is not what was written.
            disk.remove(&name)?;
            disk.sync_directory()?;
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} does not read as written")))
        }
    }
}

/// Keeps the file that was just read back, and the newest others that read well; removes the rest.
fn remove_old(
    disk: &dyn Disk,
    made: SnapshotFile,
    others: Vec<SnapshotFile>,
) -> io::Result<Vec<SnapshotFile>> {
    let mut kept = vec![made];
    let mut rest = Vec::new();
    for file in others.into_iter().filter(|file| *file != made) {
        if kept.len() < SNAPSHOTS_KEPT && load(disk, file).is_ok() {
            kept.push(file);
        } else {
            rest.push(file);
        }
    }
    if kept.len() == SNAPSHOTS_KEPT && !rest.is_empty() {
        rest.iter().try_for_each(|file| disk.remove(&file.name()))?;
        disk.sync_directory()?;
    }
    Ok(kept)
}
