//! A blob on its way to a bucket: a file of this host until its name is known, then an object.

use std::io;
use std::sync::Arc;

use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};

use super::client::Bucket;
use crate::base::blob::BlobId;
use crate::base::limits::BUCKET_PART_BYTES;
use crate::log::blobs::files::DIRECTORY;
use crate::log::blobs::store::{BlobReader, Unfinished};
use crate::os::disk::{Disk, DiskFile};

/// The file. Nothing of it has to be durable: what a crash leaves of it goes at the next start.
pub(super) struct Spooled {
    bucket: Bucket,
    disk: Arc<dyn Disk>,
    name: String,
    file: Arc<dyn DiskFile>,
    size_bytes: u64,
}

impl Spooled {
    /// Begins file `number` of this process.
    pub(super) fn begin(bucket: Bucket, disk: Arc<dyn Disk>, number: u64) -> io::Result<Self> {
        disk.make_directory(DIRECTORY)?;
        let name = format!("{DIRECTORY}/new-{number}");
        let file = disk.create(&name, 0)?;
        Ok(Self { bucket, disk, name, file, size_bytes: 0 })
    }
}

impl BlobReader for Spooled {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let read = self.file.read_at(buffer, offset)?;
        if read == buffer.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Unfinished for Spooled {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.write_at(piece, self.size_bytes)?;
        self.size_bytes += piece.len() as u64;
        Ok(())
    }

    fn read_back(&self) -> io::Result<Vec<u8>> {
        let mut content = vec![0; usize::try_from(self.size_bytes).map_err(io::Error::other)?];
        self.read_at(&mut content, 0)?;
        Ok(content)
    }

    fn finish(self: Box<Self>, id: &BlobId) -> io::Result<()> {
        let uploaded = upload(&self.bucket, id, &*self);
        // Of no use any more, uploaded or not; one that stays is found at the next start.
        let _ = self.disk.remove(&self.name);
        uploaded
    }

    fn discard(self: Box<Self>) -> io::Result<()> {
        self.disk.remove(&self.name)
    }
}

/// Makes `content` the object of `id`. When this returns it is durable, or not there at all. At most one part of it is
/// in memory.
pub(super) fn upload(bucket: &Bucket, id: &BlobId, content: &dyn BlobReader) -> io::Result<()> {
    let (store, path) = (bucket.store.clone(), bucket.path_of(id));
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
