//! A small disk of a test's own, to be filled.

use std::path::PathBuf;
use std::process::Command;

/// A tmpfs, unmounted when dropped.
pub struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    /// Nothing where we may not mount.
    pub fn new() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=40m", "pixeld-test"]).arg(directory.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self { directory }),
            _ => {
                println!("skipped: a tmpfs cannot be mounted here");
                None
            }
        }
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn ballast(&self) -> PathBuf {
        self.directory.path().join("ballast")
    }

    /// Lets another program take everything but about this many bytes.
    pub fn fill_up_to(&self, left: usize) {
        let mut size = 32 << 20;
        while size > left {
            let grown = std::fs::metadata(self.ballast()).map_or(0, |meta| meta.len());
            if std::fs::write(self.ballast(), vec![1; grown as usize + size]).is_err() {
                // What could be written of it is there; one that does not fit at all leaves nothing.
                let _ = std::fs::write(self.ballast(), vec![1; grown as usize]);
                size /= 2;
            }
        }
    }

    /// Takes that away again.
    pub fn make_room(&self) {
        std::fs::remove_file(self.ballast()).expect("removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.directory.path()).status();
    }
}
