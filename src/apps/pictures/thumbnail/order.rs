//! What is asked for, and why there may be nothing.

use crate::apps::pictures::kind::Kind;
use crate::apps::pictures::size::Fit;

/// Why there is no thumbnail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no picture of a known kind, or a damaged one.
    #[error("Corrupted raw image, please try again")]
    Corrupted,
    /// It would have more pixels, over all of its frames, than are decoded.
    #[error("The picture has more pixels than the {most} that are decoded")]
    TooLarge {
        /// The bound.
        most: u64,
    },
    /// It would take more memory than its file is worth.
    #[error("The picture unpacks to more than is decoded of a file of its size")]
    TooDense,
    /// It took longer than it may.
    #[error("The picture took too long to decode")]
    TooSlow,
    /// It may be whole, but is coded in a way that no decoder here reads.
    #[error(
        "The picture is coded in a way that is not supported; save it as a usual 8-bit JPEG and try again"
    )]
    Unsupported,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The kind of the thumbnail.
    pub kind: Kind,
    /// What it fits, pixels.
    pub width: u32,
    /// What it fits, pixels.
    pub height: u32,
    /// How it fits that.
    pub fit: Fit,
    /// Pixels that may be decoded, summed over the frames.
    pub pixels_max: u64,
}

/// Says whether the time is up; asked again and again while a picture is decoded.
pub(super) type IsLate<'a> = &'a dyn Fn() -> bool;
