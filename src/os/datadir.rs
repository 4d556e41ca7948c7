//! The data directory and its lock: one server at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::files::RealDisk;

/// Name of the file whose lock stands for the directory; it holds the pid of the process that has it.
pub const LOCK_NAME: &str = "lock";

/// Why the data directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process serves from it.
    #[error("the data directory {} is in use by process {}", path.display(), Pid(*pid))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that has the lock, if it has written its number already.
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

/// A data directory that this process has to itself until it is dropped; the system releases the lock when the
/// process dies in whatever way.
pub struct DataDir {
    path: PathBuf,
    disk: Arc<RealDisk>,
    /// Holds the lock.
    _lock: File,
}

impl DataDir {
    /// Makes the directory if there is none (for the owner only), locks it and writes this process's number into the
    /// lock file.
    ///
    /// # Errors
    /// [`DataDirError::Locked`] names the process that has it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::Io { path: path.to_path_buf(), source };
        make_durably(path).map_err(failed)?;
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK_NAME))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataDirError::Locked { path: path.to_path_buf(), pid: read_pid(&lock) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        write_pid(&lock).map_err(failed)?;
        let disk = Arc::new(RealDisk::open(path).map_err(failed)?);
        Ok(Self { path: path.to_path_buf(), disk, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its files.
    #[must_use]
    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk) as Arc<dyn Disk>
    }
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

fn read_pid(mut lock: &File) -> Option<u32> {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())
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
        drop(first);
        let again = DataDir::open(&path).unwrap();
        assert_eq!(again.disk().list().unwrap(), [LOCK_NAME]);
    }
}
