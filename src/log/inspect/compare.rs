//! Two data directories side by side: does each stream hold the same bytes in both, and who lacks what.

use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::{InspectError, Journal};
use crate::base::ids::{ClusterId, NodeId, Origin, Seq};
use crate::base::streams::{FoldsDiffer, Stream, Streams};
use crate::log::format::record;
use crate::log::read::scan::BatchView;
use crate::os::disk::Disk;

/// One directory, as far as the comparison needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// The directory.
    pub node: NodeId,
    /// Where each stream ends, those included of which no batch is left.
    pub streams: Streams,
    /// First and last record of what is left of each stream.
    pub retained: BTreeMap<Origin, (Seq, Seq)>,
}

/// What two directories have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The two.
    pub sides: [Side; 2],
    /// Every stream that one of them knows, but for those that both have folded.
    pub streams: Vec<StreamComparison>,
    /// A node of whose folded streams they do not have the same.
    pub folds: Option<FoldsDiffer>,
}

/// One stream in both directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamComparison {
    /// The stream.
    pub origin: Origin,
    /// Its last record's number in each; 0 where nothing of it ever came.
    pub last: [Seq; 2],
    /// The records that both retain, first and last; nothing if there are none.
    pub common: Option<(Seq, Seq)>,
    /// The first record of the first batch that differs, if one does. 0: the chains differ, and no batch is left to show where.
    pub differs_at: Option<Seq>,
}

/// How two directories stand to each other, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Agreement {
    /// Every stream ends at the same record in both, and all batches that both retain are the same bytes.
    Same,
    /// All batches that both retain are the same bytes, but one has records that the other lacks.
    Behind,
    /// A batch differs, or they belong to different clusters.
    Different,
}

impl StreamComparison {
    /// Returns how the two stand to each other in this stream.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        match self.differs_at {
            Some(_) => Agreement::Different,
            None if self.last[0] == self.last[1] => Agreement::Same,
            None => Agreement::Behind,
        }
    }
}

impl Comparison {
    /// Returns how the two stand to each other.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        if self.sides[0].cluster != self.sides[1].cluster {
            return Agreement::Different;
        }
        let folds = match self.folds.map(|folds| folds.starts) {
            None => Agreement::Same,
            Some([a, b]) if a != b => Agreement::Behind,
            Some(_) => Agreement::Different,
        };
        self.streams.iter().map(StreamComparison::agreement).max().unwrap_or(Agreement::Same).max(folds)
    }
}

/// Reads both journals, checks every checksum, number and chain in each, and compares what both retain. Servers may be
/// running on them: what they write meanwhile is not looked at.
///
/// # Errors
/// Returns what is wrong with one of them, and which: 0 or 1.
pub fn compare(disks: [&dyn Disk; 2]) -> Result<Comparison, (usize, InspectError)> {
    let side = |index: usize| Side::read(disks[index]).map_err(|error| (index, error));
    let sides = [side(0)?, side(1)?];
    let both = |index: usize, origin| sides[index].retained.get(&origin).copied();
    let origins: BTreeSet<Origin> =
        sides.iter().flat_map(|side| side.streams.iter().map(|stream| stream.origin)).collect();
    let mut ranges = BTreeMap::new();
    for &origin in &origins {
        if let (Some(a), Some(b)) = (both(0, origin), both(1, origin)) {
            let common = (a.0.max(b.0), a.1.min(b.1));
            if common.0 <= common.1 {
                ranges.insert(origin, common);
            }
        }
    }
    let hashes = |index: usize| hash_ranges(disks[index], &ranges).map_err(|error| (index, error));
    let hashes = [hashes(0)?, hashes(1)?];
    let mut streams = Vec::with_capacity(origins.len());
    for origin in origins {
        let ends = ends(&sides, origin);
        let common = ranges.get(&origin).copied();
        let differs_at = match common {
            Some(range) if hashes[0].get(&origin) != hashes[1].get(&origin) => {
                Some(first_difference(disks, origin, range)?)
            }
            _ => forked(&ends).then_some(0),
        };
        let last = [ends[0].seq, ends[1].seq];
        streams.push(StreamComparison { origin, last, common, differs_at });
    }
    let folds = sides[0].streams.differ_in_folds(&sides[1].streams);
    Ok(Comparison { sides, streams, folds })
}

/// Returns where a stream ends in both. One that folds it has it to the end; whether that is the other one's, the folds say.
fn ends(sides: &[Side; 2], origin: Origin) -> [Stream; 2] {
    let ends = [0, 1].map(|index| sides[index].streams.of(sides[index].cluster, origin));
    match [0, 1].map(|index| sides[index].streams.is_folded(origin)) {
        [true, false] => [ends[1]; 2],
        [false, true] => [ends[0]; 2],
        _ => ends,
    }
}

/// Returns whether two streams end at the same record with different histories before it.
fn forked(ends: &[Stream; 2]) -> bool {
    ends[0].seq == ends[1].seq && ends[0].chain != ends[1].chain
}

impl Side {
    fn read(disk: &dyn Disk) -> Result<Self, InspectError> {
        let mut retained = BTreeMap::new();
        let mut journal = Journal::open(disk)?;
        journal.read(disk, &mut |batch| {
            record::check(batch.body, batch.count)?;
            let last = batch.header.last_seq();
            retained.entry(batch.origin).or_insert((batch.first_seq, last)).1 = last;
            Ok(())
        })?;
        let identity = journal.segments.identity;
        Ok(Self { cluster: identity.cluster, node: identity.node, streams: journal.end.streams, retained })
    }
}

fn is_within(batch: &BatchView<'_>, range: (Seq, Seq)) -> bool {
    // One that only reaches into the range is no batch of the other directory: it must count as a difference.
    batch.header.last_seq() >= range.0 && batch.first_seq <= range.1
}

fn hash_ranges(
    disk: &dyn Disk,
    ranges: &BTreeMap<Origin, (Seq, Seq)>,
) -> Result<BTreeMap<Origin, u64>, InspectError> {
    let mut hashes: BTreeMap<Origin, Xxh3Default> = BTreeMap::new();
    Journal::open(disk)?.read(disk, &mut |batch| {
        if ranges.get(&batch.origin).is_some_and(|range| is_within(batch, *range)) {
            let hash = hashes.entry(batch.origin).or_default();
            hash.update(&batch.header.encode());
            hash.update(batch.body);
        }
        Ok(())
    })?;
    Ok(hashes.into_iter().map(|(origin, hash)| (origin, hash.digest())).collect())
}

/// Returns where the batches of a range begin to differ.
fn first_difference(
    disks: [&dyn Disk; 2],
    origin: Origin,
    range: (Seq, Seq),
) -> Result<Seq, (usize, InspectError)> {
    let batches = |index: usize| {
        let mut found: Vec<(Seq, u64, u64)> = Vec::new();
        let mut journal = Journal::open(disks[index]).map_err(|error| (index, error))?;
        let read = journal.read(disks[index], &mut |batch| {
            if batch.origin == origin && is_within(batch, range) {
                found.push((batch.first_seq, xxh3_64(&batch.header.encode()), xxh3_64(batch.body)));
            }
            Ok(())
        });
        read.map_err(|error| (index, error))?;
        Ok(found)
    };
    let (a, b) = (batches(0)?, batches(1)?);
    let differs = a.iter().zip(&b).find(|(a, b)| a != b).map(|(a, b)| a.0.min(b.0));
    Ok(differs.unwrap_or(range.0))
}
