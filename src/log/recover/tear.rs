//! Torn or damaged? The decision about what stands behind the last valid frame, and the cut that follows from it.

use std::io;

use super::anchor::Promised;
use super::cut::{self, LOST_SUFFIX, TORN_SUFFIX};
use super::outcome::{Cut, RecoverError};
use super::remains::{Part, Remains};
use super::replay::Segments;
use crate::log::format::damage::{Damage, Fault, Located, missing_between};
use crate::log::format::segment;
use crate::log::write::append::End;
use crate::os::disk::Disk;

/// What stands behind the journal's end.
pub(in crate::log) struct Tear {
    fault: Option<Located>,
    remains: Remains,
    promised: Promised,
    /// The first number behind the end that is missing although a later segment is there.
    gap: Option<u32>,
}

impl Tear {
    /// Looks at everything behind `end`, where `fault` was met.
    pub(in crate::log) fn find(segments: &Segments, end: &End, fault: Option<Located>) -> Self {
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
    pub(in crate::log) fn with_promise(mut self, promised: Promised) -> Self {
        self.promised = promised;
        self
    }

    /// Returns what is not valid behind the end, if it is a tear; nothing at all, if nothing is there.
    ///
    /// The error says what is damaged, if this is no tear.
    pub(in crate::log) fn judge(
        mut self,
        segments: &Segments,
        end: &End,
    ) -> Result<Option<Located>, Box<Damage>> {
        match self.damage(segments, end) {
            Some(damage) => Err(Box::new(damage)),
            None if self.remains.parts.is_empty() => Ok(None),
            None => Ok(Some(self.fault.unwrap_or_else(|| nothing_at(segments, end)))),
        }
    }

    /// Returns what stands behind `end` and is to be cut off, if anything does; refuses if it was acknowledged. Nobody reads
    /// beyond the end, so until it is cut off it is as if it were not there.
    pub(in crate::log) fn decide(
        mut self,
        segments: &Segments,
        end: &End,
        accept_loss: bool,
    ) -> Result<Option<(Cut, Torn)>, RecoverError> {
        let loss = self.damage(segments, end);
        segments.check()?;
        match loss {
            Some(damage) if !accept_loss || damage.at.fault.later().is_some() => {
                return Err(RecoverError::damaged(Box::new(damage)));
            }
            None if self.remains.parts.is_empty() => return Ok(None),
            _ => {}
        }
        let suffix = if loss.is_some() { LOST_SUFFIX } else { TORN_SUFFIX };
        let cut = Cut { position: end.position, fault: self.fault, copies: Vec::new(), loss };
        Ok(Some((cut, Torn { parts: self.remains.parts, gap: self.gap, suffix, copies: Vec::new() })))
    }

    /// Returns what is damaged, if this is no tear.
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
}

/// What is to be cut off.
pub(in crate::log) struct Torn {
    parts: Vec<Part>,
    /// The first number that is missing although a later segment is there.
    gap: Option<u32>,
    suffix: &'static str,
    /// Files that the parts were copied to so far.
    copies: Vec<String>,
}

impl Torn {
    /// Copies what is not copied yet; gives the files.
    pub(in crate::log) fn copy(&mut self, disk: &dyn Disk, segments: &Segments) -> io::Result<&[String]> {
        while let Some(part) = self.parts.get(self.copies.len()) {
            let file = segments.file(part.segment)?;
            self.copies.push(cut::copy_part(disk, &*file, *part, self.suffix)?);
        }
        cut::remove_old_copies(disk)?;
        Ok(&self.copies)
    }

    /// Clears away what was copied, from the last byte to the first.
    pub(in crate::log) fn clear(&self, disk: &dyn Disk, segments: &Segments) -> io::Result<()> {
        if let Some(gap) = self.gap {
            // Numbers must have no holes, so segments behind one go altogether.
            for &number in segments.numbers.range(gap..).rev() {
                disk.remove(&segment::name(number))?;
                disk.sync_directory()?;
            }
        }
        let is_kept = |part: &&Part| self.gap.is_none_or(|gap| part.segment < gap);
        self.parts.iter().rev().filter(is_kept).try_for_each(|part| {
            disk.separate(&segment::name(part.segment))?;
            cut::zero_part(segments, *part)
        })
    }
}

fn nothing_at(segments: &Segments, end: &End) -> Located {
    let (segment, offset) =
        (segments.layout.segment_of(end.position), segments.layout.offset_of(end.position));
    Located { segment, offset, fault: Fault::Lost }
}
