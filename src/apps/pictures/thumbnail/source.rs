//! A picture's bytes, which end with an error once the time is up: a decoder that goes on reading goes on no longer.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use super::order::IsLate;

/// Bytes that a decoder is given at once, so that it comes back for more.
const READ_BYTES: usize = 64 * 1024;

/// Reads a picture from memory until the time is up.
pub struct Source<'a> {
    inner: Cursor<&'a [u8]>,
    is_late: IsLate<'a>,
    /// Bytes that may be read before the time is asked for again: that is a system call, and some decoders read three
    /// bytes at once.
    unasked: usize,
}

impl<'a> Source<'a> {
    /// Begins at the first byte.
    pub fn new(picture: &'a [u8], is_late: IsLate<'a>) -> Self {
        Self { inner: Cursor::new(picture), is_late, unasked: 0 }
    }

    fn in_time(&mut self) -> io::Result<()> {
        if self.unasked == 0 {
            if (self.is_late)() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.unasked = READ_BYTES;
        }
        Ok(())
    }

    fn has_read(&mut self, bytes: usize) {
        self.unasked = self.unasked.saturating_sub(bytes);
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.in_time()?;
        let length = buffer.len().min(READ_BYTES);
        let read = self.inner.read(&mut buffer[..length])?;
        self.has_read(read);
        Ok(read)
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
        self.has_read(amount);
    }
}

impl Seek for Source<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_time_is_asked_for_by_the_bytes_that_are_read_and_not_by_the_reads() {
        let picture = vec![7; 10 * READ_BYTES];
        let asked = Cell::new(0);
        let is_late = || {
            asked.set(asked.get() + 1);
            asked.get() > 8
        };
        let mut source = Source::new(&picture, &is_late);
        let mut small = [0; 3];
        let mut read = 0;
        let error = loop {
            match source.read_exact(&mut small) {
                Ok(()) => read += small.len(),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), asked.get()), (io::ErrorKind::TimedOut, 9));
        assert!(read.abs_diff(8 * READ_BYTES) < 30, "{read}");
        let mut source = Source::new(&picture, &is_late);
        assert!(source.fill_buf().is_err(), "it is late from the start");
    }

    #[test]
    fn all_of_a_picture_comes_in_pieces_of_any_size() {
        let picture: Vec<u8> = (0..3 * READ_BYTES + 5).map(|at| (at % 251) as u8).collect();
        for by_buffer in [false, true] {
            let (mut source, mut out) = (Source::new(&picture, &|| false), Vec::new());
            if by_buffer {
                source.read_until(255, &mut out).unwrap();
            } else {
                source.read_to_end(&mut out).unwrap();
            }
            assert!(out == picture);
        }
    }
}
