//! The message board: a text and a picture each, the newest first.
//!
//! ```text
//! POST /upload/   multipart -> upload (picture -> clean -> blob) -> record
//! GET  /media/..  name -> state -> blob (a job)
//! GET  /board     the page, which asks for /messages, and for /board/events from where that list ends
//! ```

mod aging;
mod form_post;
mod json;
pub(crate) mod key;
pub(crate) mod limits;
mod media;
pub(crate) mod name;
mod news;
pub(crate) mod old;
mod page;
mod recent;
pub mod record;
pub(crate) mod service;
pub(crate) mod settings;
pub(crate) mod state;
pub(crate) mod tag;
mod upload;

use std::sync::Arc;

use super::declaration::Declaration;

/// What the registry knows of the application.
pub static DECLARATION: Declaration = Declaration {
    name: "board",
    is_usual: true,
    settings: settings::SETTINGS,
    make: |values, _| Arc::new(service::BoardApp::new(&settings::BoardSettings::of(values))),
};
