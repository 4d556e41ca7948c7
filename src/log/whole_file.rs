//! Small files that are replaced as a whole: a crash leaves the old content or the new one.

use std::io;

use crate::os::disk::Disk;

/// Suffix of files that are not finished; a start that can write removes them.
pub const UNFINISHED_SUFFIX: &str = ".tmp";

/// A name for a file that is being made and will be `name`: one that no file has. What an earlier try left is not used
/// again, because a file whose write or sync has failed can't be relied on.
pub(super) fn unfinished_name(disk: &dyn Disk, name: &str) -> io::Result<String> {
    let names = disk.list()?;
    let plain = format!("{name}{UNFINISHED_SUFFIX}");
    let mut candidates =
        std::iter::once(plain).chain((1..).map(|n: u32| format!("{name}.{n}{UNFINISHED_SUFFIX}")));
    Ok(candidates.find(|candidate| !names.contains(candidate)).expect("there are fewer files than numbers"))
}

/// Writes `bytes` durably to a new file that does not have its name yet; gives the name that it has. Nothing is left of
/// one that could not be written.
pub(super) fn write_new(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<String> {
    let unfinished = unfinished_name(disk, name)?;
    let written =
        disk.create(&unfinished, 0).and_then(|file| file.write_at(bytes, 0).and_then(|()| file.sync()));
    keep_or_remove(disk, &unfinished, written)?;
    Ok(unfinished)
}

/// Gives a file that was written its name, durably.
pub(super) fn put(disk: &dyn Disk, unfinished: &str, name: &str) -> io::Result<()> {
    keep_or_remove(disk, unfinished, disk.rename(unfinished, name))?;
    disk.sync_directory()
}

/// Writes a file's new content.
///
/// # Errors
/// Those of the disk; unless it was the last sync that failed, the old content is there and nothing else.
pub(super) fn replace(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = write_new(disk, name, bytes)?;
    put(disk, &unfinished, name)
}

/// Removes what is left of a file after an error; what can't be removed now is removed by the next start.
pub(super) fn keep_or_remove<T>(disk: &dyn Disk, unfinished: &str, outcome: io::Result<T>) -> io::Result<T> {
    outcome.inspect_err(|_| {
        let _ = disk.remove(unfinished);
    })
}
