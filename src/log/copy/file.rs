//! Files that are copied from one directory into another, each durable before it has its name.

use std::io;

use crate::base::limits::{BLOCK_BYTES, WRITE_PIECE_BYTES};
use crate::log::files::whole_file::UNFINISHED_SUFFIX;
use crate::log::write::spare::fill_zeros;
use crate::os::disk::{Disk, DiskFile};

/// How a file's bytes behind those that are copied become zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// By its length: they take no room.
    Hole,
    /// Written, as those of a segment that is going to be written to.
    Zeros,
}

/// Makes the file `name` in `to` from the first `length` bytes of `from`, with zeros behind them up to `size`. One that has that
/// name is replaced. `on_piece` hears of each piece how long it was.
///
/// # Errors
/// Returns the error of either disk; what of the file is there then has another name, which [`clear`] removes.
pub fn copy(
    from: &dyn DiskFile,
    to: &dyn Disk,
    name: &str,
    (length, size, rest): (u64, u64, Rest),
    on_piece: &mut dyn FnMut(u64),
) -> io::Result<()> {
    put(to, name, &mut |file| {
        write(from, file, 0, length, on_piece)?;
        match rest {
            _ if size <= length => Ok(()),
            Rest::Hole => file.write_at(&[0], size - 1),
            Rest::Zeros => {
                let whole = length.next_multiple_of(BLOCK_BYTES as u64).min(size);
                let rest = usize::try_from(whole - length).expect("less than a block");
                file.write_at(&[0; BLOCK_BYTES][..rest], length)?;
                fill_zeros(file, whole, size)
            }
        }
    })
}

/// Makes the file `name` with this content.
///
/// # Errors
/// Fails as [`copy`] does.
pub fn write_whole(to: &dyn Disk, name: &str, content: &[u8]) -> io::Result<()> {
    put(to, name, &mut |file| file.write_at(content, 0))
}

fn put(to: &dyn Disk, name: &str, fill: &mut dyn FnMut(&dyn DiskFile) -> io::Result<()>) -> io::Result<()> {
    let unfinished = format!("{name}{UNFINISHED_SUFFIX}");
    match to.remove(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = to.create(&unfinished, 0)?;
    let written = fill(&*file).and_then(|()| file.sync()).and_then(|()| to.rename(&unfinished, name));
    if let Err(error) = written {
        // What can't be removed now is removed by the next try.
        let _ = to.remove(&unfinished);
        return Err(error);
    }
    to.sync_directory()
}

/// Copies the bytes of `from` between two offsets to the same place of `to`. They are not durable yet.
///
/// # Errors
/// Returns the error of either file; `UnexpectedEof` if the first one ends before.
pub fn write(
    from: &dyn DiskFile,
    to: &dyn DiskFile,
    start: u64,
    end: u64,
    on_piece: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let mut piece = vec![0; WRITE_PIECE_BYTES];
    let mut at = start;
    while at < end {
        let wanted = usize::try_from((end - at).min(WRITE_PIECE_BYTES as u64)).expect("a piece");
        if from.read_at(&mut piece[..wanted], at)? < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to.write_at(&piece[..wanted], at)?;
        at += wanted as u64;
        on_piece(wanted as u64);
    }
    Ok(())
}

/// Removes what an interrupted copy has left in a directory.
///
/// # Errors
/// Returns the error of the disk.
pub fn clear(disk: &dyn Disk) -> io::Result<()> {
    for name in disk.list()?.iter().filter(|name| name.ends_with(UNFINISHED_SUFFIX)) {
        disk.remove(name)?;
    }
    Ok(())
}
