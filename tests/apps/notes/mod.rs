//! A sixth application, for `sixth.rs`: notes that are kept and listed. All of it is in this folder.

mod service;
mod state;

use std::sync::Arc;

use pixeld::apps::declaration::Declaration;
use pixeld::base::setting::{Form, Setting};

/// Bytes of a note; a longer one is answered 413.
pub static MAX_BYTES: Setting =
    Setting::limit("notes.max_bytes", "A note; a longer one is answered 413", Form::Size(1, 4096, 1), 64);

/// What the registry is told.
pub static DECLARATION: Declaration = Declaration {
    name: "notes",
    is_usual: true,
    settings: &[&MAX_BYTES],
    make: |_, _| Arc::new(service::Notes),
};
