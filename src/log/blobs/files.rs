//! Blobs as files below the data directory: `blobs/ab/cdef...`, the hexadecimal digits of the name in two parts. Runs stand
//! below a directory of their own in the same way.
//!
//! A content is written to `blobs/new-N`, synced, renamed, and the directory that it is in now is synced. A file with
//! a blob's name is therefore whole, whatever happened.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::store::{BlobReader, BlobStore, Unfinished};
use crate::base::blob::BlobId;
use crate::os::disk::{Access, Disk, DiskFile};

/// The directory.
pub const DIRECTORY: &str = "blobs";
const UNFINISHED: &str = "new-";

/// Blobs as files. A clone is the same store.
#[derive(Clone)]
pub struct FileStore {
    shared: Arc<Shared>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    /// Below which they are.
    root: &'static str,
    next: AtomicU64,
    /// Directories whose names are known to be durable.
    made: Mutex<BTreeSet<String>>,
}

impl FileStore {
    /// Returns the store below the directory that `disk` is. Touches nothing.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self::below(disk, DIRECTORY)
    }

    /// Returns the store below the directory `root` of that one. Touches nothing.
    #[must_use]
    pub fn below(disk: Arc<dyn Disk>, root: &'static str) -> Self {
        let (next, made) = (AtomicU64::new(0), Mutex::default());
        Self { shared: Arc::new(Shared { disk, root, next, made }) }
    }
}

impl Shared {
    /// Returns directory and whole name of a blob's file.
    fn place_of(&self, id: &BlobId) -> (String, String) {
        let text = id.to_string();
        let (prefix, rest) = text.split_at(2);
        let directory = format!("{}/{prefix}", self.root);
        let name = format!("{directory}/{rest}");
        (directory, name)
    }

    /// Sees to it that a directory is there, and its name durable: another process may have made it and crashed.
    fn make(&self, directory: &str) -> io::Result<()> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.contains(directory) {
            self.disk.make_directory(directory)?;
            made.insert(directory.to_owned());
        }
        Ok(())
    }

    fn names_in(&self, directory: &str) -> io::Result<Vec<String>> {
        match self.disk.list_in(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            names => names,
        }
    }
}

impl BlobStore for FileStore {
    fn begin(&self) -> io::Result<Box<dyn Unfinished>> {
        self.shared.make(self.shared.root)?;
        // One that an earlier try has left is not used again.
        let (name, file) = loop {
            let number = self.shared.next.fetch_add(1, Relaxed);
            let name = format!("{}/{UNFINISHED}{number}", self.shared.root);
            match self.shared.disk.create(&name, 0) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                file => break (name, file?),
            }
        };
        Ok(Box::new(NewFile { shared: self.shared.clone(), name, content: Content::empty(file) }))
    }

    fn open(&self, id: &BlobId) -> io::Result<Box<dyn BlobReader>> {
        let file = self.shared.disk.open(&self.shared.place_of(id).1, Access::Read)?;
        let size_bytes = file.size_bytes()?;
        Ok(Box::new(Content { file, size_bytes }))
    }

    fn remove(&self, id: &BlobId) -> io::Result<bool> {
        match self.shared.disk.remove(&self.shared.place_of(id).1) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<BlobId>> {
        let mut found = Vec::new();
        for byte in 0..=u8::MAX {
            let directory = format!("{}/{byte:02x}", self.shared.root);
            for name in self.shared.names_in(&directory)? {
                found.extend(BlobId::parse(&format!("{byte:02x}{name}")));
            }
        }
        Ok(found)
    }

    fn remove_unfinished(&self) -> io::Result<u64> {
        let mut removed = 0;
        for name in self.shared.names_in(self.shared.root)? {
            if name.starts_with(UNFINISHED) {
                self.shared.disk.remove(&format!("{}/{name}", self.shared.root))?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// A file without its blob's name.
struct NewFile {
    shared: Arc<Shared>,
    name: String,
    content: Content,
}

impl Unfinished for NewFile {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.content.append(piece)
    }

    fn read_back(&self) -> io::Result<Vec<u8>> {
        self.content.read_back()
    }

    fn finish(self: Box<Self>, id: &BlobId) -> io::Result<()> {
        let (directory, name) = self.shared.place_of(id);
        let durable = self.content.file.sync().and_then(|()| self.shared.make(&directory));
        let renamed = durable.and_then(|()| self.shared.disk.rename(&self.name, &name));
        if let Err(error) = renamed {
            // What is left of it is of no use; that it can't be removed is the smaller trouble of the two.
            let _ = self.shared.disk.remove(&self.name);
            return Err(error);
        }
        // Needed although the blob was there: who put it there may not have come to this.
        self.shared.disk.sync_in(&directory)
    }

    fn discard(self: Box<Self>) -> io::Result<()> {
        self.shared.disk.remove(&self.name)
    }
}

/// What a file holds: a blob, or one that is being written.
pub struct Content {
    file: Arc<dyn DiskFile>,
    size_bytes: u64,
}

impl Content {
    /// Returns the content of a file that was made just now.
    #[must_use]
    pub fn empty(file: Arc<dyn DiskFile>) -> Self {
        Self { file, size_bytes: 0 }
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// Returns the error of the disk.
    pub fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_at(piece, self.size_bytes)?;
        self.size_bytes += piece.len() as u64;
        Ok(())
    }

    /// Returns all of it.
    ///
    /// # Errors
    /// Returns the error of the disk.
    pub fn read_back(&self) -> io::Result<Vec<u8>> {
        let mut content = vec![0; usize::try_from(self.size_bytes).map_err(io::Error::other)?];
        self.read_at(&mut content, 0)?;
        Ok(content)
    }
}

impl BlobReader for Content {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let read = self.file.read_at(buffer, offset)?;
        if read == buffer.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn file(&self) -> Option<&dyn DiskFile> {
        Some(&*self.file)
    }
}
