//! Recovery: from what a crash left to a journal that goes on.
//!
//! ```text
//! identity -> snapshot -> headers of the segments before it -> replay of the batches behind it
//!   -> nothing more: go on          -> torn tail: copy, zero, go on          -> damage: refuse, or cut if told to
//! ```
//!
//! All is read before anything is written, so a start that is refused has changed nothing, whatever the reason.
//!
//! A tail is torn when nothing says that it was durable. When a later slot, a later segment or a snapshot says so, what
//! was acknowledged is damaged; a place that can't be read is damage always. All of it may be killed at any call and run
//! again.

pub(crate) mod anchor;
pub(crate) mod cut;
pub mod joining;
pub mod mend;
mod outcome;
pub(crate) mod owed;
mod reading;
mod remains;
pub(crate) mod replay;
mod resettle;
pub(crate) mod tear;
pub(crate) mod unfinished;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use self::anchor::{Anchor, Found};
use self::outcome::io_error;
pub use self::outcome::{BadSnapshot, Cut, RecoverError, Report};
use self::owed::Owed;
use self::replay::{Segments, Walk};
use self::resettle::resettle;
use self::tear::{Tear, Torn};
use self::unfinished::remove_unfinished;
use super::snapshot::{self, Snapshot};
use super::streams::StreamFault;
use crate::base::ids::{ClusterId, NodeId, Position};
use crate::base::limits::{BLOCK_BYTES, ORIGINS_MAX};
use crate::log::files::identity::{Identity, is_segment_size};
use crate::log::format::damage::{Damage, Fault, Located};
use crate::log::format::segment::{self, Layout, SEGMENT_FIRST, SegmentError, SegmentHeader};
use crate::log::read::reader::Reader;
use crate::log::read::scan::BatchView;
use crate::log::write::append::{Appender, End};
use crate::log::write::spare::{ReadyFiles, SpareError, make_spare};
use crate::log::write::writer::Writer;
use crate::os::disk::{Access, Disk};

/// How to open a data directory.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// Size of a segment in bytes, should the directory be new; see [`is_segment_size`].
    pub segment_bytes: u64,
    /// Go on without acknowledged data that is damaged, instead of refusing.
    pub accept_loss: bool,
    /// Cluster, should the directory be new.
    pub cluster: ClusterId,
    /// Id of the directory, should it be new.
    pub node: NodeId,
    /// Random: the part of this start's id behind its number.
    pub random: u32,
}

/// What is handed to the one who rebuilds the state.
#[derive(Clone, Copy, Debug)]
pub enum Replay<'a> {
    /// First, and at most once: the state to start from.
    Snapshot(&'a Snapshot),
    /// Then each batch behind it, in order.
    Batch(&'a BatchView<'a>),
    /// Last: the header of the oldest segment, unless no batch was ever written. An error says that those before it are
    /// missed, which is damage.
    Oldest(&'a SegmentHeader),
}

/// Takes what is replayed; its error ends recovery with [`RecoverError::Refused`].
pub type OnReplay<'f> = dyn FnMut(Replay<'_>) -> Result<(), String> + 'f;

/// A journal that goes on.
pub struct Opened {
    /// Who the directory is, with the new `inc`.
    pub identity: Identity,
    /// For the holder of the commit token.
    pub appender: Appender,
    /// For the one who writes.
    pub writer: Writer,
    /// For everybody.
    pub reader: Arc<Reader>,
    /// Segments that are open for the writer, to which a spare is added.
    pub files: Arc<ReadyFiles>,
    /// Whether the segment behind the current one is made already.
    pub spare_ready: bool,
    /// What was found and done.
    pub report: Report,
}

/// Opens the journal of a data directory, makes it if the directory is new, and hands its content to `on_replay`.
///
/// All that was replayed is durable when this returns.
///
/// # Errors
/// Returns [`RecoverError::Damaged`], which says what is missing; with `accept_loss` the journal is cut off there instead.
pub fn open(
    disk: &Arc<dyn Disk>,
    options: &OpenOptions,
    on_replay: &mut OnReplay<'_>,
) -> Result<Opened, RecoverError> {
    let (mut opened, mut owed) = look(disk, options, on_replay)?;
    let copies = owed.settle()?;
    opened.report.note_copies(copies);
    Ok(opened)
}

