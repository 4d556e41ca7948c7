//! Who makes thumbnails of pictures that may be built to do harm. `crate::decoder` is one that can be killed.

use std::io;
use std::time::Duration;

use super::thumbnail::{Fault, Order};
use crate::log::blobs::store::BlobReader;

/// Makes thumbnails, one at a time. Its call waits for as long as a picture may take.
pub trait Thumbnailer: Send {
    /// Makes the thumbnail of one picture.
    ///
    /// # Errors
    /// Fails as [`Failure`] says. Whatever it was, the next picture may be tried.
    fn thumbnail(&mut self, picture: &dyn BlobReader, order: &Order) -> Result<Vec<u8>, Failure>;
}

/// Bounds of making thumbnails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Pixels of a picture, summed over its frames.
    pub pixels_max: u64,
    /// Bytes of a picture that is expected; a larger one is made all the same.
    pub picture_bytes_max: u64,
    /// How long it may take.
    pub deadline: Duration,
}

/// Makes thumbnails where no process can be started for it: not at all.
#[derive(Clone, Copy, Debug)]
pub struct NoThumbnailer;

impl Thumbnailer for NoThumbnailer {
    fn thumbnail(&mut self, _: &dyn BlobReader, _: &Order) -> Result<Vec<u8>, Failure> {
        Err(Failure::NoDecoder(io::ErrorKind::Unsupported.into()))
    }
}

/// Why there is no thumbnail.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The decoder says what is wrong with the picture: it would say the same again.
    #[error(transparent)]
    Picture(#[from] Fault),
    /// The decoder ended while it worked on this picture. The picture is the likely cause, not the certain one: the
    /// system may have killed it, for want of memory or because somebody asked for it.
    #[error("the decoder died: {how}")]
    Died {
        /// Its status or signal, and its last words; one line.
        how: String,
    },
    /// The decoder had to be killed, since it neither made a thumbnail nor gave up.
    #[error("the decoder was killed after {} ms", .after.as_millis())]
    Killed {
        /// How long it had been at it.
        after: Duration,
    },
    /// The picture could not be read from where it is kept.
    #[error("the picture can't be read: {0}")]
    Unreadable(io::Error),
    /// There is no decoder, and it has nothing to do with the picture.
    #[error("no decoder can be started: {0}")]
    NoDecoder(io::Error),
}

impl Failure {
    /// Returns whether the attempt tells something about the picture; otherwise it may be made again without being counted.
    #[must_use]
    pub fn is_of_picture(&self) -> bool {
        !matches!(self, Self::Unreadable(_) | Self::NoDecoder(_))
    }
}
