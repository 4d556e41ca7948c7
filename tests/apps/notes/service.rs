//! The routes of notes.

use pixeld::app::answer;
use pixeld::app::application::{Action, App, Body, Request, Route, View};
use pixeld::app::state::State;
use pixeld::http::method::Method;
use pixeld::http::response::Response;
use pixeld::log::format::record;

use super::settings::MAX_BYTES;
use super::state::{APP, NOTE, NotesState};

const HOME: u8 = 0;
const POST: u8 = 1;
const LIST: u8 = 2;

static ROUTES: [Route; 3] = [
    Route::new(Method::Get, "/", HOME, "The page of the notes"),
    Route {
        body: Body::Whole(|limits| limits.apps.size(&MAX_BYTES)),
        ..Route::new(Method::Post, "/notes", POST, "Keeps a note")
    },
    Route::new(Method::Get, "/notes", LIST, "Lists the notes"),
];

/// The application.
pub struct Notes;

impl App for Notes {
    fn name(&self) -> &'static str {
        "notes"
    }

    fn id(&self) -> u8 {
        APP
    }

    fn routes(&self) -> &'static [Route] {
        &ROUTES
    }

    fn handle(&self, endpoint: u8, request: &Request<'_>, view: &View<'_>) -> Action {
        match endpoint {
            HOME => Action::Respond(Response::new(200, "text/html", "<!DOCTYPE html><title>Notes</title>")),
            POST => {
                let mut records = Vec::new();
                record::push(&mut records, NOTE, request.body);
                Action::Append { records, response: answer::json(200, "{\"status\": \"kept\"}") }
            }
            LIST => {
                let applied = view.applied();
                let lines = applied.state::<NotesState>().map(NotesState::lines).unwrap_or_default();
                Action::Respond(Response::new(200, "text/plain", lines))
            }
            _ => Action::Respond(self.not_found()),
        }
    }

    fn new_state(&self) -> Option<Box<dyn State>> {
        Some(Box::new(NotesState::default()))
    }
}
