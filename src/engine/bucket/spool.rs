//! A blob on its way to a bucket: a file of this host until its name is known, then an object.

use std::io;
use std::sync::Arc;

use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};

use super::client::Bucket;
use crate::base::blob::BlobId;
use crate::base::limits::BUCKET_PART_BYTES;
use crate::log::blobs::files::{Content, DIRECTORY};
use crate::log::blobs::store::{BlobReader, Unfinished};
use crate::os::disk::Disk;

/// The file. Nothing of it has to be durable: what a crash leaves of it goes at the next start.
pub(super) struct Spooled {
    bucket: Bucket,
    disk: Arc<dyn Disk>,
    name: String,
    content: Content,
}

impl Spooled {
    /// Begins file `number` of this process.
    pub(super) fn begin(bucket: Bucket, disk: Arc<dyn Disk>, number: u64) -> io::Result<Self> {
        disk.make_directory(DIRECTORY)?;
        let name = format!("{DIRECTORY}/new-{number}");
        let content = Content::empty(disk.create(&name, 0)?);
        Ok(Self { bucket, disk, name, content })
    }
}

impl Unfinished for Spooled {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.content.append(piece)
    }

    fn read_back(&self) -> io::Result<Vec<u8>> {
        self.content.read_back()
    }

    fn finish(self: Box<Self>, id: &BlobId) -> io::Result<()> {
        let uploaded = upload(&self.bucket, self.bucket.path_of(id), &self.content);
        // Of no use any more, uploaded or not; one that stays is found at the next start.
        let _ = self.disk.remove(&self.name);
        uploaded
    }

    fn discard(self: Box<Self>) -> io::Result<()> {
        self.disk.remove(&self.name)
    }
}

/// Makes `content` the object at `path`. When this returns it is durable, or not there at all. At most one part of it is
/// in memory.
pub(super) fn upload(bucket: &Bucket, path: Path, content: &dyn BlobReader) -> io::Result<()> {
    let store = bucket.store.clone();
    let piece = |offset: u64| {
        let length = (content.size_bytes() - offset).min(BUCKET_PART_BYTES as u64);
        let mut piece = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        content.read_at(&mut piece, offset)?;
        Ok::<_, io::Error>(piece)
    };
    if content.size_bytes() <= BUCKET_PART_BYTES as u64 {
        let payload = PutPayload::from(piece(0)?);
        return bucket.wait(async move { store.put(&path, payload).await.map(drop) });
    }
    let mut parts = bucket.wait(async move { store.put_multipart(&path).await })?;
    let mut sent = 0;
    while sent < content.size_bytes() {
        let result = piece(sent).and_then(|piece| {
            sent += piece.len() as u64;
            let part = parts.put_part(piece.into());
            bucket.wait(part)
        });
        if let Err(error) = result {
            give_up(bucket, parts);
            return Err(error);
        }
    }
    bucket.wait(async move { parts.complete().await.map(drop) })
}

/// Takes back parts that will never be whole. What is left of them is the bucket's own rule to remove.
fn give_up(bucket: &Bucket, mut parts: Box<dyn MultipartUpload>) {
    let _ = bucket.wait(async move { parts.abort().await });
}
