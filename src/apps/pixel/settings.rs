//! What an operator may set about the pixel service. Its limits are older than tables of applications, so they stand in
//! `[limits]`; the canvas has a table of its own.

use crate::app::keep;
use crate::base::setting::{Form, Preset, Setting};

/// How much is kept.
pub static KEEP: Setting = Setting::keep(
    "keep.pixel",
    "Pixels that are kept, the newest of them; bytes are those of their batches in the journal",
    Form::List(keep::form, keep::is_limit),
    keep::ALL,
);

/// Bytes of the body of a single pixel; a longer one is answered 413.
pub static PIXEL_BODY: Setting = Setting::limit(
    "limits.pixel_body_bytes",
    "Body of a single pixel; a longer one is answered 413",
    Form::Size(64, 1024 * 1024, 1),
    4 * 1024,
);
/// Bytes of the body of a batch of pixels; a longer one is answered 413.
pub static BATCH_BODY: Setting = Setting::limit(
    "limits.batch_body_bytes",
    "Body of a batch of pixels; a longer one is answered 413",
    Form::Size(64, 1024 * 1024 * 1024, 1),
    16 * 1024 * 1024,
);

/// Bytes of memory for the canvas' tiles.
pub static CANVAS_MEMORY: Setting = Setting::new(
    "canvas.memory",
    "SIZE",
    "Memory for the tiles of the canvas; the coldest beyond it go to a scratch file. 0: no canvas",
    Form::Size(0, 64 * 1024 * 1024 * 1024, 1),
    Preset::Number(64 * 1024 * 1024),
);

/// The rows of the table of settings.
pub static SETTINGS: &[&Setting] = &[&KEEP, &PIXEL_BODY, &BATCH_BODY, &CANVAS_MEMORY];
