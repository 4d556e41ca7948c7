//! The data directory and its lock: one server at a time.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, is_no_space};
use super::files::{RealDisk, give_to_owner};

/// Name of the file whose lock stands for the directory.
pub const LOCK_NAME: &str = "lock";

/// Why the data directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process serves from it.
    #[error("the data directory {} is in use by process {}", path.display(), Pid(*pid))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that has the lock, if the system tells.
        pid: Option<u32>,
    },
    /// It can't be made, opened or locked.
    #[error("the data directory {}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

struct Pid(Option<u32>);

impl std::fmt::Display for Pid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => pid.fmt(f),
            None => f.write_str("(number unknown)"),
        }
    }
}

/// A data directory that this process has to itself until it is dropped; the system releases the locks when the
/// process dies in whatever way.
pub struct DataDir {
    path: PathBuf,
    disk: Arc<RealDisk>,
    locks: Locks,
}

/// What is locked. Nothing is written for it, so a full disk or a read-only one is locked like any other.
struct Locks {
    /// The file `lock`; nothing where it can't be made, because nothing can.
    file: Option<File>,
    /// The directory itself, which nobody removes by mistake.
    directory: File,
}

impl DataDir {
    /// Makes the directory if there is none (for the owner only) and locks it.
    ///
    /// # Errors
    /// Returns [`DataDirError::Locked`], which names the process that has it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::Io { path: path.to_path_buf(), source };
        if path.exists() && !path.is_dir() {
            let sentence = "it is a file; a directory is needed, which is made if there is none";
            return Err(failed(io::Error::new(io::ErrorKind::NotADirectory, sentence)));
        }
        make_durably(path).map_err(failed)?;
        let locked = |file: &File| DataDirError::Locked { path: path.to_path_buf(), pid: owner(file) };
        let directory = File::open(path).map_err(failed)?;
        let has_directory = match directory.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return Err(locked(&directory)),
            // Not every file system locks directories.
            Err(TryLockError::Error(_)) => false,
        };
        let file = loop {
            let file = match open_lock(path) {
                Ok(file) => file,
                Err(error) if has_directory && is_refused(&error) => break None,
                Err(error) => return Err(failed(error)),
            };
            match file.try_lock() {
                // Whoever had it may have removed it meanwhile.
                Ok(()) if is_current(&file, path).map_err(failed)? => break Some(file),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(locked(&file)),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        };
        let disk = Arc::new(RealDisk::open(path).map_err(failed)?);
        Ok(Self { path: path.to_path_buf(), disk, locks: Locks { file, directory } })
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns its files.
    #[must_use]
    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk) as Arc<dyn Disk>
    }

    /// Returns what tells whether the directory is still the one that was locked.
    ///
    /// # Errors
    /// Returns the error of fstat.
    pub fn watch(&self) -> io::Result<Watch> {
        let lock =
            self.locks.file.as_ref().map(|file| file.metadata().map(|meta| place(&meta))).transpose()?;
        Ok(Watch { path: self.path.clone(), directory: place(&self.locks.directory.metadata()?), lock })
    }
}

/// Name of the file by whose lock a backup keeps the server from removing files.
pub const HOLD_NAME: &str = "backup";

/// Keeps whoever else takes it from removing files of a data directory, or from copying them. The system lets go of it when
/// the process dies in whatever way.
#[must_use = "it holds only as long as it is there"]
pub struct Hold {
    _file: Option<File>,
}

impl Hold {
    /// Takes it for a backup, and waits while the server removes files. Where the file can't be made or locked nothing is
    /// held: then files may go while they are copied.
    pub fn of_backup(directory: &Path) -> Self {
        let name = directory.join(HOLD_NAME);
        let file = File::open(&name).or_else(|_| {
            let made = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&name)?;
            give_to_owner(&made, &File::open(directory)?)?;
            Ok::<_, io::Error>(made)
        });
        Self { _file: file.ok().filter(|file| file.lock_shared().is_ok()) }
    }

    /// Takes it for the server that removes files; nothing while a backup has it.
    #[must_use]
    pub fn of_removal(directory: &Path) -> Option<Self> {
        let Ok(file) = File::open(directory.join(HOLD_NAME)) else { return Some(Self { _file: None }) };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => None,
            _ => Some(Self { _file: Some(file) }),
        }
    }
}

