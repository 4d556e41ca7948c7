//! What an operator may set about the thumbnail service.

use std::time::Duration;

/// Settings; the keys of the `[thumbs]` table of the configuration file have these names. `thumbs.max_body` is one of the
/// limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThumbsSettings {
    /// CPU time after which a decoder gives a picture up.
    pub deadline: Duration,
    /// How long the peer must have been away before its pictures are made here.
    pub takeover: Duration,
    /// How long a question for a picture's state is held at most.
    pub status_hold: Duration,
    /// Pixels of a picture, summed over its frames; one that has more is not decoded.
    pub max_pixels: u64,
    /// Pictures that are decoded at the same time; nothing for as many as there are job threads.
    pub workers: Option<usize>,
}

/// The longest that any of the times may be.
pub const TIME_MAX: Duration = Duration::from_secs(3_600);
/// The shortest deadline: a decoder has to be started first.
pub const DEADLINE_MIN: Duration = Duration::from_millis(100);
/// The most pixels that may be set: a decoder then needs about 14 GB of memory.
pub const PIXELS_MAX: u64 = 1_000_000_000;
/// The most pictures that are decoded at the same time.
pub const WORKERS_MAX: usize = 64;

impl Default for ThumbsSettings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            takeover: Duration::from_secs(30),
            status_hold: Duration::from_secs(10),
            max_pixels: 50_000_000,
            workers: None,
        }
    }
}
