//! Where replay starts: at the newest snapshot that can be relied on, or at the first segment.

use std::io;

use super::cut::LOST_SUFFIX;
use super::outcome::{BadSnapshot, RecoverError, Report, io_error};
use super::remains::Remains;
use super::replay::{Segments, Walk};
use crate::base::ids::Position;
use crate::base::vector::VersionVector;
use crate::log::format::damage::{Damage, Fault, Located, missing_between};
use crate::log::format::segment::{self, SEGMENT_FIRST, SegmentError, SegmentHeader};
use crate::log::read::scan::BatchView;
use crate::log::snapshot::{self, LoadError, Snapshot, SnapshotFile};
use crate::log::streams::Streams;
use crate::log::write::append::End;
use crate::os::disk::Disk;

/// A place to start from.
pub(in crate::log) struct Anchor {
    /// The state there and its file; nothing at the first segment.
    pub(in crate::log) snapshot: Option<(SnapshotFile, Snapshot)>,
    /// Headers of the segments up to the one the snapshot stands in.
    pub(in crate::log) headers: Vec<SegmentHeader>,
    /// What snapshots promise: the farthest position and the records before it.
    pub(in crate::log) promised: Promised,
    /// Damage before the snapshot that was accepted: the segments up to it are to be put aside.
    pub(in crate::log) given_up: Option<Damage>,
}

/// What was durable at some time, because a snapshot was made of it.
#[derive(Default)]
pub(in crate::log) struct Promised {
    pub(in crate::log) position: Position,
    pub(in crate::log) vector: VersionVector,
}

/// Returns the end of the journal as it was at the anchor. `last` is the header of the segment the snapshot stands in.
pub(in crate::log) fn start(
    segments: &Segments,
    snapshot: Option<Snapshot>,
    last: Option<&SegmentHeader>,
) -> End {
    let previous_end = last.map_or(Position(0), |header| header.previous_end);
    let first = segments.layout.start_of(SEGMENT_FIRST);
    match snapshot {
        Some(Snapshot { position, streams, time_us, .. }) => {
            End { position: position.max(first), previous_end, streams, time_us }
        }
        None => End { position: first, previous_end, streams: Streams::default(), time_us: 0 },
    }
}

/// A snapshot that reads well, while the segment does not in which it stands.
pub(in crate::log) struct Unplaced {
    pub(in crate::log) snapshot: Snapshot,
    /// What is wrong with that segment.
    pub(in crate::log) damage: Damage,
    pub(in crate::log) promised: Promised,
}

/// How a start goes on.
pub(in crate::log) enum Found {
    /// From here.
    Anchor(Box<Anchor>),
    /// The segment is damaged in which the newest snapshot stands that reads well. Only if the loss is accepted.
    Unplaced(Box<Unplaced>),
}

/// Looks for the place to start from: the newest snapshot that reads well. One that does not is told of and keeps its
/// name; segments before it are done without only if the loss is accepted. Changes nothing.
pub(in crate::log) fn find(
    disk: &dyn Disk,
    segments: &Segments,
    accept_loss: bool,
    report: &mut Report,
) -> Result<Found, RecoverError> {
    let mut promised = Promised::default();
    for file in snapshot::files(disk).map_err(io_error("listing snapshots"))? {
        // The name alone tells that the journal was durable up to there.
        promised.position = promised.position.max(file.position);
        let snapshot = match load(disk, segments, file)? {
            Ok(snapshot) => snapshot,
            Err(bad) => {
                report.bad_snapshots.push(bad);
                continue;
            }
        };
        promised.vector.join(&snapshot.streams.vector());
        let headers = headers_to(segments, &snapshot, accept_loss);
        segments.check()?;
        return match headers {
            Ok(headers) => Ok(Found::Anchor(Box::new(Anchor {
                snapshot: Some((file, snapshot)),
                headers,
                promised,
                given_up: None,
            }))),
            Err(broken) if !accept_loss || broken.damage.at.fault.later().is_some() => {
                Err(RecoverError::damaged(Box::new(broken.damage)))
            }
            Err(broken) if broken.sound.is_empty() => {
                Ok(Found::Unplaced(Box::new(Unplaced { snapshot, damage: broken.damage, promised })))
            }
            Err(broken) => {
                let Broken { sound: headers, damage } = *broken;
                let given_up = Some(damage);
                Ok(Found::Anchor(Box::new(Anchor {
                    snapshot: Some((file, snapshot)),
                    headers,
                    promised,
                    given_up,
                })))
            }
        };
    }
    if segments.numbers.contains(&SEGMENT_FIRST) {
        return Ok(Found::Anchor(Box::new(Anchor {
            snapshot: None,
            headers: Vec::new(),
            promised,
            given_up: None,
        })));
    }
    Err(RecoverError::NoBase(Box::new(Damage {
        at: Located { segment: SEGMENT_FIRST, offset: 0, fault: Fault::Missing },
        readable_to: segments.layout.start_of(SEGMENT_FIRST),
        synced_to: promised.position,
        missing: missing_between(&VersionVector::new(), &promised.vector),
    })))
}

