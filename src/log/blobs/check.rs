//! Looks whether a blob is there, and whether its content is what its name says.

use std::fmt;
use std::io;

use super::store::BlobStore;
use crate::base::blob::BlobId;
use crate::base::limits::SCRUB_PIECE_BYTES;
use crate::base::sha256::Sha256;

/// What is wrong with a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// Its content is not what its name says, or the disk can't read it.
    Damaged,
}

/// What the system says of a sector that it can't read.
const EIO: i32 = 5;

impl Fault {
    /// Returns what an error of opening or reading a blob says of that blob. Nothing if it is about something else, such as a
    /// lack of descriptors.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<Self> {
        match error.kind() {
            io::ErrorKind::NotFound => Some(Self::Missing),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Some(Self::Damaged),
            _ => (error.raw_os_error() == Some(EIO)).then_some(Self::Damaged),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Damaged => "damaged",
        })
    }
}

/// Reads a blob to its end and compares its content with its name; gives what is wrong, if anything is. Changes nothing.
/// `on_piece` hears how many bytes were read, and says whether to go on.
///
/// # Errors
/// Returns the error of the store that say nothing about the blob; `Interrupted` if `on_piece` wants no more.
pub fn check(
    store: &dyn BlobStore,
    id: &BlobId,
    on_piece: &mut dyn FnMut(u64) -> bool,
) -> io::Result<Option<Fault>> {
    match is_sound(store, id, on_piece) {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some(Fault::Damaged)),
        Err(error) => Fault::of(&error).map(Some).ok_or(error),
    }
}

fn is_sound(store: &dyn BlobStore, id: &BlobId, on_piece: &mut dyn FnMut(u64) -> bool) -> io::Result<bool> {
    let reader = store.open(id)?;
    let total = reader.size_bytes();
    if store.checks_contents() {
        return Ok(total > 0);
    }
    let (mut content, mut offset) = (Sha256::default(), 0);
    let mut piece =
        vec![0; usize::try_from(total).map_or(SCRUB_PIECE_BYTES, |total| total.min(SCRUB_PIECE_BYTES))];
    while offset < total {
        let length = (total - offset).min(piece.len() as u64);
        let piece = &mut piece[..usize::try_from(length).expect("a piece")];
        reader.read_at(piece, offset)?;
        content.update(piece);
        offset += length;
        if !on_piece(length) {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
    Ok(content.hash() == id.0)
}
