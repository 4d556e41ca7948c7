//! Files that a running server reads again: a pipe in the place of one would hold it for as long as nobody writes.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Reads a regular file, or what a link leads to; gives one byte more than `most` of a longer one. /dev/null is an empty one, as everywhere.
///
/// # Errors
/// Fails if it can't be read, and for a pipe, another device or a directory, from which nothing is read.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a regular file that is text.
///
/// # Errors
/// Fails as [`read`] does, and for bytes that are no UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8");
    String::from_utf8(read(path, most)?).map_err(no_text)
}

/// Opens without waiting for whoever may write: what was looked at before may have been replaced, so what is opened is looked at.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    match is_readable(&file.metadata()?) {
        true => Ok(file),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file, and only such a one can be read again while the server runs",
        )),
    }
}

fn is_readable(metadata: &Metadata) -> bool {
    let is_null = || metadata.file_type().is_char_device() && metadata.rdev() == rustix::fs::makedev(1, 3);
    metadata.is_file() || is_null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode};

    #[test]
    fn files_and_links_to_them_are_read_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| directory.path().join(name));
        fs::write(&file, "text").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        rustix::fs::mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        assert_eq!((read(&file, 4).unwrap(), read(&link, 2).unwrap()), (b"text".to_vec(), b"tex".to_vec()));
        assert_eq!(read_text(Path::new("/dev/null"), 4).unwrap(), "");
        for no_file in [&*pipe, directory.path(), Path::new("/dev/zero")] {
            assert!(read_text(no_file, 4).unwrap_err().to_string().contains("regular file"), "{no_file:?}");
        }
        fs::write(&file, b"\xff").unwrap();
        assert!(read_text(&link, 4).unwrap_err().to_string().contains("no text"));
    }
}
