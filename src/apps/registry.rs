//! The applications there are: a line for each.

use std::sync::LazyLock;

use super::declaration::{Declaration, Tools};
use super::{board, echo, pex, pixel, thumbs, toys};
use crate::app::application::Apps;
use crate::app::router::HOME_PATH;
use crate::app::state::Applied;
use crate::base::setting::{Setting, Values};

/// Every application, the one that is served by default first.
static ALL: &[&Declaration] = &[
    &pixel::DECLARATION,
    &pex::DECLARATION,
    &board::DECLARATION,
    &toys::DECLARATION,
    &thumbs::DECLARATION,
    &echo::DECLARATION,
];

/// Returns the application of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Declaration> {
    ALL.iter().find(|app| app.name == name).copied()
}

/// Returns the names of all applications.
#[must_use]
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|app| app.name).collect()
}

/// Returns the names of the applications that are served where nobody says which are.
#[must_use]
pub fn usual_names() -> Vec<&'static str> {
    ALL.iter().filter(|app| app.is_usual).map(|app| app.name).collect()
}

/// Returns the settings of all applications.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    ALL.iter().flat_map(|app| app.settings.iter().copied())
}

/// Returns the applications of these names, made with these values; unknown names are passed over.
#[must_use]
pub fn with(names: &[&str], values: &Values, tools: &Tools) -> Apps {
    names.iter().filter_map(|name| named(name)).map(|app| (app.make)(values, tools)).collect()
}

/// Every application as it is unless something is set. Made once: applications compress their pages when they are made, and
/// every snapshot begins with empty states.
static AS_USUAL: LazyLock<Apps> = LazyLock::new(|| with(&names(), &Values::default(), &Tools::default()));

/// Returns every application as it is unless something is set.
#[must_use]
pub fn all() -> Apps {
    AS_USUAL.clone()
}

/// Returns the names of the applications that have a page of their own to be shown at `/`.
#[must_use]
pub fn roots() -> Vec<&'static str> {
    let has_home = |app: &&std::sync::Arc<dyn crate::app::application::App>| {
        app.routes().iter().any(|route| route.path == HOME_PATH)
    };
    AS_USUAL.iter().filter(has_home).map(|app| app.name()).collect()
}

/// Returns the empty states of all applications, of those too that are not served: what they keep must outlast a start
/// without them.
#[must_use]
pub fn new_applied() -> Applied {
    let mut applied = Applied::default();
    for app in AS_USUAL.iter() {
        if let Some(state) = app.new_state() {
            applied.insert(app.id(), state);
        }
    }
    applied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ids_are_unique_and_routes_are_what_they_should_be() {
        let apps = all();
        for (at, app) in apps.iter().enumerate() {
            assert_eq!(ALL[at].name, app.name());
            assert!((1..16).contains(&app.id()), "{}: an id is a nibble, and 0 is none", app.name());
            assert!(apps[at + 1..].iter().all(|other| other.id() != app.id() && other.name() != app.name()));
            for route in app.routes() {
                assert!(route.path.starts_with('/') && !route.summary.is_empty(), "{}", route.path);
            }
        }
    }

    #[test]
    fn settings_stand_in_the_tables_of_their_applications() {
        for app in ALL {
            for setting in app.settings {
                // The oldest limits stand among the server's.
                let is_old = app.name == "pixel" && setting.table() == "limits";
                assert!(is_old || setting.table() == app.name, "{} of {}", setting.key, app.name);
            }
        }
    }
}