/// Opens a journal for reading: a directory that has an identity is left as it is, and what is owed before the first write
/// comes with it.
///
/// # Errors
/// Fails as [`open`] does.
pub fn look(
    disk: &Arc<dyn Disk>,
    options: &OpenOptions,
    on_replay: &mut OnReplay<'_>,
) -> Result<(Opened, Owed), RecoverError> {
    let stored = Identity::load(&**disk).map_err(io_error("reading the identity"))?;
    let identity = match stored {
        Some(stored) => {
            if joining::is_marked(&**disk).map_err(io_error("listing the directory"))? {
                joining::undo(&**disk, stored.segment_bytes).map_err(no_segment)?;
            }
            stored.next(options.random)
        }
        None => begin(&**disk, options)?,
    };
    let mut report = Report { is_new: stored.is_none(), ..Report::default() };
    let segments = Segments::open(&**disk, identity, Access::Read)?;
    let (segments, anchor) = match anchor::find(&**disk, &segments, options.accept_loss, &mut report)? {
        Found::Anchor(anchor) => (segments, anchor),
        Found::Unplaced(unplaced) => {
            report.given_up = resettle(disk, &segments, *unplaced)?;
            let segments = Segments::open(&**disk, identity, Access::Read)?;
            match anchor::find(&**disk, &segments, options.accept_loss, &mut Report::default())? {
                Found::Anchor(anchor) => (segments, anchor),
                Found::Unplaced(unplaced) => return Err(RecoverError::Damaged(Box::new(unplaced.damage))),
            }
        }
    };
    let reached = replay(&segments, *anchor, options.accept_loss, &mut report, on_replay)?;
    go_on(disk, &segments, reached, report).map_err(io_error("reading the last block"))
}

/// Reads a directory as a start without `accept_loss` does, and changes nothing. A mark of joining is for the caller to
/// look at: a start makes such a directory empty.
///
/// # Errors
/// Fails as [`open`] does.
pub fn examine(disk: &dyn Disk, on_replay: &mut OnReplay<'_>) -> Result<Report, RecoverError> {
    let identity = Identity::load(disk).map_err(io_error("reading the identity"))?;
    examine_as(disk, identity.ok_or(RecoverError::NoIdentity)?, on_replay)
}

/// Examines a directory whose identity is this one.
pub(in crate::log) fn examine_as(
    disk: &dyn Disk,
    identity: Identity,
    on_replay: &mut OnReplay<'_>,
) -> Result<Report, RecoverError> {
    let mut report = Report::default();
    let segments = Segments::open(disk, identity, Access::Read)?;
    match anchor::find(disk, &segments, false, &mut report)? {
        Found::Anchor(anchor) => replay(&segments, *anchor, false, &mut report, on_replay)?,
        Found::Unplaced(unplaced) => return Err(RecoverError::Damaged(Box::new(unplaced.damage))),
    };
    Ok(report)
}

fn go_on(
    disk: &Arc<dyn Disk>,
    segments: &Segments,
    reached: Reached,
    report: Report,
) -> io::Result<(Opened, Owed)> {
    let Segments { identity, layout, key, .. } = *segments;
    let unsure = unsure(layout, &reached);
    let Reached { end, torn, given_up, .. } = reached;
    let files = Arc::new(ReadyFiles::default());
    let partial = cut::partial_block(segments, end.position)?;
    let writer = Writer::new(Arc::clone(disk), Arc::clone(&files), layout, end.position, &partial);
    let owed = Owed {
        disk: Arc::clone(disk),
        identity,
        torn,
        given_up,
        copies: Vec::new(),
        unsure,
        end: end.position,
        files: files.clone(),
    };
    let reader = Reader::new(Arc::clone(disk), layout, key, &reached.headers, end.position, &partial);
    let appender = Appender::new(identity.cluster, identity.node, identity.inc, layout, end);
    let spare_ready = segments.numbers.contains(&appender.spare_number());
    let reader = Arc::new(reader);
    Ok((Opened { identity, appender, writer, reader, files, spare_ready, report }, owed))
}

/// Returns whether a journal that was left with its end at `end`, and the segments that `reader` knows, is still as it was: nobody
/// has written to it, and no segment has come or gone but the next one.
///
/// # Errors
/// Returns the error of the disk.
pub fn is_as_left(disk: &dyn Disk, end: Position, layout: Layout, reader: &Reader) -> io::Result<bool> {
    let current = layout.segment_of(end);
    let mut expected: BTreeSet<u32> = reader.segments().iter().map(|segment| segment.number).collect();
    expected.insert(current);
    let mut found: BTreeSet<u32> = disk.list()?.iter().filter_map(|name| segment::number_of(name)).collect();
    let has_next = found.remove(&(current + 1));
    let is_blank = |number: u32, offset: u64| -> io::Result<bool> {
        let mut bytes = [0; BLOCK_BYTES];
        let length = disk.open(&segment::name(number), Access::Read)?.read_at(&mut bytes, offset)?;
        Ok(bytes[..length].iter().all(|&byte| byte == 0))
    };
    Ok(found == expected
        && is_blank(current, layout.offset_of(end))?
        && (!has_next || is_blank(current + 1, 0)?))
}

