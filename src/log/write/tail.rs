//! The tail: the journal's last bytes, in memory.
//!
//! Holds what is staged and not yet in a file, the last, partly written block, which is being rewritten while somebody
//! reads, and what was written a moment ago, for those who follow the journal. Everything before it is read from the files.

use std::collections::VecDeque;

use super::staged::Staged;
use crate::base::ids::Position;
use crate::base::limits::{BATCH_BODY_BYTES_MAX, BLOCK_BYTES, FRESH_BYTES};
use crate::log::format::segment::Layout;

/// Memory of a run that is kept although nothing needs it, bytes.
const KEPT_BYTES: usize = 4 * BATCH_BODY_BYTES_MAX;

/// Bytes to the journal's end, from the start of the last written block or some before it.
pub(in crate::log) struct Tail {
    layout: Layout,
    /// In rising order; each lies in one segment, and no two in the same.
    runs: VecDeque<Run>,
    written: Position,
    end: Position,
}

struct Run {
    start: Position,
    bytes: Vec<u8>,
}

impl Run {
    fn end(&self) -> Position {
        Position(self.start.0 + self.bytes.len() as u64)
    }
}

impl Tail {
    /// Returns the tail of a journal that ends at `end` and is written to there; `partial` is the last block's beginning.
    pub(in crate::log) fn new(layout: Layout, end: Position, partial: &[u8]) -> Self {
        let start = Position(end.0 - partial.len() as u64);
        assert!(start.0.is_multiple_of(BLOCK_BYTES as u64) && partial.len() < BLOCK_BYTES);
        let runs = VecDeque::from([Run { start, bytes: partial.to_vec() }]);
        Self { layout, runs, written: end, end }
    }

    /// Takes bytes that were staged behind all before.
    pub(in crate::log) fn push(&mut self, position: Position, bytes: &[u8]) {
        assert!(position >= self.end, "the journal grows at its end only");
        let layout = self.layout;
        match self.runs.back_mut() {
            Some(run) if layout.segment_of(run.start) == layout.segment_of(position) => {
                assert_eq!(run.end(), position, "a segment has no gaps");
                run.bytes.extend_from_slice(bytes);
            }
            _ => self.runs.push_back(Run { start: position, bytes: bytes.to_vec() }),
        }
        self.end = Position(position.0 + bytes.len() as u64);
    }

    /// Notes that the files have everything up to `written`. Lets go of whole blocks before it but the last [`FRESH_BYTES`], and
    /// only when as many more have come together: what is kept moves to the front each time.
    pub(in crate::log) fn written(&mut self, written: Position) {
        assert!(self.written <= written && written <= self.end, "what is written was staged, in order");
        self.written = written;
        while self.runs.len() > 1 && self.runs[0].end() <= written {
            self.runs.pop_front();
        }
        if let Some(run) = self.runs.front_mut()
            && run.start < written
        {
            let keep_from = written.0 - written.0 % BLOCK_BYTES as u64;
            let in_files = usize::try_from(keep_from.saturating_sub(run.start.0)).expect("within the run");
            if in_files >= 2 * FRESH_BYTES {
                let drop = in_files - FRESH_BYTES;
                run.bytes.drain(..drop);
                run.start.0 += drop as u64;
            }
            if run.bytes.capacity() > KEPT_BYTES {
                run.bytes.shrink_to(KEPT_BYTES);
            }
        }
    }

    /// Returns bytes that no file has yet.
    pub(in crate::log) fn unwritten_bytes(&self) -> u64 {
        self.runs.iter().map(|run| run.end().0.saturating_sub(run.start.0.max(self.written.0))).sum()
    }

    /// Appends the bytes that no file has yet to `out`.
    pub(in crate::log) fn copy_unwritten(&self, out: &mut Staged) {
        for run in &self.runs {
            let skip = usize::try_from(self.written.0.saturating_sub(run.start.0)).expect("within the run");
            if let Some(bytes) = run.bytes.get(skip..).filter(|bytes| !bytes.is_empty()) {
                out.push(Position(run.start.0 + skip as u64), bytes);
            }
        }
    }

    /// Fills the end of `buffer`, which stands for the bytes from `position` on in one segment, with what is in
    /// memory. Gives the number of bytes in front of that, which are in the file.
    pub(in crate::log) fn fill(&self, position: Position, buffer: &mut [u8]) -> usize {
        let segment = self.layout.segment_of(position);
        let Some(run) = self.runs.iter().find(|run| self.layout.segment_of(run.start) == segment) else {
            return buffer.len();
        };
        let in_file = usize::try_from(run.start.0.saturating_sub(position.0)).unwrap_or(usize::MAX);
        if in_file >= buffer.len() {
            return buffer.len();
        }
        let skip = usize::try_from(position.0.saturating_sub(run.start.0)).unwrap_or(usize::MAX);
        let source = run.bytes.get(skip..).unwrap_or_default();
        let wanted = &mut buffer[in_file..];
        assert!(source.len() >= wanted.len(), "nobody reads beyond the journal's end");
        wanted.copy_from_slice(&source[..wanted.len()]);
        in_file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout { segment_bytes: 4 * FRESH_BYTES as u64 };

    fn read(tail: &Tail, position: u64, length: usize) -> (usize, Vec<u8>) {
        let mut buffer = vec![b'.'; length];
        (tail.fill(Position(position), &mut buffer), buffer)
    }

    #[test]
    fn bytes_are_readable_from_staging_on_and_leave_in_whole_blocks() {
        let start = 4 * FRESH_BYTES as u64;
        let mut tail = Tail::new(LAYOUT, Position(start + 2), b"ab");
        tail.push(Position(start + 2), b"cd");
        assert_eq!(read(&tail, start, 4), (0, b"abcd".to_vec()));
        assert_eq!(tail.unwritten_bytes(), 2);
        tail.written(Position(start + 4));
        assert_eq!(read(&tail, start + 1, 3), (0, b"bcd".to_vec()), "the partial block stays");

        let two_fresh = 2 * FRESH_BYTES as u64;
        tail.push(Position(start + 4), &vec![7; 2 * FRESH_BYTES - 5]);
        tail.written(Position(start + two_fresh - 1));
        assert_eq!(read(&tail, start, 5), (0, b"abcd\x07".to_vec()), "what is fresh stays");
        tail.push(Position(start + two_fresh - 1), &[8, 8]);
        tail.written(Position(start + two_fresh + 1));
        let kept = start + FRESH_BYTES as u64;
        assert_eq!(read(&tail, kept - 2, 4), (2, vec![b'.', b'.', 7, 7]), "the older half is the files'");
        assert_eq!(read(&tail, start + two_fresh - 1, 2), (0, vec![8, 8]));
        assert_eq!(tail.unwritten_bytes(), 0);
    }

    #[test]
    fn a_new_segment_is_a_new_run_and_both_are_written_in_order() {
        let (first, second) = (4 * FRESH_BYTES as u64, 8 * FRESH_BYTES as u64);
        let mut tail = Tail::new(LAYOUT, Position(first), b"");
        tail.push(Position(first), b"one");
        tail.push(Position(second), b"two");
        let mut staged = Staged::default();
        tail.copy_unwritten(&mut staged);
        let extents: Vec<_> = staged.extents().collect();
        assert_eq!(extents, [(Position(first), &b"one"[..]), (Position(second), &b"two"[..])]);
        tail.written(Position(second + 1));
        assert_eq!(read(&tail, first, 3).0, 3, "the first segment is the file's");
        assert_eq!(read(&tail, second, 3), (0, b"two".to_vec()));
        assert_eq!(tail.unwritten_bytes(), 2);
    }
}
