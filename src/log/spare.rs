//! Spares: segments made ahead, so that no space can run out in the middle of a batch.

use std::io;

use super::segment;
use crate::base::aligned::AlignedBuffer;
use crate::base::limits::WRITE_PIECE_BYTES;
use crate::os::disk::{Access, Disk, DiskFile, is_no_space};

/// Suffix of files that are not finished; recovery removes them.
pub const UNFINISHED_SUFFIX: &str = ".tmp";

/// Why there is no spare.
#[derive(Debug, thiserror::Error)]
pub enum SpareError {
    /// No room on the file system; try again later.
    #[error("no space for segment {number}")]
    NoSpace {
        /// Number of the segment.
        number: u32,
    },
    /// Anything else; the disk can't be relied on.
    #[error("making segment {number}: {source}")]
    Io {
        /// Number of the segment.
        number: u32,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Makes segment `number`: `segment_bytes` zeros, durable under its name when this returns. One that is there already
/// is left as it is: only a finished one has the name.
///
/// # Errors
/// [`SpareError::NoSpace`] leaves nothing behind and may be tried again; anything else is final.
pub fn make_spare(disk: &dyn Disk, number: u32, segment_bytes: u64) -> Result<(), SpareError> {
    let name = segment::name(number);
    match disk.open(&name, Access::Read) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(SpareError::Io { number, source }),
    }
    let unfinished = format!("{name}{UNFINISHED_SUFFIX}");
    fill(disk, &unfinished, segment_bytes)
        .and_then(|()| disk.rename(&unfinished, &name))
        .and_then(|()| disk.sync_directory())
        .map_err(|source| {
            if !is_no_space(&source) {
                return SpareError::Io { number, source };
            }
            // It may not have been made at all; what is left is removed at the latest by the next start.
            let _ = disk.remove(&unfinished);
            SpareError::NoSpace { number }
        })
}

/// Writes zeros rather than only reserving the room: blocks that were never written cost a change of metadata, and so
/// a second disk write, at each sync. Piece by piece and durable each, so that commits don't queue behind all of it.
fn fill(disk: &dyn Disk, name: &str, size_bytes: u64) -> io::Result<()> {
    let _ = disk.remove(name);
    let file = disk.create(name, size_bytes)?;
    fill_zeros(&*file, 0, size_bytes)?;
    file.sync()
}

/// Writes zeros to the whole blocks from `start` to `end`, durably.
pub(super) fn fill_zeros(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
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