/// Makes the first segment. The identity comes after it: once that is there, a missing segment is damage.
fn begin(disk: &dyn Disk, options: &OpenOptions) -> Result<Identity, RecoverError> {
    let OpenOptions { segment_bytes, cluster, node, random, .. } = *options;
    if !is_segment_size(segment_bytes) {
        return Err(RecoverError::SegmentSize(segment_bytes));
    }
    let identity = Identity::new(cluster, node, segment_bytes, random);
    let segments = Segments::open(disk, identity, Access::Read)?;
    let is_blank =
        |number| matches!(segments.header(number), Err(Fault::Header(SegmentError::Spare) | Fault::Missing));
    let has_snapshot = !snapshot::files(disk).map_err(io_error("listing snapshots"))?.is_empty();
    if has_snapshot || segments.numbers.iter().any(|&number| number != SEGMENT_FIRST || !is_blank(number)) {
        return Err(RecoverError::NoIdentity);
    }
    segments.check()?;
    remove_unfinished(disk, "").map_err(io_error("removing unfinished files"))?;
    if segments.numbers.contains(&SEGMENT_FIRST) {
        // An earlier start came this far, maybe with another size.
        disk.remove(&segment::name(SEGMENT_FIRST)).map_err(io_error("removing a blank segment"))?;
    }
    make_spare(disk, SEGMENT_FIRST, segment_bytes).map_err(no_segment)?;
    identity.store(disk).map_err(io_error("writing the identity"))?;
    Ok(identity)
}

fn no_segment(error: SpareError) -> RecoverError {
    match error {
        SpareError::NoSpace { .. } => RecoverError::NoSpace,
        SpareError::Io { source, .. } | SpareError::Name { source, .. } => {
            RecoverError::Io { what: "making the first segment", source }
        }
    }
}

/// Where the journal was found to end.
struct Reached {
    end: End,
    headers: Vec<SegmentHeader>,
    /// Up to here something says that it was durable.
    synced: Position,
    /// What stands behind the end and is to be cut off.
    torn: Option<Torn>,
    /// The last of the segments that are to be put aside.
    given_up: Option<u32>,
}

/// Frames of which nothing says that they are durable, segment by segment, oldest first. They may have been read from the
/// system's memory, and an earlier sync of them may have failed.
fn unsure(layout: Layout, reached: &Reached) -> Vec<(Position, Position)> {
    let (mut parts, mut to) = (Vec::new(), reached.end.position);
    for header in reached.headers.iter().rev() {
        let start = layout.start_of(header.number);
        parts.push((reached.synced.max(start).min(to), to));
        if reached.synced >= start {
            break;
        }
        to = header.previous_end;
    }
    parts.reverse();
    parts
}

/// Replays from the anchor, and looks at what stands behind the last batch.
fn replay(
    segments: &Segments,
    anchor: Anchor,
    accept_loss: bool,
    report: &mut Report,
    on_replay: &mut OnReplay<'_>,
) -> Result<Reached, RecoverError> {
    let Anchor { snapshot, mut headers, promised, given_up } = anchor;
    if let Some((file, snapshot)) = &snapshot {
        report.snapshot = Some(*file);
        on_replay(Replay::Snapshot(snapshot)).map_err(RecoverError::Refused)?;
    }
    let start = anchor::start(segments, snapshot.map(|(_, snapshot)| snapshot), headers.last());
    let from = start.position;
    let mut walk = Walk::new(segments, start);
    let fault = walk.run(&mut |batch: &BatchView<'_>| on_replay(Replay::Batch(batch)));
    let fault = fault.map_err(RecoverError::Refused)?;
    headers.append(&mut walk.headers);
    report.batches = walk.batches;
    report.bytes = walk.end.position.0 - from.0;

    let Walk { end, synced, .. } = walk;
    let is_full = matches!(fault, Some(Located { fault: Fault::Stream(StreamFault::TooMany), .. }));
    if is_full || end.streams.len() >= ORIGINS_MAX {
        return Err(RecoverError::TooManyOrigins);
    }
    let tear = Tear::find(segments, &end, fault).with_promise(promised);
    let (cut, torn) = tear.decide(segments, &end, accept_loss)?.unzip();
    if let Some(oldest) = headers.first() {
        let is_missed = |_| RecoverError::Damaged(Box::new(missing_before(segments, oldest)));
        on_replay(Replay::Oldest(oldest)).map_err(is_missed)?;
    }
    report.cut = cut;
    let last = given_up.as_ref().map(|damage| damage.at.segment);
    report.given_up.extend(given_up);
    Ok(Reached { end, headers, synced, torn, given_up: last })
}

/// Returns the segment before the oldest one, which is missed.
fn missing_before(segments: &Segments, oldest: &SegmentHeader) -> Damage {
    let segment = oldest.number.saturating_sub(1);
    Damage {
        at: Located { segment, offset: 0, fault: Fault::Missing },
        readable_to: segments.layout.start_of(segment),
        synced_to: oldest.previous_end,
        missing: Vec::new(),
    }
}
