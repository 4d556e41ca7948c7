//! The disk as the journal and the blobs see it: a directory of files, and directories of files in it.
//!
//! Everything above goes through these two traits, so that the tests can put a simulated disk underneath that crashes
//! at any call, loses or tears what was not synced, and fails on demand. [`super::files::RealDisk`] is the other one.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::io::Errno;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing in place.
    Write,
}

/// Room on the file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What a process without privileges may still use.
    pub free_bytes: u64,
    /// The whole file system.
    pub total_bytes: u64,
}

/// A directory. A name may have names of directories before it, with `/` between them, that [`Disk::make_directory`]
/// made. A change of names is durable after [`Disk::sync_directory`], or [`Disk::sync_in`] for those with directories.
/// One that can only be read leaves out what makes files.
pub trait Disk: Send + Sync {
    /// Returns names of the files, without those in directories, in no order.
    ///
    /// # Errors
    /// Returns the error of reading a directory.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file that exists.
    ///
    /// # Errors
    /// Fails with `NotFound`, or with the error of opening a file.
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a file that must not exist, with `size_bytes` reserved where the file system can; they read as zero.
    ///
    /// # Errors
    /// Fails with `AlreadyExists`; no space (see [`is_no_space`]).
    fn create(&self, _name: &str, _size_bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        unwritable()
    }

    /// Makes an empty file that is to be called `name`, and has no name before [`DiskFile::give_name`]: until then it is gone
    /// once nobody has it open, so a process that is killed leaves nothing.
    ///
    /// # Errors
    /// Fails with `Unsupported` where the file system has no such files, or with the error of making one.
    fn create_unnamed(&self, _name: &str) -> io::Result<Arc<dyn DiskFile>> {
        unwritable()
    }

    /// Gives a file another name, at once and as a whole; a file of that name is replaced.
    ///
    /// # Errors
    /// Returns the error of renaming.
    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        unwritable()
    }

    /// Removes a file.
    ///
    /// # Errors
    /// Returns the error of removing.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Gives a file that shares its content with another name, as a backup on the same file system does, a content of its own,
    /// before it is written in place.
    ///
    /// # Errors
    /// Returns the error of copying it; the file is as it was then.
    fn separate(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    /// Makes a directory unless it is there; its name is durable in either case.
    ///
    /// # Errors
    /// Returns the error of making or syncing it.
    fn make_directory(&self, name: &str) -> io::Result<()>;

    /// Returns names of the files in a directory, in no order and without its own name.
    ///
    /// # Errors
    /// Fails with `NotFound`, or with the error of reading a directory.
    fn list_in(&self, directory: &str) -> io::Result<Vec<String>>;

    /// Makes the changes of names in a directory durable: what was made there, renamed to there, removed from there.
    ///
    /// # Errors
    /// Fails as [`Disk::sync_directory`] does.
    fn sync_in(&self, directory: &str) -> io::Result<()>;

    /// Makes all changes of names durable that are not in directories.
    ///
    /// # Errors
    /// Any error is final: what it should have made durable may be lost although a second call succeeds.
    fn sync_directory(&self) -> io::Result<()>;

    /// Returns how much room there is.
    ///
    /// # Errors
    /// Returns the error of statvfs.
    fn space(&self) -> io::Result<Space>;
}

/// A file; offsets are bytes from its start. Calls of several threads may overlap.
pub trait DiskFile: Send + Sync {
    /// Returns its length.
    ///
    /// # Errors
    /// Returns the error of fstat.
    fn size_bytes(&self) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on, less only where the file ends; gives the number of bytes read.
    ///
    /// # Errors
    /// Fails on a device that can't read the place (EIO).
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Hands all of `bytes` to the operating system; durable after the next [`DiskFile::sync`].
    ///
    /// # Errors
    /// Returns the error of writing; what of `bytes` is in the file is then unknown.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes whole blocks and returns when they are durable. Start, length and address are multiples of
    /// [`crate::base::limits::BLOCK_BYTES`]. Says nothing about bytes written before by [`DiskFile::write_at`].
    ///
    /// # Errors
    /// Fails as [`DiskFile::write_at`] and [`DiskFile::sync`] do. No space ([`is_no_space`]) that is no [`is_failed_sync`] is that
    /// of a write that went round the cache: the same bytes may be written again at the same place.
    fn write_durable_at(&self, blocks: &[u8], offset: u64) -> io::Result<()>;

    /// Makes all that was written durable, and the length.
    ///
    /// # Errors
    /// Any error is final: the system marks the lost pages clean, so a second call would succeed with the data gone.
    fn sync(&self) -> io::Result<()>;

    /// Gives the blocks of a range back to the file system, as far as it can: the range reads as zeros then. It saves room and
    /// nothing depends on it, so a file system that can't is no error.
    fn give_back(&self, _offset: u64, _bytes: u64) {}

    /// Gives a file that [`Disk::create_unnamed`] made its name.
    ///
    /// # Errors
    /// Fails with `AlreadyExists`; `Unsupported` if the file has its name, or with the error of linking.
    fn give_name(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Returns its descriptor, if it is a file of the operating system's, for [`super::socket::send_file`].
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Refuses what a directory that can only be read can't do.
pub(crate) fn unwritable<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}

/// Returns whether the error says that there is no room (on the file system, in a quota, below the limit on a file's size), which
/// ends by itself when somebody makes room.
#[must_use]
pub fn is_no_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// A sync has failed, or a write whose bytes the system's cache had taken: what of them is on the disk is unknown, and no
/// second try of it proves anything.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct FailedSync(io::Error);

/// Marks the error of a sync as such; its kind stays.
#[must_use]
pub fn failed_sync(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), FailedSync(error))
}

/// Returns whether the error is one of a sync ([`failed_sync`]): it is final for the file, whatever its kind.
#[must_use]
pub fn is_failed_sync(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<FailedSync>())
}

/// Returns whether the error says that the medium, or the file system on it, can't give what was written at a place. Every other
/// error of reading (too many open files, no memory, no rights) is trouble of the machine, says nothing of the bytes, and
/// is gone when the trouble is.
#[must_use]
pub fn is_bad_medium(error: &io::Error) -> bool {
    const CODES: [Errno; 6] =
        [Errno::IO, Errno::UCLEAN, Errno::BADMSG, Errno::NODATA, Errno::REMOTEIO, Errno::ILSEQ];
    match error.raw_os_error() {
        Some(code) => CODES.iter().any(|known| known.raw_os_error() == code),
        None => matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData),
    }
}
