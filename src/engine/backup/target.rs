//! What a place for backups can do.

use std::io;
use std::sync::Arc;

use crate::base::blob::BlobId;
use crate::log::blobs::check::{Fault, check};
use crate::log::blobs::files::FileStore;
use crate::log::blobs::store::{BlobReader, BlobStore};
use crate::os::disk::{Disk, DiskFile};

/// A file of the source.
pub(super) struct Piece<'a> {
    /// Its name, there and in the target.
    pub(super) name: &'a str,
    /// Its content.
    pub(super) file: &'a dyn DiskFile,
    /// How much of it counts, in bytes.
    pub(super) length: u64,
    /// Its size with the zeros behind that.
    pub(super) size: u64,
    /// It is never written again, so that the target may share it.
    pub(super) is_final: bool,
}

/// A place for backups. What a call has put there is durable when it returns, and there as a whole or not at all.
pub(super) trait Target: Send {
    /// Returns the backup, to be read as a data directory.
    fn disk(&self) -> Arc<dyn Disk>;

    /// Puts a file there, in place of one with its name.
    fn put(&self, piece: &Piece<'_>, on_piece: &mut dyn FnMut(u64)) -> io::Result<()>;

    /// Puts a small file there, in place of one with its name.
    fn put_small(&self, name: &str, content: &[u8]) -> io::Result<()>;

    /// Removes a small file.
    fn remove_small(&self, name: &str) -> io::Result<()>;

    /// Adds the bytes of a segment from `from` on, up to which it is there.
    fn extend(&self, piece: &Piece<'_>, from: u64, on_piece: &mut dyn FnMut(u64)) -> io::Result<()>;

    /// Puts a content below `root` that reads as its name says.
    fn put_blob(&self, root: &'static str, id: &BlobId, content: &dyn BlobReader) -> io::Result<()>;

    /// Returns how many bytes a content below `root` has there; nothing where a place itself sees to it that none is cut.
    fn blob_bytes(&self, root: &'static str, id: &BlobId) -> io::Result<Option<u64>>;

    /// Returns whether files are shared with the source, or stand on the same disk.
    fn is_same_disk(&self) -> bool {
        false
    }
}

/// Copies a content that reads as its name says, and gives its length, or what is wrong with it.
pub(super) fn copy_blob(
    target: &dyn Target,
    store: &FileStore,
    root: &'static str,
    id: &BlobId,
) -> io::Result<Result<u64, Fault>> {
    if let Some(fault) = check(store, id, &mut |_| true)? {
        return Ok(Err(fault));
    }
    let content = store.open(id)?;
    target.put_blob(root, id, &*content)?;
    Ok(Ok(content.size_bytes()))
}
