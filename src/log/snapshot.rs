//! Snapshots: the applications' state at a position of the journal, so that a start replays only what came after.
//!
//! ```text
//!  0 u32 magic 'PXN1'       4 u32 version              8 u128 cluster         24 u64 node
//! 32 u64 position          40 u64 time_us             48 u32 streams         52 u32 sections
//! 56 the streams, then the sections: u32 app id, u32 zero, u64 length, that many bytes
//!  n u32 crc32c of 0..n
//! ```
//!
//! Two are kept. The file is written under another name, synced, renamed, and the directory synced, so that a crash
//! leaves it whole or not at all.

use std::io;

use super::scan::BatchView;
use super::streams::{STREAM_BYTES, StreamFault, Streams};
use super::whole_file;
use crate::base::ids::{ClusterId, NodeId, Position};
use crate::base::limits::SNAPSHOTS_KEPT;
use crate::os::disk::{Access, Disk};

const MAGIC: [u8; 4] = *b"PXN1";
const VERSION: u32 = 1;
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
    /// The batch is not the next one of its stream.
    pub fn follow(&mut self, batch: &BatchView<'_>) -> Result<(), StreamFault> {
        self.streams.follow(self.cluster, &batch.header)?;
        self.position = batch.end;
        self.time_us = self.time_us.max(batch.time_us);
        Ok(())
    }

    /// The bytes of an application's state, if it had any.
    #[must_use]
    pub fn section(&self, app: u8) -> Option<&[u8]> {
        self.sections.iter().find(|(id, _)| *id == app).map(|(_, bytes)| &bytes[..])
    }

    /// Its file's content.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let sections: usize = self.sections.iter().map(|(_, bytes)| SECTION_HEAD_BYTES + bytes.len()).sum();
        let length = FIXED_BYTES + self.streams.len() * STREAM_BYTES + sections + CRC_BYTES;
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.cluster.0);
        out.extend_from_slice(&self.node.0.to_le_bytes());
        out.extend_from_slice(&self.position.0.to_le_bytes());
        out.extend_from_slice(&self.time_us.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.streams.len()).expect("bounded").to_le_bytes());
        out.extend_from_slice(
            &u32::try_from(self.sections.len()).expect("one per application").to_le_bytes(),
        );
        self.streams.encode(&mut out);
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
        let word = |at: usize| u32::from_le_bytes(fixed[at..at + 4].try_into().expect("four bytes"));
        let long = |at: usize| u64::from_le_bytes(fixed[at..at + 8].try_into().expect("eight bytes"));
        let is_sound = fixed[..4] == MAGIC && word(4) == VERSION;
        if !is_sound || crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (streams, rest) = rest.split_at_checked((word(48) as usize).checked_mul(STREAM_BYTES)?)?;
        Some(Self {
            cluster: ClusterId(fixed[8..24].try_into().expect("sixteen bytes")),
            node: NodeId(long(24)),
            position: Position(long(32)),
            time_us: long(40),
            streams: Streams::decode(streams)?,
            sections: decode_sections(rest, word(52))?,
        })
    }
}

fn decode_sections(mut rest: &[u8], count: u32) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut sections = Vec::new();
    for _ in 0..count {
        let (head, after) = rest.split_first_chunk::<SECTION_HEAD_BYTES>()?;
        let app = u32::from_le_bytes(head[..4].try_into().ok()?);
        let length = u64::from_le_bytes(head[8..].try_into().ok()?);
        let (bytes, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        sections.push((u8::try_from(app).ok()?, bytes.to_vec()));
        rest = after;
    }
    rest.is_empty().then_some(sections)
}

/// The file of the snapshot at `position`.
#[must_use]
pub fn name(position: Position) -> String {
    format!("{:020}{SUFFIX}", position.0)
}

/// The position that a file's name stands for, if it is a snapshot's.
#[must_use]
pub fn position_of(file_name: &str) -> Option<Position> {
    let digits = file_name.strip_suffix(SUFFIX)?;
    let is_plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_plain).map(Position)
}

/// Positions of the snapshots there are, newest first.
///
/// # Errors
/// Those of the disk.
pub fn positions(disk: &dyn Disk) -> io::Result<Vec<Position>> {
    let mut found: Vec<_> = disk.list()?.iter().filter_map(|file| position_of(file)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Reads the snapshot at `position`.
///
/// # Errors
/// Those of the disk; `InvalidData` if its file is damaged or holds the snapshot of another place.
pub fn load(disk: &dyn Disk, position: Position) -> io::Result<Snapshot> {
    let file = disk.open(&name(position), Access::Read)?;
    let size = usize::try_from(file.size_bytes()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; size];
    let length = file.read_at(&mut bytes, 0)?;
    Snapshot::decode(&bytes[..length])
        .filter(|snapshot| snapshot.position == position)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged", name(position))))
}

/// Writes a snapshot, reads it back, and then removes all but the newest [`SNAPSHOTS_KEPT`].
///
/// # Errors
/// Those of the disk (no space is one of them, see [`crate::os::disk::is_no_space`]); the older ones stay then.
pub fn store(disk: &dyn Disk, snapshot: &Snapshot) -> io::Result<()> {
    let name = name(snapshot.position);
    whole_file::replace(disk, &name, &snapshot.encode())?;
    if load(disk, snapshot.position)? != *snapshot {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{name} does not read as written")));
    }
    remove_old(disk)
}

fn remove_old(disk: &dyn Disk) -> io::Result<()> {
    let old = positions(disk)?.into_iter().skip(SNAPSHOTS_KEPT);
    let mut removed = false;
    for position in old {
        disk.remove(&name(position))?;
        removed = true;
    }
    if removed { disk.sync_directory() } else { Ok(()) }
}
