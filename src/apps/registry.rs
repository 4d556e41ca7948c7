//! The applications there are.

use std::sync::{Arc, LazyLock};

use super::app::{App, Apps};
use super::board::service::BoardApp;
use super::board::settings::BoardSettings;
use super::echo::Echo;
use super::pex::service::PexApp;
use super::pex::settings::PexSettings;
use super::pixel::service::PixelApp;
use super::state::Applied;
use super::thumbs::service::ThumbsApp;
use super::thumbs::settings::ThumbsSettings;
use super::toys::service::ToysApp;
use super::toys::settings::ToysSettings;

/// What applications are made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppSettings {
    /// The Fibonacci service's.
    pub pex: PexSettings,
    /// The board's.
    pub board: BoardSettings,
    /// The toy shop's.
    pub toys: ToysSettings,
    /// The thumbnail service's.
    pub thumbs: ThumbsSettings,
}

/// Every application as it is unless something is set, the one that is served by default first.
#[must_use]
pub fn all() -> Apps {
    with(&AppSettings::default())
}

/// Every application.
#[must_use]
pub fn with(settings: &AppSettings) -> Apps {
    vec![
        Arc::new(PixelApp),
        Arc::new(PexApp::new(settings.pex)),
        Arc::new(BoardApp::new(&settings.board)),
        Arc::new(ToysApp::new(settings.toys)),
        Arc::new(ThumbsApp::new(settings.thumbs)),
        Arc::new(Echo),
    ]
}

/// The application of that name.
#[must_use]
pub fn named(name: &str, settings: &AppSettings) -> Option<Arc<dyn App>> {
    with(settings).into_iter().find(|app| app.name() == name)
}

/// The empty states of all applications, of those too that are not served: what they keep must outlast a start
/// without them.
#[must_use]
pub fn new_applied() -> Applied {
    // Made once: applications compress their pages when they are made, and every snapshot begins with empty states.
    static USUAL: LazyLock<Apps> = LazyLock::new(all);
    let mut applied = Applied::default();
    for app in USUAL.iter() {
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
            assert_eq!(named(app.name(), &AppSettings::default()).unwrap().id(), app.id());
            assert!((1..16).contains(&app.id()), "{}: an id is a nibble, and 0 is none", app.name());
            assert!(apps[at + 1..].iter().all(|other| other.id() != app.id() && other.name() != app.name()));
            for route in app.routes() {
                assert!(route.path.starts_with('/') && !route.summary.is_empty(), "{}", route.path);
            }
        }
    }
}
