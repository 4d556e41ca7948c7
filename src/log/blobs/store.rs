//! Where blobs are: a directory, or anything else that can do what is asked for here.

use std::io;

use crate::base::blob::BlobId;
use crate::os::disk::DiskFile;

/// A place for blobs. Its calls may wait for a disk or a network.
pub trait BlobStore: Send + Sync {
    /// Returns whether the place looks after its contents by itself, so that nobody needs to read them for it.
    fn checks_contents(&self) -> bool {
        false
    }

    /// Begins a blob whose name is not known yet.
    ///
    /// # Errors
    /// Returns the error of the place.
    fn begin(&self) -> io::Result<Box<dyn Unfinished>>;

    /// Opens a blob.
    ///
    /// # Errors
    /// Fails with `NotFound`, or with the error of the place.
    fn open(&self, id: &BlobId) -> io::Result<Box<dyn BlobReader>>;

    /// Removes a blob; gives whether it was there.
    ///
    /// # Errors
    /// Returns the error of the place.
    fn remove(&self, id: &BlobId) -> io::Result<bool>;

    /// Every blob, in no order.
    ///
    /// # Errors
    /// Returns the error of the place.
    fn list(&self) -> io::Result<Vec<BlobId>>;

    /// Removes what was begun and never finished; gives how much of it there was.
    ///
    /// # Errors
    /// Returns the error of the place.
    fn remove_unfinished(&self) -> io::Result<u64>;
}

/// A blob that is being written.
pub trait Unfinished: Send {
    /// Appends a piece.
    ///
    /// # Errors
    /// Returns the error of writing.
    fn write(&mut self, piece: &[u8]) -> io::Result<()>;

    /// Returns what was written so far.
    ///
    /// # Errors
    /// Returns the error of reading.
    fn read_back(&self) -> io::Result<Vec<u8>>;

    /// Makes it the blob `id`, durably. If that is there already, the one is as good as the other.
    ///
    /// # Errors
    /// Any error is final for this blob: nothing of it may be relied on.
    fn finish(self: Box<Self>, id: &BlobId) -> io::Result<()>;

    /// Gives it up.
    ///
    /// # Errors
    /// Returns the error of removing.
    fn discard(self: Box<Self>) -> io::Result<()>;
}

/// A blob that is open: it can be read to its end although it is removed meanwhile.
pub trait BlobReader: Send + Sync {
    /// Returns its length.
    fn size_bytes(&self) -> u64;

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// Fails with `UnexpectedEof` behind its end, or with the error of reading.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// Returns the file that it is, from the first byte to the last, where it is one.
    fn file(&self) -> Option<&dyn DiskFile> {
        None
    }
}

/// A content that is in memory.
impl BlobReader for &[u8] {
    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let piece = from.and_then(|rest| rest.get(..buffer.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(piece);
        Ok(())
    }
}
