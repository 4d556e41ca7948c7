//! The index page: what this host serves, made from the routes, and its live figures.
//!
//! The page works without a build step and without any other host: one document, one style sheet, one script, under
//! a policy that allows nothing else.

use std::fmt::Write;

use crate::base::tag;
use crate::http::method::Method;
use crate::http::response::Response;

use super::answer;
use super::app::{Action, App, Apps, Request, Route, View};
use super::openapi::{self, Section};
use super::router::{HOME_PATH, INDEX};
use super::state::State;

/// The index page of one set of applications, with the OpenAPI document.
#[derive(Debug)]
pub struct Index {
    page: String,
    document: String,
}

const PAGE: u8 = 0;
const STYLE: u8 = 1;
const SCRIPT: u8 = 2;
const DOCUMENT: u8 = 3;

static ROUTES: [Route; 4] = [
    Route::new(Method::Get, "/", PAGE, "This page"),
    Route::new(Method::Get, "/openapi.json", DOCUMENT, "Describes all of this to programs (OpenAPI)"),
    Route::new(Method::Get, "/index.css", STYLE, "This page's style sheet"),
    Route::new(Method::Get, "/index.js", SCRIPT, "This page's script"),
];

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl Index {
    /// The index of these applications and of itself.
    #[must_use]
    pub fn new(apps: &Apps) -> Self {
        let sections = apps.iter().map(|app| Section { name: app.name(), routes: app.routes() });
        let sections: Vec<_> = sections.chain([Section { name: INDEX, routes: &ROUTES }]).collect();
        Self { page: page(&sections), document: openapi::document(&sections) }
    }
}

impl App for Index {
    fn name(&self) -> &'static str {
        INDEX
    }

    fn id(&self) -> u8 {
        tag::app::INDEX
    }

    fn routes(&self) -> &'static [Route] {
        &ROUTES
    }

    fn handle(&self, endpoint: u8, _request: &Request<'_>, _view: &View<'_>) -> Action {
        Action::Respond(match endpoint {
            PAGE => file("text/html; charset=utf-8", &self.page).with("Content-Security-Policy", POLICY),
            STYLE => file("text/css; charset=utf-8", include_str!("index.css")),
            SCRIPT => file("text/javascript; charset=utf-8", include_str!("index.js")),
            DOCUMENT => answer::json(200, self.document.as_str()),
            _ => self.not_found(),
        })
    }

    fn new_state(&self) -> Option<Box<dyn State>> {
        None
    }
}

/// The files change with the binary only, but nothing in their names says so.
fn file(content_type: &'static str, text: &str) -> Response {
    Response::new(200, content_type, text)
        .with("Cache-Control", "no-cache")
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
}

fn page(sections: &[Section]) -> String {
    let mut html = String::from(include_str!("head.html"));
    for section in sections {
        let _ = write!(html, "<section>\n<h2>{}</h2>\n<ul>\n", section.name);
        for route in section.routes {
            // The homes of the applications are seen at their own listeners.
            if route.path == HOME_PATH && section.name != INDEX {
                continue;
            }
            html.push_str(&line(route));
        }
        html.push_str("</ul>\n</section>\n");
    }
    html.push_str(include_str!("foot.html"));
    html
}

/// A route's line; a link where a browser can follow it.
fn line(route: &Route) -> String {
    let (path, summary) = (route.path, route.summary);
    let method = route.method.map_or("any", Method::as_str);
    let is_link = route.method == Some(Method::Get) && !path.contains('{');
    let shown = if is_link { format!("<a href=\"{path}\">{path}</a>") } else { path.to_owned() };
    format!("<li><code><b>{method}</b> {shown}</code> <span>{summary}</span></li>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::registry;

    #[test]
    fn the_page_names_every_route_and_holds_no_inline_script() {
        let index = Index::new(&registry::all());
        for app in registry::all() {
            for route in app.routes().iter().filter(|route| route.path != HOME_PATH) {
                assert!(index.page.contains(route.summary), "{}", route.path);
            }
        }
        assert!(index.page.contains("<a href=\"/pixels/count\">"));
        assert!(!index.page.contains("<a href=\"/pixel\">"), "no link to what only POST has");
        assert!(index.page.contains("<script src=\"/index.js\" defer></script>"));
        assert_eq!(index.page.matches("<script").count(), 1);
        assert!(!index.page.contains("style=") && !index.page.contains("<style"), "the policy forbids it");
        assert!(index.document.contains("/openapi.json"));
    }
}
