//! A file for a result, opened before anything is measured: a path that can't be written is reported then, not after the run.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// An open file whose old content stays until something is written.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    file: File,
    /// Whether it was made now and nothing was written to it yet.
    is_empty_and_new: bool,
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
        Ok(Self { path: path.to_path_buf(), file, is_empty_and_new: is_new })
    }

    /// Replaces the content.
    ///
    /// # Errors
    /// Returns a sentence with the path and the system's reason.
    pub fn write(&mut self, text: &str) -> Result<(), String> {
        self.is_empty_and_new = false;
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
        self.is_empty_and_new = false;
        // Where there is no end to go to, what is written is appended anyway.
        let _ = self.file.seek(SeekFrom::End(0));
        self.file.write_all(text.as_bytes()).map_err(|error| cannot_write(&self.path, &error))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        // A run that could not be made leaves nothing behind.
        if self.is_empty_and_new {
            let _ = std::fs::remove_file(&self.path);
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
    fn old_content_stays_until_there_is_new() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        std::fs::write(&old, "a longer text").unwrap();
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        drop((OutputFile::open(&old).unwrap(), OutputFile::open(&new).unwrap()));
        assert!(read(&old) == "a longer text" && !new.exists());
        OutputFile::open(&old).unwrap().write("short").unwrap();
        assert_eq!(read(&old), "short");
        OutputFile::open(&old).unwrap().append("er").unwrap();
        assert_eq!(read(&old), "shorter");
        let error = OutputFile::open(&folder.path().join("none/f")).unwrap_err();
        assert!(error.starts_with("cannot write") && error.contains("none/f"), "{error}");
    }
}
