//! The real disk: a directory of the file system.
//!
//! A durable write is one `pwritev2` with RWF_DSYNC on a descriptor opened with O_DIRECT: no page of the cache is
//! dirtied, nothing else waits in line, one system call does both. Where the file system refuses either, it becomes
//! `pwrite` and `fdatasync`, which promise the same.

use std::fs::{DirBuilder, DirEntry, File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, FallocateFlags, IFlags, OFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::disk::{Access, Disk, DiskFile, Space, failed_sync};
use crate::base::limits::BLOCK_BYTES;

/// A directory of the file system; files are made readable and writable for the owner only.
pub struct RealDisk {
    path: PathBuf,
    /// Kept open: it is what syncing the directory needs.
    directory: File,
}

impl RealDisk {
    /// Returns the directory at `path`, which must exist.
    ///
    /// # Errors
    /// Returns the error of opening it.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_path_buf(), directory: File::open(path)? })
    }

    fn path_of(&self, name: &str) -> PathBuf {
        let is_plain = |part: &str| !matches!(part, "" | "." | "..");
        assert!(name.split('/').all(is_plain), "a name leads down only");
        self.path.join(name)
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        files_in(&self.path)
    }

    fn separate(&self, name: &str) -> io::Result<()> {
        let path = self.path_of(name);
        let shared = File::open(&path)?;
        if shared.metadata()?.nlink() < 2 {
            return Ok(());
        }
        let unfinished = self.path_of(&format!("{name}.tmp"));
        let copied = std::fs::copy(&path, &unfinished).and_then(|_| {
            let file = File::open(&unfinished)?;
            give_to_owner(&file, &self.directory)?;
            file.sync_all().map_err(failed_sync)
        });
        if let Err(error) = copied.and_then(|()| std::fs::rename(&unfinished, &path)) {
            let _ = std::fs::remove_file(&unfinished);
            return Err(error);
        }
        self.sync_directory()
    }

    fn make_directory(&self, name: &str) -> io::Result<()> {
        let path = self.path_of(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => give_to_owner(&File::open(&path)?, &self.directory)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        match name.rsplit_once('/') {
            Some((parent, _)) => self.sync_in(parent),
            None => self.sync_directory(),
        }
    }

    fn list_in(&self, directory: &str) -> io::Result<Vec<String>> {
        files_in(&self.path_of(directory))
    }

    fn sync_in(&self, directory: &str) -> io::Result<()> {
        File::open(self.path_of(directory))?.sync_all().map_err(failed_sync)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path_of(name);
        let file = OpenOptions::new().read(true).write(access == Access::Write).open(&path)?;
        let direct = if access == Access::Write { open_direct(&path)? } else { None };
        Ok(Arc::new(RealFile::new(file, direct)))
    }

    fn create(&self, name: &str, size_bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path_of(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        give_to_owner(&file, &self.directory)?;
        if size_bytes > 0 {
            overwrite_in_place(&file);
            reserve(&file, size_bytes)?;
        }
        let direct = open_direct(&path)?;
        Ok(Arc::new(RealFile::new(file, direct)))
    }

    fn create_unnamed(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = open_unnamed(&self.path)?;
        give_to_owner(&file, &self.directory)?;
        Ok(Arc::new(RealFile { name: Some(self.path_of(name)), ..RealFile::new(file, None) }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path_of(from), self.path_of(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path_of(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync_all().map_err(failed_sync)
    }

    fn space(&self) -> io::Result<Space> {
        let figures = rustix::fs::fstatvfs(&self.directory)?;
        Ok(Space {
            free_bytes: figures.f_bavail * figures.f_frsize,
            total_bytes: figures.f_blocks * figures.f_frsize,
        })
    }
}

/// Gives a file that root has made to the owner of the directory it is in: a command that an administrator runs must not
/// leave what the service can't open.
pub(super) fn give_to_owner(file: &File, directory: &File) -> io::Result<()> {
    let (own, owner) = (file.metadata()?, directory.metadata()?);
    if own.uid() == 0 && owner.uid() != 0 {
        std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

/// Returns names of the files in a directory.
fn files_in(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if is_file(&entry)?
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// Returns whether it is a file, or a link to one. A link that leads nowhere is none.
fn is_file(entry: &DirEntry) -> io::Result<bool> {
    if !entry.file_type()?.is_symlink() {
        return Ok(entry.file_type()?.is_file());
    }
    match std::fs::metadata(entry.path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        found => found.map(|meta| meta.is_file()),
    }
}

/// Opens a file once more, past the page cache; nothing where the file system can't do that.
fn open_direct(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::DIRECT.bits().cast_signed();
    match OpenOptions::new().read(true).write(true).custom_flags(flags).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a file without a name in the directory at `path`, for the owner only.
fn open_unnamed(path: &Path) -> io::Result<File> {
    // NFS and old layers of containers have none, and say so in different ways.
    const UNKNOWN: [Errno; 4] = [Errno::OPNOTSUPP, Errno::NOSYS, Errno::ISDIR, Errno::INVAL];
    let flags = OFlags::TMPFILE.bits().cast_signed();
    let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).mode(0o600).open(path);
    let unknown =
        |error: &io::Error| UNKNOWN.iter().any(|code| error.raw_os_error() == Some(code.raw_os_error()));
    match opened {
        // Without /proc it could never get a name.
        Ok(file) if proc_path(&file).exists() => Ok(file),
        Ok(_) => Err(io::ErrorKind::Unsupported.into()),
        Err(error) if unknown(&error) => Err(io::ErrorKind::Unsupported.into()),
        Err(error) => Err(error),
    }
}

/// Returns a path to an open file that works without privileges, whether it has a name or not.
fn proc_path(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Asks a file system that copies on writing (btrfs, bcachefs) not to do so with this file, which is empty: it is overwritten
/// again and again, and its bytes are under checksums of our own. Others refuse, and need not be asked.
fn overwrite_in_place(file: &File) {
    if let Ok(flags) = rustix::fs::ioctl_getflags(file) {
        let _ = rustix::fs::ioctl_setflags(file, flags | IFlags::NOCOW);
    }
}

/// Reserves room; where that is not known the writes that follow find out whether there is any.
fn reserve(file: &File, size_bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size_bytes) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(size_bytes),
        Err(error) => Err(error.into()),
    }
}

struct RealFile {
    file: File,
    direct: Option<File>,
    /// Where it is going to be; nothing for one that has its name.
    name: Option<PathBuf>,
    /// Set when the first direct write was refused, so that the question is asked only once.
    refused: AtomicBool,
    /// Whether a sync has failed. Locked during one: the system reports an error once, and a second thread's sync would
    /// succeed with the data gone.
    has_failed: Mutex<bool>,
}

impl RealFile {
    fn new(file: File, direct: Option<File>) -> Self {
        Self { file, direct, name: None, refused: AtomicBool::new(false), has_failed: Mutex::new(false) }
    }

    /// Writes from the start of `blocks` as many bytes as go directly; the rest is the caller's.
    fn write_direct(&self, blocks: &[u8], offset: u64) -> io::Result<usize> {
        let Some(direct) = self.direct.as_ref().filter(|_| !self.refused.load(Ordering::Relaxed)) else {
            return Ok(0);
        };
        let mut done = 0;
        let flags =
            if cfg!(seeded_bug = "no_dsync") { ReadWriteFlags::empty() } else { ReadWriteFlags::DSYNC };
        while done < blocks.len() {
            let rest = [IoSlice::new(&blocks[done..])];
            match rustix::io::pwritev2(direct, &rest, offset + done as u64, flags) {
                Ok(0) => break,
                Ok(written) => done += written,
                Err(Errno::INTR) => {}
                Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                    self.refused.store(true, Ordering::Relaxed);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }
}

impl DiskFile for RealFile {
    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn give_back(&self, offset: u64, bytes: u64) {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let _ = rustix::fs::fallocate(&self.file, flags, offset, bytes);
    }

    fn write_durable_at(&self, blocks: &[u8], offset: u64) -> io::Result<()> {
        debug_assert!(blocks.len().is_multiple_of(BLOCK_BYTES));
        debug_assert!(offset.is_multiple_of(BLOCK_BYTES as u64));
        let done = self.write_direct(blocks, offset)?;
        if done == blocks.len() {
            return Ok(());
        }
        self.file.write_all_at(&blocks[done..], offset + done as u64).map_err(failed_sync)?;
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        let mut has_failed = self.has_failed.lock().unwrap_or_else(PoisonError::into_inner);
        if *has_failed && !cfg!(seeded_bug = "sync_again") {
            return Err(failed_sync(io::Error::other("a failed sync is final for the file")));
        }
        self.file.sync_data().map_err(|error| {
            *has_failed = true;
            failed_sync(error)
        })
    }

    fn give_name(&self) -> io::Result<()> {
        let name = self.name.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        rustix::fs::linkat(CWD, proc_path(&self.file), CWD, name, AtFlags::SYMLINK_FOLLOW)?;
        Ok(())
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::aligned::AlignedBuffer;
    use crate::os::disk::{is_failed_sync, is_no_space};

    #[test]
    fn files_are_made_written_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(directory.path()).unwrap();
        let file = disk.create("a", 3 * BLOCK_BYTES as u64).unwrap();
        let mut block = AlignedBuffer::zeroed(BLOCK_BYTES);
        block.bytes_mut().fill(7);
        file.write_durable_at(block.bytes(), BLOCK_BYTES as u64).unwrap();
        file.write_at(b"tail", 2 * BLOCK_BYTES as u64).unwrap();
        file.sync().unwrap();
        assert_eq!(disk.create("a", 0).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        disk.rename("a", "b").unwrap();
        disk.sync_directory().unwrap();
        let file = disk.open("b", Access::Read).unwrap();
        let mut bytes = vec![1; 4 * BLOCK_BYTES];
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 3 * BLOCK_BYTES);
        assert!(bytes[..BLOCK_BYTES].iter().all(|&byte| byte == 0));
        assert!(bytes[BLOCK_BYTES..2 * BLOCK_BYTES].iter().all(|&byte| byte == 7));
        assert_eq!(&bytes[2 * BLOCK_BYTES..][..5], b"tail\0");
        assert_eq!(disk.list().unwrap(), ["b"]);
        disk.remove("b").unwrap();
        assert_eq!(disk.open("b", Access::Read).err().unwrap().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_without_a_name_is_gone_unless_it_is_given_one() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(directory.path()).unwrap();
        let Ok(file) = disk.create_unnamed("a") else { panic!("a file system of today has such files") };
        file.write_at(b"content", 0).and_then(|()| file.sync()).unwrap();
        assert!(disk.list().unwrap().is_empty());
        drop(file);
        assert!(disk.list().unwrap().is_empty());
        let file = disk.create_unnamed("a").unwrap();
        file.write_at(b"more", 0).and_then(|()| file.sync()).and_then(|()| file.give_name()).unwrap();
        assert_eq!(std::fs::read(directory.path().join("a")).unwrap(), b"more");
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &directory.path().join("a").metadata().unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600, "for the owner only");
        let second = disk.create_unnamed("a").unwrap();
        assert_eq!(second.give_name().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let named = disk.open("a", Access::Write).unwrap();
        assert_eq!(named.give_name().unwrap_err().kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn a_failed_sync_is_final_for_the_file() {
        // A device that has nothing to sync refuses it.
        let file = RealFile::new(File::open("/dev/null").unwrap(), None);
        assert_eq!(file.sync().unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let again = file.sync().unwrap_err();
        assert!(is_failed_sync(&again) && again.to_string().contains("final for the file"), "{again}");
    }

    #[test]
    fn room_is_reported_and_its_end_is_recognised() {
        let directory = tempfile::tempdir().unwrap();
        let space = RealDisk::open(directory.path()).unwrap().space().unwrap();
        assert!(space.free_bytes > 0 && space.free_bytes <= space.total_bytes);
        assert!(is_no_space(&io::Error::from(Errno::NOSPC)) && is_no_space(&io::Error::from(Errno::DQUOT)));
        assert!(is_no_space(&io::Error::from(Errno::FBIG)) && !is_no_space(&io::Error::from(Errno::IO)));
        let of_sync = failed_sync(Errno::NOSPC.into());
        assert!(
            is_failed_sync(&of_sync) && is_no_space(&of_sync) && of_sync.to_string().contains("No space")
        );
        assert!(!is_failed_sync(&Errno::NOSPC.into()));
    }
}
