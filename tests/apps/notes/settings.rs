//! The settings of notes.

use pixeld::base::setting::{Form, Setting};

/// Bytes of a note; a longer one is answered 413.
pub static MAX_BYTES: Setting =
    Setting::limit("notes.max_bytes", "A note; a longer one is answered 413", Form::Size(1, 4096, 1), 64);
