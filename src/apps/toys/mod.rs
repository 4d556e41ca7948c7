//! The toy shop: slow calls behind a cache, products, orders, and the page with its buttons.
//!
//! ```text
//! GET  /api/misc/heavy        cache -> hit, or a wait that all callers of that name share
//! GET  /api/products?product= record -> state (and with it the cached last is out of date)
//! POST /api/products          the same, or with an idempotency key: the earliest of those with one key stands
//! POST /api/orders            idempotency key -> id -> record -> state: the least of two stands
//! GET  /toys, /static/...     page: files of the program
//! ```

mod aging;
pub(crate) mod asked;
pub(crate) mod body;
pub(crate) mod cache;
mod changes;
pub(crate) mod claims;
pub(crate) mod doubts;
pub(crate) mod html;
pub(crate) mod idempotency;
pub(crate) mod index;
pub(crate) mod item;
pub mod limits;
pub(crate) mod named;
pub(crate) mod old;
mod once;
pub(crate) mod orders;
pub(crate) mod page;
pub(crate) mod place;
pub(crate) mod products;
pub(crate) mod record;
pub(crate) mod running;
pub(crate) mod service;
pub mod settings;
pub(crate) mod slow;
mod snapshot;
pub(crate) mod state;
pub(crate) mod stored;
pub(crate) mod tag;

use std::sync::Arc;

use super::declaration::Declaration;

/// What the registry knows of the application.
pub static DECLARATION: Declaration = Declaration {
    name: "toys",
    is_usual: true,
    settings: settings::SETTINGS,
    make: |values, _| Arc::new(service::ToysApp::new(settings::ToysSettings::of(values))),
};
