//! A directory of files in a bucket: read as a data directory is, written object by object.
//!
//! ```text
//! prefix/identity, prefix/0000000001.seg, prefix/blobs/ab/cdef...    files that are whole: an object each
//! prefix/0000000002.seg/00000000000000065536                        bytes of a file that grows, from this offset on
//! ```
//!
//! A bucket can't append, so a file that grows is made of pieces. Where it has an object of its own, that is the file, and
//! pieces beside it are left over. An object is there as a whole or not at all, and durable once its upload was answered. What is there is
//! listed once: nobody else writes below the prefix.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use object_store::path::Path;

use super::client::Bucket;
use super::object::Object;
use super::spool;
use crate::log::blobs::store::BlobReader;
use crate::os::disk::{Access, Disk, DiskFile, Space, unwritable};

/// Digits of an offset in the name of a piece, so that names are in the order of the bytes.
const OFFSET_DIGITS: usize = 20;
/// Pieces of one file beyond which they are made one.
pub(crate) const PIECES_MAX: usize = 64;

/// The directory.
pub(crate) struct BucketDirectory {
    bucket: Bucket,
    /// Names of the objects behind the prefix, and their lengths.
    objects: Mutex<BTreeMap<String, u64>>,
    /// Returns the size that a file reads as, however much of it is stored; zeros follow.
    size_of: fn(&Self, &str) -> Option<u64>,
}

impl BucketDirectory {
    /// Lists what is below `prefix` of `bucket`; endpoint and credentials are those of [`super::BucketStore::new`]. `size_of` tells how
    /// large a file reads that is longer than what is stored of it.
    ///
    /// # Errors
    /// Returns the error of the bucket.
    pub(crate) fn open(
        bucket: &str,
        prefix: &str,
        size_of: fn(&Self, &str) -> Option<u64>,
    ) -> io::Result<Self> {
        let bucket = Bucket::below(bucket, prefix.to_owned(), true)?;
        let objects = Mutex::new(bucket.objects()?.into_iter().collect());
        Ok(Self { bucket, objects, size_of })
    }

    /// Makes `content` the file `name`, as a whole.
    ///
    /// # Errors
    /// Returns the error of the bucket, or of reading `content`; then the file is as it was.
    pub(crate) fn put(&self, name: &str, content: &dyn BlobReader) -> io::Result<()> {
        self.put_object(name, content)?;
        self.remove_pieces(name, |_| true)
    }

    /// Makes `content` the file `name`, which is going to grow.
    ///
    /// # Errors
    /// Returns the error of the bucket, or of reading `content`.
    pub(crate) fn put_growing(&self, name: &str, content: &dyn BlobReader) -> io::Result<()> {
        let size = content.size_bytes();
        // Pieces that reach further are of something else.
        if self.pieces(name).iter().any(|(offset, length)| offset + length > size) {
            self.remove_pieces(name, |_| true)?;
        }
        self.put_object(&piece_name(name, 0), content)?;
        self.remove_pieces(name, |offset| offset != 0)
    }

    /// Adds `content` to a file that grows, behind its first `from` bytes.
    ///
    /// # Errors
    /// Returns the error of the bucket, or of reading `content`.
    pub(crate) fn append(&self, name: &str, from: u64, content: &dyn BlobReader) -> io::Result<()> {
        self.put_object(&piece_name(name, from), content)
    }

    /// Returns how many pieces a file has that grows.
    pub(crate) fn piece_count(&self, name: &str) -> usize {
        self.pieces(name).len()
    }

    fn put_object(&self, name: &str, content: &dyn BlobReader) -> io::Result<()> {
        spool::upload(&self.bucket, self.path_of(name), content)?;
        self.objects().insert(name.to_owned(), content.size_bytes());
        Ok(())
    }

    fn remove_object(&self, name: &str) -> io::Result<()> {
        self.bucket.remove(self.path_of(name))?;
        self.objects().remove(name);
        Ok(())
    }

    fn remove_pieces(&self, name: &str, is_meant: impl Fn(u64) -> bool) -> io::Result<()> {
        let meant = self.pieces(name).into_iter().filter(|(offset, _)| is_meant(*offset));
        meant.map(|(offset, _)| piece_name(name, offset)).try_for_each(|piece| self.remove_object(&piece))
    }

    /// Returns offsets and lengths of the pieces of a file, in the order of their bytes.
    fn pieces(&self, name: &str) -> Vec<(u64, u64)> {
        let prefix = format!("{name}/");
        let objects = self.objects();
        let of_file = objects.range(prefix.clone()..).take_while(|(object, _)| object.starts_with(&prefix));
        of_file.filter_map(|(object, length)| Some((offset_of(&object[prefix.len()..])?, *length))).collect()
    }

    fn path_of(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.bucket.prefix))
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the objects that a file is made of, each with the offset of its first byte.
    fn parts(&self, name: &str) -> Vec<(u64, Object)> {
        let object = |name: &str, length| Object::new(self.bucket.clone(), self.path_of(name), length);
        if let Some(length) = self.objects().get(name).copied() {
            return vec![(0, object(name, length))];
        }
        let pieces = self.pieces(name).into_iter();
        pieces.map(|(offset, length)| (offset, object(&piece_name(name, offset), length))).collect()
    }
}

fn piece_name(name: &str, offset: u64) -> String {
    format!("{name}/{offset:0OFFSET_DIGITS$}")
}

fn offset_of(digits: &str) -> Option<u64> {
    let is_offset = digits.len() == OFFSET_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_offset)
}

/// A file is never written in place, so whatever would have to do that is refused.
impl Disk for BucketDirectory {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for object in self.objects().keys() {
            let name = match object.split_once('/') {
                Some((name, piece)) if offset_of(piece).is_some() => name,
                Some(_) => continue,
                None => object,
            };
            if names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if access == Access::Write {
            return unwritable();
        }
        let parts = self.parts(name);
        let stored = parts.iter().map(|(offset, part)| offset + part.size_bytes()).max();
        let stored = stored.ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Parts { parts, size_bytes: (self.size_of)(self, name).unwrap_or(0).max(stored) }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.remove_object(name)?;
        self.remove_pieces(name, |_| true)
    }

    fn make_directory(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn list_in(&self, directory: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{directory}/");
        let objects = self.objects();
        let below = objects.range(prefix.clone()..).map(|(object, _)| object);
        let names = below.map_while(|object| object.strip_prefix(&prefix));
        Ok(names.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }

    fn sync_in(&self, _directory: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        Ok(Space { free_bytes: u64::MAX, total_bytes: u64::MAX })
    }
}

/// A file of a bucket: its parts, and zeros between and behind them.
struct Parts {
    parts: Vec<(u64, Object)>,
    size_bytes: u64,
}

impl DiskFile for Parts {
    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.size_bytes)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = (self.size_bytes.saturating_sub(offset)).min(buffer.len() as u64);
        let buffer = &mut buffer[..usize::try_from(length).map_err(io::Error::other)?];
        buffer.fill(0);
        let end = offset + length;
        for (start, part) in &self.parts {
            let (from, until) = (offset.max(*start), end.min(start + part.size_bytes()));
            if from < until {
                let place = |at: u64| usize::try_from(at - offset).map_err(io::Error::other);
                part.read_at(&mut buffer[place(from)?..place(until)?], from - start)?;
            }
        }
        Ok(buffer.len())
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        unwritable()
    }

    fn write_durable_at(&self, _blocks: &[u8], _offset: u64) -> io::Result<()> {
        unwritable()
    }

    fn sync(&self) -> io::Result<()> {
        unwritable()
    }
}
