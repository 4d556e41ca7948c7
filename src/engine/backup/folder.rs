//! A folder as the place for backups. What never changes is linked where source and folder are on one file system.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{BackupError, failed, in_use};
use super::target::{Piece, Target};
use crate::base::blob::BlobId;
use crate::engine::lifecycle::vacancy::{self, Vacancy};
use crate::log::blobs::Blobs;
use crate::log::blobs::files::{self as blobs, FileStore};
use crate::log::blobs::store::{BlobReader, BlobStore};
use crate::log::copy::file::{self, Rest};
use crate::log::copy::upto::{self, UpTo};
use crate::log::runs::shelf;
use crate::os::datadir::DataDir;
use crate::os::disk::{Access, Disk};

/// Bytes of a content that are copied at once.
const PIECE_BYTES: usize = 1 << 20;

/// The folder, locked.
pub(super) struct Folder {
    path: PathBuf,
    source: PathBuf,
    disk: Arc<dyn Disk>,
    is_same_disk: bool,
    _lock: DataDir,
}

impl Folder {
    /// Opens the folder at `path` for a backup of the directory at `source`, and removes what an interrupted one left.
    pub(super) fn open(path: &Path, source: &Path) -> Result<Self, BackupError> {
        let refused = |why: String| BackupError::Place { place: path.display().to_string(), why };
        let mut is_new = true;
        if path.exists() {
            match vacancy::look(path).map_err(failed(format!("reading {}", path.display())))? {
                Vacancy::Taken(what) => {
                    return Err(refused(format!(
                        "is no backup and not empty: {what} in it does not belong to pixeld"
                    )));
                }
                Vacancy::Restoring => {
                    return Err(refused("is a directory that a backup is put back into".to_owned()));
                }
                Vacancy::Vacant => {}
                Vacancy::Ours(_) => is_new = false,
            }
            let same = |a: &Path, b: &Path| Some(a.canonicalize().ok()? == b.canonicalize().ok()?);
            if same(path, source) == Some(true) {
                return Err(refused("is the data directory itself".to_owned()));
            }
        }
        if lies_in(path, source) {
            return Err(refused("lies in the data directory, and would be lost with it".to_owned()));
        }
        let lock = DataDir::open(path).map_err(in_use)?;
        let disk = lock.disk();
        let contents =
            [blobs::DIRECTORY, shelf::DIRECTORY].map(|root| FileStore::below(Arc::clone(&disk), root));
        file::clear(&*disk)
            .and_then(|()| contents.iter().try_for_each(|store| store.remove_unfinished().map(drop)))
            .map_err(failed("removing what an interrupted backup left"))?;
        if is_new {
            // Whatever comes to stand here is known for a backup's from now on.
            let begun = file::write_whole(&*disk, upto::NAME, &UpTo::default().encode());
            begun.map_err(failed(format!("writing to {}", path.display())))?;
        }
        let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
        let is_same_disk = device(path) == device(source);
        Ok(Self { path: path.to_owned(), source: source.to_owned(), disk, is_same_disk, _lock: lock })
    }

    /// Gives a file of the source the name `name` here as well; false where the file system can't.
    fn link(&self, name: &str) -> io::Result<bool> {
        if !self.is_same_disk {
            return Ok(false);
        }
        let unfinished = self.path.join(format!("{name}.tmp"));
        let linked = fs::hard_link(self.source.join(name), &unfinished);
        match linked.and_then(|()| fs::rename(&unfinished, self.path.join(name))) {
            Ok(()) => {
                // Of two names of one file a rename removes none.
                let _ = fs::remove_file(&unfinished);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
            Err(_) => {
                let _ = fs::remove_file(&unfinished);
                Ok(false)
            }
        }
    }
}

/// Returns whether `path`, which need not be there, leads into `directory`.
pub(super) fn lies_in(path: &Path, directory: &Path) -> bool {
    let Ok(directory) = directory.canonicalize() else { return false };
    let there = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let known = there.ancestors().find_map(|known| known.canonicalize().ok());
    known.is_some_and(|known| known.starts_with(directory))
}

impl Target for Folder {
    fn disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk)
    }

    fn put(&self, piece: &Piece<'_>, on_piece: &mut dyn FnMut(u64)) -> io::Result<()> {
        if piece.is_final && self.link(piece.name)? {
            on_piece(piece.length);
            return self.disk.sync_directory();
        }
        let bounds = (piece.length, piece.size, Rest::Hole);
        file::copy(piece.file, &*self.disk, piece.name, bounds, on_piece)
    }

    fn put_small(&self, name: &str, content: &[u8]) -> io::Result<()> {
        file::write_whole(&*self.disk, name, content)
    }

    fn remove_small(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)?;
        self.disk.sync_directory()
    }

    fn extend(&self, piece: &Piece<'_>, from: u64, on_piece: &mut dyn FnMut(u64)) -> io::Result<()> {
        let there = self.disk.open(piece.name, Access::Write)?;
        file::write(piece.file, &*there, from, piece.length, on_piece)?;
        there.sync()
    }

    fn put_blob(&self, root: &'static str, id: &BlobId, content: &dyn BlobReader) -> io::Result<()> {
        let text = id.to_string();
        let (prefix, rest) = text.split_at(2);
        let directory = format!("{root}/{prefix}");
        if self.is_same_disk && content.file().is_some() {
            self.disk.make_directory(root)?;
            self.disk.make_directory(&directory)?;
            let name = format!("{directory}/{rest}");
            match fs::hard_link(self.source.join(&name), self.path.join(&name)) {
                Ok(()) => return self.disk.sync_in(&directory),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
                // One that is there is replaced: it was cut.
                Err(_) => {}
            }
        }
        put_content(&self.disk, root, id, content)
    }

    fn blob_bytes(&self, root: &'static str, id: &BlobId) -> io::Result<Option<u64>> {
        FileStore::below(self.disk(), root).open(id).map(|content| Some(content.size_bytes()))
    }

    fn is_same_disk(&self) -> bool {
        self.is_same_disk
    }
}

/// Copies a content below `root` of a directory.
///
/// # Errors
/// Returns the error of either place; `InvalidData` if its bytes are not what its name says.
pub(super) fn put_content(
    disk: &Arc<dyn Disk>,
    root: &'static str,
    id: &BlobId,
    content: &dyn BlobReader,
) -> io::Result<()> {
    let blobs = Arc::new(Blobs::new(Box::new(FileStore::below(Arc::clone(disk), root))));
    let mut writer = blobs.writer()?;
    let (mut offset, total) = (0, content.size_bytes());
    while offset < total {
        let length = usize::try_from((total - offset).min(PIECE_BYTES as u64)).expect("a piece");
        let mut piece = vec![0; length];
        content.read_at(&mut piece, offset)?;
        writer.write(&piece)?;
        offset += length as u64;
    }
    if writer.id() != *id {
        return Err(io::ErrorKind::InvalidData.into());
    }
    writer.finish().map(drop)
}
