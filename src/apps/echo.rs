//! A mirror for conformance suites: any method and any path answer 200 with the request's body. Off unless asked for.

use std::sync::Arc;

use crate::http::method::Method;
use crate::http::response::Response;

use super::declaration::Declaration;
use crate::app::application::{Action, App, Body, Request, Route, View};
use crate::app::state::State;

/// The mirror. It keeps nothing.
#[derive(Debug)]
struct Echo;

/// What the registry knows of the application.
pub static DECLARATION: Declaration =
    Declaration { name: "echo", is_usual: false, settings: &[], make: |_, _| Arc::new(Echo) };

/// The high nibble of its tags, of which it has none.
pub(super) const APP: u8 = 13;
/// Bytes of a body that is sent back; a longer one is answered 413.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

static ROUTES: [Route; 1] = [Route {
    method: None,
    body: Body::Whole(|_| BODY_BYTES_MAX),
    ..Route::new(Method::Get, "/{*}", 0, "Answers with the request's body, whatever the method")
}];

impl App for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn id(&self) -> u8 {
        APP
    }

    fn routes(&self) -> &'static [Route] {
        &ROUTES
    }

    fn handle(&self, _endpoint: u8, request: &Request<'_>, _view: &View<'_>) -> Action {
        let response = Response::new(200, "", request.body);
        let content_type = request.head.header_text("content-type").unwrap_or("application/octet-stream");
        // A page that is sent here must not become a page of this host.
        let response = response.with("Content-Type", content_type).with("X-Content-Type-Options", "nosniff");
        Action::Respond(response.with("Content-Security-Policy", "sandbox"))
    }

    fn new_state(&self) -> Option<Box<dyn State>> {
        None
    }
}
