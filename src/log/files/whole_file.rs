//! Small files that are replaced as a whole: a crash leaves the old content or the new one.

use std::io;
use std::sync::Arc;

use crate::os::disk::{Access, Disk, DiskFile};

/// Most bytes of such a file; what is longer is none of this program's, and is read up to here, where its checksum is wrong.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Suffix of files that are not finished; a start that can write removes them.
pub const UNFINISHED_SUFFIX: &str = ".tmp";

/// Returns a name for a file that is being made and will be `name`: one that no file has. What an earlier try left is not used
/// again, because a file whose write or sync has failed can't be relied on.
pub(in crate::log) fn unfinished_name(disk: &dyn Disk, name: &str) -> io::Result<String> {
    let names = disk.list()?;
    let plain = format!("{name}{UNFINISHED_SUFFIX}");
    let mut candidates =
        std::iter::once(plain).chain((1..).map(|n: u32| format!("{name}.{n}{UNFINISHED_SUFFIX}")));
    Ok(candidates.find(|candidate| !names.contains(candidate)).expect("there are fewer files than numbers"))
}

/// A file that is written, durably, and does not have its name yet.
pub(in crate::log) struct Made {
    /// The name that it has first, so that the old content stays until this is in its place.
    unfinished: String,
    /// The file, where it has no name at all.
    unnamed: Option<Arc<dyn DiskFile>>,
}

impl Made {
    /// Returns the name that it may have until it has its own.
    pub(in crate::log) fn unfinished(&self) -> &str {
        &self.unfinished
    }

    /// Gives it its name, durably.
    pub(in crate::log) fn put(self, disk: &dyn Disk, name: &str) -> io::Result<()> {
        if let Some(file) = &self.unnamed {
            file.give_name()?;
        }
        keep_or_remove(disk, &self.unfinished, disk.rename(&self.unfinished, name))?;
        disk.sync_directory()
    }

    /// Lets go of it. What can't be removed now is removed by the next start.
    pub(in crate::log) fn discard(self, disk: &dyn Disk) {
        if self.unnamed.is_none() {
            let _ = disk.remove(&self.unfinished);
        }
    }
}

/// Makes a file that is going to be `name`, and has `fill` write it. Nothing is left of one that could not be written; where
/// the file system has files without a name, nothing is left by a process either that is killed meanwhile.
pub(in crate::log) fn make(
    disk: &dyn Disk,
    name: &str,
    fill: impl Fn(&dyn DiskFile) -> io::Result<()>,
) -> io::Result<Made> {
    let unfinished = unfinished_name(disk, name)?;
    let fill = |file: Arc<dyn DiskFile>| fill(&*file).and_then(|()| file.sync()).map(|()| file);
    let unnamed = match disk.create_unnamed(&unfinished) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            let written = disk.create(&unfinished, 0).and_then(fill);
            keep_or_remove(disk, &unfinished, written)?;
            None
        }
        made => Some(made.and_then(fill)?),
    };
    Ok(Made { unfinished, unnamed })
}

/// Returns a file's content; nothing if there is none.
///
/// # Errors
/// Returns the error of the disk.
pub(crate) fn read(disk: &dyn Disk, name: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(name, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let length = file.size_bytes()?.min(BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    let length = file.read_at(&mut bytes, 0)?;
    bytes.truncate(length);
    Ok(Some(bytes))
}

/// Writes a file's new content.
///
/// # Errors
/// Returns the error of the disk; unless the last sync failed, the old content is there and nothing else.
pub(in crate::log) fn replace(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    make(disk, name, |file| file.write_at(bytes, 0))?.put(disk, name)
}

/// Removes what is left of a file after an error; what can't be removed now is removed by the next start.
pub(in crate::log) fn keep_or_remove<T>(
    disk: &dyn Disk,
    unfinished: &str,
    outcome: io::Result<T>,
) -> io::Result<T> {
    outcome.inspect_err(|_| {
        let _ = disk.remove(unfinished);
    })
}
