//! Newcomer: a directory that was made to join a cluster and has not met its first host yet.
//!
//! While the file `newcomer` is there and the journal is blank, the host takes no writes: the first host may have to
//! give it a snapshot, which only an empty journal can take. The file goes when the first host was met. Should a crash
//! keep it there although something was written since, the journal tells.

use std::io;

use crate::os::disk::Disk;

/// Name of the file.
pub const NEWCOMER_NAME: &str = "newcomer";

/// Puts the mark, durably: before the directory's identity is there, or before a mark of joining goes.
///
/// # Errors
/// Those of the disk; it may be called again.
pub fn mark(disk: &dyn Disk) -> io::Result<()> {
    if !is_marked(disk)? {
        disk.create(NEWCOMER_NAME, 0)?.sync()?;
    }
    disk.sync_directory()
}

/// Whether the mark is there.
///
/// # Errors
/// Those of the disk.
pub fn is_marked(disk: &dyn Disk) -> io::Result<bool> {
    Ok(disk.list()?.iter().any(|name| name == NEWCOMER_NAME))
}

/// Removes the mark; gives whether it was there.
///
/// # Errors
/// Those of the disk; it may be called again.
pub fn clear(disk: &dyn Disk) -> io::Result<bool> {
    let was_marked = is_marked(disk)?;
    if was_marked {
        disk.remove(NEWCOMER_NAME)?;
        disk.sync_directory()?;
    }
    Ok(was_marked)
}

/// For a start, once the journal is open: whether this host waits for its first host. A mark that a crash has left beside
/// what was written since goes.
///
/// # Errors
/// Those of the disk.
pub fn look(disk: &dyn Disk, is_blank: bool) -> io::Result<bool> {
    if is_blank { is_marked(disk) } else { clear(disk).map(|_| false) }
}
