//! The pixel service: takes single pixels and batches, lists them, clears the list.
//!
//! ```text
//! POST /pixel     body -> template, else scanner, else validate -> record
//! POST /pixels    batch: array, lines, binary                   -> records, as they come in
//! GET  /pixels    query -> list (a job) -> page -> render
//! DELETE /pixels  a record; state gives it its floors
//! DELETE /pixels?before=, --keep pixel=   cutter -> times (what stands before it?) -> cut
//! GET  /canvas..  canvas: a view of the journal
//! ```

pub(crate) mod asked;
pub mod batch;
pub(crate) mod before;
pub(crate) mod body;
pub mod canvas;
pub mod cursor;
pub mod cut;
pub(crate) mod cutter;
pub(crate) mod detail;
pub mod film;
pub mod finder;
pub mod front;
pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod page;
pub(crate) mod query;
pub mod raw;
pub mod record;
pub(crate) mod render;
pub(crate) mod scanner;
pub mod service;
pub(crate) mod settings;
pub mod state;
pub mod tag;
pub(crate) mod template;
pub mod times;
pub(crate) mod validate;

use std::sync::Arc;

use super::declaration::Declaration;

/// What the registry knows of the application.
pub static DECLARATION: Declaration = Declaration {
    name: "pixel",
    is_usual: true,
    settings: settings::SETTINGS,
    make: |values, _| Arc::new(service::PixelApp::new(values)),
};
