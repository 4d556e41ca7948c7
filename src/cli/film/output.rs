//! Where a film goes. A file gets its name when it is whole; until then it is one that is removed with the process.

use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::apps::pixel::canvas::raster::Raster;
use crate::apps::pixel::film::apng::Apng;
use crate::apps::pixel::film::gif::Gif;
use crate::apps::pixel::film::reel;
use crate::apps::pixel::film::schedule::Schedule;

/// What a film is written as, by the name of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One file, with few colours.
    Gif,
    /// One file, with all colours.
    Apng,
    /// A file for each picture.
    Pictures,
}

impl Format {
    /// Returns that of a name.
    ///
    /// # Errors
    /// Returns what names there are, as a sentence.
    pub(super) fn of(path: &Path) -> Result<Self, String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let kinds = "a film is NAME.gif, NAME.apng, or pictures such as frames/%05d.png";
        match name.rsplit_once('.') {
            Some((stem, "png")) if Numbered::of(stem).is_some() => Ok(Self::Pictures),
            Some((stem, "gif")) if !stem.contains('%') => Ok(Self::Gif),
            Some((stem, "apng")) if !stem.contains('%') => Ok(Self::Apng),
            Some((_, "png")) => Err(format!("{}: one PNG is one picture; {kinds}", path.display())),
            _ => Err(format!("{}: {kinds}", path.display())),
        }
    }
}

/// A name with a place for a number, such as `%05d.png`.
struct Numbered {
    before: String,
    digits: usize,
    behind: String,
}

impl Numbered {
    fn of(name: &str) -> Option<Self> {
        let (before, rest) = name.split_once('%')?;
        let (digits, behind) = rest.split_once('d')?;
        let is_width = digits.is_empty() || digits.starts_with('0');
        let digits =
            if digits.is_empty() { Some(0) } else { digits.parse().ok().filter(|digits| *digits <= 18) }?;
        let is_one = is_width && !before.contains('%') && !behind.contains('%');
        is_one.then(|| Self { before: before.to_owned(), digits, behind: behind.to_owned() })
    }

    fn name(&self, number: u64) -> String {
        format!("{}{number:0width$}{}", self.before, self.behind, width = self.digits)
    }
}

/// Where a film goes; nothing of it is written yet.
#[derive(Debug)]
pub(super) struct Output {
    format: Format,
    path: PathBuf,
    file: NamedTempFile,
}

impl Output {
    /// Looks whether files can be made there.
    ///
    /// # Errors
    /// Returns why not, as a sentence.
    pub(super) fn open(format: Format, path: &Path) -> Result<Self, String> {
        // The film takes the place of what a link leads to, not that of the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if path.exists() && !path.is_file() {
            return Err(format!(
                "{} is no file, so no film can take its place: choose another --out",
                path.display()
            ));
        }
        let file = unnamed_beside(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                format!("the directory of {} is not there: make it, or choose another --out", path.display())
            }
            kind => format!("{} can't be written: {kind}; choose another --out", path.display()),
        })?;
        Ok(Self { format, path, file })
    }

    /// Begins the film.
    ///
    /// # Errors
    /// Returns why it can't be written, as a sentence.
    pub(super) fn begin(self, size: (u64, u64), schedule: &Schedule) -> Result<Reel, String> {
        let Self { format, path, file } = self;
        let copy = || file.reopen().map(BufWriter::new);
        let (fps, count) = (schedule.fps, schedule.count());
        let kind = match format {
            Format::Gif => {
                copy().and_then(|out| Gif::new(out, size, fps)).map(|gif| Kind::Film(Box::new(gif)))
            }
            Format::Apng => {
                copy().and_then(|out| Apng::new(out, size, fps, count)).map(|apng| Kind::Film(Box::new(apng)))
            }
            Format::Pictures => Ok(Kind::Pictures { count: 0, bytes: 0 }),
        };
        match kind {
            Ok(kind) => Ok(Reel { kind, path, file }),
            Err(error) => Err(unwritten(&path, &error)),
        }
    }
}

