//! Cutting the journal off behind its last valid frame, so that nothing left beyond can ever become valid again.
//!
//! First what is cut off is copied, then it is overwritten with zeros, then what stays is written once more where nothing
//! says that it was durable. The process may be killed anywhere in between: the next start comes to the same end.

use std::io;

use super::remains::Part;
use super::replay::Segments;
use crate::base::aligned::AlignedBuffer;
use crate::base::ids::Position;
use crate::base::limits::{BLOCK_BYTES, TORN_COPIES_MAX, WRITE_PIECE_BYTES};
use crate::log::files::whole_file;
use crate::log::format::frame::FRAME_ALIGN_BYTES;
use crate::log::write::spare::fill_zeros;
use crate::os::disk::{Disk, DiskFile, is_bad_medium};

const BLOCK: u64 = BLOCK_BYTES as u64;

/// Suffix of copies of torn tails: bytes that nobody was promised.
pub const TORN_SUFFIX: &str = ".torn";
/// Suffix of copies of what an operator gave up; they are never removed by the program.
pub const LOST_SUFFIX: &str = ".lost";

/// Copies a part of a segment's file to a file of its own; gives that file's name. What the medium can't give is zero there.
pub(in crate::log) fn copy_part(
    disk: &dyn Disk,
    file: &dyn DiskFile,
    part: Part,
    suffix: &str,
) -> io::Result<String> {
    let names = disk.list()?;
    let stem = format!("{:010}-{:010}", part.segment, part.start);
    let name = (1..)
        .map(|copy: u32| format!("{stem}-{copy:04}{suffix}"))
        .find(|name| !names.contains(name))
        .expect("there are fewer copies than numbers");
    whole_file::make(disk, &name, |copy| copy_bytes(file, part, copy))?.put(disk, &name)?;
    Ok(name)
}

fn copy_bytes(file: &dyn DiskFile, part: Part, copy: &dyn DiskFile) -> io::Result<()> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut at = part.start;
    while at < part.end {
        // Block by block: one that can't be read must not take its neighbours with it.
        let wanted = usize::try_from((part.end - at).min(BLOCK - at % BLOCK)).expect("at most a block");
        let read = match file.read_at(&mut block[..wanted], at) {
            Err(error) if is_bad_medium(&error) => 0,
            read => read?,
        };
        block[read..wanted].fill(0);
        copy.write_at(&block[..wanted], at - part.start)?;
        at += wanted as u64;
    }
    Ok(())
}

/// Removes the oldest copies of torn tails until no more than [`TORN_COPIES_MAX`] are left.
pub(in crate::log) fn remove_old_copies(disk: &dyn Disk) -> io::Result<()> {
    let mut copies: Vec<_> = disk.list()?.into_iter().filter(|name| name.ends_with(TORN_SUFFIX)).collect();
    copies.sort_unstable();
    let excess = copies.len().saturating_sub(TORN_COPIES_MAX);
    for name in &copies[..excess] {
        disk.remove(name)?;
    }
    if excess > 0 { disk.sync_directory() } else { Ok(()) }
}

/// Overwrites a part of a segment's file with zeros, durably; all of the file behind it is zero already.
pub(in crate::log) fn zero_part(segments: &Segments, part: Part) -> io::Result<()> {
    let file = segments.file(part.segment)?;
    let start_block = part.start - part.start % BLOCK;
    rewrite(&*file, start_block, part.start)?;
    let end = part.end.next_multiple_of(BLOCK);
    fill_zeros(&*file, part.start.next_multiple_of(BLOCK).min(end), end)?;
    file.sync()
}

/// Writes the bytes between two positions of one segment once more, durably.
///
/// They were read from the system's memory, and an earlier sync of them may have failed: then they are there as long as
/// the machine runs, marked as written, and no sync would ever write them. What is shown must be on the disk.
pub(in crate::log) fn secure(segments: &Segments, from: Position, to: Position) -> io::Result<()> {
    let layout = segments.layout;
    let number = layout.segment_of(from);
    let start = layout.start_of(number).0;
    let file = segments.file(number)?;
    let from = from.0 - start;
    rewrite(&*file, from - from % BLOCK, to.0 - start)?;
    file.sync()
}

/// Writes the bytes from `start`, a block's, to `end` again, with zeros up to the end of the last block.
fn rewrite(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
    assert!(start.is_multiple_of(BLOCK) && start <= end);
    let piece = usize::try_from(end - start).map_or(WRITE_PIECE_BYTES, |rest| rest.min(WRITE_PIECE_BYTES));
    let mut buffer = AlignedBuffer::zeroed(piece.next_multiple_of(BLOCK_BYTES));
    let mut at = start;
    while at < end {
        let wanted = usize::try_from((end - at).min(WRITE_PIECE_BYTES as u64)).expect("a piece");
        let length = wanted.next_multiple_of(BLOCK_BYTES);
        let bytes = &mut buffer.bytes_mut()[..length];
        read_frames(file, &mut bytes[..wanted], at)?;
        bytes[wanted..].fill(0);
        file.write_durable_at(&buffer.bytes()[..length], at)?;
        at += wanted as u64;
    }
    Ok(())
}

/// Returns the bytes of the last block before `end`, where a frame ends.
pub(in crate::log) fn partial_block(segments: &Segments, end: Position) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; (end.0 % BLOCK) as usize];
    if !bytes.is_empty() {
        let number = segments.layout.segment_of(end);
        let offset = segments.layout.offset_of(end) - bytes.len() as u64;
        let file = segments.file(number)?;
        read_frames(&*file, &mut bytes, offset)?;
    }
    Ok(bytes)
}

/// Reads the bytes of whole frames. A file that was cut short may lack some of the padding behind the last one, which is zero.
fn read_frames(file: &dyn DiskFile, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    let read = file.read_at(bytes, offset)?;
    if (bytes.len() - read) as u64 >= FRAME_ALIGN_BYTES {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    bytes[read..].fill(0);
    Ok(())
}
