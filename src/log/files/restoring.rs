//! Restoring: a directory into which a backup is being put back. The file is there before anything else and goes last, so what
//! an interrupted restore leaves is known for what it is.

use std::io;

use crate::os::disk::Disk;

/// Name of the file.
pub const RESTORING_NAME: &str = "restoring";

/// Puts the mark, durably; one that is there stays.
///
/// # Errors
/// Returns the error of the disk.
pub fn mark(disk: &dyn Disk) -> io::Result<()> {
    if !is_marked(disk)? {
        disk.create(RESTORING_NAME, 0)?.sync()?;
    }
    disk.sync_directory()
}

/// Returns whether the mark is there.
///
/// # Errors
/// Returns the error of the disk.
pub fn is_marked(disk: &dyn Disk) -> io::Result<bool> {
    Ok(disk.list()?.iter().any(|name| name == RESTORING_NAME))
}

/// Removes the mark, durably.
///
/// # Errors
/// Returns the error of the disk.
pub fn clear(disk: &dyn Disk) -> io::Result<()> {
    disk.remove(RESTORING_NAME)?;
    disk.sync_directory()
}
