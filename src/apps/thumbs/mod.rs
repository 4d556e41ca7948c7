//! The thumbnail service: pictures are handed in, made small in the background, and fetched.
//!
//! ```text
//! POST /images        body -> upload (base64) -> blob -> Submit
//! runner              oldest Submit -> Attempt -> decoder (a process) -> blob -> Done, or Failed
//! GET /images/{id}    state, or a wait until it changes
//! ```
//!
//! There is no queue beside the log: what is handed in and has no end is what is to be done.

mod aging;
mod answers;
pub(crate) mod base64;
mod hint;
pub(crate) mod item;
pub(crate) mod limits;
mod list;
pub(crate) mod media;
pub(crate) mod old;
pub(crate) mod record;
pub(crate) mod runner;
mod sample;
pub(crate) mod service;
pub(crate) mod settings;
mod snapshot;
pub(crate) mod state;
pub mod tag;
mod thumbnail;
mod upload;
mod wait;
mod watch;
mod words;

use std::sync::Arc;

use super::declaration::Declaration;

/// What the registry knows of the application.
pub static DECLARATION: Declaration = Declaration {
    name: "thumbs",
    is_usual: true,
    settings: settings::SETTINGS,
    make: |values, tools| Arc::new(service::ThumbsApp::new(settings::ThumbsSettings::of(values), *tools)),
};
