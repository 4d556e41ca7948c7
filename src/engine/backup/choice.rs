//! Which files of a backup belong together: it keeps what the source has removed, so there may be holes between its segments
//! and snapshots for many instants.

use std::collections::BTreeSet;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::error::{BackupError, failed};
use crate::http::date::rfc3339;
use crate::log::copy::view::Chosen;
use crate::log::files::identity::Identity;
use crate::log::format::segment::{self, Layout, SEGMENT_FIRST};
use crate::log::snapshot::{self, LoadError, SnapshotFile};
use crate::os::disk::Disk;

/// What was chosen.
pub(super) struct Choice {
    pub(super) chosen: Chosen,
    /// No segment follows behind a hole.
    pub(super) is_last: bool,
    /// Snapshots that would have been taken if they could be read.
    pub(super) unreadable: Vec<String>,
}

/// Chooses the snapshot for an instant, microseconds since 1970, or the newest one, and the segments without a hole around it.
///
/// # Errors
/// Fails if the backup does not reach back that far, or holds nothing to start from.
pub(super) fn choose(
    disk: &Arc<dyn Disk>,
    identity: &Identity,
    at: Option<u64>,
    place: &str,
) -> Result<Choice, BackupError> {
    let listed = || -> io::Result<_> { Ok((disk.list()?, snapshot::files(&**disk)?)) };
    let (names, files) = listed().map_err(failed(format!("listing {place}")))?;
    let numbers: BTreeSet<u32> = names.iter().filter_map(|name| segment::number_of(name)).collect();
    let layout = Layout { segment_bytes: identity.segment_bytes };
    let (mut unreadable, mut earliest) = (Vec::new(), None);
    for file in files {
        let time_us = match snapshot::load(&**disk, file) {
            Ok(snapshot) => snapshot.time_us,
            Err(LoadError::Machine(source)) => {
                return Err(failed(format!("reading {}", file.name()))(source));
            }
            Err(error) => {
                unreadable.push(format!("{}: {error}", file.name()));
                continue;
            }
        };
        if at.is_some_and(|at| time_us > at) {
            earliest = Some(time_us);
            continue;
        }
        let number = match layout.offset_of(file.position) {
            0 => SEGMENT_FIRST,
            _ => layout.segment_of(file.position),
        };
        return Ok(around(&numbers, number, Some(file), unreadable));
    }
    if numbers.contains(&SEGMENT_FIRST) || (numbers.is_empty() && at.is_none() && unreadable.is_empty()) {
        return Ok(around(&numbers, SEGMENT_FIRST, None, unreadable));
    }
    Err(match (earliest, unreadable.first()) {
        (Some(time_us), None) => BackupError::Instant(format!(
            "the backup {place} reaches back to {}: choose that instant or a later one; nothing was changed",
            rfc3339(time_us)
        )),
        (_, unreadable) => BackupError::Damaged {
            place: place.to_owned(),
            error: unreadable
                .cloned()
                .unwrap_or_else(|| "its first segment is missing, and so is a snapshot".to_owned()),
        },
    })
}

fn around(
    numbers: &BTreeSet<u32>,
    number: u32,
    file: Option<SnapshotFile>,
    unreadable: Vec<String>,
) -> Choice {
    let run = without_hole(numbers, number);
    let is_last = numbers.last() == run.as_ref().map(RangeInclusive::end);
    Choice { chosen: Chosen { segments: run, snapshot: file }, is_last, unreadable }
}

/// Returns the numbers around this one that follow each other; nothing if it is not there.
fn without_hole(numbers: &BTreeSet<u32>, number: u32) -> Option<RangeInclusive<u32>> {
    if !numbers.contains(&number) {
        return None;
    }
    let (mut first, mut last) = (number, number);
    while first > SEGMENT_FIRST && numbers.contains(&(first - 1)) {
        first -= 1;
    }
    while numbers.contains(&(last + 1)) {
        last += 1;
    }
    Some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_without_a_hole_belong_together() {
        let numbers = BTreeSet::from([1, 2, 5, 6, 7, 9]);
        for (number, run) in [(1, 1..=2), (2, 1..=2), (6, 5..=7), (9, 9..=9)] {
            assert_eq!(without_hole(&numbers, number), Some(run));
        }
        assert_eq!(without_hole(&numbers, 3), None);
        assert!(
            around(&numbers, 9, None, Vec::new()).is_last && !around(&numbers, 7, None, Vec::new()).is_last
        );
    }
}
