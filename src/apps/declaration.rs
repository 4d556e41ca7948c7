//! What an application declares of itself, in its own folder.

use std::sync::Arc;

use super::app::App;
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
    pub make: fn(&Values) -> Arc<dyn App>,
}