/// A film that is being written.
pub(super) struct Reel {
    kind: Kind,
    path: PathBuf,
    /// What becomes the film, or the first picture.
    file: NamedTempFile,
}

enum Kind {
    Film(Box<dyn reel::Reel + Send>),
    Pictures { count: u64, bytes: u64 },
}

impl Reel {
    /// Writes the next picture.
    ///
    /// # Errors
    /// Returns why it can't be written, as a sentence.
    pub(super) fn add(&mut self, picture: &Raster) -> Result<(), String> {
        let Self { kind, path, file } = self;
        match kind {
            Kind::Film(film) => film.add(picture).map_err(|error| unwritten(path, &error)),
            Kind::Pictures { count, bytes } => {
                let name = numbered(path, *count + 1);
                let png = picture.png().map_err(|error| unwritten(&name, &io::Error::other(error)))?;
                let written = (|| {
                    let mut whole = std::mem::replace(file, unnamed_beside(path)?);
                    whole.write_all(&png)?;
                    whole.persist(&name).map_err(|error| error.error)
                })();
                let made = if *count > 0 {
                    format!("; the {count} frames before it are there")
                } else {
                    String::new()
                };
                written.map_err(|error| unwritten(&name, &error) + &made)?;
                *count += 1;
                *bytes += png.len() as u64;
                Ok(())
            }
        }
    }

    /// Ends the film and gives it its name; gives its bytes, and whether colours were rounded.
    ///
    /// # Errors
    /// Returns why it can't be written, as a sentence.
    pub(super) fn finish(self) -> Result<(u64, bool), String> {
        let Self { kind, path, mut file } = self;
        match kind {
            Kind::Film(mut film) => {
                let end = || {
                    film.finish()?;
                    let is_rounded = film.is_rounded();
                    drop(film);
                    let bytes = file.as_file_mut().seek(SeekFrom::End(0))?;
                    // A disk that finds out late that it is full says so here.
                    file.as_file().sync_all()?;
                    file.persist(&path).map_err(|error| error.error)?;
                    Ok((bytes, is_rounded))
                };
                end().map_err(|error| unwritten(&path, &error))
            }
            Kind::Pictures { bytes, .. } => Ok((bytes, false)),
        }
    }
}

/// Returns the file of a picture.
fn numbered(path: &Path, number: u64) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Numbered::of(&name).map_or_else(|| path.to_owned(), |of| path.with_file_name(of.name(number)))
}

/// Makes a file in the directory of `path` that is removed unless it gets its name.
fn unnamed_beside(path: &Path) -> io::Result<NamedTempFile> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As any other file that is made: the umask takes away what is not wanted.
    Builder::new().prefix(".pixeld-film-").permissions(Permissions::from_mode(0o666)).tempfile_in(directory)
}

fn unwritten(path: &Path, error: &io::Error) -> String {
    let advice = if error.kind() == io::ErrorKind::StorageFull {
        "free space, or choose another --out"
    } else {
        "choose another --out"
    };
    let why = error.raw_os_error().map_or_else(|| error.kind().to_string(), |_| error.to_string());
    format!("{} can't be written: {why}; nothing is left of it: {advice}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_the_film_is() {
        let of = |name: &str| Format::of(Path::new(name));
        assert_eq!((of("a.gif"), of("b/A.APNG")), (Ok(Format::Gif), Ok(Format::Apng)));
        for name in ["frames/%05d.png", "%d.png", "a%02d-b.png"] {
            assert_eq!(of(name), Ok(Format::Pictures), "{name}");
        }
        for name in ["a.png", "a.mp4", "a", "", "%d.gif", "%s.png", "%5d.png", "%d%d.png", "%099d.png"] {
            assert!(of(name).unwrap_err().contains("frames/%05d.png"), "{name}");
        }
        assert_eq!(numbered(Path::new("x/a%03d.png"), 7), Path::new("x/a007.png"));
        assert_eq!(numbered(Path::new("%d.png"), 12_345), Path::new("12345.png"));
    }
}
