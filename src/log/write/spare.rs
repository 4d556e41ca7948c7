//! Spares: segments made ahead, so that no space can run out in the middle of a batch.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::aligned::AlignedBuffer;
use crate::base::limits::WRITE_PIECE_BYTES;
use crate::log::files::whole_file::{keep_or_remove, unfinished_name};
use crate::log::format::segment;
use crate::os::disk::{Access, Disk, DiskFile, is_no_space};

/// Why there is no spare.
#[derive(Debug, thiserror::Error)]
pub enum SpareError {
    /// No room on the file system; try again later.
    #[error("no space for segment {number}")]
    NoSpace {
        /// Number of the segment.
        number: u32,
    },
    /// Anything else, with a file that is not in use yet; another file may do better.
    #[error("making segment {number}: {source}")]
    Io {
        /// Number of the segment.
        number: u32,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The directory could not be synced behind the segment's name: that it is there now proves nothing.
    #[error("sync of the directory behind segment {number}: {source}")]
    Name {
        /// Number of the segment.
        number: u32,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Segments' files that are open for writing already, for the one who writes: entering a segment opens no file, so no lack
/// of descriptors can come in between.
#[derive(Default)]
pub struct ReadyFiles {
    files: Mutex<Vec<(u32, Arc<dyn DiskFile>)>>,
}

impl ReadyFiles {
    /// Keeps a segment's file until it is entered.
    pub fn keep(&self, number: u32, file: Arc<dyn DiskFile>) {
        let mut files = self.files();
        files.retain(|(known, _)| *known != number);
        files.push((number, file));
    }

    /// Takes the file of a segment that is entered now; those before it are let go.
    pub(in crate::log) fn take(&self, number: u32) -> Option<Arc<dyn DiskFile>> {
        let mut files = self.files();
        let found = files.iter().find(|(known, _)| *known == number).map(|(_, file)| file.clone());
        files.retain(|(known, _)| *known > number);
        found
    }

    fn files(&self) -> MutexGuard<'_, Vec<(u32, Arc<dyn DiskFile>)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether segment `number` is there already, or can be made and leave `spared_bytes` of the disk free. What is not known is
/// found out by making it.
pub fn leaves_room(disk: &dyn Disk, number: u32, segment_bytes: u64, spared_bytes: u64) -> bool {
    let has_room = disk.space().map_or(true, |space| space.free_bytes >= segment_bytes + spared_bytes);
    has_room || disk.list().map_or(true, |names| names.contains(&segment::name(number)))
}

/// Makes segment `number`: `segment_bytes` zeros, durable under its name when this returns, and open for writing. One that
/// is there already is left as it is, since only a finished one has the name; that it has the name is made durable.
///
/// # Errors
/// [`SpareError::NoSpace`] and [`SpareError::Io`] leave nothing behind and may be tried again, with another file each time.
/// [`SpareError::Name`] is final.
pub fn make_spare(disk: &dyn Disk, number: u32, segment_bytes: u64) -> Result<Arc<dyn DiskFile>, SpareError> {
    let name = segment::name(number);
    let failed = |source| {
        if is_no_space(&source) { SpareError::NoSpace { number } } else { SpareError::Io { number, source } }
    };
    let file = match disk.open(&name, Access::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let unfinished = unfinished_name(disk, &name).map_err(failed)?;
            let filled = fill(disk, &unfinished, segment_bytes)
                .and_then(|file| disk.rename(&unfinished, &name).map(|()| file));
            keep_or_remove(disk, &unfinished, filled)
        }
        opened => opened,
    };
    let file = file.map_err(failed)?;
    if !cfg!(seeded_bug = "directory_unsynced") {
        disk.sync_directory().map_err(|source| SpareError::Name { number, source })?;
    }
    Ok(file)
}

/// Writes zeros rather than only reserving the room: blocks that were never written cost a change of metadata, and so
/// a second disk write, at each sync. Piece by piece and durable each, so that commits don't queue behind all of it.
fn fill(disk: &dyn Disk, name: &str, size_bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
    let file = disk.create(name, size_bytes)?;
    fill_zeros(&*file, 0, size_bytes)?;
    file.sync()?;
    Ok(file)
}

/// Writes zeros to the whole blocks from `start` to `end`, durably.
pub(in crate::log) fn fill_zeros(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
    let piece = usize::try_from(end - start).map_or(WRITE_PIECE_BYTES, |rest| rest.min(WRITE_PIECE_BYTES));
    let zeros = AlignedBuffer::zeroed(piece);
    let mut at = start;
    while at < end {
        let length = (end - at).min(piece as u64);
        file.write_durable_at(&zeros.bytes()[..usize::try_from(length).expect("a piece")], at)?;
        at += length;
    }
    Ok(())
}
