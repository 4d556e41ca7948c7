//! Memory that starts on a block boundary, as direct writes ask for.

use super::limits::BLOCK_BYTES;

/// A fixed number of zeroed bytes whose first one stands on a multiple of [`BLOCK_BYTES`].
///
/// It takes one block more than asked for and starts at the first boundary inside; that costs a page once and needs
/// no `unsafe`. The vector never grows, so the boundary stays where it is.
pub struct AlignedBuffer {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl AlignedBuffer {
    /// Returns a buffer of `length` bytes, all zero.
    #[must_use]
    pub fn zeroed(length: usize) -> Self {
        let memory = vec![0; length + BLOCK_BYTES];
        let start = memory.as_ptr().align_offset(BLOCK_BYTES);
        assert!(start < BLOCK_BYTES, "byte pointers can always be aligned");
        Self { memory, start, length }
    }

    /// Returns all bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.length]
    }

    /// Returns all bytes, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_on_a_block() {
        for length in [0, 1, BLOCK_BYTES, 3 * BLOCK_BYTES + 5] {
            let mut buffer = AlignedBuffer::zeroed(length);
            assert_eq!(buffer.bytes().len(), length);
            assert_eq!(buffer.bytes_mut().as_ptr() as usize % BLOCK_BYTES, 0);
        }
    }
}
