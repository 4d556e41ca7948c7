//! The index page: what this host serves, made from the routes, and its live figures.
//!
//! The page works without a build step and without any other host: one document, one style sheet, one script, under
//! a policy that allows nothing else.

use std::fmt::Write;

use crate::base::tag;
use crate::http::caching::Caching;
use crate::http::method::Method;

use super::answer::JSON;
use super::application::{Action, App, Apps, Request, Route, View};
use super::files::File;
use super::openapi::{self, Section};
use super::router::{HOME_PATH, INDEX};
use super::state::State;

/// The index page of one set of applications, with the OpenAPI document.
#[derive(Debug)]
pub struct Index {
    page: File,
    style: File,
    script: File,
    document: File,
}

const PAGE: u8 = 0;
const STYLE: u8 = 1;
const SCRIPT: u8 = 2;
const DOCUMENT: u8 = 3;

static ROUTES: [Route; 4] = [
    route("/", PAGE, "This page"),
    route("/openapi.json", DOCUMENT, "Describes all of this to programs (OpenAPI)"),
    route("/index.css", STYLE, "This page's style sheet"),
    route("/index.js", SCRIPT, "This page's script"),
];

const fn route(path: &'static str, endpoint: u8, summary: &'static str) -> Route {
    Route { operation: openapi::FILE, ..Route::new(Method::Get, path, endpoint, summary) }
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

impl Index {
    /// Returns the index of these applications and of itself.
    #[must_use]
    pub fn new(apps: &Apps) -> Self {
        let sections = sections(apps);
        Self {
            page: file("text/html; charset=utf-8", page(&cards(apps), &sections)),
            style: file("text/css; charset=utf-8", include_str!("index.css").to_owned()),
            script: file("text/javascript; charset=utf-8", include_str!("index.js").to_owned()),
            document: file(JSON, openapi::document(&sections)),
        }
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

    fn handle(&self, endpoint: u8, request: &Request<'_>, _view: &View<'_>) -> Action {
        let answer = |file: &File| file.answer(request.head).with("Referrer-Policy", "no-referrer");
        Action::Respond(match endpoint {
            PAGE => answer(&self.page).with("Content-Security-Policy", POLICY),
            STYLE => answer(&self.style),
            SCRIPT => answer(&self.script),
            DOCUMENT => answer(&self.document),
            _ => self.not_found(),
        })
    }

    fn new_state(&self) -> Option<Box<dyn State>> {
        None
    }
}

/// Returns a file that changes with the binary and the applications it serves; nothing in its name says so. There is one index in a
/// process, and it lives as long.
fn file(content_type: &'static str, text: String) -> File {
    File::new(content_type, text.leak().as_bytes(), Caching::Revalidated).undated()
}

fn sections(apps: &Apps) -> Vec<Section> {
    let sections = apps.iter().map(|app| Section { name: app.name(), routes: app.routes() });
    sections.chain([Section { name: INDEX, routes: &ROUTES }]).collect()
}

/// Returns the cards of the applications, in their order.
fn cards(apps: &Apps) -> Vec<&'static str> {
    apps.iter().map(|app| app.card()).filter(|card| !card.is_empty()).collect()
}

fn page(cards: &[&str], sections: &[Section]) -> String {
    let mut html = String::from(include_str!("head.html"));
    if !cards.is_empty() {
        html.push_str("<div class=\"cards\">\n");
        cards.iter().for_each(|card| html.push_str(&format!("<section class=\"card\">\n{card}</section>\n")));
        html.push_str("</div>\n");
    }
    html.push_str(include_str!("figures.html"));
    for section in sections {
        let _ = write!(html, "<h3>{}</h3>\n<ul>\n", section.name);
        // The homes of the applications are seen at their own listeners.
        let is_home = |route: &Route| route.path == HOME_PATH && section.name != INDEX;
        for route in section.routes.iter().filter(|route| !is_home(route) && !is_part(route)) {
            html.push_str(&line(route));
        }
        html.push_str("</ul>\n");
    }
    html.push_str(include_str!("foot.html"));
    html
}

/// Returns whether a route is a file that a page loads by itself: nobody looks for it in a list.
fn is_part(route: &Route) -> bool {
    [".css", ".js", ".svg", ".png"].iter().any(|end| route.path.ends_with(end))
}

/// Returns a route's line; a link where a browser can follow it and whoever follows it changes nothing and waits for nothing.
fn line(route: &Route) -> String {
    let (path, summary) = (route.path, route.summary);
    let method = route.method.map_or("any", Method::as_str);
    let is_read = route.method == Some(Method::Get) && !route.writes && !route.waits;
    let is_link = is_read && !path.contains('{');
    let shown = if is_link { format!("<a href=\"{path}\">{path}</a>") } else { path.to_owned() };
    format!("<li><code><b>{method}</b> {shown}</code> <span>{summary}</span></li>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::declaration::Tools;
    use crate::apps::registry;
    use crate::base::setting::Values;

    /// Routes of which a GET logs something, and one that is held: no link may lead to them.
    const CHANGING: [&str; 7] = [
        "/next",
        "/previous",
        "/reset",
        "/api/products",
        "/api/orders/do",
        "/board/events",
        "/api/misc/heavy",
    ];

    #[test]
    fn the_page_names_every_route_and_holds_no_inline_script() {
        let apps = registry::all();
        let sections = sections(&apps);
        let (page, document) = (page(&cards(&apps), &sections), openapi::document(&sections));
        for route in apps.iter().flat_map(|app| app.routes()).filter(|route| route.path != HOME_PATH) {
            assert_eq!(page.contains(route.summary), !is_part(route), "{}", route.path);
        }
        assert!(page.contains("<a href=\"/pixels/count\">"));
        assert!(!page.contains("<a href=\"/pixel\">"), "no link to what only POST has");
        assert!(page.contains("<script src=\"/index.js\" defer></script>"));
        assert_eq!(page.matches("<script").count(), 1);
        assert!(!page.contains("style=") && !page.contains("<style"), "the policy forbids it");
        assert!(document.contains("/openapi.json"));
    }

    #[test]
    fn what_changes_something_is_a_button_and_never_a_link() {
        let apps = registry::all();
        let sections = sections(&apps);
        let page = page(&cards(&apps), &sections);
        let routes = || apps.iter().flat_map(|app| app.routes());
        for path in CHANGING {
            assert!(routes().any(|route| route.path == path), "{path} is a route");
            assert!(!page.contains(&format!("href=\"{path}\"")), "{path}");
        }
        for target in page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let is_changing =
                |route: &Route| route.method == Some(Method::Get) && (route.writes || route.waits);
            let path = target.split('?').next().unwrap();
            assert!(!routes().any(|route| route.path == path && is_changing(route)), "{target}");
        }
        let forms: Vec<&str> =
            page.split("<form ").skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
        assert_eq!(forms.len(), apps.len() - 1, "each but the mirror has a form to try");
        assert!(forms.iter().all(|form| form.starts_with("method=\"post\" action=\"/")), "{forms:?}");
        // What is not served has no card.
        assert!(cards(&registry::with(&["echo"], &Values::default(), &Tools::default())).is_empty());
    }
}
