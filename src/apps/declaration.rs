//! What an application declares of itself, in its own folder.

use std::sync::Arc;

use super::pictures::thumbnailer::{Bounds, NoThumbnailer, Thumbnailer};
use crate::app::application::App;
use crate::base::setting::{Setting, Values};

/// An application as the registry knows it.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The word for it in `--apps`.
    pub name: &'static str,
    /// Whether it is served where `--apps` does not say which are.
    pub is_usual: bool,
    /// Its settings and limits; each key is in the table of its name. Flags, variables, the file and the documents follow.
    pub settings: &'static [&'static Setting],
    /// Makes it with the values of those.
    pub make: fn(&Values, &Tools) -> Arc<dyn App>,
}

/// What applications need that is not pure; given by who starts the server.
#[derive(Clone, Copy, Debug)]
pub struct Tools {
    /// Makes a maker of thumbnails, one for each thread that asks.
    pub thumbnailer: fn(&Bounds) -> Box<dyn Thumbnailer>,
}

impl Default for Tools {
    /// Returns tools with which nothing can be made, for states and pages of applications that serve nobody.
    fn default() -> Self {
        Self { thumbnailer: |_| Box::new(NoThumbnailer) }
    }
}
