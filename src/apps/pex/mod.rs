//! The Fibonacci service: a position that is moved by steps, each exactly once, and the number that stands there.
//!
//! A step is a record whose effect is fixed when it is stamped; applying it moves the position and nothing else. The
//! digits are made where the answer is made: at once while they are few, by a job thread when they are many, once for
//! all who ask.

mod answer;
pub mod digits;
pub mod import;
pub mod limits;
pub mod numbers;
pub mod record;
pub mod service;
pub mod settings;
pub mod state;
pub mod steps;
pub mod stream;
pub mod tag;
mod asked;

use std::sync::Arc;

use super::declaration::Declaration;

/// What the registry knows of the application.
pub static DECLARATION: Declaration = Declaration {
    name: "pex",
    is_usual: true,
    settings: settings::SETTINGS,
    make: |values, _| Arc::new(service::PexApp::new(settings::PexSettings::of(values))),
};
