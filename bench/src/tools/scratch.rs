//! Folders for what servers and other clients are given and leave behind: fresh ones that only this user can enter, removed at the
//! end. A name that can be guessed is one that somebody else can make first, or point elsewhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Folders that are there: what has to go with this process.
static THERE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn there() -> MutexGuard<'static, Vec<PathBuf>> {
    THERE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A private folder, removed when this is dropped, unless it was asked to stay.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes a folder in the system's temporary one.
    ///
    /// # Errors
    /// Returns a sentence with the system's reason.
    pub fn new() -> Result<Self, String> {
        Self::below(&std::env::temp_dir(), "pixeld-bench-")
    }

    /// Makes a folder whose name starts with `prefix` in `parent`, which is made too if it is not there.
    ///
    /// # Errors
    /// Returns a sentence with the system's reason.
    pub fn below(parent: &Path, prefix: &str) -> Result<Self, String> {
        let made = fs::create_dir_all(parent).and_then(|()| {
            tempfile::Builder::new()
                .prefix(prefix)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(parent)
        });
        let folder =
            made.map_err(|error| format!("cannot make a folder in {}: {error}", parent.display()))?;
        let path = folder.keep();
        there().push(path.clone());
        Ok(Self { path })
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut there = there();
        if let Some(at) = there.iter().position(|path| *path == self.path) {
            let _ = fs::remove_dir_all(there.swap_remove(at));
        }
    }
}

/// Lets the folder with this file stay, because somebody is told to look at it.
pub fn keep(file: &Path) {
    there().retain(|folder| !file.starts_with(folder));
}

/// Removes every folder, for ends of this process that run no destructors.
pub fn remove_all() {
    for folder in there().drain(..) {
        let _ = fs::remove_dir_all(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_private_and_go() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("made/too");
        let (one, other) = (Scratch::below(&place, "a-").unwrap(), Scratch::below(&place, "a-").unwrap());
        assert_ne!(one.path(), other.path());
        assert_eq!(fs::metadata(one.path()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(one.path().join("f"), "1").unwrap();
        fs::write(other.path().join("f"), "1").unwrap();
        let (gone, kept) = (one.path().to_path_buf(), other.path().to_path_buf());
        keep(&kept.join("f"));
        drop((one, other));
        assert!(!gone.exists() && kept.join("f").exists());
    }

    #[test]
    fn what_stands_at_a_name_is_not_followed() {
        let parent = tempfile::tempdir().unwrap();
        let victim = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(victim.path(), parent.path().join("a")).unwrap();
        let made = Scratch::below(parent.path(), "a").unwrap();
        fs::write(made.path().join("f"), "1").unwrap();
        assert_eq!(fs::read_dir(victim.path()).unwrap().count(), 0);
    }
}
