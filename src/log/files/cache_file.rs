//! Files of checked pieces that only spare work: what is in one is in the journal too. Nothing is synced, and a file that is
//! missing, cut off or damaged is one that was never made.
//!
//! ```text
//! for each piece: u32 its length   u32 CRC-32C of the length and its bytes   its bytes; the last one has none
//! ```

use std::io;
use std::sync::Arc;

use super::whole_file::UNFINISHED_SUFFIX;
use crate::base::limits::WRITE_PIECE_BYTES;
use crate::os::disk::{Access, Disk, DiskFile};

/// Bytes before a piece.
const HEAD_BYTES: usize = 8;
/// Bytes of the largest piece.
pub const PIECE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Writes such a file, piece by piece, and puts it in the place of the old one.
pub struct CacheWriter<'a> {
    disk: &'a dyn Disk,
    name: &'a str,
    unfinished: String,
    file: Arc<dyn DiskFile>,
    written: u64,
    pending: Vec<u8>,
}

impl<'a> CacheWriter<'a> {
    /// Begins a file that is going to be `name`.
    ///
    /// # Errors
    /// Returns the error of the disk.
    pub fn begin(disk: &'a dyn Disk, name: &'a str) -> io::Result<Self> {
        let unfinished = format!("{name}{UNFINISHED_SUFFIX}");
        match disk.remove(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = disk.create(&unfinished, 0)?;
        Ok(Self { disk, name, unfinished, file, written: 0, pending: Vec::new() })
    }

    /// Adds a piece of 1 to [`PIECE_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// Returns the error of the disk; the file is of no use then.
    pub fn put(&mut self, piece: &[u8]) -> io::Result<()> {
        debug_assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES_MAX);
        self.push(piece);
        if self.pending.len() >= WRITE_PIECE_BYTES { self.flush() } else { Ok(()) }
    }

    /// Ends the file and gives it its name. Without this nothing has changed.
    ///
    /// # Errors
    /// Returns the error of the disk.
    pub fn finish(mut self) -> io::Result<()> {
        self.push(&[]);
        self.flush()?;
        self.disk.rename(&self.unfinished, self.name)
    }

    fn push(&mut self, piece: &[u8]) {
        let length = (piece.len() as u32).to_le_bytes();
        self.pending.extend_from_slice(&length);
        self.pending.extend_from_slice(&check(length, piece).to_le_bytes());
        self.pending.extend_from_slice(piece);
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.pending, self.written)?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

/// Reads such a file.
pub struct CacheReader {
    file: Arc<dyn DiskFile>,
    at: u64,
}

impl CacheReader {
    /// Opens a file.
    ///
    /// # Errors
    /// Fails with `NotFound`, or with the error of the disk.
    pub fn open(disk: &dyn Disk, name: &str) -> io::Result<Self> {
        Ok(Self { file: disk.open(name, Access::Read)?, at: 0 })
    }

    /// Returns the next piece; nothing at the file's end.
    ///
    /// # Errors
    /// Fails with `InvalidData` for a file that is cut off or damaged, or with the error of the disk.
    pub fn next_piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut head = [0; HEAD_BYTES];
        self.fill(&mut head)?;
        let (length, sum) = head.split_at(4);
        let length: [u8; 4] = length.try_into().expect("4 bytes");
        let bytes = u32::from_le_bytes(length) as usize;
        if bytes > PIECE_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut piece = vec![0; bytes];
        self.fill(&mut piece)?;
        if check(length, &piece).to_le_bytes() != sum {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        if read < buffer.len() { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    }
}

fn check(length: [u8; 4], piece: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), piece)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::files::RealDisk;

    fn read(disk: &dyn Disk) -> io::Result<Vec<Vec<u8>>> {
        let mut reader = CacheReader::open(disk, "cache")?;
        let mut pieces = Vec::new();
        while let Some(piece) = reader.next_piece()? {
            pieces.push(piece);
        }
        Ok(pieces)
    }

    #[test]
    fn a_file_is_whole_or_was_never_made() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(directory.path()).unwrap();
        assert_eq!(read(&disk).unwrap_err().kind(), io::ErrorKind::NotFound);
        let pieces = [vec![1], vec![2; 70_000], vec![3, 4]];
        let write = |is_finished: bool| {
            let mut writer = CacheWriter::begin(&disk, "cache").unwrap();
            pieces.iter().for_each(|piece| writer.put(piece).unwrap());
            if is_finished {
                writer.finish().unwrap();
            }
        };
        write(false);
        assert!(read(&disk).is_err(), "it has no name yet");
        write(true);
        assert_eq!(read(&disk).unwrap(), pieces);
        let path = directory.path().join("cache");
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 7, 9, 70_000, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read(&disk).unwrap_err().kind(), io::ErrorKind::InvalidData, "cut at {cut}");
        }
        for flipped in [0, 4, 8, 30_000, whole.len() - 3] {
            let mut damaged = whole.clone();
            damaged[flipped] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(read(&disk).unwrap_err().kind(), io::ErrorKind::InvalidData, "flipped at {flipped}");
        }
    }
}
