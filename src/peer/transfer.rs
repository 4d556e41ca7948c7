//! What is too long for one frame: blobs and snapshots, in pieces that follow on each other.

use super::fault::Violation;
use super::frame::Kind;
use super::pieces::Piece;
use crate::base::blob::BlobId;
use crate::base::sha256::Sha256;
use crate::base::streams::Streams;

/// A blob that is coming in.
pub(super) struct BlobIn {
    hash: BlobId,
    progress: Progress,
    content: Sha256,
}

/// A snapshot that is coming in.
pub(super) struct SnapIn {
    starts: Streams,
    progress: Option<Progress>,
}

#[derive(Clone, Copy)]
struct Progress {
    total: u64,
    next: u64,
}

impl Progress {
    fn new(piece: &Piece<'_>) -> Self {
        Self { total: piece.total, next: 0 }
    }

    /// Takes the next piece; whether it is the last one.
    fn take(&mut self, kind: Kind, piece: &Piece<'_>) -> Result<bool, Violation> {
        if piece.total != self.total || piece.offset != self.next {
            return Err(Violation::Payload { kind, what: "it is not the next piece" });
        }
        self.next += piece.bytes.len() as u64;
        Ok(self.next == self.total)
    }
}

impl BlobIn {
    /// Returns a blob of this name, of which the first piece is this one.
    pub(super) fn new(hash: BlobId, first: &Piece<'_>) -> Self {
        Self { hash, progress: Progress::new(first), content: Sha256::default() }
    }

    /// Takes the next piece; whether it was the last one, and the content is what the name says.
    pub(super) fn take(&mut self, hash: &BlobId, piece: &Piece<'_>) -> Result<bool, Violation> {
        const KIND: Kind = Kind::Blob;
        if self.hash != *hash {
            return Err(Violation::Unexpected { kind: KIND, when: "amid another one" });
        }
        let is_last = self.progress.take(KIND, piece)?;
        self.content.update(piece.bytes);
        if is_last && self.content.hash() != self.hash.0 {
            return Err(Violation::Payload { kind: KIND, what: "its content has another hash" });
        }
        Ok(is_last)
    }
}

impl SnapIn {
    /// Returns a snapshot whose batches start there.
    pub(super) fn new(starts: Streams) -> Self {
        Self { starts, progress: None }
    }

    /// Takes the next piece; where the batches start if it was the last one.
    pub(super) fn take(&mut self, piece: &Piece<'_>) -> Result<Option<Streams>, Violation> {
        let progress = self.progress.get_or_insert_with(|| Progress::new(piece));
        let is_last = progress.take(Kind::Snap, piece)?;
        Ok(is_last.then(|| std::mem::take(&mut self.starts)))
    }
}
