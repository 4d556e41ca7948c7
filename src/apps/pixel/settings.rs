//! Limits of the pixel service. They are older than tables of applications, so they stand in `[limits]`.

use crate::base::setting::{Form, Setting};

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

/// The rows of the table of settings.
pub static SETTINGS: &[&Setting] = &[&PIXEL_BODY, &BATCH_BODY];
