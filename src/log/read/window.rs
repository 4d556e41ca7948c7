//! A window on a file that moves forward: reads ahead in large pieces, shows a whole frame at a time.

use std::io;

use crate::log::batch::BatchHeader;
use crate::log::format::frame::{FRAME_HEAD_BYTES, FrameFault, Look, Place, Slot, look};

/// What was found at a place.
pub(in crate::log) enum Found {
    /// A frame whose checksums all agree; its body is [`Window::body`].
    Frame { slot: Slot, header: BatchHeader, length: u64 },
    /// Zeros.
    Nothing,
    /// Something else.
    Fault(FrameFault),
}

/// Bytes of one segment from some offset on.
pub(in crate::log) struct Window {
    buffer: Vec<u8>,
    /// Offset of the first byte in the buffer.
    start: u64,
    /// Bytes that are filled.
    length: usize,
    piece: usize,
}

impl Window {
    /// Returns an empty window that reads `piece` bytes at once.
    pub(in crate::log) fn new(piece: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, length: 0, piece }
    }

    /// Forgets everything; for another file.
    pub(in crate::log) fn reset(&mut self) {
        self.length = 0;
    }

    /// Sees to it that the bytes from `at` on are there, at least `need` of them, fewer only where `limit` or the file
    /// ends; gives how many there are.
    ///
    /// `read` fills a buffer from an offset on and gives the number of bytes it found. When it fails on a large piece
    /// it is asked once more for what is needed and no further, so that an unreadable place is met where it is.
    pub(in crate::log) fn ensure(
        &mut self,
        at: u64,
        need: usize,
        limit: u64,
        read: &mut dyn FnMut(&mut [u8], u64) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let rest = usize::try_from(limit.saturating_sub(at)).unwrap_or(usize::MAX);
        let need = need.min(rest);
        if at < self.start || at > self.start + self.length as u64 {
            (self.start, self.length) = (at, 0);
        }
        let skipped = usize::try_from(at - self.start).expect("within the buffer");
        if self.length - skipped < need {
            self.buffer.copy_within(skipped..self.length, 0);
            (self.start, self.length) = (at, self.length - skipped);
            let wanted = need.max(self.length + self.piece).min(rest);
            if self.fill(wanted, read).is_err() {
                self.fill(need, read)?;
            }
        }
        Ok(self.bytes(at).len())
    }

    /// Returns the bytes from `at` on that are there.
    pub(in crate::log) fn bytes(&self, at: u64) -> &[u8] {
        let skipped = usize::try_from(at - self.start).expect("within the buffer");
        &self.buffer[skipped..self.length]
    }

    /// Returns the body of the frame at `at`, found by [`Window::frame`].
    pub(in crate::log) fn body(&self, at: u64, header: &BatchHeader) -> &[u8] {
        &self.bytes(at)[FRAME_HEAD_BYTES..][..header.body_len as usize]
    }

    /// Looks for a frame at a place, `at` bytes into its file; none reaches beyond `limit`.
    ///
    /// Errors are those of `read`, and `UnexpectedEof` if the file ends before `limit`.
    pub(in crate::log) fn frame(
        &mut self,
        place: Place,
        at: u64,
        limit: u64,
        read: &mut dyn FnMut(&mut [u8], u64) -> io::Result<usize>,
    ) -> io::Result<Found> {
        let mut need = FRAME_HEAD_BYTES;
        loop {
            let found = self.ensure(at, need, limit, read)?;
            match look(self.bytes(at), place) {
                Look::Frame { slot, header, length, .. } => return Ok(Found::Frame { slot, header, length }),
                Look::Nothing => return Ok(Found::Nothing),
                Look::Fault(fault) => return Ok(Found::Fault(fault)),
                Look::More(more) if limit - at < more as u64 => {
                    // Too little is left of the segment for any frame: such a rest is never written.
                    let is_rest = more <= FRAME_HEAD_BYTES && self.bytes(at).iter().all(|&byte| byte == 0);
                    return Ok(if is_rest { Found::Nothing } else { Found::Fault(FrameFault::Length) });
                }
                Look::More(more) if found < need.min(more) => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is too short"));
                }
                Look::More(more) => need = more,
            }
        }
    }

    /// Reads until `wanted` bytes are there, or the file ends.
    fn fill(
        &mut self,
        wanted: usize,
        read: &mut dyn FnMut(&mut [u8], u64) -> io::Result<usize>,
    ) -> io::Result<()> {
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let from = self.start + self.length as u64;
        self.length += read(&mut self.buffer[self.length..wanted], from)?;
        assert!(self.length <= wanted);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_is_there_and_reads_each_byte_once() {
        let file: Vec<u8> = (0..=255).collect();
        let mut reads = 0;
        let mut read = |buffer: &mut [u8], at: u64| {
            let rest = &file[(at as usize).min(file.len())..];
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            reads += count;
            Ok(count)
        };
        let mut window = Window::new(16);
        for at in 0..250_u64 {
            assert!(window.ensure(at, 5, 256, &mut read).unwrap() >= 5);
            assert_eq!(&window.bytes(at)[..5], &file[at as usize..at as usize + 5]);
        }
        assert_eq!(window.ensure(250, 100, 256, &mut read).unwrap(), 6, "the limit ends it");
        assert_eq!(window.ensure(250, 100, 999, &mut read).unwrap(), 6, "the file ends it");
        assert_eq!(window.bytes(250), &file[250..]);
        assert_eq!(reads, 256);
    }

    #[test]
    fn an_unreadable_byte_ahead_does_no_harm() {
        let mut read = |buffer: &mut [u8], at: u64| {
            if at + buffer.len() as u64 > 20 { Err(io::Error::other("bad block")) } else { Ok(buffer.len()) }
        };
        let mut window = Window::new(64);
        assert_eq!(window.ensure(4, 16, 100, &mut read).unwrap(), 16);
        assert!(window.ensure(8, 16, 100, &mut read).is_err());
    }
}
