//! The Fibonacci service: a position that is moved by steps, each exactly once, and the number that stands there.
//!
//! A step is a record whose effect is fixed when it is stamped; applying it moves the position and nothing else. The
//! digits are made where the answer is made: at once while they are few, by a job thread when they are many, once for
//! all who ask.

mod answer;
mod asked;
pub(crate) mod digits;
pub(crate) mod import;
pub(crate) mod limits;
pub(crate) mod numbers;
pub(crate) mod record;
pub(crate) mod service;
pub mod settings;
pub(crate) mod state;
pub(crate) mod steps;
pub(crate) mod stream;
pub(crate) mod tag;

use std::sync::Arc;

use super::declaration::Declaration;

/// What the registry knows of the application.
pub static DECLARATION: Declaration = Declaration {
    name: "pex",
    is_usual: true,
    settings: settings::SETTINGS,
    make: |values, _| Arc::new(service::PexApp::new(settings::PexSettings::of(values))),
};
