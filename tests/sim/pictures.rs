//! The pictures that are posted: few, so that they are posted again while they go.

use std::sync::LazyLock;

use pixeld::base::blob::BlobId;
use pixeld::base::limits::PEER_PIECE_BYTES;
use pixeld::log::blobs::id_of;

/// Their lengths in bytes; the last one is sent in pieces, and is posted rarely.
const LENGTHS: [usize; 5] = [1, 40, 700, 5_000, PEER_PIECE_BYTES + 1_000];

static PICTURES: LazyLock<Vec<(BlobId, Vec<u8>)>> = LazyLock::new(|| {
    let picture = |(at, length): (usize, usize)| vec![at as u8 + 1; length];
    LENGTHS.into_iter().enumerate().map(picture).map(|content| (id_of(&content), content)).collect()
});

/// All of them, with their names.
pub fn all() -> &'static [(BlobId, Vec<u8>)] {
    &PICTURES
}

/// Which one a BLOB frame's payload begins with.
pub fn named(payload: &[u8]) -> Option<usize> {
    all().iter().position(|(id, _)| payload.starts_with(&id.0))
}
