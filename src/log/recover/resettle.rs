//! Settling anew behind a damaged segment, when an operator accepts the loss: the segment in which the newest sound snapshot
//! stands has no header, is too short, or is gone. State is whole all the same, and what stands behind the snapshot can be
//! read; but a journal can't go on in that file.
//!
//! ```text
//! new segments behind a hole in the numbers, with all batches behind the snapshot
//!   -> the snapshot once more, for its place there, twice -> the old segments are put aside as they are
//! ```
//!
//! It may be killed at any call and run again: until the snapshot is there a start refuses as before, and one that accepts
//! the loss does all of it again; then only the last step is left.

use std::sync::Arc;

use super::anchor::{self, Unplaced};
use super::outcome::{RecoverError, io_error};
use super::replay::{Segments, Walk};
use super::tear::Tear;
use crate::base::ids::Position;
use crate::base::limits::SNAPSHOTS_KEPT;
use crate::log::format::damage::{Damage, Located};
use crate::log::format::segment;
use crate::log::read::scan::BatchView;
use crate::log::snapshot::{self, Snapshot};
use crate::log::streams::StreamFault;
use crate::log::write::append::{Appender, End};
use crate::log::write::spare::{ReadyFiles, SpareError, make_spare};
use crate::log::write::staged::Staged;
use crate::log::write::writer::Writer;
use crate::os::disk::Disk;

/// Makes a journal that begins with the snapshot and holds what can be read behind it. Gives what is lost: before the
/// snapshot, and behind what could be read if something says that more was durable. The segments have to be listed again
/// afterwards.
pub(in crate::log) fn resettle(
    disk: &Arc<dyn Disk>,
    segments: &Segments,
    unplaced: Unplaced,
) -> Result<Vec<Damage>, RecoverError> {
    let Unplaced { snapshot, damage, promised } = unplaced;
    let last = segments.numbers.last().map_or(0, |&last| last);
    let last = last.max(segments.layout.segment_of(snapshot.position));
    let mut copy = Copy::new(disk, segments, last);
    let outcome = copy.make(segments, &snapshot).and_then(|reached| {
        let Reached { end, fault, place } = reached;
        let lost = Tear::find(segments, &end, fault).with_promise(promised).judge(segments, &end).err();
        segments.check()?;
        Ok((lost, Snapshot { position: place, ..snapshot }))
    });
    let (lost, placed) = outcome.inspect_err(|_| copy.remove())?;
    for _ in 0..SNAPSHOTS_KEPT {
        snapshot::store(&**disk, &placed).map_err(io_error("writing the snapshot for its new place"))?;
    }
    anchor::give_up(&**disk, segments, last).map_err(io_error("putting segments aside"))?;
    Ok([damage].into_iter().chain(lost.map(|damage| *damage)).collect())
}

/// How far the old segments could be read.
struct Reached {
    end: End,
    fault: Option<Located>,
    /// Where the snapshot stands now.
    place: Position,
}

/// The new segments.
struct Copy<'d> {
    disk: &'d Arc<dyn Disk>,
    segment_bytes: u64,
    appender: Appender,
    writer: Writer,
    files: Arc<ReadyFiles>,
    staged: Staged,
    /// The first one's number.
    first: u32,
}

impl<'d> Copy<'d> {
    /// Nothing yet, behind the segment `last` and a hole.
    fn new(disk: &'d Arc<dyn Disk>, segments: &Segments, last: u32) -> Self {
        let Segments { identity, layout, .. } = *segments;
        let end = End { position: layout.start_of(last + 1), ..End::default() };
        let appender = Appender::new(identity.cluster, identity.node, identity.inc, layout, end);
        let first = last + 2;
        let files = Arc::new(ReadyFiles::default());
        let writer = Writer::new(Arc::clone(disk), files.clone(), layout, layout.start_of(first), &[]);
        Self {
            disk,
            segment_bytes: layout.segment_bytes,
            appender,
            writer,
            files,
            staged: Staged::default(),
            first,
        }
    }

    /// Copies what can be read behind the snapshot, durably.
    fn make(&mut self, segments: &Segments, snapshot: &Snapshot) -> Result<Reached, RecoverError> {
        self.make_segment(self.first)?;
        let begun = self.appender.adopt(snapshot.streams.clone(), snapshot.time_us, &mut self.staged);
        debug_assert_eq!(begun, self.first);
        self.write()?;
        let place = self.appender.position();
        let from = End {
            position: snapshot.position,
            previous_end: Position(0),
            streams: snapshot.streams.clone(),
            time_us: snapshot.time_us,
        };
        let mut walk = Walk::new(segments, from);
        let fault = walk.run(&mut |batch: &BatchView<'_>| self.take(batch))?;
        segments.check()?;
        self.writer.sync().map_err(|error| failed(error.source))?;
        Ok(Reached { end: walk.end, fault, place })
    }

    fn take(&mut self, batch: &BatchView<'_>) -> Result<(), RecoverError> {
        if !self.appender.fits(batch.body.len(), false) {
            self.make_segment(self.appender.spare_number())?;
        }
        let staged = self.appender.stage_verbatim(&batch.header, batch.body, Position(0), &mut self.staged);
        match staged {
            Ok(_) => self.write(),
            Err(StreamFault::TooMany) => Err(RecoverError::TooManyOrigins),
            Err(fault) => Err(failed(std::io::Error::other(fault))),
        }
    }

    fn write(&mut self) -> Result<(), RecoverError> {
        self.writer.write(&self.staged, false).map_err(|error| failed(error.source))?;
        self.staged.clear();
        Ok(())
    }

    fn make_segment(&self, number: u32) -> Result<(), RecoverError> {
        let made = make_spare(&**self.disk, number, self.segment_bytes).map_err(|error| match error {
            SpareError::NoSpace { .. } => RecoverError::NoSpace,
            SpareError::Io { source, .. } | SpareError::Name { source, .. } => failed(source),
        })?;
        self.files.keep(number, made);
        Ok(())
    }

    /// Takes back what was made, as far as that goes: the old segments are as they were.
    fn remove(&self) {
        for number in (self.first..=self.appender.spare_number()).rev() {
            // What stays is put aside with the old ones, when this is tried again.
            let _ = self.disk.remove(&segment::name(number));
        }
        let _ = self.disk.sync_directory();
    }
}

fn failed(source: std::io::Error) -> RecoverError {
    io_error("copying the end of the journal to a new segment")(source)
}
