//! Objects that are read piece by piece.

use std::io;
use std::sync::{Mutex, PoisonError};

use object_store::path::Path;

use super::client::Bucket;
use crate::base::limits::BUCKET_WINDOW_BYTES;
use crate::log::blobs::store::BlobReader;

/// An object that is read piece by piece.
pub(super) struct Object {
    bucket: Bucket,
    path: Path,
    size_bytes: u64,
    /// The bytes that were fetched last, and their offset: a call costs the same for some pieces as for one.
    window: Mutex<(u64, Vec<u8>)>,
}

impl Object {
    /// Returns the object at `path`, which has this length.
    pub(super) fn new(bucket: Bucket, path: Path, size_bytes: u64) -> Self {
        Self { bucket, path, size_bytes, window: Mutex::default() }
    }

    fn fetch(&self, from: u64, length: usize) -> io::Result<Vec<u8>> {
        let until = (from + length.max(BUCKET_WINDOW_BYTES) as u64).min(self.size_bytes);
        self.bucket.range(&self.path, from, until)
    }
}

impl BlobReader for Object {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if buffer.is_empty() {
            return Ok(());
        }
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > self.size_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let covers = |window: &(u64, Vec<u8>)| {
            let at = usize::try_from(offset.checked_sub(window.0)?).ok()?;
            (at + buffer.len() <= window.1.len()).then_some(at)
        };
        if covers(&window).is_none() {
            *window = (offset, self.fetch(offset, buffer.len())?);
        }
        let at = covers(&window).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(&window.1[at..at + buffer.len()]);
        Ok(())
    }
}
