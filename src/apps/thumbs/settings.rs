//! What an operator may set about the thumbnail service.

use std::time::Duration;

use crate::app::keep::{self, Keep};
use crate::base::setting::{Form, Preset, Setting, Values};

/// The longest that any of the times may be, milliseconds.
const TIME_MS_MAX: u64 = 3_600_000;
/// The shortest deadline, milliseconds: a decoder has to be started first.
const DEADLINE_MS_MIN: u64 = 100;
/// The most pixels that may be set: a decoder then needs about 14 GB of memory.
const PIXELS_MAX: u64 = 1_000_000_000;
/// The most pictures that are decoded at the same time.
const WORKERS_MAX: u64 = 64;

static DEADLINE: Setting = Setting::new(
    "thumbs.deadline",
    "DURATION",
    "CPU time after which a decoder gives up on a picture",
    Form::Duration(DEADLINE_MS_MIN, TIME_MS_MAX),
    Preset::Number(10_000),
);
static TAKEOVER: Setting = Setting::new(
    "thumbs.takeover",
    "DURATION",
    "How long the peer must have been away before this host makes its thumbnails",
    Form::Duration(0, TIME_MS_MAX),
    Preset::Number(30_000),
);
static STATUS_HOLD: Setting = Setting::new(
    "thumbs.status_hold",
    "DURATION",
    "How long a request for a picture's state waits for it to end",
    Form::Duration(0, TIME_MS_MAX),
    Preset::Number(10_000),
);
static MAX_PIXELS: Setting = Setting::new(
    "thumbs.max_pixels",
    "N",
    "Pixels of a picture, summed over its frames, that are decoded",
    Form::Number(1, PIXELS_MAX),
    Preset::Number(50_000_000),
);
static WORKERS: Setting = Setting::new(
    "thumbs.workers",
    "N",
    "Pictures that are decoded at the same time",
    Form::Or("auto", "as many as job_threads", &Form::Number(1, WORKERS_MAX)),
    Preset::Text("auto"),
);
static KEEP: Setting = Setting::keep(
    "keep.thumbs",
    "Pictures whose thumbnail is kept, the newest of them, and all that have none yet; bytes are those of the thumbnails",
    Form::List(keep::form, keep::is_limit),
    keep::ALL,
);
/// Bytes of the body that brings a picture; a larger one is answered 413. A blob may have 256 MiB.
pub static MAX_BODY: Setting = Setting::limit(
    "thumbs.max_body",
    "Body that brings a picture to the thumbnail service; a larger one is answered 413",
    Form::Size(1024, 256 * 1024 * 1024, 1),
    10 * 1024 * 1024,
);

/// The rows of the table of settings.
pub static SETTINGS: &[&Setting] =
    &[&KEEP, &DEADLINE, &TAKEOVER, &STATUS_HOLD, &MAX_PIXELS, &WORKERS, &MAX_BODY];

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
    /// Bytes of a body when the server started.
    pub max_body_bytes: u64,
    /// How many pictures are kept.
    pub keep: Keep,
}

impl ThumbsSettings {
    /// Returns the settings that these values make.
    #[must_use]
    pub fn of(values: &Values) -> Self {
        Self {
            deadline: values.duration(&DEADLINE),
            takeover: values.duration(&TAKEOVER),
            status_hold: values.duration(&STATUS_HOLD),
            max_pixels: values.number(&MAX_PIXELS),
            workers: values.get(&WORKERS).number().and_then(|count| usize::try_from(count).ok()),
            max_body_bytes: values.number(&MAX_BODY),
            keep: Keep::of(values.get(&KEEP).elements()),
        }
    }
}

impl Default for ThumbsSettings {
    fn default() -> Self {
        Self::of(&Values::default())
    }
}