/// Looks whether somebody has moved or removed a directory, or its lock, under the process that serves from it.
pub struct Watch {
    path: PathBuf,
    /// Device and number of each.
    directory: (u64, u64),
    lock: Option<(u64, u64)>,
}

/// What has become of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is where it was.
    Sound,
    /// The file `lock` was removed or replaced. The directory's own lock still keeps others out.
    Unlocked,
    /// Another directory, or none, has its name: the files that come next would be made there.
    Moved,
}

impl Watch {
    /// Returns the directory's name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks once. What the system does not tell is taken for sound.
    #[must_use]
    pub fn look(&self) -> Standing {
        if !is_at(self.directory, &self.path).unwrap_or(true) {
            return Standing::Moved;
        }
        let is_there = |lock| is_at(lock, &self.path.join(LOCK_NAME)).unwrap_or(true);
        if self.lock.is_none_or(is_there) { Standing::Sound } else { Standing::Unlocked }
    }
}

fn place(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

/// Returns whether the file that has this name now is the one at `known`.
fn is_at(known: (u64, u64), path: &Path) -> io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(meta) => Ok(place(&meta) == known),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_current(lock: &File, path: &Path) -> io::Result<bool> {
    is_at(place(&lock.metadata()?), &path.join(LOCK_NAME))
}

/// Opens the lock's file, and makes it where there is none.
fn open_lock(path: &Path) -> io::Result<File> {
    let name = path.join(LOCK_NAME);
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options.open(&name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = options.create(true).truncate(false).mode(0o600).open(&name)?;
            give_to_owner(&file, &File::open(path)?)?;
            Ok(file)
        }
        // To lock it, it need not be written.
        Err(error) if is_refused(&error) => File::open(&name),
        opened => opened,
    }
}

/// Returns whether nothing can be written there, for want of room or of rights.
fn is_refused(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    is_no_space(error) || matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem)
}

/// Makes the directory, and its name in its parent durable: a journal must not vanish with the directory it is in.
fn make_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    match path.canonicalize()?.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Returns the process that has a file locked, as /proc/locks has it: `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF`. The number
/// of the device there is not always the file's, so the file's own decides.
fn owner(file: &File) -> Option<u32> {
    let inode = file.metadata().ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_its = words.get(1) == Some(&"FLOCK")
            && words.get(5).and_then(|at| at.rsplit(':').next()) == Some(inode.as_str());
        if is_its { words[4].parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_by_name_of_the_first() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("not/there/yet");
        let first = DataDir::open(&path).unwrap();
        assert_eq!(first.path(), path);
        let refusal = DataDir::open(&path).err().unwrap();
        assert!(matches!(refusal, DataDirError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
        assert!(refusal.to_string().contains(&std::process::id().to_string()));
        // Nor does one get in whose lock was removed.
        std::fs::remove_file(path.join(LOCK_NAME)).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::Locked { .. })));
        drop(first);
        let again = DataDir::open(&path).unwrap();
        assert_eq!(again.disk().list().unwrap(), [LOCK_NAME]);
    }

    #[test]
    fn a_lock_and_a_directory_that_are_gone_are_noticed() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let directory = DataDir::open(&path).unwrap();
        let watch = directory.watch().unwrap();
        assert_eq!(watch.look(), Standing::Sound);
        std::fs::write(path.join("other"), "").unwrap();
        std::fs::rename(path.join("other"), path.join(LOCK_NAME)).unwrap();
        assert_eq!(watch.look(), Standing::Unlocked);
        std::fs::rename(&path, parent.path().join("elsewhere")).unwrap();
        assert_eq!(watch.look(), Standing::Moved);
        std::fs::create_dir(&path).unwrap();
        assert_eq!(watch.look(), Standing::Moved, "another one of that name");
    }
}
