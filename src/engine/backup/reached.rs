//! Finds out how far a target has come, when a backup begins.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::choice::choose;
use super::error::{BackupError, failed, of_journal};
use super::place::{Place, identity_of, pause, told_apart};
use super::target::Target;
use crate::base::blob::BlobId;
use crate::http::date::rfc3339;
use crate::log::blobs::files::FileStore;
use crate::log::blobs::store::BlobStore;
use crate::log::copy::Follower;
use crate::log::copy::view::View;
use crate::log::files::identity::Identity;
use crate::log::format::segment;
use crate::os::disk::{Access, Disk};

/// How many bytes before the target's end are compared with the source.
const COMPARED_BYTES: u64 = 1 << 16;

/// Returns how far the target has come: a segment, and how many bytes of it. Nothing if it holds no whole backup.
pub(super) fn reached(
    place: &Place,
    path: &Path,
    source: &dyn Disk,
    ours: &Identity,
    target: &dyn Target,
) -> Result<Option<(u32, u64)>, BackupError> {
    let disk = target.disk();
    let broken = |error| BackupError::Damaged { place: place.to_string(), error };
    let Some(theirs) = identity_of(&*disk, place, broken)? else { return Ok(None) };
    if (theirs.cluster, theirs.node, theirs.lineage) != (ours.cluster, ours.node, ours.lineage) {
        let (theirs, ours) = told_apart(&theirs, ours);
        return Err(BackupError::Foreign { place: place.to_string(), theirs, ours });
    }
    let choice = choose(&disk, &theirs, None, &place.to_string())?;
    let view = Arc::new(View::new(disk.clone(), choice.chosen));
    let end =
        Follower::begin(view, None, pause, &mut |_| Ok(())).map_err(|error| of_journal(error, broken))?;
    let (Some(number), offset) = (end.current(), end.offset()) else { return Ok(None) };
    let last = |disk: &dyn Disk| -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(offset.min(COMPARED_BYTES)).expect("bounded")];
        let read = disk.open(&segment::name(number), Access::Read)?;
        let from = offset - bytes.len() as u64;
        let length = read.read_at(&mut bytes, from)?;
        bytes.truncate(length);
        Ok(bytes)
    };
    let copied = last(&*disk).map_err(failed(format!("reading {place}")))?;
    match last(source) {
        Ok(there) if there == copied => Ok(Some((number, offset))),
        // Removed since: nothing can be compared, and a segment that starts anew is copied as a whole.
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_behind(source, number) => {
            Ok(Some((number, offset)))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(segment::name(number))(error)),
        _ => {
            let instant = rfc3339(end.time_us());
            Err(BackupError::Parted { place: place.to_string(), path: path.to_owned(), instant })
        }
    }
}

/// Returns which of these segments of the source are not in the target, or were cut there: a whole one has `segment_bytes`.
pub(super) fn lacking_of(
    numbers: impl Iterator<Item = u32>,
    segment_bytes: u64,
    target: &dyn Target,
) -> io::Result<BTreeSet<u32>> {
    let disk = target.disk();
    let mut lacking = BTreeSet::new();
    for number in numbers {
        let is_whole = match disk.open(&segment::name(number), Access::Read) {
            Ok(file) => file.size_bytes()? >= segment_bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if !is_whole {
            lacking.insert(number);
        }
    }
    Ok(lacking)
}

/// Returns whether all segments of a directory come behind this one.
fn is_behind(source: &dyn Disk, number: u32) -> bool {
    let numbers = source.list().unwrap_or_default();
    let oldest = numbers.iter().filter_map(|name| segment::number_of(name)).min();
    oldest.is_some_and(|oldest| oldest > number)
}

/// Returns whether the target has a content in the length of the source's. What lies there may have been cut since, by a disk that was full or a
/// hand; what reads wrong in the right length is found by `pixeld inspect`. A content that the source lacks can't be compared.
pub(super) fn is_as_long(
    target: &dyn Target,
    store: &FileStore,
    root: &'static str,
    id: &BlobId,
) -> io::Result<bool> {
    let Some(theirs) = target.blob_bytes(root, id)? else { return Ok(true) };
    match store.open(id) {
        Ok(content) => Ok(content.size_bytes() == theirs),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}
