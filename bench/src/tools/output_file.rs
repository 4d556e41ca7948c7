//! A file for a result, opened before anything is measured: a path that can't be written is reported then, not after the run.

use rustix::fs::{Stat, fstat, major, minor};
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Device numbers of `/dev/null`.
const NULL_DEVICE: (u32, u32) = (1, 3);

/// What a path leads to, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Stdout, also as `/dev/stdout` or as the file that a shell made of it.
    Stdout,
    /// A file, a pipe, a terminal: its device and its number.
    File(u64, u64),
    /// `/dev/null`, where nothing gets in the way of anything.
    Nowhere,
}

/// An open file whose old content stays until something is written.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    file: File,
    /// Where it is, if it was made now and nothing was written to it yet. Through a link that is another path.
    made: Option<PathBuf>,
}

impl OutputFile {
    /// Opens `path` for writing and makes it if it is not there.
    ///
    /// # Errors
    /// Returns a sentence with the path and the system's reason.
    pub fn open(path: &Path) -> Result<Self, String> {
        let is_new = !path.exists();
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = file.map_err(|error| cannot_write(path, &error))?;
        let made = if is_new { path.canonicalize().ok() } else { None };
        Ok(Self { path: path.to_path_buf(), file, made })
    }

    /// Returns what it leads to: two outputs of one place would be written into one another.
    #[must_use]
    pub fn place(&self) -> Place {
        let known = |stat: rustix::io::Result<Stat>| stat.ok().map(|it| (it.st_dev, it.st_ino, it.st_rdev));
        match (known(fstat(&self.file)), known(fstat(std::io::stdout()))) {
            (Some((.., device)), _) if (major(device), minor(device)) == NULL_DEVICE => Place::Nowhere,
            (Some(own), Some(stdout)) if own == stdout => Place::Stdout,
            (Some((device, number, _)), _) => Place::File(device, number),
            // Without its number it is taken for no other one's.
            (None, _) => Place::Nowhere,
        }
    }

    /// Replaces the content.
    ///
    /// # Errors
    /// Returns a sentence with the path and the system's reason.
    pub fn write(&mut self, text: &str) -> Result<(), String> {
        self.made = None;
        // Pipes and terminals have no length to set.
        let cleared = if self.file.metadata().is_ok_and(|known| known.is_file()) {
            self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)).map(drop))
        } else {
            Ok(())
        };
        cleared
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .map_err(|error| cannot_write(&self.path, &error))
    }

    /// Adds to the end of the content.
    ///
    /// # Errors
    /// Fails as [`OutputFile::write`] does.
    pub fn append(&mut self, text: &str) -> Result<(), String> {
        self.made = None;
        // Where there is no end to go to, what is written is appended anyway.
        let _ = self.file.seek(SeekFrom::End(0));
        self.file.write_all(text.as_bytes()).map_err(|error| cannot_write(&self.path, &error))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // A run that could not be made leaves nothing behind.
        if let Some(path) = &self.made {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_number_under_all_names() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        let other = OutputFile::open(&folder.path().join("other")).unwrap();
        let first = OutputFile::open(&file).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for name in [&file, &link, &folder.path().join("./file")] {
            assert_eq!(OutputFile::open(name).unwrap().place(), first.place());
        }
        assert_ne!(other.place(), first.place());
        assert_eq!(OutputFile::open(Path::new("/dev/null")).unwrap().place(), Place::Nowhere);
    }

    #[test]
    fn old_content_stays_until_there_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        std::fs::write(&old, "a longer text").unwrap();
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("beyond", &link).unwrap();
        drop([&old, &new, &link].map(|path| OutputFile::open(path).unwrap()));
        assert!(read(&old) == "a longer text" && !new.exists());
        assert!(link.is_symlink() && !folder.path().join("beyond").exists(), "only what was made goes");
        OutputFile::open(&old).unwrap().write("short").unwrap();
        assert_eq!(read(&old), "short");
        OutputFile::open(&old).unwrap().append("er").unwrap();
        assert_eq!(read(&old), "shorter");
        let error = OutputFile::open(&folder.path().join("none/f")).unwrap_err();
        assert!(error.starts_with("cannot write") && error.contains("none/f"), "{error}");
    }
}
