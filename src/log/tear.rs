//! Torn or damaged? The decision about what stands behind the last valid frame, and the cut that follows from it.

use std::io;

use super::anchor::Promised;
use super::append::End;
use super::cut::{self, LOST_SUFFIX, TORN_SUFFIX};
use super::damage::{Damage, Fault, Located, missing_between};
use super::outcome::{Cut, RecoverError, io_error};
use super::remains::{Part, Remains};
use super::replay::Segments;
use super::segment;
use crate::os::disk::Disk;

/// What stands behind the journal's end.
pub(super) struct Tear {
    fault: Option<Located>,
    remains: Remains,
    promised: Promised,
    /// The first number behind the end that is missing although a later segment is there.
    gap: Option<u32>,
}

impl Tear {
    /// Looks at everything behind `end`, where `fault` was met.
    pub(super) fn find(segments: &Segments, end: &End, fault: Option<Located>) -> Self {
        let layout = segments.layout;
        let mut remains = Remains::new(layout, segments.key);
        let current = layout.segment_of(end.position);
        let mut gap = None;
        let mut due = current;
        for &number in segments.numbers.range(current..) {
            if number != due {
                gap.get_or_insert(due);
            }
            due = number + 1;
            let start = if number == current { layout.offset_of(end.position) } else { 0 };
            match segments.file(number) {
                Ok(file) => remains.examine(number, start, &*file),
                Err(error) => remains.note_unreadable(number, start, error),
            }
            if start == 0
                && let Ok(header) = segments.header(number)
            {
                remains.synced = remains.synced.max(header.synced);
                remains.vector.join(&header.streams.vector());
            }
        }
        Self { fault, remains, promised: Promised::default(), gap }
    }

    /// Adds what snapshots say was durable.
    pub(super) fn with_promise(mut self, promised: Promised) -> Self {
        self.promised = promised;
        self
    }

    /// What is not valid behind the end, if it is a tear; nothing at all, if nothing is there.
    ///
    /// The error says what is damaged, if this is no tear.
    pub(super) fn judge(mut self, segments: &Segments, end: &End) -> Result<Option<Located>, Box<Damage>> {
        match self.damage(segments, end) {
            Some(damage) => Err(Box::new(damage)),
            None if self.remains.parts.is_empty() => Ok(None),
            None => Ok(Some(self.fault.unwrap_or_else(|| nothing_at(segments, end)))),
        }
    }

    /// Cuts off what stands behind `end`, if anything does; refuses to if it was acknowledged.
    pub(super) fn cut(
        mut self,
        disk: &dyn Disk,
        segments: &Segments,
        end: &End,
        accept_loss: bool,
    ) -> Result<Option<Cut>, RecoverError> {
        let loss = self.damage(segments, end);
        match loss {
            Some(damage) if !accept_loss => return Err(RecoverError::Damaged(Box::new(damage))),
            None if self.remains.parts.is_empty() => return Ok(None),
            _ => {}
        }
        let suffix = if loss.is_some() { LOST_SUFFIX } else { TORN_SUFFIX };
        let copies =
            self.clear(disk, segments, suffix).map_err(io_error("cutting off the journal's tail"))?;
        Ok(Some(Cut { position: end.position, fault: self.fault, copies, loss }))
    }

    /// What is damaged, if this is no tear.
    fn damage(&mut self, segments: &Segments, end: &End) -> Option<Damage> {
        let synced_to = self.remains.synced.max(self.promised.position).max(end.position);
        let is_impossible = self.fault.as_ref().is_some_and(|at| at.fault.is_never_a_tear());
        let unreadable = self.remains.unreadable.take();
        if synced_to == end.position && !is_impossible && unreadable.is_none() && self.gap.is_none() {
            return None;
        }
        let gap = self.gap.map(|segment| Located { segment, offset: 0, fault: Fault::Missing });
        let found = self.fault.take().or(gap).or(unreadable);
        let mut known = self.remains.vector.clone();
        known.join(&self.promised.vector);
        let missing = missing_between(&end.streams.vector(), &known);
        let at = found.unwrap_or_else(|| nothing_at(segments, end));
        Some(Damage { at, readable_to: end.position, synced_to, missing })
    }

    /// Copies everything first, then clears it away from the last byte to the first.
    fn clear(&self, disk: &dyn Disk, segments: &Segments, suffix: &str) -> io::Result<Vec<String>> {
        let copy = |part: &Part| cut::copy_part(disk, &*segments.file(part.segment)?, *part, suffix);
        let copies = self.remains.parts.iter().map(copy).collect::<io::Result<Vec<_>>>()?;
        cut::remove_old_copies(disk)?;
        if let Some(gap) = self.gap {
            // Numbers must have no holes, so segments behind one go altogether.
            for &number in segments.numbers.range(gap..).rev() {
                disk.remove(&segment::name(number))?;
                disk.sync_directory()?;
            }
        }
        let is_kept = |part: &&Part| self.gap.is_none_or(|gap| part.segment < gap);
        for part in self.remains.parts.iter().rev().filter(is_kept) {
            cut::zero_part(segments, *part)?;
        }
        Ok(copies)
    }
}

fn nothing_at(segments: &Segments, end: &End) -> Located {
    let (segment, offset) =
        (segments.layout.segment_of(end.position), segments.layout.offset_of(end.position));
    Located { segment, offset, fault: Fault::Lost }
}
