//! A shelf without a disk.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use crate::base::blob::BlobId;
use crate::log::blobs::store::{BlobReader, BlobStore, Unfinished};

/// Runs in memory.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<BlobId, Arc<Vec<u8>>>>>);

struct New(Memory, Vec<u8>);

struct Content(Arc<Vec<u8>>);

impl BlobStore for Memory {
    fn begin(&self) -> io::Result<Box<dyn Unfinished>> {
        Ok(Box::new(New(self.clone(), Vec::new())))
    }
    fn open(&self, id: &BlobId) -> io::Result<Box<dyn BlobReader>> {
        let content = self.0.lock().unwrap().get(id).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Content(content)))
    }
    fn remove(&self, id: &BlobId) -> io::Result<bool> {
        Ok(self.0.lock().unwrap().remove(id).is_some())
    }
    fn list(&self) -> io::Result<Vec<BlobId>> {
        Ok(self.0.lock().unwrap().keys().copied().collect())
    }
    fn remove_unfinished(&self) -> io::Result<u64> {
        Ok(0)
    }
}

impl Unfinished for New {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.1.extend_from_slice(piece);
        Ok(())
    }
    fn read_back(&self) -> io::Result<Vec<u8>> {
        Ok(self.1.clone())
    }
    fn finish(self: Box<Self>, id: &BlobId) -> io::Result<()> {
        self.0.0.lock().unwrap().insert(*id, Arc::new(self.1));
        Ok(())
    }
    fn discard(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

impl BlobReader for Content {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (&self.0[..]).read_at(buffer, offset)
    }
}
