//! Where replay starts: at the newest snapshot that can be relied on, or at the first segment.

use std::convert::Infallible;
use std::io;

use super::append::End;
use super::cut::LOST_SUFFIX;
use super::damage::{Damage, Fault, Located, missing_between};
use super::outcome::{RecoverError, Report, io_error};
use super::replay::{Segments, Walk};
use super::segment::{self, SEGMENT_FIRST, SegmentHeader};
use super::snapshot::{self, Snapshot};
use super::streams::Streams;
use crate::base::ids::Position;
use crate::base::vector::VersionVector;
use crate::os::disk::Disk;

/// A place to start from.
pub(super) struct Anchor {
    /// The state there; nothing at the first segment.
    pub(super) snapshot: Option<Snapshot>,
    /// Headers of the segments up to the one the snapshot stands in.
    pub(super) headers: Vec<SegmentHeader>,
    /// What snapshots promise: the farthest position and the records before it.
    pub(super) promised: Promised,
}

/// What was durable at some time, because a snapshot was made of it.
#[derive(Default)]
pub(super) struct Promised {
    pub(super) position: Position,
    pub(super) vector: VersionVector,
}

/// The end of the journal as it was at the anchor. `last` is the header of the segment the snapshot stands in.
pub(super) fn start(segments: &Segments, snapshot: Option<Snapshot>, last: Option<&SegmentHeader>) -> End {
    let previous_end = last.map_or(Position(0), |header| header.previous_end);
    let first = segments.layout.start_of(SEGMENT_FIRST);
    match snapshot {
        Some(Snapshot { position, streams, time_us, .. }) => {
            End { position: position.max(first), previous_end, streams, time_us }
        }
        None => End { position: first, previous_end, streams: Streams::default(), time_us: 0 },
    }
}

/// Looks for the place to start from. Snapshots that can't be read are put aside; those whose segment is damaged too,
/// and segments before the snapshot, only if the loss is accepted.
pub(super) fn find(
    disk: &dyn Disk,
    segments: &Segments,
    accept_loss: bool,
    report: &mut Report,
) -> Result<Anchor, RecoverError> {
    let mut promised = Promised::default();
    let mut first_damage = None;
    for position in snapshot::positions(disk).map_err(io_error("listing snapshots"))? {
        // The name alone tells that the journal was durable up to there.
        promised.position = promised.position.max(position);
        let Some(snapshot) = load(disk, segments, position) else {
            put_aside(disk, &snapshot::name(position)).map_err(io_error("putting a snapshot aside"))?;
            report.bad_snapshots.push(position);
            continue;
        };
        promised.vector.join(&snapshot.streams.vector());
        match headers_to(segments, position, accept_loss) {
            Ok(headers) => return Ok(Anchor { snapshot: Some(snapshot), headers, promised }),
            Err(broken) if !accept_loss => return Err(RecoverError::Damaged(Box::new(broken.damage))),
            Err(broken) if !broken.sound.is_empty() => {
                let last = broken.damage.at.segment;
                give_up(disk, segments, last).map_err(io_error("putting segments aside"))?;
                report.given_up = Some(broken.damage);
                return Ok(Anchor { snapshot: Some(snapshot), headers: broken.sound, promised });
            }
            Err(broken) => {
                put_aside(disk, &snapshot::name(position)).map_err(io_error("putting a snapshot aside"))?;
                first_damage.get_or_insert(broken.damage);
            }
        }
    }
    if segments.numbers.contains(&SEGMENT_FIRST) {
        return Ok(Anchor { snapshot: None, headers: Vec::new(), promised });
    }
    let damage = first_damage.unwrap_or_else(|| Damage {
        at: Located { segment: SEGMENT_FIRST, offset: 0, fault: Fault::Missing },
        readable_to: segments.layout.start_of(SEGMENT_FIRST),
        synced_to: promised.position,
        missing: missing_between(&VersionVector::new(), &promised.vector),
    });
    Err(RecoverError::NoBase(Box::new(damage)))
}

fn load(disk: &dyn Disk, segments: &Segments, position: Position) -> Option<Snapshot> {
    let snapshot = snapshot::load(disk, position).ok()?;
    let identity = &segments.identity;
    (snapshot.cluster == identity.cluster && snapshot.node == identity.node).then_some(snapshot)
}

/// Something is wrong with the segments up to a snapshot.
struct Broken {
    damage: Damage,
    /// Headers of the segments behind the damaged one, up to the snapshot's; none if that is the damaged one.
    sound: Vec<SegmentHeader>,
}

/// The headers of all segments there are up to the one that `position` is in. What stands behind them is looked at only
/// with `reads_bodies`, and not in the last one: a start is not to take longer for what it does not need.
fn headers_to(
    segments: &Segments,
    position: Position,
    reads_bodies: bool,
) -> Result<Vec<SegmentHeader>, Box<Broken>> {
    let layout = segments.layout;
    if position <= layout.start_of(SEGMENT_FIRST) {
        // One of nothing: it stands before the first segment's header.
        return Ok(Vec::new());
    }
    let first = segments.oldest();
    let mut sound: Vec<SegmentHeader> = Vec::new();
    for number in (first.min(layout.segment_of(position))..=layout.segment_of(position)).rev() {
        let header = segments.header(number).map_err(|fault| Located { segment: number, offset: 0, fault });
        let looked_at = header.and_then(|header| match sound.first().filter(|_| reads_bodies) {
            Some(next) => look_into(segments, &header, next).map_or(Ok(header), Err),
            None => Ok(header),
        });
        match looked_at {
            Ok(header) => sound.insert(0, header),
            Err(at) => return Err(Box::new(broken(segments, at, sound, position))),
        }
    }
    Ok(sound)
}

/// Reads all batches of a segment, up to where the `next` one says that they end; gives what is wrong with them.
fn look_into(segments: &Segments, header: &SegmentHeader, next: &SegmentHeader) -> Option<Located> {
    let start = segments.layout.start_of(header.number);
    let end = End {
        position: Position(start.0 + header.length() as u64),
        previous_end: header.previous_end,
        streams: header.streams.clone(),
        time_us: header.time_us,
    };
    let mut walk = Walk::new(segments, end);
    let Ok(fault) = walk.run_segment(header.number, &mut |_| Ok::<(), Infallible>(()));
    let ends_there = walk.end.position == next.previous_end && walk.end.streams == next.streams;
    if fault.is_none() && ends_there {
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

/// Puts the segments up to `last` aside, oldest first, as if they had been removed.
fn give_up(disk: &dyn Disk, segments: &Segments, last: u32) -> io::Result<()> {
    segments.numbers.range(..=last).try_for_each(|&number| put_aside(disk, &segment::name(number)))
}

/// Gives a file a name under which nobody looks for it, and that is never removed.
fn put_aside(disk: &dyn Disk, name: &str) -> io::Result<()> {
    disk.rename(name, &format!("{name}{LOST_SUFFIX}"))?;
    disk.sync_directory()
}
