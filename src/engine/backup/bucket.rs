//! A bucket as the place for backups; feature `s3`.

use std::io;
use std::sync::Arc;

use super::error::{BackupError, failed};
use super::target::{Piece, Target};
use crate::base::blob::BlobId;
use crate::engine::bucket::directory::{BucketDirectory, PIECES_MAX};
use crate::log::blobs::store::BlobReader;
use crate::log::files::identity::Identity;
use crate::log::format::segment;
use crate::os::disk::{Disk, DiskFile};

/// The part of a bucket that a backup is in.
pub(super) struct Bucket {
    directory: Arc<BucketDirectory>,
}

impl Bucket {
    /// Lists what is there.
    pub(super) fn open(bucket: &str, prefix: &str) -> Result<Self, BackupError> {
        let listing = failed(format!("listing s3://{bucket}/{prefix}"));
        let directory = BucketDirectory::open(bucket, prefix, size_of).map_err(listing)?;
        Ok(Self { directory: Arc::new(directory) })
    }
}

/// Returns how large a segment reads: what is behind its last batch is not stored.
fn size_of(directory: &BucketDirectory, name: &str) -> Option<u64> {
    segment::number_of(name)?;
    Identity::load(directory).ok()?.map(|identity| identity.segment_bytes)
}

/// The bytes of a file from an offset on.
struct Range<'a> {
    file: &'a dyn DiskFile,
    from: u64,
    length: u64,
}

impl BlobReader for Range<'_> {
    fn size_bytes(&self) -> u64 {
        self.length
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let read = self.file.read_at(buffer, self.from + offset)?;
        if read == buffer.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Target for Bucket {
    fn disk(&self) -> Arc<dyn Disk> {
        self.directory.clone()
    }

    fn put(&self, piece: &Piece<'_>, on_piece: &mut dyn FnMut(u64)) -> io::Result<()> {
        let content = Range { file: piece.file, from: 0, length: piece.length };
        if piece.is_final {
            self.directory.put(piece.name, &content)?;
        } else {
            self.directory.put_growing(piece.name, &content)?;
        }
        on_piece(piece.length);
        Ok(())
    }

    fn put_small(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.directory.put(name, &content)
    }

    fn remove_small(&self, name: &str) -> io::Result<()> {
        self.directory.remove(name)
    }

    fn extend(&self, piece: &Piece<'_>, from: u64, on_piece: &mut dyn FnMut(u64)) -> io::Result<()> {
        if self.directory.piece_count(piece.name) >= PIECES_MAX {
            return self.put(piece, on_piece);
        }
        let content = Range { file: piece.file, from, length: piece.length - from };
        self.directory.append(piece.name, from, &content)?;
        on_piece(content.length);
        Ok(())
    }

    fn put_blob(&self, root: &'static str, id: &BlobId, content: &dyn BlobReader) -> io::Result<()> {
        let text = id.to_string();
        let (prefix, rest) = text.split_at(2);
        self.directory.put(&format!("{root}/{prefix}/{rest}"), content)
    }

    fn blob_bytes(&self, _: &'static str, _: &BlobId) -> io::Result<Option<u64>> {
        Ok(None)
    }
}
