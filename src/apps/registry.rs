//! The applications there are: a line for each.

use std::sync::{Arc, LazyLock};

use super::declaration::{Declaration, Tools};
use super::{board, echo, pex, pixel, thumbs, toys};
use crate::app::application::{self, App, Apps};
use crate::app::applied::Applied;
use crate::app::router::HOME_PATH;
use crate::base::limits::{LANE_BYTES_MIN, RECORD_BYTES_MAX};
use crate::base::setting::{Flag, Setting, Values};
use crate::base::tag;

/// Every application of this program, the one that is served by default first.
pub static ALL: Registry = Registry(&[
    &pixel::DECLARATION,
    &pex::DECLARATION,
    &board::DECLARATION,
    &toys::DECLARATION,
    &thumbs::DECLARATION,
    &echo::DECLARATION,
]);

/// Applications that one program has.
#[derive(Clone, Copy, Debug)]
pub struct Registry(pub &'static [&'static Declaration]);

impl Registry {
    /// Returns the applications of these names, made with these values; unknown names are passed over.
    #[must_use]
    pub fn with(&self, names: &[&str], values: &Values, tools: &Tools) -> Apps {
        let named = names.iter().filter_map(|name| self.0.iter().find(|app| app.name == *name));
        named.map(|app| (app.make)(values, tools)).collect()
    }

    /// Returns every application as it is unless something is set.
    #[must_use]
    pub fn as_usual(&self) -> Apps {
        self.0.iter().map(|app| (app.make)(&Values::default(), &Tools::default())).collect()
    }

    /// Returns what is wrong with the applications beside each other, a sentence for each fault; nothing if all is sound.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let (mut found, apps) = (Vec::new(), self.as_usual());
        let mut claimed: Vec<(u8, &str)> = Vec::new();
        for (at, (declared, app)) in self.0.iter().zip(&apps).enumerate() {
            let name = declared.name;
            let mut note = |what: String| found.push(format!("{name}: {what}"));
            if app.name() != name {
                note(format!("it calls itself {}", app.name()));
            }
            // The program's own have the ids behind.
            if !(1..tag::app::INDEX).contains(&app.id()) && app.id() != echo::APP {
                note(format!("its id {} is not a nibble from 1 to 11", app.id()));
            }
            if let Some(other) =
                apps[..at].iter().find(|other| other.id() == app.id() || other.name() == name)
            {
                note(format!("{} has its name or its id", other.name()));
            }
            faults_of_records(&**app, &mut claimed, &mut note);
            faults_of_settings(declared, &mut note);
        }
        found
    }
}

/// Notes records that a host could not keep or tell apart: tags of others, more bytes than the smallest lane takes.
fn faults_of_records<'a>(app: &'a dyn App, claimed: &mut Vec<(u8, &'a str)>, note: &mut impl FnMut(String)) {
    let Some(state) = app.new_state() else { return };
    for (tag, _) in state.kinds() {
        if tag::app_of(*tag) != app.id() {
            note(format!("the tag 0x{tag:02x} does not begin with its id"));
        }
        if let Some((_, other)) = claimed.iter().find(|(other, _)| other == tag) {
            note(format!("the tag 0x{tag:02x} is {other}'s, too"));
        }
        claimed.push((*tag, app.name()));
    }
    let most = state.record_bytes_max();
    if most > RECORD_BYTES_MAX || most > LANE_BYTES_MIN {
        note(format!("the smallest lane takes no record of {most} bytes, only {RECORD_BYTES_MAX}"));
    }
    for record in (0..500).map(|seed| state.sample(seed)) {
        if record.first().is_none_or(|tag| state.kinds().iter().all(|(kind, _)| kind != tag)) {
            note(format!("it makes a record with the tag {:?}, which it does not declare", record.first()));
        }
        if record.len() > most {
            note(format!("it makes a record of {} bytes and declares {most}", record.len()));
        }
    }
}

