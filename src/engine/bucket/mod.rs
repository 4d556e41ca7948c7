//! Blobs in a bucket of an object store that speaks S3's protocol; feature `s3`.
//!
//! ```text
//! pieces -> file of this host (blobs/new-N) -> its name is known -> object prefix/node/blobs/<sha-256>
//! ```
//!
//! Each host has its objects below a name of its own, so that what one host removes is never what the other one's
//! records name, however far behind one of them is. An object is there as a whole or not at all, and an upload that was
//! answered is durable.

mod client;
pub(crate) mod directory;
mod object;
mod spool;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::base::blob::BlobId;
use crate::base::ids::NodeId;
use crate::log::blobs::files::FileStore;
use crate::log::blobs::store::{BlobReader, BlobStore, Unfinished};
use crate::os::disk::Disk;
use client::Bucket;
pub(crate) use client::{Patience, connect};
use object::Object;
use spool::Spooled;

/// Blobs in a bucket.
pub struct BucketStore {
    bucket: Bucket,
    disk: Arc<dyn Disk>,
    files: FileStore,
    next: AtomicU64,
}

impl fmt::Debug for BucketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketStore({})", self.bucket.prefix)
    }
}

impl BucketStore {
    /// Returns the blobs of `node` below `prefix` of `bucket`; what is on its way there is kept in `disk`. Endpoint, region and
    /// credentials are those of the usual variables of AWS (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_ALLOW_HTTP`), or of the machine's role. Calls nobody yet.
    ///
    /// # Errors
    /// Fails if one of the settings is invalid.
    pub fn new(bucket: &str, prefix: &str, node: NodeId, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let bucket = Bucket::new(bucket, prefix, node)?;
        let files = FileStore::new(disk.clone());
        Ok(Self { bucket, disk, files, next: AtomicU64::new(0) })
    }

    /// Moves the blobs of a host that kept them as files before; gives how many there were. May be cut off anywhere and
    /// done again.
    ///
    /// # Errors
    /// Returns the error of either place.
    pub fn take_over_files(&self) -> io::Result<u64> {
        let mut moved = 0;
        for id in self.files.list()? {
            let file = self.files.open(&id)?;
            spool::upload(&self.bucket, self.bucket.path_of(&id), &*file)?;
            self.files.remove(&id)?;
            moved += 1;
        }
        Ok(moved)
    }
}

impl BlobStore for BucketStore {
    fn checks_contents(&self) -> bool {
        true
    }

    fn begin(&self) -> io::Result<Box<dyn Unfinished>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Spooled::begin(self.bucket.clone(), self.disk.clone(), number)?))
    }

    fn open(&self, id: &BlobId) -> io::Result<Box<dyn BlobReader>> {
        let size_bytes = self.bucket.size_bytes(id)?;
        Ok(Box::new(Object::new(self.bucket.clone(), self.bucket.path_of(id), size_bytes)))
    }

    fn remove(&self, id: &BlobId) -> io::Result<bool> {
        match self.bucket.size_bytes(id) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            size => size?,
        };
        let (store, path) = (self.bucket.store.clone(), self.bucket.path_of(id));
        self.bucket.wait(async move { store.delete(&path).await })?;
        Ok(true)
    }

    fn list(&self) -> io::Result<Vec<BlobId>> {
        let (store, prefix) = (self.bucket.store.clone(), Path::from(&*self.bucket.prefix));
        let found = self.bucket.wait(async move { store.list_with_delimiter(Some(&prefix)).await })?;
        let name = |path: &Path| path.filename().and_then(BlobId::parse);
        Ok(found.objects.iter().filter_map(|object| name(&object.location)).collect())
    }

    fn remove_unfinished(&self) -> io::Result<u64> {
        self.files.remove_unfinished()
    }
}
