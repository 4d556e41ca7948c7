//! A shelf without a disk.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::base::blob::BlobId;
use crate::log::blobs::store::{BlobReader, BlobStore, Unfinished};

/// Runs in memory.
#[derive(Clone, Default)]
pub struct Memory {
    runs: Arc<Mutex<BTreeMap<BlobId, Arc<Vec<u8>>>>>,
    fails: Arc<AtomicBool>,
}

impl Memory {
    /// Has reading fail from now on, or no longer.
    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }
}

struct New(Memory, Vec<u8>);

struct Content(Arc<Vec<u8>>, Arc<AtomicBool>);

impl BlobStore for Memory {
    fn begin(&self) -> io::Result<Box<dyn Unfinished>> {
        Ok(Box::new(New(self.clone(), Vec::new())))
    }
    fn open(&self, id: &BlobId) -> io::Result<Box<dyn BlobReader>> {
        let content = self.runs.lock().unwrap().get(id).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Content(content, self.fails.clone())))
    }
    fn remove(&self, id: &BlobId) -> io::Result<bool> {
        Ok(self.runs.lock().unwrap().remove(id).is_some())
    }
    fn list(&self) -> io::Result<Vec<BlobId>> {
        Ok(self.runs.lock().unwrap().keys().copied().collect())
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
        self.0.runs.lock().unwrap().insert(*id, Arc::new(self.1));
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
        if self.1.load(Ordering::Relaxed) {
            return Err(io::Error::other("the disk fails"));
        }
        (&self.0[..]).read_at(buffer, offset)
    }
}
