//! A sixth application, for `sixth.rs`: notes that are kept and listed. All of it is in this folder.

mod service;
pub mod settings;
mod state;

use std::sync::Arc;

use pixeld::apps::declaration::Declaration;

/// What the registry is told.
pub static DECLARATION: Declaration = Declaration {
    name: "notes",
    is_usual: true,
    settings: &[&settings::MAX_BYTES],
    make: |_, _| Arc::new(service::Notes),
};
