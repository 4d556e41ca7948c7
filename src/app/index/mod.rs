//! The index page: what this host serves and its live figures, and `/docs`, which describes each call to people.
//!
//! The pages work without a build step and without any other host, under a policy that allows nothing else. `page.rs` puts the
//! index together from what applications declare, `reference/` makes `/docs` from the routes' descriptions.

mod page;
mod reference;

use crate::base::tag;
use crate::http::caching::Caching;
use crate::http::method::Method;

use super::answer::JSON;
use super::application::{Action, App, Apps, Request, Route, View};
use super::files::File;
use super::openapi::{self, Section};
use super::router::INDEX;
use super::state::State;

/// The index page of one set of applications, with the description of their calls.
#[derive(Debug)]
pub struct Index {
    files: [File; ROUTES.len()],
}

const PAGE: u8 = 0;
const REFERENCE: u8 = 1;

static ROUTES: [Route; 9] = [
    route("/", PAGE, "The index page"),
    route("/docs", REFERENCE, "Describes every call to people"),
    route("/openapi.json", 2, "Describes every call to programs (OpenAPI)"),
    route("/index.css", 3, "The index page's style sheet"),
    route("/index.js", 4, "The script of its forms"),
    route("/figures.js", 5, "The script of its live figures"),
    route("/docs.css", 6, "The description's style sheet"),
    route("/docs.js", 7, "The description's script"),
    route("/token.js", 8, "The script of all pages that sends the token"),
];

const fn route(path: &'static str, endpoint: u8, summary: &'static str) -> Route {
    Route { operation: openapi::FILE, ..Route::new(Method::Get, path, endpoint, summary) }.open()
}

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' blob: data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

impl Index {
    /// Returns the index of these applications and of itself.
    #[must_use]
    pub fn new(apps: &Apps) -> Self {
        let sections = sections(apps);
        let document = openapi::document(&sections);
        // In the order of the routes.
        let files = [
            file(HTML, page::page(apps)),
            file(HTML, reference::page(&sections, &document)),
            file(JSON, document.to_string()),
            file(STYLE, include_str!("index.css").to_owned()),
            file(SCRIPT, include_str!("index.js").to_owned()),
            file(SCRIPT, include_str!("figures.js").to_owned()),
            file(STYLE, include_str!("reference/docs.css").to_owned()),
            file(SCRIPT, include_str!("reference/docs.js").to_owned()),
            file(SCRIPT, include_str!("token.js").to_owned()),
        ];
        Self { files }
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
        let Some(file) = self.files.get(usize::from(endpoint)) else {
            return Action::Respond(self.not_found());
        };
        let answer = file.answer(request.head).with("Referrer-Policy", "no-referrer");
        let is_page = matches!(endpoint, PAGE | REFERENCE);
        Action::Respond(if is_page { answer.with("Content-Security-Policy", POLICY) } else { answer })
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
    let sections = apps.iter().map(|app| Section::of(&**app));
    sections.chain([Section { name: INDEX, routes: &ROUTES, schemas: "" }]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::registry;

    #[test]
    fn each_route_leads_to_its_file() {
        for (place, route) in ROUTES.iter().enumerate() {
            assert_eq!(usize::from(route.endpoint), place, "{}", route.path);
        }
        assert_eq!((ROUTES[usize::from(PAGE)].path, ROUTES[usize::from(REFERENCE)].path), ("/", "/docs"));
    }

    #[test]
    fn pages_hold_no_inline_script_and_no_inline_style() {
        let apps = registry::all();
        let sections = sections(&apps);
        for page in [page::page(&apps), reference::page(&sections, &openapi::document(&sections))] {
            for part in page.split("<script").skip(1) {
                let tag = part.split("</script>").next().unwrap();
                assert!(tag.contains(" src=\"/") && tag.ends_with('>'), "{tag}");
            }
            assert!(!page.contains("style=") && !page.contains("<style") && !page.contains(" onclick"));
            // A command that is shown may quote an address; an attribute may not name one.
            let elsewhere = page
                .split("=\"")
                .skip(1)
                .find(|value| value.starts_with("http") && !value.contains("w3.org"));
            let elsewhere = elsewhere.map(|value| value.split('"').next());
            assert_eq!(elsewhere, None, "everything is from here");
        }
    }
}
