//! Memory that is used again: of outputs that were sent, and of pieces that job threads made.

use crate::base::limits::PIECE_BYTES;

/// Buffers of at most this size are kept for the next answers.
const KEPT_BUFFER_BYTES: usize = 16 * 1024;
/// How many of them.
const KEPT_BUFFERS: usize = 64;
/// How many buffers of a piece's size are kept for the next pieces: memory that is given back to the system is cleared and
/// mapped anew for each of them, which costs more than to fill it.
const KEPT_PIECES: usize = 8;

/// The spare memory of one worker.
#[derive(Default)]
pub(super) struct Buffers {
    outputs: Vec<Vec<u8>>,
    pieces: Vec<Vec<u8>>,
}

impl Buffers {
    /// Gives an output without memory some that was used before.
    #[inline]
    pub(super) fn lend(&mut self, output: &mut Vec<u8>) {
        if output.capacity() == 0 {
            *output = self.outputs.pop().unwrap_or_default();
        }
    }

    /// Takes the memory of an output that is all sent.
    #[inline]
    pub(super) fn give_back(&mut self, output: &mut Vec<u8>) {
        if output.capacity() > KEPT_BUFFER_BYTES {
            return self.give_back_piece(output);
        }
        let mut buffer = std::mem::take(output);
        if self.outputs.len() < KEPT_BUFFERS {
            buffer.clear();
            self.outputs.push(buffer);
        }
    }

    /// Gives memory for a piece, with nothing in it.
    pub(super) fn for_piece(&mut self) -> Vec<u8> {
        self.pieces.pop().unwrap_or_default()
    }

    /// Takes the memory of a piece, or of an output that was one.
    pub(super) fn give_back_piece(&mut self, piece: &mut Vec<u8>) {
        let mut buffer = std::mem::take(piece);
        if (PIECE_BYTES..=2 * PIECE_BYTES).contains(&buffer.capacity()) && self.pieces.len() < KEPT_PIECES {
            buffer.clear();
            self.pieces.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_by_its_size_and_only_so_much_is_kept() {
        let mut buffers = Buffers::default();
        let mut small = Vec::with_capacity(100);
        small.push(1);
        buffers.give_back(&mut small);
        buffers.lend(&mut small);
        assert!(small.is_empty() && small.capacity() >= 100);
        let mut piece = vec![0; PIECE_BYTES];
        buffers.give_back(&mut piece);
        assert!(piece.capacity() == 0 && buffers.for_piece().capacity() >= PIECE_BYTES);
        let mut odd = vec![0; KEPT_BUFFER_BYTES + 1];
        buffers.give_back(&mut odd);
        assert_eq!(buffers.for_piece().capacity(), 0, "of no size that is used");
        for _ in 0..KEPT_BUFFERS + 9 {
            buffers.give_back(&mut vec![0; 10]);
        }
        assert_eq!(buffers.outputs.len(), KEPT_BUFFERS);
    }
}
