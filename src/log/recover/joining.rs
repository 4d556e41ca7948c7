//! Joining: an empty directory takes the peer's snapshot and the journal that its peer still keeps.
//!
//! While the file `joining` is there, nothing else in the directory is worth anything yet: a start wipes it and begins
//! again with an empty one. So a crash at any point of joining leaves an empty directory, or one that has joined.
//!
//! ```text
//! mark -> segments from 2 on -> snapshot -> segment 1, which is blank, goes -> the mark goes
//! ```

use std::io;

use crate::log::files::newcomer;
use crate::log::format::segment::{self, SEGMENT_FIRST};
use crate::log::snapshot::SnapshotFile;
use crate::log::write::spare::{SpareError, make_spare};
use crate::os::disk::Disk;

/// Name of the file.
const JOINING_NAME: &str = "joining";

/// Puts the mark, durably, before anything else is written.
///
/// # Errors
/// Returns the error of the disk.
pub fn mark(disk: &dyn Disk) -> io::Result<()> {
    if is_marked(disk)? {
        return Ok(());
    }
    disk.create(JOINING_NAME, 0)?.sync()?;
    disk.sync_directory()
}

/// Returns whether the mark is there.
///
/// # Errors
/// Returns the error of the disk.
pub fn is_marked(disk: &dyn Disk) -> io::Result<bool> {
    Ok(disk.list()?.iter().any(|name| name == JOINING_NAME))
}

/// Notes that all of it is durable, and that a snapshot stands behind what the peer's covers: a start goes on from here. Whether
/// the directory has joined is said by [`crate::log::files::newcomer`].
///
/// # Errors
/// Returns the error of the disk; it may be called again.
pub fn finish(disk: &dyn Disk) -> io::Result<()> {
    let blank = segment::name(SEGMENT_FIRST);
    if disk.list()?.contains(&blank) {
        disk.remove(&blank)?;
    }
    // Also if an earlier call has removed it and this failed.
    disk.sync_directory()?;
    match disk.remove(JOINING_NAME) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    disk.sync_directory()
}

/// Makes a directory empty again in which joining was broken off, with a blank first segment of `segment_bytes`.
///
/// # Errors
/// Returns the error of making the segment; it may be called again.
pub fn undo(disk: &dyn Disk, segment_bytes: u64) -> Result<(), SpareError> {
    let io = |source| SpareError::Io { number: SEGMENT_FIRST, source };
    let is_of_it = |name: &String| segment::number_of(name).is_some() || SnapshotFile::of(name).is_some();
    let names = disk.list().map_err(io)?;
    names.iter().filter(|name| is_of_it(name)).try_for_each(|name| disk.remove(name)).map_err(io)?;
    disk.sync_directory().map_err(io)?;
    make_spare(disk, SEGMENT_FIRST, segment_bytes)?;
    // What it needs is a snapshot, as before.
    newcomer::mark(disk).map_err(io)?;
    disk.remove(JOINING_NAME).map_err(io)?;
    disk.sync_directory().map_err(io)
}
