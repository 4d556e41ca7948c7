//! A picture's bytes, which end with an error once the time is up: a decoder that goes on reading goes on no longer.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use super::order::IsLate;

/// Bytes that a decoder is given at once, so that it comes back for more.
const READ_BYTES: usize = 64 * 1024;

/// Reads a picture from memory until the time is up.
pub struct Source<'a> {
    inner: Cursor<&'a [u8]>,
    is_late: IsLate<'a>,
}

impl<'a> Source<'a> {
    /// Begins at the first byte.
    pub fn new(picture: &'a [u8], is_late: IsLate<'a>) -> Self {
        Self { inner: Cursor::new(picture), is_late }
    }

    fn in_time(&self) -> io::Result<()> {
        if (self.is_late)() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.in_time()?;
        let length = buffer.len().min(READ_BYTES);
        self.inner.read(&mut buffer[..length])
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.in_time()?;
        let rest = self.inner.fill_buf()?;
        Ok(&rest[..rest.len().min(READ_BYTES)])
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

impl Seek for Source<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