/// Reads a snapshot; what is wrong with it, if it is no use. Fails if that can't be told now, or a later program wrote it.
fn load(
    disk: &dyn Disk,
    segments: &Segments,
    file: SnapshotFile,
) -> Result<Result<Snapshot, BadSnapshot>, RecoverError> {
    let name = file.name();
    let identity = &segments.identity;
    let is_own = |snapshot: &Snapshot| snapshot.cluster == identity.cluster && snapshot.node == identity.node;
    let why = match snapshot::load(disk, file) {
        Ok(snapshot) if is_own(&snapshot) => return Ok(Ok(snapshot)),
        Ok(_) => LoadError::Foreign,
        Err(LoadError::Machine(source)) => return Err(RecoverError::Machine { name, source }),
        Err(why @ LoadError::Version(_)) => return Err(RecoverError::Later { name, what: why.to_string() }),
        Err(why) => why,
    };
    Ok(Err(BadSnapshot { name, why: why.to_string() }))
}

/// Something is wrong with the segments up to a snapshot.
struct Broken {
    damage: Damage,
    /// Headers of the segments behind the damaged one, up to the snapshot's; none if that is the damaged one.
    sound: Vec<SegmentHeader>,
}

/// Returns the headers of all segments there are up to the one that the snapshot stands in. What stands behind them is looked at
/// only with `reads_bodies`: a start is not to take longer for what it does not need.
fn headers_to(
    segments: &Segments,
    snapshot: &Snapshot,
    reads_bodies: bool,
) -> Result<Vec<SegmentHeader>, Box<Broken>> {
    let (layout, position) = (segments.layout, snapshot.position);
    if position <= layout.start_of(SEGMENT_FIRST) {
        // One of nothing: it stands before the first segment's header.
        return Ok(Vec::new());
    }
    let first = segments.oldest();
    let mut sound: Vec<SegmentHeader> = Vec::new();
    let last = layout.segment_of(position);
    for number in (first.min(last)..=last).rev() {
        let header = segments.header(number).map_err(|fault| Located { segment: number, offset: 0, fault });
        let header = header.and_then(|header| match too_short(segments, number, position) {
            Some(at) if number == last => Err(at),
            _ => Ok(header),
        });
        let looked_at = header.and_then(|header| {
            let (end, streams) = match sound.first() {
                Some(next) => (next.previous_end, &next.streams),
                None => (position, &snapshot.streams),
            };
            let fault = if reads_bodies { look_into(segments, &header, end, streams) } else { None };
            fault.map_or(Ok(header), Err)
        });
        match looked_at {
            Ok(header) => sound.insert(0, header),
            Err(at) => return Err(Box::new(broken(segments, at, sound, position))),
        }
    }
    Ok(sound)
}

/// Returns what is wrong with the file that `position` is in, if it ends before.
fn too_short(segments: &Segments, number: u32, position: Position) -> Option<Located> {
    let size = segments.file(number).and_then(|file| file.size_bytes());
    let fault = match size {
        Ok(size) if size >= segments.layout.offset_of(position) => return None,
        Ok(size) => (size, io::Error::new(io::ErrorKind::UnexpectedEof, "the file is too short")),
        Err(error) => (0, error),
    };
    Some(Located { segment: number, offset: fault.0, fault: Fault::Unreadable(fault.1) })
}

/// Reads the batches of a segment up to `due`, where streams stand at `streams`; gives what is wrong with them.
fn look_into(
    segments: &Segments,
    header: &SegmentHeader,
    due: Position,
    streams: &Streams,
) -> Option<Located> {
    let start = segments.layout.start_of(header.number);
    let end = End {
        position: Position(start.0 + header.length() as u64),
        previous_end: header.previous_end,
        streams: header.streams.clone(),
        time_us: header.time_us,
    };
    let mut walk = Walk::new(segments, end);
    let mut reached = walk.end.position;
    let is_there = reached == due;
    let mut look = |batch: &BatchView<'_>| {
        // Streams have moved on when a batch is told of; the place behind it counts.
        reached = batch.end;
        if batch.end < due { Ok(()) } else { Err(()) }
    };
    // What stands behind is not looked at here.
    let fault = if is_there { None } else { walk.run_segment(header.number, &mut look).unwrap_or(None) };
    if reached == due && walk.end.streams == *streams {
        return None;
    }
    let offset = walk.end.position.0 - start.0;
    Some(Located { segment: header.number, offset, fault: fault.unwrap_or(Fault::Lost) })
}

fn broken(segments: &Segments, at: Located, sound: Vec<SegmentHeader>, position: Position) -> Broken {
    let oldest = segments.header(segments.oldest()).ok();
    let from = oldest.map(|header| header.streams.vector()).unwrap_or_default();
    let to = sound.first().map(|header| header.streams.vector()).unwrap_or_default();
    let damage = Damage {
        readable_to: segments.layout.start_of(at.segment),
        synced_to: sound.first().map_or(position, |header| segments.layout.start_of(header.number)),
        missing: missing_between(&from, &to),
        at,
    };
    Broken { damage, sound }
}

/// Puts the segments up to `last` aside, oldest first, as if they had been removed. What nothing was written to goes.
pub(in crate::log) fn give_up(disk: &dyn Disk, segments: &Segments, last: u32) -> io::Result<()> {
    for &number in segments.numbers.range(..=last) {
        let name = segment::name(number);
        match segments.header(number) {
            Err(Fault::Header(SegmentError::Spare)) if is_blank(segments, number) => disk.remove(&name)?,
            _ => disk.rename(&name, &format!("{name}{LOST_SUFFIX}"))?,
        }
        disk.sync_directory()?;
    }
    Ok(())
}

/// Returns whether a segment's file holds nothing but zeros.
pub(in crate::log) fn is_blank(segments: &Segments, number: u32) -> bool {
    let Ok(file) = segments.file(number) else { return false };
    let mut remains = Remains::new(segments.layout, segments.key);
    remains.examine(number, 0, &*file);
    remains.parts.is_empty() && remains.unreadable.is_none()
}