/// Notes settings that can't be told from others, or whose default is not allowed.
fn faults_of_settings(declared: &Declaration, note: &mut impl FnMut(String)) {
    for setting in declared.settings {
        // The oldest limits stand among the server's, and the canvas is what people see of the pixels.
        let is_known = declared.name == "pixel" && ["limits", "canvas"].contains(&setting.table());
        let is_kept = setting.flag == Flag::Keep && setting.key == format!("keep.{}", declared.name);
        if !is_known && !is_kept && setting.table() != declared.name {
            note(format!("{} is not in the table of its name", setting.key));
        }
        if setting.form.read(&setting.preset(&Values::default(), 1)).is_none() {
            note(format!("the default of {} is not allowed", setting.key));
        }
    }
}

/// Returns the application of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Declaration> {
    ALL.0.iter().find(|app| app.name == name).copied()
}

/// Returns the names of all applications.
#[must_use]
pub fn names() -> Vec<&'static str> {
    ALL.0.iter().map(|app| app.name).collect()
}

/// Returns the names of the applications that are served where nobody says which are.
#[must_use]
pub fn usual_names() -> Vec<&'static str> {
    ALL.0.iter().filter(|app| app.is_usual).map(|app| app.name).collect()
}

/// Returns the settings of all applications.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    ALL.0.iter().flat_map(|app| app.settings.iter().copied())
}

/// Returns the applications of these names, made with these values; unknown names are passed over.
#[must_use]
pub fn with(names: &[&str], values: &Values, tools: &Tools) -> Apps {
    ALL.with(names, values, tools)
}

/// Every application as it is unless something is set. Made once: applications compress their pages when they are made, and
/// every snapshot begins with empty states.
static AS_USUAL: LazyLock<Apps> = LazyLock::new(|| ALL.as_usual());

/// Returns every application as it is unless something is set.
#[must_use]
pub fn all() -> Apps {
    AS_USUAL.clone()
}

/// Returns the names of the applications that have a page of their own to be shown at `/`.
#[must_use]
pub fn roots() -> Vec<&'static str> {
    let has_home = |app: &&Arc<dyn App>| app.routes().iter().any(|route| route.path == HOME_PATH);
    AS_USUAL.iter().filter(has_home).map(|app| app.name()).collect()
}

/// Returns the empty states of all applications, of those too that are not served: what they keep must outlast a start
/// without them.
#[must_use]
pub fn new_applied() -> Applied {
    application::empty_states(&AS_USUAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::kinds::Kinds;

    #[test]
    fn applications_keep_apart_and_their_records_fit_into_the_smallest_lane() {
        assert_eq!(ALL.faults(), Vec::<String>::new());
    }

    #[test]
    fn what_records_are_is_said_once() {
        let applied = new_applied();
        let mut names: Vec<&str> = (0..=u8::MAX).filter_map(|tag| applied.name_of(tag)).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert!(all > 10 && names.len() == all, "two rows of `pixeld inspect` would look the same");
    }

    #[test]
    fn what_an_application_must_not_do_is_found() {
        static TWICE: Registry = Registry(&[&pex::DECLARATION, &pex::DECLARATION]);
        static FOREIGN: Declaration = Declaration { name: "fax", ..pex::DECLARATION };
        static RENAMED: Registry = Registry(&[&FOREIGN]);
        let twice = TWICE.faults();
        assert!(twice.contains(&"pex: pex has its name or its id".to_owned()), "{twice:?}");
        assert!(twice.contains(&"pex: the tag 0x21 is pex's, too".to_owned()), "{twice:?}");
        let renamed = ["fax: it calls itself pex", "fax: pex.max_position is not in the table of its name"];
        assert_eq!(RENAMED.faults(), renamed);
    }

    #[test]
    fn what_the_first_program_understood_is_understood() {
        assert!(new_applied().kinds().covers(&Kinds::FIRST.with(&[tag::TIME_HEALED])));
    }

    #[test]
    fn routes_are_what_they_should_be() {
        for app in all() {
            for route in app.routes() {
                assert!(route.path.starts_with('/') && !route.summary.is_empty(), "{}", route.path);
            }
        }
    }
}
